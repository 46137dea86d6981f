"""The gate proves itself: sittings of its jobs, each written to a ledger as it ends.

    python3 -m harness prove-gate [--kind K ...] [--jobs N] [--minutes M] [--ledger F] [--report-only]

Jobs with two equal builds, with a slowdown put into the new one, and with a new build that ignores TCP_NODELAY; some of
them beside a busy neighbour, which is started, pinned to another CPU and ended here. What they show is evidence.py's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from harness import declaration as declarations
from harness import evidence, gate, ledger, proof_report, stats
from harness.builds import Forge, Toolchain
from harness.declaration import Declaration
from harness.evidence import KINDS, Kind
from harness.experiment import ROOT
from harness.gate import Request, Sides
from harness.ledger import Code, Entry
from harness.schema import HarnessError
from harness.verdict import Job

RunJob = Callable[[int, str, int], Job]  # per mille to inject, name of the kind, seed

LEDGER: Final = ROOT / "results" / "baseline" / "prove-gate.jsonl"
DONE: Final = 0
MISSED: Final = 1
FAILED: Final = 4
FAILURES: Final = 3     # jobs in a row that fail before a sitting is given up
BUSY_SHARE: Final = 0.1  # of its CPU that the neighbour must have had: it never waits, so the rest had others
_PATIENCE_S: Final = 10.0


class ProofError(HarnessError):
    """A proof that cannot be run."""

    status = 3


# ---------------------------------------------------------------------------------------------------------------------
# The neighbour

# Copies 8 MiB again and again: it takes all of its CPU and pushes what others have out of a shared cache. It ends by
# itself when the process that started it has ended, however that came about.
NEIGHBOUR: Final = """
import os, sys
cpu, parent = int(sys.argv[1]), int(sys.argv[2])
os.sched_setaffinity(0, {cpu})
block = bytes(8 << 20)
print("busy", flush=True)
while os.getppid() == parent:
    for _ in range(20):
        bytearray(block)
"""


class Neighbour:
    """A process that keeps one CPU busy while the `with` lasts. cpu: its number. share: of the CPU that it had, once it
    has ended."""

    def __init__(self, cpu: int) -> None:
        self.cpu = cpu
        self.share: float | None = None

    def __enter__(self) -> Neighbour:
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", NEIGHBOUR, str(self.cpu), str(os.getpid())],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout is not None
        try:
            if self._process.stdout.readline() != b"busy\n":
                raise ProofError(f"the busy neighbour did not start on CPU {self.cpu}; leave out the kinds that need "
                                 "it: --kind aa-idle, and so on.")
            self._began = time.monotonic(), self._spent_s()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        wall_s = time.monotonic() - self._began[0]
        try:
            alive = self._process.poll() is None
            self.share = (self._spent_s() - self._began[1]) / wall_s if alive and wall_s > 0 else None
        finally:
            self._end()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def _spent_s(self) -> float:
        """CPU time of the process so far."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
        words = text.rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(_PATIENCE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


def neighbours_cpu() -> int:
    """The CPU for the neighbour: the last that this process may use, as the gate's own is the first. Raises ProofError.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise ProofError(f"a busy neighbour needs a second CPU, and this process may use only CPU {allowed[0]}; name "
                         "the other kinds: " + " ".join(f"--kind {kind.name}" for kind in KINDS.values()
                                                        if not kind.busy) + ".")
    return allowed[-1]


# ---------------------------------------------------------------------------------------------------------------------
# Sittings


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sitting shall do. kinds: to run, at least one. jobs: that many, even beyond what is asked for; None: until
    all is done that is asked for. minutes: no job begins later; None: no limit. path: of the ledger."""

    kinds: tuple[Kind, ...]
    path: Path = LEDGER
    jobs: int | None = None
    minutes: float | None = None

    @property
    def report(self) -> Path:
        """Where the report goes: beside the ledger."""
        return self.path.with_suffix(".md")


@dataclass(frozen=True, slots=True)
class World:
    """What a sitting asks of the world; tests play another. digest: of what measured a job. beside: the neighbour."""

    digest: Callable[[Job], str] | None = None  # None: of the real code, as it is when a sitting begins
    beside: Callable[[], Neighbour] = lambda: Neighbour(neighbours_cpu())
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)


