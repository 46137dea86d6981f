"""What a ledger of the gate's jobs shows of the rates that are asked of the gate.

Every rate has its exact binomial bound (Clopper and Pearson 1934, one-sided, 95 %) and the count that was asked for.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness import stats
from harness.ledger import Entry, Found, Ledger
from harness.verdict import Status, Verdict

CONFIDENCE: Final = 0.95
AA_LIMIT: Final = 0.01            # of A/A jobs may have a false verdict
INCONCLUSIVE_LIMIT: Final = 0.02  # of idle A/A jobs may stay open
FOUND_SHARE: Final = 0.95         # of jobs must find 5 %
LONGEST_S: Final = 180.0
FEWEST: Final = 100               # jobs of a kind from which on a bound is worth its name
NEAR: Final = {"exchange": 0.005, "byte": 0.01}  # an estimate is to be so near to what was injected, as a fraction


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job. injected: per mille. busy: beside a neighbour that keeps another CPU busy. goal: jobs in all."""

    name: str
    what: str
    injected: int
    busy: bool
    goal: int

    @property
    def equal(self) -> bool:
        """Whether both arms are the same, so that every verdict but PASS is wrong."""
        return self.name.startswith("aa-")

    @property
    def deaf(self) -> bool:
        """Whether the new arm ignores TCP_NODELAY."""
        return self.name.startswith("nodelay-")


KINDS: Final = {kind.name: kind for kind in (
    Kind("aa-idle", "the same build twice", 0, False, 299),
    Kind("aa-busy", "the same build twice, beside a busy neighbour", 0, True, 299),
    Kind("inject-50", "the new arm slowed down by 5 %", 50, False, 59),
    Kind("inject-100", "the new arm slowed down by 10 %", 100, False, 59),
    Kind("nodelay-lost", "a new build that ignores TCP_NODELAY", 0, False, 100),
    Kind("nodelay-lost-busy", "a new build that ignores TCP_NODELAY, beside a busy neighbour", 0, True, 100))}


# ---------------------------------------------------------------------------------------------------------------------
# What one job says


def answered(job: Entry) -> bool:
    """Whether the gate gave an answer: not when the machine was unfit, something was missing, or it failed."""
    return job.status in (Status.PASS, Status.REGRESSION, Status.INCONCLUSIVE, Status.COUNTER)


def false_verdicts(job: Entry) -> list[str]:
    """What a job with equal arms says that is wrong, one text each: measurements and exact counters."""
    wrong = [f"{one.name}: {one.verdict} {_ratio(one.ratio)} at K = {one.k}" for one in job.judged
             if one.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT)]
    return wrong + [f"{one.name}: counter {one.counter} {one.verdict} ({one.base} and {one.new})"
                    for one in job.counted if one.verdict in ("changed", "varies")]


def _ratio(ratio: float | None) -> str:
    return "without a ratio" if ratio is None else f"{ratio:.4f}"


def open_measurements(job: Entry) -> list[str]:
    """The measurements of a job that stayed INCONCLUSIVE."""
    return [one.name for one in job.judged if one.verdict == Verdict.INCONCLUSIVE]


def finds_slowdown(job: Entry) -> bool:
    """Whether a job calls at least one measurement a regression; one on an unfit machine does not."""
    return job.status in (Status.REGRESSION, Status.COUNTER, Status.MISSING) and any(map(_slower, job.judged))


def _slower(one: Found) -> bool:
    return one.verdict == Verdict.REGRESSION


def finds_stalls(job: Entry) -> bool:
    """Whether the count of stalls alone tells that NODELAY is lost, whatever the timings say."""
    return job.status is not None and any(one.counter == "stalls" and one.verdict == "changed" for one in job.counted)


# ---------------------------------------------------------------------------------------------------------------------
# What many jobs show


@dataclass(frozen=True, slots=True)
class Claim:
    """One row: what is asked, and what the jobs show of it.

    kind: of KINDS. tried: jobs that count. hits: those of which it is true. good: whether hits are what is wanted; then
    their share has to be at least `limit`, else at most. every: all must be hits, of so many jobs. Where both are None
    nothing is asked.
    """

    what: str
    asked: str
    kind: str
    tried: int
    hits: int
    good: bool = False
    limit: float | None = None
    every: int | None = None

    @property
    def misses(self) -> int:
        """Jobs that speak against it."""
        return self.tried - self.hits if self.good else self.hits

    @property
    def bound(self) -> float:
        """What the true share of hits is at least, where they are good, else at most: one-sided, 95 %."""
        return (stats.binomial_lower if self.good else stats.binomial_upper)(self.hits, self.tried, CONFIDENCE)

    @property
    def needed(self) -> int | None:
        """Jobs that it takes to show it with as many misses as there are now; None where nothing is asked."""
        if self.limit is not None:
            return jobs_needed(self.misses, 1 - self.limit if self.good else self.limit)
        return self.every

    @property
    def refuted(self) -> bool:
        """Whether the jobs show the opposite, with the same confidence; one miss does so where all are asked."""
        if self.limit is not None:
            most = 1 - self.limit if self.good else self.limit
            return stats.binomial_lower(self.misses, self.tried, CONFIDENCE) > most
        return self.every is not None and self.misses > 0

    @property
    def shown(self) -> bool:
        """Whether the jobs show it."""
        return self.needed is not None and self.tried >= self.needed and not self.refuted

    @property
    def outcome(self) -> str:
        """shown, missed, or how many jobs are lacking; empty where nothing is asked."""
        if self.needed is None:
            return ""
        if self.refuted:
            return "**missed**"
        if self.shown:
            return "shown"
        few = f"; fewer than {FEWEST} jobs say little" if self.tried < min(FEWEST, self.needed) else ""
        return f"not shown yet: asked {self.needed}, have {self.tried}{few}"


