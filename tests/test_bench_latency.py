"""What the bench reads from bare exchanges and from the peers that measure latency."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import peers

CPUS = sorted(os.sched_getaffinity(0))

PRINTED = {
    "sockperf": ("sockperf: ---> percentile 75.000 =    8.587\nsockperf: ---> percentile 50.000 =    7.841\n", 15.682),
    "netperf": ("50th Percentile Latency Microseconds\n74\n", 74.0),
}


@pytest.mark.parametrize("peer", peers.ROUND_TRIPS, ids=lambda peer: peer.name)
def test_a_round_trip_is_read_in_us(peer: peers.Peer) -> None:
    """sockperf tells half of it, netperf the whole."""
    printed, us = PRINTED[peer.name]
    assert peer.goodput(printed) == pytest.approx(us)
    with pytest.raises(peers.PeerError, match="no latency"):
        peer.goodput("connection refused\n")


@pytest.mark.skipif(shutil.which("sockperf") is None, reason="sockperf, a peer of the bench, is not installed")
def test_a_peer_really_answers(tmp_path: Path) -> None:
    """A second of sockperf, with its server on a CPU of its own where there is one."""
    bulk = peers.Bulk(1, 64, "cubic", CPUS[0], tmp_path, CPUS[-1])
    with peers.Server(peers.ROUND_TRIPS[0], bulk) as server:
        assert server.goodput() > 0


@pytest.mark.parametrize("wait", ["block", "spin"])
def test_bare_exchanges_are_timed(program: Path, wait: str) -> None:
    """Median and mean of the exchanges behind the first sixteen."""
    loop = program.parent / "bench" / "bare_exchange"
    ended = subprocess.run([loop, "200", "64", str(CPUS[0]), str(CPUS[-1]), wait, "reno"], capture_output=True,
                           text=True, timeout=30, check=True)
    median_ns, mean_ns = (int(word) for word in ended.stdout.split())
    assert 0 < median_ns < 10**9 and 0 < mean_ns < 10**9
    assert subprocess.run([loop, "200"], capture_output=True, timeout=30, check=False).returncode == 2
