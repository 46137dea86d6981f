"""The gate: one job that tells whether a build is slower than another, and whether this machine can tell.

Exit status, and which of several wins:

    5  an exact counter changed, or varies: true on any machine, however busy
    4  the machine is unfit: pinning refused, another boot, the clock set, a CPU taken away, or a canary fired;
       then no time is believed
    1  regression
    6  something that was declared is missing
    4  the machine is unfit: of a measurement without a verdict, the detectable effect exceeds its tolerance
    3  inconclusive
    0  pass (improvements included)

2 is for what cannot be begun: an unknown commit, base and new one and the same, a declaration with a mistake.
"""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from harness import apart, counters, fitness, looks, machine, pair, slices, stats
from harness.arms import SPIN, Arm, Contest, Invocation
from harness.builds import Forge, Toolchain, notes, same
from harness.declaration import Declaration
from harness.fitness import Conditions
from harness.looks import Invoker, Played, Rules
from harness.schema import HarnessError
from harness.stats import Looks
from harness.verdict import Build, Counted, Job, Judged, Status, Verdict

ROOM_BYTES: Final = 64 << 20  # that a job's folder must find; a job of twelve measurements leaves some megabytes
RAW: Final = "raw.jsonl"      # every invocation as the program wrote it


class GateError(HarnessError):
    """A job that cannot begin or go on. `status` is the job's."""

    def __init__(self, sentence: str, status: Status = Status.USAGE) -> None:
        super().__init__(sentence)
        self.status = int(status)


@dataclass(frozen=True, slots=True)
class Sides:
    """Where the two builds come from: a commit, a program, or (new alone) the working tree, in this order."""

    base_ref: str | None = None
    base_program: Path | None = None
    new_ref: str | None = None
    new_program: Path | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """All that a job needs. spin: slows the new arm by so many in a thousand. expectations: file of exact counters.
    notes: what to say beside the verdicts."""

    declaration: Declaration
    base: Build
    new: Build
    seed: int
    looks: Looks = stats.LOOKS
    spin: int | None = None
    expectations: Path = counters.EXPECTATIONS
    notes: tuple[str, ...] = ()

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """The two arms: what the declaration gives each, with its build."""
        base = Arm(program=Path(self.base.program)).over(self.declaration.base)
        new = Arm(program=Path(self.new.program)).over(self.declaration.new)
        return base, new if self.spin is None else new.with_setting(SPIN, str(self.spin))


@dataclass(frozen=True, slots=True)
class World:
    """What a job asks of the world outside; tests play others."""

    invoke: Invoker | None = None                      # None: the real programs
    count: counters.Runner | None = None
    conditions: Callable[[], Conditions] = fitness.now
    pinning: Callable[[], str | None] = fitness.pinning
    say: Callable[[str], None] = field(default=lambda text: None)


def prepare(declaration: Declaration, sides: Sides, toolchain: Toolchain = Toolchain(), *, seed: int | None = None,
            looks_: Looks = stats.LOOKS, spin: int | None = None, twins: bool = False,
            forge: Forge | None = None) -> Request:
    """Builds both sides and gives the job that compares them.

    seed: None takes one from the clock. twins: base and new may be one and the same, as for a proof. Raises
    BuildsError and GateError.
    """
    forge = forge or Forge(toolchain=toolchain)
    base_program = sides.base_program or declaration.base.program
    if sides.base_ref is None and base_program is None and declaration.base == declaration.new:
        raise GateError("compare with what? Name a commit: make gate BASE=main, or a program: --base-program PATH, or "
                        "declare two different arms.")
    new = build_new(declaration, sides, forge)
    base = (forge.commit("base", sides.base_ref) if sides.base_ref is not None
            else forge.program("base", base_program) if base_program is not None else replace(new, label="base"))
    alike = same(base, new) and _bare(declaration.base) == _bare(declaration.new)
    if alike and not twins and spin is None:
        raise GateError(f"base and new are one and the same ({base.commit or base.program}), so there is nothing to "
                        "compare. Name an older commit; to see what this machine makes of no change, add --twins.")
    said = [*notes(base, new), *(["base and new are one and the same: every verdict but PASS is false."]
                                 if alike and spin is None else []),
            *([f"new is slowed by {spin / 10:g} % on purpose."] if spin is not None else []),
            *(f"{name} is the server {arm.server}, started afresh for each invocation."
              for name, arm in (("base", declaration.base), ("new", declaration.new)) if arm.server is not None)]
    return Request(declaration, base, new, random.SystemRandom().randrange(2 ** 31) if seed is None else seed, looks_,
                   spin, notes=tuple(said))


def build_new(declaration: Declaration, sides: Sides, forge: Forge) -> Build:
    """The build that is judged: a commit, a program, or the working tree. Raises BuildsError."""
    program = sides.new_program or declaration.new.program
    if sides.new_ref is not None:
        return forge.commit("new", sides.new_ref)
    return forge.program("new", program) if program is not None else forge.working_tree("new")