def jobs_needed(misses: int, limit: float) -> int:
    """The least number of jobs that, with so many misses, shows a share of at most `limit` (0 to 1) with 95 %.

    0 misses and .01: 299; 1: 473; 0 and .05: 59.
    """
    low, high = misses, misses + 1
    while stats.binomial_upper(misses, high, CONFIDENCE) > limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if stats.binomial_upper(misses, middle, CONFIDENCE) <= limit else (middle, high)
    return high


def claims(jobs: Sequence[Entry]) -> list[Claim]:
    """The rows about the jobs of one group."""
    def of(kind: str) -> list[Entry]:
        return [job for job in jobs if job.kind == kind and job.status is not None]

    rows = []
    for kind, where in (("aa-idle", "idle"), ("aa-busy", "busy neighbour")):
        wrong = [job for job in of(kind) if false_verdicts(job)]
        # A job without an answer counts where it is wrong, and only there: that can only make the rate worse.
        counted = [job for job in of(kind) if answered(job) or false_verdicts(job)]
        # The gate calls a machine unfit, too, when a measurement stays open because of it: those are no less open.
        still = [job for job in of(kind) if open_measurements(job)]
        silent = [job for job in of(kind) if not answered(job)]
        idle = kind == "aa-idle"
        rows += [Claim(f"A/A, {where}: jobs with a false verdict", "at most 1 %", kind, len(counted), len(wrong),
                       limit=AA_LIMIT),
                 Claim(f"A/A, {where}: jobs with a measurement INCONCLUSIVE", "at most 2 %" if idle else "-", kind,
                       len(of(kind)), len(still), limit=INCONCLUSIVE_LIMIT if idle else None),
                 Claim(f"A/A, {where}: jobs without an answer (machine unfit, or something missing)", "-", kind,
                       len(of(kind)), len(silent))]
    for kind, percent, asked in (("inject-50", 5, "at least 95 %"), ("inject-100", 10, "in all")):
        found = [job for job in of(kind) if finds_slowdown(job)]
        rows += [Claim(f"{percent} % injected: jobs that find it", asked, kind, len(of(kind)), len(found), good=True,
                       limit=FOUND_SHARE if percent == 5 else None, every=KINDS[kind].goal if percent == 10 else None),
                 Claim(f"{percent} % injected: jobs that find it in every measurement", "-", kind, len(of(kind)),
                       sum(all(map(_slower, job.judged)) for job in found), good=True)]
    for kind, where in (("nodelay-lost", "idle"), ("nodelay-lost-busy", "busy neighbour")):
        goal = KINDS[kind].goal
        rows.append(Claim(f"NODELAY lost, {where}: jobs that find it by the count of stalls", f"{goal} of {goal}", kind,
                          len(of(kind)), sum(map(finds_stalls, of(kind))), good=True, every=goal))
    return rows


@dataclass(frozen=True, slots=True)
class Estimates:
    """How near the estimates of one measurement are to what was injected. Errors as fractions of the base's time.

    found: called a regression, of all `jobs`; estimated: those with an estimate. near: within `limit`. low, high: the
    middle 90 % of the errors; farthest: the largest one with its sign. None: no estimate at all.
    """

    kind: str
    name: str
    work: str
    limit: float
    jobs: int
    found: int
    estimated: int
    near: int
    median: float | None
    low: float | None
    high: float | None
    farthest: float | None


def estimates(jobs: Sequence[Entry]) -> list[Estimates]:
    """One row a kind with an injected slowdown and a measurement, in the order of the declaration."""
    rows = []
    for kind in (kind for kind in KINDS.values() if kind.injected):
        of = [job for job in jobs if job.kind == kind.name and job.status is not None]
        for name in dict.fromkeys(one.name for job in of for one in job.judged):
            all_ = [one for job in of for one in job.judged if one.name == name]
            errors = [one.ratio - 1 - kind.injected / 1000 for one in all_ if one.ratio is not None]
            limit = NEAR.get(all_[0].work, min(NEAR.values()))
            near = sum(abs(error) <= limit + 1e-12 for error in errors)
            rows.append(Estimates(
                kind.name, name, all_[0].work, limit, len(of), sum(map(_slower, all_)), len(errors), near,
                *((statistics.median(errors), stats.quantile(errors, 0.05), stats.quantile(errors, 0.95),
                   max(errors, key=abs)) if errors else (None, None, None, None))))
    return rows


def against(jobs: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    """The jobs that count against the gate, each with what it said."""
    for job in jobs:
        kind = KINDS.get(job.kind)
        if kind is None or job.status is None:
            continue
        if kind.equal and false_verdicts(job):
            yield job, "; ".join(false_verdicts(job))
        elif kind.equal and not answered(job):
            yield job, "no answer: " + "; ".join((*job.unfit, *job.missing) or (job.sentence,))
        elif kind.equal and open_measurements(job):
            yield job, "INCONCLUSIVE: " + ", ".join(open_measurements(job))
        elif kind.injected and not finds_slowdown(job):
            yield job, f"not found: {job.sentence}"
        elif kind.deaf and not finds_stalls(job):
            yield job, f"not found by the count of stalls: {job.sentence}"


# ---------------------------------------------------------------------------------------------------------------------
# Groups


def groups(ledger: Ledger) -> list[list[Entry]]:
    """The jobs that may be counted together, the group of the newest job first; jobs that failed are in none."""
    found: dict[tuple[str | int | None, ...], list[Entry]] = {}
    for job in ledger.entries:
        if job.status is not None:
            found.setdefault(job.group, []).append(job)
    return sorted(found.values(), key=lambda jobs: max(job.at for job in jobs), reverse=True)
