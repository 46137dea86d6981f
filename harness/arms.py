"""An arm is one of the two things that a comparison sets against each other: a setting, a build, an environment, or
several of these at once. A contest is two arms and the work that both do; an invocation is one value from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from harness.schema import OPTIONS, HarnessError, Option, nearest, parse_value
from harness.verdict import Thresholds

Values = tuple[tuple[str, str], ...]

SPIN: Final = "inject-spin"  # makes an arm slower by so many in a thousand; the program does not list it
_HIDDEN: Final = {SPIN: Option(SPIN, "count", "setting")}
# How much is done, which an invocation decides by itself: a slice has its units, and an end of its own.
_AMOUNTS: Final = ("count", "repeat", "duration", "timeout", "seed", "rate", "schedule", "think")


class ArmError(HarnessError):
    """An arm or a workload that cannot be used as it is written."""

    status = 2


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers a pattern in place of the program's own receiver. words: of its command line, `{port}` is
    where it has to listen on loopback. folder: where it is started."""

    words: tuple[str, ...]
    folder: Path

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison.

    setting: options and their values as written, which win over those of the work. program: None is the program that
    drives the comparison. prefix: words before the program. environment: variables that it is given. server: the other
    end, started afresh for each invocation; None is the program's own receiver.
    """

    setting: Values = ()
    program: Path | None = None
    prefix: tuple[str, ...] = ()
    environment: Values = ()
    server: Server | None = None

    @property
    def launcher(self) -> tuple[str, ...]:
        """The words before the program, with the variables of the environment set by env(1)."""
        variables = tuple(f"{name}={value}" for name, value in self.environment)
        return (("env", *variables) if variables else ()) + self.prefix

    @property
    def setting_text(self) -> str | None:
        """`nodelay=on sndbuf=64K`; None where the arm sets nothing."""
        return " ".join(f"{name}={value}" for name, value in self.setting) or None

    @property
    def label(self) -> str:
        """What a person reads: `nodelay=on`, `taskset 1 tinygram`, `tinygram`."""
        program = self.program.name if self.program is not None else "tinygram"
        return self.setting_text or " ".join((*self.launcher, program))

    def over(self, other: Arm) -> Arm:
        """Both at once; where the two disagree, this one wins. Prefixes add up, the other's first."""
        return Arm(tuple({**dict(other.setting), **dict(self.setting)}.items()), self.program or other.program,
                   other.prefix + self.prefix, tuple({**dict(other.environment), **dict(self.environment)}.items()),
                   self.server or other.server)

    def with_setting(self, name: str, value: str) -> Arm:
        """The same arm with one option more."""
        return replace(self, setting=tuple({**dict(self.setting), name: value}.items()))


@dataclass(frozen=True, slots=True)
class Contest:
    """Two arms that do the same work in turns.

    options: of `tinygram pair`, workload and setting, as written. canary: base against itself.
    """

    name: str
    question: str
    options: Values
    base: Arm
    new: Arm
    thresholds: Thresholds = field(default_factory=Thresholds)
    canary: bool = False

    @property
    def work(self) -> str:
        """The fixed work that is timed: one exchange or one byte."""
        return "exchange" if "pattern" in dict(self.options) else "byte"

    @property
    def key(self) -> str:
        """Name of the contest within a job: a canary has the name of its measurement and says so."""
        return f"{self.name} (canary)" if self.canary else self.name

    def slice_options(self) -> Values:
        """The options without those that say how much is done: an invocation decides that."""
        return tuple((name, value) for name, value in self.options if name not in _AMOUNTS)

    def pair_options(self, arm: Arm) -> Values:
        """The options of one `tinygram pair` of an arm, both ends on one CPU where nothing else was asked for."""
        return tuple({"cpus": "same", **dict(self.options), **dict(arm.setting)}.items())


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation gave: the unit of statistics.

    value: d, the median over pairs of slices of ln(time of new / time of base); None with a `problem`, which is a
    sentence. base_ns, new_ns: median time per unit of work (exchange or byte). units: of a slice. document: what the
    program wrote, as raw as it came. machine_at_fault: the system refused what every contest here needs.
    """

    contest: str
    method: str
    seed: int
    started_at: str
    wall_s: float
    value: float | None
    base_ns: float | None
    new_ns: float | None
    units: int | None
    problem: str | None
    document: Mapping[str, Any] | None
    machine_at_fault: bool = False
    counters: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None  # `result` of either arm

    def to_json(self) -> dict[str, Any]:
        """The invocation as a JSON object, one line of invocations.jsonl."""
        return {"schema": "tinygram-invocation/1", "contest": self.contest, "method": self.method, "seed": self.seed,
                "started_at": self.started_at, "wall_s": round(self.wall_s, 6), "value": self.value,
                "base_ns": self.base_ns, "new_ns": self.new_ns, "units": self.units, "problem": self.problem,
                "document": self.document}


def command_line(values: Iterable[tuple[str, str]]) -> list[str]:
    """`--name value` for each option."""
    return [word for name, value in values for word in (f"--{name}", value)]


def parse_setting(text: str) -> Values:
    """The options of `nodelay=on sndbuf=64K`. Raises ArmError with a sentence that names the nearest valid name."""
    values: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise ArmError(f"{word!r} is no setting of an arm; write NAME=VALUE, for example nodelay=on.")
        if name in values:
            raise ArmError(f"{name!r} stands twice in {text!r}; leave one of them out.")
        values[name] = checked(name, value, "the arm")
    return tuple(values.items())


def checked(name: str, value: object, where: str) -> str:
    """An option's value as the command line takes it. where: for the sentence. Raises ArmError."""
    known = {**OPTIONS, **_HIDDEN}
    if name not in known:
        raise ArmError(f"{where}: the program has no option {name!r}; the nearest is {nearest(name, OPTIONS)!r}.")
    if isinstance(value, bool):
        value = "on" if value else "off"
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise ArmError(f"{where}: {name!r} is {value!r}; write text or a whole number.")
    try:
        parse_value(known[name], value)
    except ValueError as error:
        raise ArmError(f"{where}: {name!r}: {error}.") from None
    return value