def _bare(arm: Arm) -> Arm:
    return replace(arm, program=None)


def run_job(request: Request, folder: Path | None = None, world: World = World()) -> Job:
    """One job: counts, measures, judges.

    folder: of the job, where raw.jsonl goes as the invocations end; None keeps no raw data. Raises GateError when
    the folder cannot be written; everything else that goes wrong is in the job and its status.
    """
    began, started_at = time.monotonic(), _stamp()
    before = world.conditions()
    described = machine.capture(Path(request.new.program)).to_json()
    base, new = request.arms
    driver, invoke, method_notes = _players(base, new, world)
    refused = world.pinning()
    counted: list[Counted] = []
    if refused is None:
        counted = counters.check(request.declaration.exact(base, new), counters.load(request.expectations),
                                 world.count or counters.run_pair(driver))
    for one in counted:
        if one.verdict != "same":
            world.say(f"exact counters: {counters.told(one)}")
    lost = {one.name for one in counted if one.verdict == "changed" and one.counter == "stalls"}
    contests = [one for one in request.declaration.contests(base, new) if one.name not in lost]
    played = Played((), (), (), ())
    if refused is None:
        rules = Rules(request.looks, began + request.declaration.limit_s)
        with Raw(folder) as raw:
            played = looks.play(contests, request.declaration.canaries(base), invoke, random.Random(request.seed),
                                rules, raw.keep, world.say)
    judged = _in_order(request.declaration, played.judged, refused)
    unfit = [*([refused] if refused else []), *played.machine_at_fault, *fitness.changes(before, world.conditions()),
             *_fired(played.canaries)]
    missing = [] if refused or played.machine_at_fault else [
        *played.too_few, *(one.sentence for one in counted if one.verdict == "missing")]
    weak = _too_weak(judged)
    status = status_of(counted, unfit, judged, missing, weak)
    return Job(
        id=folder.name if folder is not None else new_id(), started_at=started_at,
        elapsed_s=round(time.monotonic() - began, 3), seed=request.seed, declaration=str(request.declaration.path),
        machine=described, base=request.base, new=request.new, judged=judged, canaries=played.canaries,
        counted=tuple(counted), missing=tuple(missing), unfit=(*unfit, *weak), status=status,
        sentence=sentence_of(status, counted, judged, missing, (*unfit, *weak)),
        notes=(*request.notes, *method_notes))


def _players(base: Arm, new: Arm, world: World) -> tuple[Path, Invoker, list[str]]:
    """The program that drives, how one invocation is made, and what to say of it."""
    driver = new.program or pair.find_tool()
    if world.invoke is not None:
        return driver, world.invoke, []
    if all(apart.takes_turns(program) for program in {base.program or driver, driver}):
        return driver, lambda contest, seed, units: slices.invoke(driver, contest, seed, units), []
    if base.server is not None or new.server is not None:
        raise GateError("one of the two programs cannot take turns (`version --json` says no \"turns\"), which a "
                        "comparison of servers needs: leave BASE out, or name a newer commit.")
    return driver, lambda contest, seed, units: apart.invoke(driver, contest, seed, units), [apart.NOTE]


def _in_order(declaration: Declaration, judged: Sequence[Judged], refused: str | None) -> tuple[Judged, ...]:
    """All declared measurements in the order of the file; what was not timed is there too and says why."""
    by_name = {one.name: one for one in judged}
    why = refused or "it was not timed, because its stalls changed: one takes as long as a thousand exchanges"
    return tuple(by_name.get(one.name) or _untimed(contest, why) for one, contest in
                 zip(declaration.measurements, declaration.contests(Arm(), Arm()), strict=True))


def _untimed(contest: Contest, why: str) -> Judged:
    return Judged(contest.name, contest.question, contest.work, slices.METHOD, Verdict.INCONCLUSIVE, None, None, None,
                  stats.LOOKS.confidence, None, None, 1, 0, 0, None, contest.thresholds, None, None, (), reason=why)


# ---------------------------------------------------------------------------------------------------------------------
# The status


def _fired(canaries: Sequence[Judged]) -> list[str]:
    return [f"the canary {one.name} fired: base against itself seems {abs(one.ratio - 1):.1%} "
            f"{'slower' if one.ratio > 1 else 'faster'}, so this machine tells changes where there are none. Let "
            "other work on it end and run the job again."
            for one in canaries if one.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT) and one.ratio is not None]


def _too_weak(judged: Sequence[Judged]) -> list[str]:
    """Measurements without a verdict in which a slowdown as large as the tolerance might not have been found."""
    return [f"{one.name}: {one.invocations} invocations on this machine find a slowdown of {one.detectable:.1%} or "
            f"more, and {one.thresholds.tolerance:.0%} must be found. Let other work on it end, or take another "
            "machine."
            for one in judged if one.verdict is Verdict.INCONCLUSIVE and one.method == slices.METHOD
            and one.detectable is not None and one.detectable > one.thresholds.tolerance]


