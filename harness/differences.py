"""What two stored runs differ in before a single timing is looked at: job, machine, build, experiment and setting.

Each difference has both values, and says what it forbids to judge. Timings of two runs are never judged, because two
runs are two jobs: what the machine does beside them changes from minute to minute, by more than the effects that people
look for. Exact counters do not depend on that; only other work, or another setting, forbids to compare them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.experiment import Experiment, Values
from harness.plan import Plan
from harness.store import Run

NOTHING: Final = "nothing"
TIMINGS: Final = "timings"
EVERYTHING: Final = "timings and counters"
FORBIDS: Final = (NOTHING, TIMINGS, EVERYTHING)

# Of machine.json: what is never the same twice and says nothing about the machine; the build, which people compare on
# purpose; and of the build what may change timings without a change of the program.
_PASSING: Final = ("schema", "captured_at", "uptime_s", "load_1m", "load_5m", "load_15m", "memory_available_bytes",
                   "tcp_metrics", "tcp_metrics_note", "memory_bytes")
_BUILD: Final = ("version", "git_commit", "git_changed", "compiler", "compiler_flags", "tool", "python")
_CONFOUNDING: Final = ("compiler", "compiler_flags")
# What tells two machines, or two systems on one machine, from each other.
_IDENTITY: Final = ("kernel", "kernel_build", "system", "architecture", "cpu_model", "cpus_online", "virtualisation",
                    "container")
_MEMORY_STEP: Final = 0.02


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: group (job, machine, build, experiment or setting), name, both values as words.

    forbids: what may not be judged because of it, one of FORBIDS.
    """

    group: str
    name: str
    base: str
    new: str
    forbids: str


def words(value: object) -> str:
    """A value of machine.json or of an experiment as words."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value)) or "none"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def differences(base: Run, new: Run) -> tuple[Difference, ...]:
    """Everything that two runs differ in, in the order in which a reader should see it. The first is always the job."""
    return (Difference("job", "run", base.folder.resolve().name, new.folder.resolve().name, TIMINGS),
            *_machine(base.machine, new.machine), *_experiment(base, new))


def _flat(machine: Mapping[str, Any]) -> dict[str, Any]:
    """machine.json with the tables inside it spread out: sysctl, offloads."""
    flat: dict[str, Any] = {}
    for key, value in machine.items():
        flat |= {f"{key} {name}": inner for name, inner in value.items()} if isinstance(value, Mapping) else {
            key: value}
    return flat


def _machine(base: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = _flat(base), _flat(new)
    found = {name: (before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])
             if name not in _PASSING and before.get(name) != after.get(name)}
    if not _alike(base.get("memory_bytes"), new.get("memory_bytes")):
        found["memory_bytes"] = (base.get("memory_bytes"), new.get("memory_bytes"))
    for build in (False, True):
        for name, (one, other) in found.items():
            if (name in _BUILD) == build:
                forbids = NOTHING if build and name not in _CONFOUNDING else TIMINGS
                yield Difference("build" if build else "machine", name, words(one), words(other), forbids)


def _alike(base: object, new: object) -> bool:
    """The same memory, but for what a kernel keeps for itself."""
    if isinstance(base, int) and isinstance(new, int):
        return abs(base - new) <= _MEMORY_STEP * max(base, new)
    return base == new


def _experiment(base: Run, new: Run) -> Iterator[Difference]:
    one, other = base.experiment, new.experiment
    for name, before, after in (("name", one.name, other.name), ("question", one.question, other.question),
                                ("workload name", one.workload_name, other.workload_name)):
        if before != after:
            yield Difference("experiment", name, before, after, EVERYTHING if name.startswith("workload") else NOTHING)
    yield from _options("experiment", one.workload, other.workload)
    if base.plan.file_bytes != new.plan.file_bytes or base.plan.file != new.plan.file:
        yield Difference("experiment", "file that is sent", _file(base.plan), _file(new.plan), EVERYTHING)
    levels = [{factor.name: factor.levels for factor in run.experiment.factors} for run in (base, new)]
    for name in dict.fromkeys([*levels[0], *levels[1]]):
        if levels[0].get(name) != levels[1].get(name):
            yield Difference("experiment", f"levels of {name}", _levels(levels[0].get(name)),
                             _levels(levels[1].get(name)), NOTHING)
    for name in ("blocks", "seed"):
        if getattr(base.plan, name) != getattr(new.plan, name):
            yield Difference("experiment", name, str(getattr(base.plan, name)), str(getattr(new.plan, name)), NOTHING)
    yield from _options("setting", one.setting, other.setting)
    yield from _variants(one, other)


def _file(plan: Plan) -> str:
    return "memory" if plan.file is None else f"{plan.file} ({plan.file_bytes} bytes)"


def _levels(levels: object) -> str:
    return "does not vary" if levels is None else words(levels)


def _options(group: str, base: Values, new: Values, prefix: str = "") -> Iterator[Difference]:
    before, after = dict(base), dict(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(group, prefix + name, before.get(name, "not set"), after.get(name, "not set"), EVERYTHING)


def _variants(base: Experiment, new: Experiment) -> Iterator[Difference]:
    both = [{variant.name: variant.options for variant in experiment.variants} for experiment in (base, new)]
    for name in both[0]:
        if name in both[1]:
            yield from _options("setting", both[0][name], both[1][name], f"variant {name}: ")


def another_machine(found: tuple[Difference, ...]) -> tuple[str, ...]:
    """What of the differences tells two machines, or two systems on one machine, from each other."""
    return tuple(one.name for one in found if one.group == "machine" and one.name in _IDENTITY)


def not_judged(found: tuple[Difference, ...]) -> str:
    """Why the timings of two runs are drawn and not judged: one sentence. found: their differences."""
    machine = [one.name for one in found if one.group == "machine" and one.name != "boot_id"]
    work = [one.name for one in found if one.forbids == EVERYTHING]
    which = another_machine(found)
    if which:
        why = f"the runs come from two machines or systems ({_listed(which)})"
    elif work:
        why = f"the runs did not do the same ({_listed(work)})"
    elif machine:
        why = f"the machine was set up in another way ({_listed(machine)})"
    elif any(one.name == "boot_id" for one in found):
        why = "the runs come from two boots of the machine"
    else:
        why = ("the runs were taken one after the other, and what else the machine does changes from minute to minute "
               "by more than most changes of a program do")
    return f"The timings are drawn, and not judged, because {why}."


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


INSTEAD: Final = ("To judge a change of the program, let both builds take turns in one job: `make gate BASE=COMMIT`. "
                  "To judge a setting, let its two values take turns: "
                  "`python3 -m harness compare nodelay=on nodelay=off --pattern w100,w400,r1`.")
