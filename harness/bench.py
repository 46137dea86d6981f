"""make bench: what tinygram claims of itself, measured against bare loops and against its peers.

Every claim is a list of ratios or of durations, one a round. Within a round each arm runs once, in shuffled order, so
that drift hits all arms alike; a ratio is always made of two numbers of one round. A row shows the median, the 95 %
interval of the median and the range. These numbers hold for this machine and this hour: nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from harness import pair
from harness.experiment import ROOT
from harness.peers import IPERF3, PEERS, ROUND_TRIPS, Bulk, Server
from harness.schema import HarnessError

SCHEMA: Final = "tinygram-bench/1"
MIB: Final = 1 << 20
GIB: Final = 1 << 30
WRITE_BYTES: Final = 128 << 10
CONGESTION: Final = "cubic"
CONFIDENCE: Final = 0.95

Arm = Callable[[], float]


class BenchError(HarnessError):
    """A measurement could not be made."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. asked: None where nothing was promised. values: one a round, in `unit`."""

    claim: str
    unit: str
    values: tuple[float, ...]
    asked: float | None = None
    at_least: bool = True

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """reached or not reached, by the median; clear only where the whole interval lies on that side."""
        if self.asked is None:
            return "-"
        low, high = interval_of_median(self.values)
        reached = self.median >= self.asked if self.at_least else self.median <= self.asked
        clear = (low < self.asked) == (high < self.asked)
        return ("reached" if reached else "not reached") + ("" if clear else " (close)")


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """The shortest symmetric pair of order statistics that holds the median in at least 95 % of all samples.

    values: independent, of any distribution. Returns the range where the sample is too small for that (n < 6).
    Source: Conover, Practical Nonparametric Statistics, 3.2 (binomial interval of a quantile).
    """
    ordered = sorted(values)
    count, rank = len(ordered), 0
    while 2 * sum(math.comb(count, k) for k in range(rank + 2)) / 2**count <= 1 - CONFIDENCE:
        rank += 1
    return ordered[rank], ordered[-1 - rank]


def interleave(arms: Mapping[str, Arm], rounds: int, shuffler: random.Random,
               before: Callable[[], object] = lambda: None) -> dict[str, list[float]]:
    """Runs every arm once a round, in shuffled order; `before` is called before each.

    Returns each arm's numbers in the order of the rounds.
    """
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name in shuffler.sample(sorted(arms), len(arms)):
            before()
            found[name].append(arms[name]())
    return found


