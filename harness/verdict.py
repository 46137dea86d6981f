"""What a comparison says: one record a measurement, one a counter, one a job. Plain data; nothing here computes.

A ratio is new / base of the *time per fixed work* (ns per exchange, ns per byte), so above 1 is slower, everywhere.
Missing is None, never 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Final

JOB_SCHEMA: Final = "tinygram-gate/1"


class Verdict(str, Enum):
    """The four answers about one measurement."""

    REGRESSION = "REGRESSION"
    PASS = "PASS"
    IMPROVEMENT = "IMPROVEMENT"
    INCONCLUSIVE = "INCONCLUSIVE"


class Status(int, Enum):
    """The exit status of a job; scripts rely on the numbers."""

    PASS = 0
    REGRESSION = 1
    USAGE = 2
    INCONCLUSIVE = 3
    UNFIT = 4      # the machine: the canary fired, pinning failed, another boot, effects too large to detect
    COUNTER = 5    # an exact counter changed
    MISSING = 6    # something that was declared is absent


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of one measurement, as fractions (0.02 is 2 %)."""

    effect: float = 0.02     # smallest effect that is called a regression or an improvement
    tolerance: float = 0.05  # a pass must exclude a slowdown of this size


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict about one measurement, with all that it rests on."""

    name: str
    question: str                # what it measures, one sentence
    work: str                    # the fixed work: "exchange" or "byte"
    method: str                  # "slices", or "pairs" of short processes
    verdict: Verdict
    ratio: float | None          # exp of the Hodges-Lehmann estimate; None without valid invocations
    low: float | None            # bounds of the interval at `confidence`
    high: float | None
    confidence: float            # 0.99: two-sided for low..high
    p_slower: float | None       # one-sided exact signed-rank p-values, before Holm
    p_faster: float | None
    look: int                    # 1, 2, 3: at which look it was decided
    invocations: int             # valid ones (K)
    invalid: int                 # invocations that gave no value
    detectable: float | None     # smallest slowdown that this K and spread would have found, as a fraction
    thresholds: Thresholds
    base_ns: float | None        # median time per unit of work of either arm
    new_ns: float | None
    values: tuple[float, ...]    # ln(new / base) of each valid invocation, in the order of time
    mechanism: str | None = None  # what the counters say about why
    reason: str | None = None    # why it is inconclusive, or which invocations failed and how
    canary: bool = False         # base against itself
    base_each_ns: tuple[float, ...] = ()  # median time per unit of work of either arm in each valid invocation, in
    new_each_ns: tuple[float, ...] = ()   # the order of `values`; empty where it was not kept


@dataclass(frozen=True, slots=True)
class Counted:
    """One exact counter of one measurement."""

    name: str            # of the measurement
    counter: str         # of the result, such as "stalls" or "writes"
    expected: int | None  # of the committed expectations; None: not there
    base: int | None
    new: int | None
    verdict: str         # "same", "changed", "varies" (declared exact but it is not), "missing"
    sentence: str        # what a person reads
    mechanism: str | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """One side of a comparison between builds."""

    label: str                # "base" or "new"
    ref: str | None           # as it was asked for
    commit: str | None        # full hash
    dirty: bool | None
    program: str              # path of the binary, as run
    version: str | None
    compiler: str | None
    flags: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the gate: everything that its outputs are made from."""

    id: str
    started_at: str               # UTC, ISO 8601
    elapsed_s: float
    seed: int
    declaration: str              # the gate's file
    machine: dict[str, Any]       # as harness.machine writes it
    base: Build
    new: Build
    judged: tuple[Judged, ...]    # the declared measurements, in the order of the declaration
    canaries: tuple[Judged, ...]
    counted: tuple[Counted, ...]
    missing: tuple[str, ...]      # sentences about what was declared and is absent
    unfit: tuple[str, ...]        # sentences about why the machine cannot judge; `NAME: ...` is about that one alone
    status: Status
    sentence: str                 # the outcome in one sentence
    notes: tuple[str, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        """The job as JSON-ready data: {"schema": "tinygram-gate/1", ...the fields...}."""
        plain: dict[str, Any] = {"schema": JOB_SCHEMA}
        plain.update(asdict(self, dict_factory=_plain))
        return plain


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in pairs}
