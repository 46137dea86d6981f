"""What tinygram claims of itself: each claim is a function from a bench to its rows. CLAIMS is the one list of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from harness.bench_arms import (CONGESTION, MESSAGE_BYTES, WRITE_BYTES, Bench, BenchError, bare_goodput,
                                bare_round_trip, bulk, placement, tool_goodput, tool_round_trip, trial)
from harness.experiment import ROOT
from harness.peers import IPERF3, PEERS, ROUND_TRIPS, Bulk, Server
from harness.rounds import Arm, Row, ratios

MIB: Final = 1 << 20
GIB: Final = 1 << 30
SPINNING: Final = ("--wait", "spin", "--cpus", "split")


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
