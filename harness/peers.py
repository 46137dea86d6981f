"""The programs that tinygram is measured against: how each is started, asked for one bulk transfer, and read.

Each peer is a server process, pinned to one CPU and listening on loopback, and a client process a round, pinned to the
same CPU. A peer without an option for the congestion control gets it through preload_congestion.so (tool/bench).
Nothing is installed here, and every server that was started is ended by its own process id.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.schema import HarnessError

READY_S: Final = 5.0  # a server that does not listen by then is broken
CLIENT_S: Final = 60.0  # a client that has not ended by then is ended
_LISTEN: Final = "0A"  # the state of a listening socket in /proc/net/tcp


class PeerError(HarnessError):
    """A peer did not start, did not end, or answered what cannot be read."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What every peer is asked for. preload: the library for peers without an option for the congestion control.

    cpu: the CPU, or the list of CPUs, that server and client may use. server_cpu: the server's own, if it has one.
    """

    bytes: int
    write_bytes: int
    congestion: str
    cpu: int | str
    preload: Path
    server_cpu: int | str | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """One program and how it is used.

    server: arguments of its server, from two free ports. client: arguments of one transfer, from the ports and what is
    asked for. goodput: bytes a second from what the client printed. preload: it has no option for the congestion
    control. package: what Debian calls it.
    """

    name: str
    commands: tuple[str, ...]
    package: str
    server: Callable[[int, int], list[str]]
    client: Callable[[int, int, Bulk], list[str]]
    goodput: Callable[[str], float]
    preload: bool

    def is_there(self) -> bool:
        """Whether its programs are installed."""
        return all(shutil.which(command) for command in self.commands)


def _iperf3_client(port: int, _: int, bulk: Bulk) -> list[str]:
    return ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", str(bulk.bytes), "-l", str(bulk.write_bytes), "-C",
            bulk.congestion, "-J"]


def _iperf3_goodput(printed: str) -> float:
    return float(json.loads(printed)["end"]["sum_received"]["bits_per_second"]) / 8


def _qperf_client(port: int, _: int, bulk: Bulk) -> list[str]:
    # By time: with a number of messages (-n) qperf 0.4.11 does not end.
    return ["qperf", "-lp", str(port), "127.0.0.1", "-uu", "-m", str(bulk.write_bytes), "-t", "1", "tcp_bw"]


def _nuttcp_client(port: int, data_port: int, bulk: Bulk) -> list[str]:
    return ["nuttcp", "-fparse", "-P", str(port), "-p", str(data_port), f"-l{bulk.write_bytes}",
            f"-n{bulk.bytes // bulk.write_bytes}", "127.0.0.1"]


def _netperf_client(port: int, _: int, bulk: Bulk) -> list[str]:
    return ["netperf", "-4", "-H", "127.0.0.1", "-p", str(port), "-P", "0", "-v", "0", "-t", "TCP_STREAM", "-l",
            str(-bulk.bytes), "--", "-m", str(bulk.write_bytes), "-M", str(bulk.write_bytes)]


def _number(pattern: str, unit: float) -> Callable[[str], float]:
    def find(printed: str) -> float:
        found = re.search(pattern, printed)
        if not found:
            raise PeerError(f"no goodput in what it printed: {printed.strip()[:200]!r}.")
        return float(found[1]) * unit
    return find


IPERF3: Final = Peer("iperf3", ("iperf3",), "iperf3",
                     lambda port, _: ["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)],
                     _iperf3_client, _iperf3_goodput, preload=False)
PEERS: Final = (
    IPERF3,
    Peer("netperf", ("netperf", "netserver"), "netperf (non-free)",
         lambda port, _: ["netserver", "-D", "-4", "-L", "127.0.0.1", "-p", str(port)],
         _netperf_client, _number(r"([\d.]+)", 1e6 / 8), preload=True),
    Peer("qperf", ("qperf",), "qperf",
         lambda port, _: ["qperf", "-lp", str(port)],
         _qperf_client, _number(r"bw\s*=\s*(\d+) bytes/sec", 1.0), preload=True),
    Peer("nuttcp", ("nuttcp",), "nuttcp",
         lambda port, data_port: ["nuttcp", "-S", "--nofork", "-P", str(port), "-p", str(data_port)],
         _nuttcp_client, _number(r"rate_Mbps=([\d.]+)", 1e6 / 8), preload=True),
)


def _round_trip(pattern: str, times: float) -> Callable[[str], float]:
    """Reads a latency in us; `times` makes a round trip of it."""
    def find(printed: str) -> float:
        found = re.search(pattern, printed, re.MULTILINE)
        if not found:
            raise PeerError(f"no latency in what it printed: {printed.strip()[-200:]!r}.")
        return float(found[1]) * times
    return find


# The median round trip of a message and a reply of as many bytes, in us. sockperf reports half of it.
ROUND_TRIPS: Final = (
    Peer("sockperf", ("sockperf",), "sockperf",
         lambda port, _: ["sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", str(port)],
         lambda port, _, bulk: ["sockperf", "ping-pong", "--tcp", "-i", "127.0.0.1", "-p", str(port), "-m",
                                str(bulk.write_bytes), "-t", "1"],
         _round_trip(r"percentile 50\.000 *= *([\d.]+)", 2.0), preload=False),
    Peer("netperf", ("netperf", "netserver"), "netperf (non-free)",
         lambda port, _: ["netserver", "-D", "-4", "-L", "127.0.0.1", "-p", str(port)],
         lambda port, _, bulk: ["netperf", "-4", "-H", "127.0.0.1", "-p", str(port), "-P", "0", "-t", "TCP_RR", "-l",
                                "1", "--", "-r", f"{bulk.write_bytes},{bulk.write_bytes}", "-o", "P50_LATENCY"],
         _round_trip(r"^([\d.]+)$", 1.0), preload=False),
)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody on this host listens on a TCP port. Connecting to see would use up a one-client server."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[1].endswith(wanted) and columns[3] == _LISTEN:
                return True
    return False


class Server:
    """A peer's server while the `with` block lasts, pinned, listening, and ended with all its children after it."""

    def __init__(self, peer: Peer, bulk: Bulk) -> None:
        self.peer = peer
        self._bulk = bulk
        self._ports = (free_port(), free_port())
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = self._pinned(self.peer.server(*self._ports), at_server=True)
        self._process = subprocess.Popen(command, env=self._environment(), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + READY_S
        while not listens(self._ports[0]):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise PeerError(f"the server of {self.peer.name} does not listen on port {self._ports[0]}.")
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server, and what it has started, and waits for it."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(timeout=2.0)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        self._process = None

    def goodput(self, extra: Sequence[str] = ()) -> float:
        """One transfer by a client of its own; bytes a second as the peer counts them. extra: more arguments."""
        command = self._pinned([*self.peer.client(*self._ports, self._bulk), *extra])
        try:
            ended = subprocess.run(command, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True,
                                   text=True, timeout=CLIENT_S, check=False)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self.peer.name} was not over after {CLIENT_S:g} s.") from None
        if ended.returncode != 0:
            said = (ended.stderr or ended.stdout).strip()[:200]
            raise PeerError(f"{self.peer.name} ended with status {ended.returncode}: {said}.")
        return self.peer.goodput(ended.stdout)

    def _pinned(self, command: list[str], at_server: bool = False) -> list[str]:
        own = self._bulk.server_cpu if at_server else None
        return ["taskset", "--cpu-list", str(self._bulk.cpu if own is None else own), *command]

    def _environment(self) -> dict[str, str]:
        own = {"LD_PRELOAD": str(self._bulk.preload), "BENCH_CONGESTION": self._bulk.congestion}
        return {**os.environ, **(own if self.peer.preload else {})}
