"""The arms of the bench: tinygram, the bare loops, and what they and the peers are asked for."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import pair
from harness.peers import Bulk
from harness.quiet import Quiet
from harness.rounds import Arm, interleave
from harness.schema import HarnessError

WRITE_BYTES: Final = 128 << 10
MESSAGE_BYTES: Final = 64
CONGESTION: Final = "cubic"


class BenchError(HarnessError):
    """A measurement could not be made."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs: the program, a CPU, rounds, a seeded shuffler, a folder for files, some quiet.

    read_bytes: what the program reads at once when nothing else is said; the bare loop does the same.
    """

    tool: Path
    cpu: int
    read_bytes: int
    rounds: int
    shuffler: random.Random
    folder: Path
    quiet: Quiet

    def interleave(self, arms: Mapping[str, Arm], times: float = 1.0) -> dict[str, list[float]]:
        """`times` as many rounds as were asked for, at least 3."""
        return interleave(arms, max(3, round(times * self.rounds)), self.shuffler, self.quiet.wait)

    @property
    def loops(self) -> Path:
        """Where the bare loops were compiled to."""
        return self.tool.parent / "bench"


def trial(bench: Bench, arguments: Sequence[str]) -> pair.Outcome:
    """One pair; raises BenchError with the tool's own sentence when the trial failed."""
    outcome = pair.run(bench.tool, arguments)
    if outcome.document.get("status") != 0:
        raise BenchError(f"a trial failed: {outcome.document.get('error')} ({' '.join(arguments)})")
    return outcome


def tool_goodput(bench: Bench, *arguments: str) -> Arm:
    """An arm: goodput of one pair on one CPU in bytes a second."""
    every = ("--congestion", CONGESTION, "--cpus", "same", *arguments)
    return lambda: float(trial(bench, every).document["result"]["goodput_bytes_per_s"])


def bare_goodput(bench: Bench, length_bytes: int, file: Path | None = None) -> Arm:
    """An arm: goodput of the bare loop (of sendfile with a file) in bytes a second."""
    command = [str(bench.loops / "bare_loop"), str(length_bytes), str(WRITE_BYTES), str(bench.read_bytes),
               str(bench.cpu), CONGESTION, *([str(file)] if file else [])]

    def run() -> float:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if ended.returncode != 0:
            raise BenchError(f"the bare loop failed: {ended.stderr.strip()} ({' '.join(command)})")
        count, elapsed_ns = (int(word) for word in ended.stdout.split())
        return count / elapsed_ns * 1e9
    return run


def bulk(bench: Bench, length_bytes: int) -> Bulk:
    """What the peers are asked for."""
    return Bulk(length_bytes, WRITE_BYTES, CONGESTION, bench.cpu, bench.loops / "preload_congestion.so")


def exchanges(bench: Bench, count: int, *arguments: str) -> dict[str, Any]:
    """The result of some exchanges of 64 bytes each way."""
    every = ("--pattern", f"w{MESSAGE_BYTES},r{MESSAGE_BYTES}", "--count", str(count), "--congestion", CONGESTION)
    result: dict[str, Any] = trial(bench, (*every, *arguments)).document["result"]
    return result


def tool_round_trip(bench: Bench, count: int, *arguments: str) -> Arm:
    """An arm: the median exchange in us."""
    return lambda: float(exchanges(bench, count, *arguments)["latency_ns"]["p50"]) / 1e3


def bare_round_trip(bench: Bench, count: int, cpus: tuple[int, int], wait: str) -> Arm:
    """An arm: the median exchange of the bare loop in us."""
    command = [str(bench.loops / "bare_exchange"), str(count), str(MESSAGE_BYTES), *map(str, cpus), wait, CONGESTION]

    def run() -> float:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if ended.returncode != 0:
            raise BenchError(f"the bare loop failed: {ended.stderr.strip()} ({' '.join(command)})")
        return int(ended.stdout.split()[0]) / 1e3
    return run


def placement(bench: Bench, cpus: str) -> tuple[int, int]:
    """The CPUs that --cpus chooses for sender and receiver."""
    found = trial(bench, ("--bytes", "1", "--cpus", cpus)).document["setting"]["placement"]
    return int(found["sender"][0]), int(found["receiver"][0])