class Quiet:
    """Waits until nobody else works, and counts how often that was in vain.

    Looks at /proc/stat for LOOK_S; all CPUs together may be busy for a tenth of one CPU. Never waits longer than
    `patience_s` in all: on a machine that never rests the numbers are taken as they come, and the table says so.
    """

    LOOK_S: Final = 0.03
    BUSY: Final = 0.1

    def __init__(self, patience_s: float) -> None:
        self.asked = 0
        self.disturbed = 0
        self._left_s = patience_s

    def wait(self) -> None:
        """Returns when it is quiet, or when the patience is used up."""
        self.asked += 1
        while self._busy() > self.BUSY:
            self._left_s -= self.LOOK_S
            if self._left_s <= 0:
                self.disturbed += 1
                return

    def _busy(self) -> float:
        """CPUs in use by anybody, on average over LOOK_S."""
        before = self._busy_ticks()
        time.sleep(self.LOOK_S)
        return (self._busy_ticks() - before) / os.sysconf("SC_CLK_TCK") / self.LOOK_S

    @staticmethod
    def _busy_ticks() -> int:
        user, nice, system, _, _, irq, softirq, steal = (
            int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9])
        return user + nice + system + irq + softirq + steal


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Ratios pair by pair: both numbers of a ratio come from one round."""
    return tuple(a / b for a, b in zip(above, below, strict=True))


# ---------------------------------------------------------------------------------------------------------------------
# Arms


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


# ---------------------------------------------------------------------------------------------------------------------
# Claims


def goodput_rows(bench: Bench) -> Iterator[Row]:
    """128 KiB writes, 2 GiB, one CPU: against the bare loop and each peer that is installed."""
    length = 2 * GIB
    with ExitStack() as stack:
        arms = {"tool": tool_goodput(bench, "--bytes", str(length), "--write-size", str(WRITE_BYTES)),
                "bare": bare_goodput(bench, length)}
        for peer in PEERS:
            if peer.is_there():
                arms[peer.name] = stack.enter_context(Server(peer, bulk(bench, length))).goodput
        found = bench.interleave(arms)
    for name in sorted(found):
        yield Row(f"goodput of {name}, 2 GiB in 128 KiB writes", "GB/s", tuple(value / 1e9 for value in found[name]))
    yield Row("goodput against the bare write/read loop", "ratio", ratios(found["tool"], found["bare"]), 0.97)
    for name in sorted(set(found) - {"tool", "bare"}):
        yield Row(f"goodput against {name}", "ratio", ratios(found["tool"], found[name]), 1.0)


def sendfile_rows(bench: Bench) -> Iterator[Row]:
    """--send-with sendfile of a real file of 1 GiB: against iperf3 -Z, with and without a file."""
    length = GIB
    file = real_file(bench.folder / "file", length)
    with ExitStack() as stack:
        arms = {"tool": tool_goodput(bench, "--file", str(file), "--write-size", str(WRITE_BYTES), "--send-with",
                                     "sendfile"),
                "bare": bare_goodput(bench, length, file)}
        if IPERF3.is_there():
            server = stack.enter_context(Server(IPERF3, bulk(bench, length)))
            arms["iperf3 -Z"] = lambda: server.goodput(("-Z",))
            arms["iperf3 -Z -F"] = lambda: server.goodput(("-Z", "-F", str(file)))
        found = bench.interleave(arms)
    for name in sorted(found):
        yield Row(f"sendfile of {name}, 1 GiB", "GB/s", tuple(value / 1e9 for value in found[name]))
    for name in sorted(set(found) - {"tool"}):
        yield Row(f"sendfile against {name}", "ratio", ratios(found["tool"], found[name]),
                  None if name == "bare" else 1.0)


def real_file(path: Path, length_bytes: int) -> Path:
    """A file on the disk with the content of a program, as often as it takes; in the page cache afterwards."""
    content = Path(sys.executable).resolve().read_bytes()
    with path.open("wb") as file:
        while file.tell() < length_bytes:
            file.write(content[:length_bytes - file.tell()])
    return path


def trial_rows(bench: Bench) -> Iterator[Row]:
    """What a trial costs beyond its transfer: from before the program starts to after its JSON has arrived."""
    file = str(Path("/usr/bin/python3").resolve())
    settings = {"a file of 7 MB": ("--file", file), "1 MiB from memory": ("--bytes", str(MIB)),
                "a file of 7 MB, 100 B writes": ("--file", file, "--write-size", "100")}

    def beyond(arguments: Sequence[str]) -> Arm:
        def run() -> float:
            outcome = trial(bench, ("--congestion", CONGESTION, "--cpus", "same", *arguments))
            return outcome.wall_s * 1e3 - float(outcome.document["result"]["elapsed_ns"]) / 1e6
        return run
    found = bench.interleave({name: beyond(arguments) for name, arguments in settings.items()}, 2)
    for name, values in found.items():
        yield Row(f"a trial beyond its transfer, {name}", "ms", tuple(values), 15.0, at_least=False)


EXPERIMENT: Final = """# What the harness costs a trial: a short transfer, nothing varied that takes time.
question = "What does the harness cost?"
[workload]
name = "transfer"
bytes = "1M"
[setting]
congestion = "cubic"
cpus = "same"
[factors]
nodelay = ["on", "off"]
[repeat]
blocks = 2
seed = 1
"""


def harness_rows(bench: Bench) -> Iterator[Row]:
    """What the harness adds to a trial: a long run minus a short one, so that its own start cancels out."""
    experiment = bench.folder / "bench.toml"
    experiment.write_text(EXPERIMENT, encoding="utf-8")
    few, many = 2, 22

    def run_s(blocks: int) -> float:
        command = [sys.executable, "-m", "harness", "run", str(experiment), "--blocks", str(blocks), "--no-report",
                   "--results", str(bench.folder / "results"), "--tool", str(bench.tool)]
        began = time.monotonic()
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        if ended.returncode != 0:
            raise BenchError(f"the harness ended with status {ended.returncode}: {ended.stderr.strip()[-300:]}")
        return time.monotonic() - began

    def alone_s() -> float:
        return sum(trial(bench, ("--bytes", "1M", "--congestion", CONGESTION, "--cpus", "same", "--nodelay", level)
                         ).wall_s for level in ("on", "off")) / 2

    found = bench.interleave({"few": lambda: run_s(few), "many": lambda: run_s(many), "alone": alone_s}, 1 / 3)
    each = zip(found["few"], found["many"], found["alone"], strict=True)
    yield Row("the harness beyond the trial itself", "ms",
              tuple(((m - f) / (2 * (many - few)) - alone) * 1e3 for f, m, alone in each), 30.0, at_least=False)


def log_rows(bench: Bench) -> Iterator[Row]:
    """The event log at 16 KiB writes: on against off.

    Judged under --sched batch, where the receiver's wake-ups do not preempt the sender. Under `normal` the scheduler
    locks a whole transfer into one of two modes, whose goodputs differ by a third, and what the sender did just before
    its first write (touching the log's pages, say) picks the mode: that row is shown, but it is not logging's cost.
    """
    length = ("--bytes", str(512 * MIB), "--write-size", "16K")
    policies = ("batch", "normal")
    found = bench.interleave({f"{policy} {level}": tool_goodput(bench, *length, "--sched", policy, "--log", level)
                              for policy in policies for level in ("on", "off")}, 2)
    for policy in policies:
        yield Row(f"event log on against off, 16 KiB writes, --sched {policy}", "ratio",
                  ratios(found[f"{policy} on"], found[f"{policy} off"]), 0.98 if policy == "batch" else None)


def digest_rows(bench: Bench) -> Iterator[Row]:
    """The digest: content checked after the transfer, while it runs (beyond what is kept in memory), in samples."""
    write = ("--write-size", str(WRITE_BYTES), "--verify")
    for size, length in (("8 MiB", 8 * MIB), ("64 MiB", 64 * MIB), ("2 GiB", 2 * GIB)):
        arms = {mode: tool_goodput(bench, "--bytes", str(length), *write, mode) for mode in ("full", "sampled", "off")}
        where = trial(bench, ("--bytes", str(length), *write, "full")).document["result"]["verify"]["where"]
        found = bench.interleave(arms)
        yield Row(f"goodput with --verify full ({where}) against off, {size}", "ratio",
                  ratios(found["full"], found["off"]))
        yield Row(f"goodput with --verify sampled against off, {size}", "ratio",
                  ratios(found["sampled"], found["off"]))


MESSAGE_BYTES: Final = 64
SPINNING: Final = ("--wait", "spin", "--cpus", "split")


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


def exchange_rows(bench: Bench) -> Iterator[Row]:
    """64 byte exchanges: spinning on two CPUs and blocking on one, against bare loops and each peer that is installed.

    The peers block. They run as a user starts them, anywhere, and on the two CPUs on which the tool spins: the kernel
    may lay a client and its server onto one CPU, and then the wake-ups cost least.
    """
    count = 20_000
    sender, receiver = placement(bench, "split")
    preload = bench.loops / "preload_congestion.so"
    everywhere = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    places = {"anywhere": Bulk(1, MESSAGE_BYTES, CONGESTION, everywhere, preload),
              "on two CPUs": Bulk(1, MESSAGE_BYTES, CONGESTION, sender, preload, receiver)}
    with ExitStack() as stack:
        arms = {"tool, spinning": tool_round_trip(bench, count, *SPINNING),
                "bare, spinning": bare_round_trip(bench, count, (sender, receiver), "spin"),
                "tool, one CPU": tool_round_trip(bench, count, "--cpus", "same"),
                "bare, one CPU": bare_round_trip(bench, count, placement(bench, "same"), "block")}
        peers = [(f"{peer.name} {where}", peer, asked) for peer in ROUND_TRIPS if peer.is_there()
                 for where, asked in places.items()]
        for name, peer, asked in peers:
            arms[name] = stack.enter_context(Server(peer, asked)).goodput
        found = bench.interleave(arms)
    for name in sorted(found):
        yield Row(f"exchange of {MESSAGE_BYTES} B, median, {name}", "us", tuple(found[name]))
    for where in ("spinning", "one CPU"):
        yield Row(f"exchange against the bare loop, {where}", "ratio",
                  ratios(found[f"tool, {where}"], found[f"bare, {where}"]), 1.05, at_least=False)
    for name, _, _ in peers:
        yield Row(f"exchange, spinning, against {name}", "ratio", ratios(found["tool, spinning"], found[name]), 0.25,
                  at_least=False)


def recording_rows(bench: Bench) -> Iterator[Row]:
    """What the record costs an exchange: the median with --log on minus that with --log off, in turns."""
    arms = {level: tool_round_trip(bench, 20_000, *SPINNING, "--log", level) for level in ("on", "off")}
    found = bench.interleave(arms, 2)
    yield Row("recording an exchange", "ns",
              tuple((on - off) * 1e3 for on, off in zip(found["on"], found["off"], strict=True)), 100.0, at_least=False)


def split_rows(bench: Bench) -> Iterator[Row]:
    """The parts of the split against the one-way latency."""
    for text, arguments in (("write-write-read", ("--pattern", "w100,w400,r1", "--count", "5000", "--nodelay", "on")),
                            ("stream", ("--stream", "100@10000", "--count", "5000"))):
        def share(arguments: Sequence[str] = arguments) -> float:
            split = trial(bench, (*arguments, "--stamps", "on", "--congestion", CONGESTION)).document["result"]["split"]
            return 100.0 * float(split["sums_within_1us"]) / float(split["writes"] + split["without_stamps"])
        found = bench.interleave({"share": share}, 1 / 3)
        yield Row(f"split adds up within 1 us, {text}", "%", tuple(found["share"]), 99.0)


def stream_rows(bench: Bench) -> Iterator[Row]:
    """10,000 messages a second: how late they begin, one in a hundred."""
    def lateness(*arguments: str) -> Arm:
        every = ("--stream", "100@10000", "--duration", "500ms", "--congestion", CONGESTION, *arguments)
        return lambda: float(trial(bench, every).document["result"]["schedule"]["lateness_ns"]["p99"]) / 1e3
    found = bench.interleave({"spinning, two CPUs": lateness(*SPINNING), "blocking": lateness(),
                              "blocking, one CPU": lateness("--cpus", "same")})
    for name in sorted(found):
        yield Row(f"lateness of 10,000 messages/s, p99, {name}", "us", tuple(found[name]),
                  None if "one CPU" in name else 20.0, at_least=False)


def memory_rows(bench: Bench) -> Iterator[Row]:
    """Ten times the exchanges, the same memory: the largest size of the sender's process, read while it still runs."""
    def peak_kib(count: int) -> float:
        command = [str(bench.tool), "pair", "--pattern", "w1,r1", "--count", str(count), "--events-max", "10000",
                   *SPINNING, "--json", str(bench.folder / "memory.json")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise BenchError(f"a trial failed ({' '.join(command)})")
        return float(usage.ru_maxrss)
    found = bench.interleave({"few": lambda: peak_kib(20_000), "many": lambda: peak_kib(200_000)}, 1 / 3)
    yield Row("memory of 200,000 exchanges against 20,000", "ratio", ratios(found["many"], found["few"]), 1.05,
              at_least=False)


CLAIMS: Final[Mapping[str, Callable[[Bench], Iterator[Row]]]] = {
    "goodput": goodput_rows, "sendfile": sendfile_rows, "trial": trial_rows, "harness": harness_rows, "log": log_rows,
    "digest": digest_rows, "exchange": exchange_rows, "recording": recording_rows, "split": split_rows,
    "stream": stream_rows, "memory": memory_rows}


# ---------------------------------------------------------------------------------------------------------------------
# Output


def line(row: Row) -> str:
    """A row as text."""
    low, high = interval_of_median(row.values)
    asked = "-" if row.asked is None else f"{'>=' if row.at_least else '<='} {row.asked:g}"
    return (f"{row.claim:<62} {row.unit:>5} {asked:>8} {row.median:8.3f}  {low:.3f} .. {high:.3f}"
            f"  ({min(row.values):.3f} .. {max(row.values):.3f})  {len(row.values):2d}  {row.verdict}")


def absent() -> list[str]:
    """The packages of the peers that are not installed."""
    return sorted({peer.package for peer in (*PEERS, *ROUND_TRIPS) if not peer.is_there()})


@contextmanager
def folder_beside(tool: Path) -> Iterator[Path]:
    """A folder on the disk of the build (not in memory, where /tmp may be), gone afterwards."""
    with tempfile.TemporaryDirectory(dir=tool.parent, prefix="bench.") as name:
        yield Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the bench; returns 0 when all was measured, 3 when something was refused, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.bench", description="What tinygram claims, measured.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="rounds of each comparison (default 15)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="shuffle from this seed")
    parser.add_argument("--only", choices=list(CLAIMS), action="append", help="measure this alone; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number as JSON")
    parser.add_argument("--patience", type=float, default=60.0, metavar="SECONDS",
                        help="wait at most so long, in all, for others to rest (default 60)")
    options = parser.parse_args(arguments)
    if options.rounds < 3:
        parser.error("--rounds: fewer than 3 rounds show no spread")
    try:
        return _measure(options)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


def _measure(options: argparse.Namespace) -> int:
    tool = pair.find_tool()
    if shutil.which("taskset") is None:
        raise BenchError("taskset is missing: install util-linux.")
    with folder_beside(tool) as folder:
        first = pair.run(tool, ("--bytes", "1M", "--cpus", "same", "--congestion", CONGESTION)).document
        if first.get("status") != 0:
            raise BenchError(f"the first trial failed: {first.get('error')}")
        bench = Bench(tool, first["setting"]["placement"]["sender"][0], first["workload"]["read_size"], options.rounds,
                      random.Random(options.seed), folder, Quiet(options.patience))
        print(f"tinygram {first['version']}, {first['build']['compiler']}, {first['machine']['cpu_model']}, "
              f"Linux {first['machine']['kernel']}, {CONGESTION}, both ends on CPU {bench.cpu}, "
              f"load {os.getloadavg()[0]:.2f}")
        for package in absent():
            print(f"absent, and so not measured: {package}; to add it: apt-get install -y {package.split()[0]}")
        print(f"{'claim':<62} {'unit':>5} {'asked':>8} {'median':>8}  95 % of median  (range)  n  verdict")
        rows = [*_rows(bench, options.only or list(CLAIMS))]
        if bench.quiet.disturbed:
            print(f"Somebody else was working before {bench.quiet.disturbed} of {bench.quiet.asked} measurements: "
                  "repeat this on a quiet machine before you believe a verdict.")
    if options.json:
        options.json.write_text(json.dumps(_document(options, first, rows), indent=1) + "\n", encoding="utf-8")
    print("make report (asked: 120 s on 2 CPUs) and make test (asked: 5 minutes) tell their own time.")
    return 0


def _rows(bench: Bench, wanted: Sequence[str]) -> Iterator[Row]:
    for name in wanted:
        for row in CLAIMS[name](bench):
            print(line(row), flush=True)
            yield row


def _document(options: argparse.Namespace, first: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    shown = [{**asdict(row), "median": row.median, "interval": interval_of_median(row.values),
              "verdict": row.verdict} for row in rows]
    return {"schema": SCHEMA, "version": first["version"], "build": first["build"], "machine": first["machine"],
            "seed": options.seed, "rounds": options.rounds, "absent": absent(), "rows": shown}


if __name__ == "__main__":
    sys.exit(main())