def status_of(counted: Sequence[Counted], unfit: Sequence[str], judged: Sequence[Judged], missing: Sequence[str],
              weak: Sequence[str]) -> Status:
    """The one exit status of a job, by the order that stands at the top of this file.

    unfit: why no time can be believed. weak: which measurements this machine cannot judge.
    """
    verdicts = {one.verdict for one in judged}
    order = ((Status.COUNTER, any(one.verdict in ("changed", "varies") for one in counted)),
             (Status.UNFIT, bool(unfit)), (Status.REGRESSION, Verdict.REGRESSION in verdicts),
             (Status.MISSING, bool(missing)), (Status.UNFIT, bool(weak)),
             (Status.INCONCLUSIVE, Verdict.INCONCLUSIVE in verdicts))
    return next((status for status, holds in order if holds), Status.PASS)


def sentence_of(status: Status, counted: Sequence[Counted], judged: Sequence[Judged], missing: Sequence[str],
                unfit: Sequence[str]) -> str:
    """The outcome in one sentence."""
    def named(verdict: Verdict) -> list[str]:
        return [one.name for one in judged if one.verdict is verdict]
    if status is Status.COUNTER:
        changed = [counters.told(one) for one in counted if one.verdict in ("changed", "varies")]
        return f"An exact counter changed: {changed[0]}" + (f" ({len(changed) - 1} more)" if len(changed) > 1 else "")
    if status is Status.UNFIT:
        return f"This machine cannot judge: {unfit[0]}"
    if status is Status.REGRESSION:
        slower = [one for one in judged if one.verdict is Verdict.REGRESSION]
        worst = max(slower, key=lambda one: one.ratio or 0.0)
        more = f", and {len(slower) - 1} more" if len(slower) > 1 else ""
        return f"Slower: {worst.name} by {(worst.ratio or 1) - 1:.1%}{more}."
    if status is Status.MISSING:
        return f"Something that was declared is missing: {missing[0]}"
    if status is Status.INCONCLUSIVE:
        return f"Inconclusive: {', '.join(named(Verdict.INCONCLUSIVE))}."
    faster = named(Verdict.IMPROVEMENT)
    return "Nothing is slower." + (f" Faster: {', '.join(faster)}." if faster else "")


# ---------------------------------------------------------------------------------------------------------------------
# The folder of a job


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_id() -> str:
    """A name for a job, unlike that of any other: UTC time and two random bytes."""
    return f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}"


def new_folder(parent: Path) -> Path:
    """A new folder for a job in `parent`, tried out and with room in it. Raises GateError before anything is measured.
    """
    folder = parent / new_id()
    try:
        folder.mkdir(parents=True)
        probe = folder / ".probe"
        probe.write_bytes(bytes(4096))
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise GateError(f"no job can be stored in {folder}: {error.strerror}. Name a folder that can be written with "
                        "--out DIR.", Status.UNFIT) from None
    if free < ROOM_BYTES:
        folder.rmdir()
        raise GateError(f"no job can be stored below {parent}: {free >> 20} MiB are free, and {ROOM_BYTES >> 20} are "
                        "needed. Make room, or name another folder with --out DIR.", Status.UNFIT)
    return folder


class Raw:
    """raw.jsonl of a job: one line an invocation, as it ends. folder: None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.path = folder / RAW if folder is not None else None

    def __enter__(self) -> Raw:
        try:
            self._file = self.path.open("ab", buffering=0) if self.path is not None else None
        except OSError as error:
            raise GateError(f"{self.path} cannot be written: {error.strerror}.", Status.UNFIT) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, invocation: Invocation) -> None:
        """Writes one invocation. Raises GateError."""
        if self._file is None:
            return
        line = json.dumps(invocation.to_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise GateError(f"{self.path} cannot be written: {error.strerror}. What it has is kept; make room and run "
                            "the job again.", Status.UNFIT) from None


# ---------------------------------------------------------------------------------------------------------------------
# Two arms without builds


def compare_arms(contest: Contest, seed: int, folder: Path | None = None, world: World = World(),
                 looks_: Looks = stats.LOOKS) -> tuple[Judged, Played, list[str]]:
    """Two arms, to a verdict that is symmetric in them. Returns it, all that was played, and notes."""
    driver = contest.new.program or contest.base.program or pair.find_tool()
    base, new = (replace(arm, program=arm.program or driver) for arm in (contest.base, contest.new))
    _, invoke, said = _players(base, new, world)
    with Raw(folder) as raw:
        played = looks.play([replace(contest, base=base, new=new)], [], invoke, random.Random(seed),
                            Rules(looks_, gate=False), raw.keep, world.say)
    return played.judged[0], played, said