def sit(plan: Plan, run_job: RunJob, world: World = World()) -> int:
    """One sitting: jobs one after the other, each in the ledger as it ends, and the report anew after each.

    Returns the exit status: 0; 1 a claim is missed by now; 4 FAILURES jobs in a row failed. An interruption loses the
    job that runs and nothing else. Raises HarnessError when the ledger or the report cannot be written, and
    KeyboardInterrupt.
    """
    if any(kind.busy for kind in plan.kinds):
        neighbours_cpu()
    if world.digest is None:
        world = replace(world, digest=Code(more=NEIGHBOUR).ready().digest)
    began, made, failures = world.clock(), 0, 0
    with ledger.Writer(plan.path) as writer:
        if writer.word:
            world.say(writer.word)
        book = ledger.read(plan.path)
        for word in book.words:
            world.say(word)
        entries = list(book.entries)
        try:
            while kind := _next(plan, entries, made, world.clock() - began):
                seed = 1 + max((one.seed for one in entries), default=0)
                added = one_job(kind, seed, run_job, world)
                writer.append(added)
                entries.append(added)
                made += 1
                failures = failures + 1 if added.status is None else 0
                world.say(f"{made}: {kind.name}, seed {seed}: {added.error or added.sentence} "
                          f"({added.elapsed_s:.0f} s; {_done(entries, kind)} of {kind.goal})")
                if failures == FAILURES:
                    world.say(f"{FAILURES} jobs in a row failed; the sitting ends.")
                    return FAILED
                write_report(plan, ledger.Ledger(tuple(entries), book.words))
        finally:
            write_report(plan, ledger.Ledger(tuple(entries), book.words))
    return outcome(entries)


def outcome(entries: Sequence[Entry]) -> int:
    """The exit status that the newest group of jobs deserves: 1 when a claim is missed, else 0."""
    parts = evidence.groups(ledger.Ledger(tuple(entries)))
    return MISSED if parts and any(claim.refuted for claim in evidence.claims(parts[0])) else DONE


def one_job(kind: Kind, seed: int, run_job: RunJob, world: World = World()) -> Entry:
    """Runs one job, with its neighbour where it has one. An error becomes an entry that says so."""
    at, began = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"), time.monotonic()
    load, share = os.getloadavg()[0], None
    try:
        if kind.busy:
            with world.beside() as neighbour:
                job = run_job(kind.injected, kind.name, seed)
            share = neighbour.share
            if share is None or share < BUSY_SHARE:
                raise ProofError("the neighbour was not busy: it had "
                                 f"{'nothing, it ended early' if share is None else f'{share:.0%} of its CPU'}.")
        else:
            job = run_job(kind.injected, kind.name, seed)
        digest = world.digest or Code(more=NEIGHBOUR).digest
        return ledger.entry(replace(job, seed=seed), kind=kind.name, injected=kind.injected, code=digest(job),
                            load=round(load, 2), neighbour=share)
    except HarnessError as error:
        return Entry(at, kind.name, kind.injected, seed, "", None, None, None, None, None, None, None, None, None,
                     round(load, 2), round(time.monotonic() - began, 3), None, "", error=str(error), neighbour=share)


def _next(plan: Plan, entries: Sequence[Entry], made: int, spent_s: float) -> Kind | None:
    """The kind of which the least share of its goal is done, so that a proof that is stopped has some jobs of each."""
    if plan.jobs is not None and made >= plan.jobs or plan.minutes is not None and spent_s >= 60 * plan.minutes:
        return None
    shares = [_done(entries, kind) / kind.goal for kind in plan.kinds]
    least = min(range(len(shares)), key=lambda place: shares[place])
    return plan.kinds[least] if shares[least] < 1 or plan.jobs is not None else None


def _done(entries: Sequence[Entry], kind: Kind) -> int:
    """Jobs of a kind that count together with the newest one that gave an answer."""
    newest = next((one for one in reversed(entries) if one.status is not None), None)
    return sum(one.kind == kind.name and one.status is not None and newest is not None and one.group == newest.group
               for one in entries)


def write_report(plan: Plan, book: ledger.Ledger) -> None:
    """Writes the report in one step. Raises ProofError."""
    fresh = plan.report.with_name(f".{plan.report.name}.{os.getpid()}")
    try:
        fresh.write_text(proof_report.report(book, plan.path.name), encoding="utf-8")
        fresh.replace(plan.report)
    except OSError as error:
        raise ProofError(f"{plan.report} cannot be written: {error.strerror}. The ledger has all jobs; make the report "
                         "with --report-only.") from None


# ---------------------------------------------------------------------------------------------------------------------
# The real gate

