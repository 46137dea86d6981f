"""The bench: its statistics against scipy, its rounds, its verdicts, and what it reads from the peers."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness import bench, peers
from harness.bench import Row

CPU = min(os.sched_getaffinity(0))


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60))
def test_interval_of_median_holds_95_percent(values: list[float]) -> None:
    """The ranks are the innermost ones whose coverage, by scipy's binomial, is at least 95 %."""
    low, high = bench.interval_of_median(values)
    ordered, count = sorted(values), len(values)
    rank = next(k for k in range(count) if ordered[k] == low and ordered[-1 - k] == high)
    innermost = max(k for k in range(count) if 2 * stats.binom.cdf(k, count, 0.5) <= 0.05)
    assert ordered[innermost] == low and ordered[-1 - innermost] == high
    assert rank <= innermost


def test_interval_of_few_values_is_their_range() -> None:
    """Five values cannot bound a median with 95 %."""
    assert bench.interval_of_median([3.0, 1.0, 2.0, 5.0, 4.0]) == (1.0, 5.0)


def test_every_arm_runs_once_a_round_in_changing_order() -> None:
    """Rounds are complete, and shuffled from the seed."""
    order: list[str] = []
    arms = {name: (lambda name=name: float(order.append(name) or len(order))) for name in ("a", "b", "c")}
    found = bench.interleave(arms, 20, random.Random(1))
    rounds = [order[start:start + 3] for start in range(0, 60, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1
    assert [len(values) for values in found.values()] == [20, 20, 20]


@pytest.mark.parametrize(("values", "asked", "at_least", "verdict"), [
    ((0.98, 0.99, 1.0, 1.0, 1.01, 1.02), 0.97, True, "reached"),
    ((0.90, 0.91, 0.92, 0.93, 0.94, 0.95), 0.97, True, "not reached"),
    ((0.90, 0.98, 0.98, 0.99, 0.99, 1.0), 0.97, True, "reached (close)"),
    ((14.0, 14.1, 14.2, 14.3, 14.4, 14.5), 15.0, False, "reached"),
    ((1.0, 2.0, 3.0), None, True, "-"),
])
def test_verdict(values: tuple[float, ...], asked: float | None, at_least: bool, verdict: str) -> None:
    """By the median; close where the interval lies on both sides of what was asked."""
    row = Row("x", "ratio", values, asked, at_least)
    assert row.verdict == verdict
    assert verdict in bench.line(row)


def test_ratios_are_made_pair_by_pair() -> None:
    """The median of ratios is not the ratio of medians."""
    assert bench.ratios([1.0, 4.0], [2.0, 2.0]) == (0.5, 2.0)
    with pytest.raises(ValueError):
        bench.ratios([1.0], [1.0, 2.0])


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
    loop = bench.pair.find_tool().parent / "bench" / "bare_loop"
    for extra in ([], [str(Path(__file__).resolve())]):
        ended = subprocess.run([loop, "300001", "1000", "4096", str(CPU), "reno", *extra], capture_output=True,
                               text=True, timeout=30, check=True)
        count, elapsed_ns = (int(word) for word in ended.stdout.split())
        assert count == 300001 and elapsed_ns > 0
