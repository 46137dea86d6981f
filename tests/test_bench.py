"""The bench: the line of a row, the bare loop, and what it reads from the peers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from harness import bench, pair, peers
from harness.rounds import Row

CPU = min(os.sched_getaffinity(0))


@pytest.mark.parametrize(("values", "asked", "verdict"), [
    ((0.98, 0.99, 1.0, 1.0, 1.01, 1.02), 0.97, "reached"), ((1.0, 2.0, 3.0), None, "-")])
def test_a_line_tells_the_verdict(values: tuple[float, ...], asked: float | None, verdict: str) -> None:
    """The last word of a row."""
    assert bench.line(Row("x", "ratio", values, asked)).endswith(f"  {verdict}")


PRINTED = {
    "iperf3": ('{"end": {"sum_received": {"bits_per_second": 8e9}}}', 1e9),
    "netperf": ("32000.00\n", 4e9),
    "qperf": ("tcp_bw:\n    bw  =  4080664576 bytes/sec\n", 4080664576.0),
    "nuttcp": ("megabytes=512.0 real_seconds=0.16 rate_Mbps=16000.0 tx_cpu=5 rx_cpu=82 retrans=0 rtt_ms=0.06\n", 2e9),
}


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_goodput_is_read_in_bytes_a_second(peer: peers.Peer) -> None:
    """Each peer has its own unit."""
    printed, bytes_per_s = PRINTED[peer.name]
    assert peer.goodput(printed) == pytest.approx(bytes_per_s)


@pytest.mark.parametrize("peer", peers.PEERS[1:], ids=lambda peer: peer.name)
def test_an_answer_without_a_number_is_an_error(peer: peers.Peer) -> None:
    """A missing number is never 0."""
    with pytest.raises(peers.PeerError, match="no goodput"):
        peer.goodput("tcp_bw: failed to connect\n")


def test_a_listening_port_is_seen_without_connecting() -> None:
    """The probe does not use up a server that serves one client."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert not peers.listens(port)
        listener.listen()
        listener.setblocking(False)
        assert peers.listens(port)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_server_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was started is left running, and what does not listen is an error."""
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"]
    silent = peers.Peer("silent", ("sh",), "sh", lambda port, _: command, lambda port, _, bulk: [], float, False)
    bulk = peers.Bulk(1, 1, "cubic", CPU, tmp_path)
    monkeypatch.setattr(peers, "READY_S", 0.5)
    with pytest.raises(peers.PeerError, match="does not listen"), peers.Server(silent, bulk):
        pass
    child = int(pid_file.read_text(encoding="ascii"))
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text(encoding="ascii").split()[2] == "Z"


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3, a peer of the bench, is not installed")
def test_a_peer_really_answers(tmp_path: Path) -> None:
    """One small transfer by iperf3, if it is here: started, asked, read, ended."""
    bulk = peers.Bulk(1 << 28, 1 << 17, "reno", CPU, tmp_path)
    with peers.Server(peers.IPERF3, bulk) as server:
        assert server.goodput() > 0


def test_bare_loop_counts_every_byte() -> None:
    """The bare loop tells the bytes it was asked for and a time above 0, for a buffer and for a file."""
    loop = pair.find_tool().parent / "bench" / "bare_loop"
    for extra in ([], [str(Path(__file__).resolve())]):
        ended = subprocess.run([loop, "300001", "1000", "4096", str(CPU), "reno", *extra], capture_output=True,
                               text=True, timeout=30, check=True)
        count, elapsed_ns = (int(word) for word in ended.stdout.split())
        assert count == 300001 and elapsed_ns > 0