# A build that ignores TCP_NODELAY and says that it is on: what a lost line of code does to a program, without the check
# that tinygram makes of itself. Included before each source, so the compiler and its flags stay as they are.
DEAF: Final = """/* Every TCP_NODELAY is taken and forgotten; asked for, it is said to be as it was set.
 * No header is included: what a source defines before its own must still come first. */
extern int setsockopt(int, int, int, const void *, unsigned);
extern int getsockopt(int, int, int, void *, unsigned *);

static int deaf_asked[1024];

static inline int
deaf_setsockopt(int fd, int level, int name, const void *value, unsigned len)
{
    if (level == 6 && name == 1) { /* IPPROTO_TCP, TCP_NODELAY */
        deaf_asked[fd & 1023] = *(const int *)value;
        return 0;
    }
    return setsockopt(fd, level, name, value, len);
}

static inline int
deaf_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
    int result = getsockopt(fd, level, name, value, len);
    if (result == 0 && level == 6 && name == 1)
        *(int *)value = deaf_asked[fd & 1023];
    return result;
}

#define setsockopt deaf_setsockopt
#define getsockopt deaf_getsockopt
"""


@dataclass(slots=True)
class RealGate:
    """run_job of the real gate: the last commit against itself. declaration: of the gate. forge: makes the builds.

    A job of a kind that loses NODELAY has only the measurements that count stalls with NODELAY on: it is to be found by
    that count alone, before anything is timed.
    """

    declaration: Declaration
    forge: Forge = field(default_factory=Forge)

    def __call__(self, injected: int, kind: str, seed: int) -> Job:
        """One job. Raises HarnessError when it cannot be built or begun."""
        deaf = KINDS[kind].deaf
        declared = self._counting_stalls() if deaf else self.declaration
        sides = (Sides(base_ref="HEAD", new_program=self._deaf_program()) if deaf
                 else Sides(base_ref="HEAD", new_ref="HEAD"))
        request: Request = gate.prepare(declared, sides, self.forge.toolchain, seed=seed, looks_=stats.LOOKS,
                                        spin=injected or None, twins=True, forge=self.forge)
        return gate.run_job(request)

    def _counting_stalls(self) -> Declaration:
        kept = tuple(one for one in self.declaration.measurements
                     if "stalls" in one.exact and dict(one.options).get("nodelay") == "on")
        if not kept:
            raise ProofError(f"{self.declaration.path} declares no measurement with nodelay = \"on\" and `stalls` "
                             "among its exact counters, so a lost NODELAY could not be found by them.")
        return replace(self.declaration, measurements=kept)

    def _deaf_program(self) -> Path:
        """The last commit, built with DEAF. Raises HarnessError."""
        folder = self.forge.kept / "deaf"
        header = folder / f"deaf-{hashlib.sha256(DEAF.encode()).hexdigest()[:8]}.h"  # the name tells builds apart
        try:
            folder.mkdir(parents=True, exist_ok=True)
            header.write_text(DEAF, encoding="utf-8")
        except OSError as error:
            raise ProofError(f"nothing can be built below {folder}: {error.strerror}.") from None
        flags = self.forge.toolchain.flags or self.forge.commit("base", "HEAD").flags or ""
        tools = Toolchain(self.forge.toolchain.compiler, f"{flags} -include {header.resolve()}".strip())
        return Path(Forge(self.forge.root, tools, folder).commit("new", "HEAD").program)


# ---------------------------------------------------------------------------------------------------------------------
# The command


def add_command(commands: Any) -> None:
    """Adds `prove-gate` to the commands of an argument parser (what add_subparsers() gives)."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "prove-gate", help="run jobs of the gate of which the right answer is known, and report how often it was given")
    parser.add_argument("--kind", action="append", choices=list(KINDS), metavar="K",
                        help=f"run jobs of this kind alone; may be repeated ({', '.join(KINDS)})")
    parser.add_argument("--jobs", type=_positive, metavar="N", help="run N jobs (default: until all is shown)")
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="begin no job after M minutes")
    parser.add_argument("--ledger", type=Path, default=LEDGER, metavar="F",
                        help="where the jobs are kept; the report goes beside it")
    parser.add_argument("--declaration", type=Path, default=declarations.DEFAULT, metavar="GATE.toml",
                        help="what the gate measures")
    parser.add_argument("--report-only", action="store_true", help="run nothing, make the report anew")
    parser.set_defaults(command=main)


def main(options: argparse.Namespace, run_job: RunJob | None = None, world: World = World()) -> int:
    """The command: a sitting, or the report alone. run_job: in place of the real gate's. Returns the exit status."""
    plan = Plan(tuple(KINDS[name] for name in dict.fromkeys(options.kind or KINDS)), options.ledger, options.jobs,
                options.minutes)
    if options.report_only:
        book = ledger.read(plan.path)
        if not book.entries:
            raise ProofError(f"{plan.path} has no jobs to report on; run some: python3 -m harness prove-gate.")
        for word in book.words:
            world.say(word)
        write_report(plan, book)
        status = outcome(book.entries)
    else:
        status = sit(plan, run_job or RealGate(declarations.load(options.declaration)), world)
    world.say(f"report: {plan.report}")
    return status


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return minutes
