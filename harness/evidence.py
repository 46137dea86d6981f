"""What a ledger of the gate's jobs shows of the rates that are asked of the gate, and the report on it.

Every rate is printed with its exact binomial bound (Clopper and Pearson 1934, one-sided, 95 %) and with the count that
was asked for. Nothing is rounded in the gate's favour: upper bounds and bad shares go up, lower bounds and good ones go
down.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
_AGAINST_SHOWN: Final = 40


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
# The report


def groups(ledger: Ledger) -> list[list[Entry]]:
    """The jobs that may be counted together, the group of the newest job first; jobs that failed are in none."""
    found: dict[tuple[str | int | None, ...], list[Entry]] = {}
    for job in ledger.entries:
        if job.status is not None:
            found.setdefault(job.group, []).append(job)
    return sorted(found.values(), key=lambda jobs: max(job.at for job in jobs), reverse=True)


def report(ledger: Ledger, name: str) -> str:
    """The Markdown report on a ledger. name: of its file."""
    lines = ["# What the gate proves of itself", ""]
    failed = [job for job in ledger.entries if job.status is None]
    parts = groups(ledger)
    lines += [f"Made from `{name}`, {len(ledger.entries)} jobs, by `make prove-gate`; `python3 -m harness prove-gate "
              "--report-only` makes it again. Bounds are exact (Clopper and Pearson), one-sided, at 95 %, and "
              "everything is rounded against the gate. A bound at 95 % holds for a number of jobs that was fixed "
              "before: to run 299 jobs and, after one false verdict, 174 more, shows the 1 % with 92 % only. An unfit "
              "job counts as one that does not find what was injected; in A/A it counts where it has a false verdict, "
              "and not otherwise.", ""]
    lines += [f"- {word}" for word in ledger.words]
    lines += [f"- {len(failed)} jobs failed before the gate could say anything, and count nowhere; the last one at "
              f"{failed[-1].at}: {_cell(failed[-1].error or 'no reason given')}"] if failed else []
    unknown = Counter(job.kind for job in ledger.entries if job.kind not in KINDS)
    lines += [f"- {count} jobs of kind {_cell(kind)!r}, which is unknown here, count nowhere."
              for kind, count in sorted(unknown.items())]
    if not parts:
        return "\n".join([*lines, "", "No job has been run yet: nothing is shown.", ""])
    if len(parts) > 1:
        lines += [f"- There are {len(parts)} groups of jobs that must not be counted together, because the measuring "
                  "code, the compiler or the machine differs. Each has its own part below, the newest first; only "
                  "the first one is about the gate as it is now."]
    for number, jobs in enumerate(parts, 1):
        lines += ["", f"## {'The gate as it is now' if number == 1 else f'Earlier group {number - 1}'}", "",
                  *_circumstances(jobs), "", *_claim_table(jobs, number == 1), ""]
        if number == 1:
            lines += [*_time_lines(jobs), "", *_estimate_table(jobs), "", *_equal_table(jobs), ""]
        lines += _against_table(jobs)
    return "\n".join(_single_gaps(lines)) + "\n"


def _circumstances(jobs: Sequence[Entry]) -> Iterator[str]:
    """On what machine, what commit and when; what was pooled and why."""
    first = jobs[0]
    commits, boots = _distinct(job.commit for job in jobs), _distinct(job.boot_id for job in jobs)
    loads = [job.load for job in jobs if job.load is not None]
    yield f"- machine: {_cell(first.cpu_model or 'unknown CPU')}, {first.cpus} CPUs, Linux {first.kernel}"
    yield f"- when: {min(job.at for job in jobs)} to {max(job.at for job in jobs)}, {len(jobs)} jobs"
    yield f"- measuring code: `{first.code}`, {_cell(first.compiler or 'unknown compiler')}"
    changed = sum(job.changed is not False for job in jobs)
    yield (f"- commits: {', '.join(f'`{commit[:12]}`' for commit in commits) or 'unknown'}"
           + (f"; {changed} jobs with changes that no commit has, or where that is not known" if changed else ""))
    if loads:
        yield (f"- load before a job (mean of the last minute): median {statistics.median(loads):.2f}, highest "
               f"{max(loads):.2f}"
               + (f"; unknown before {len(jobs) - len(loads)} jobs" if len(loads) < len(jobs) else ""))
    shares = [job.neighbour for job in jobs if job.neighbour is not None]
    if shares:
        yield f"- the busy neighbour had {min(shares):.0%} to {max(shares):.0%} of another CPU"
    if len(commits) > 1 or len(boots) > 1:
        yield (f"- pooled: {len(commits)} commits and {len(boots)} boots. All of them have the same measuring code "
               "(program, statistics, declaration; comments aside), compiler and flags, CPU model, number of CPUs and "
               "kernel, and a job compares two builds of its own only, so no number passes from one boot to another.")


def _claim_table(jobs: Sequence[Entry], whole: bool) -> Iterator[str]:
    """All rows; of an earlier group only those that have jobs."""
    yield "| what | asked | jobs | hits | share | bound | outcome |"
    yield "|---|---|---|---|---|---|---|"
    for row in (row for row in claims(jobs) if whole or row.tried):
        share, bound = "-", "-"
        if row.tried:
            share = _percent(row.hits / row.tried, not row.good)
            bound = f"at {'least' if row.good else 'most'} {_percent(row.bound, not row.good)}"
        yield f"| {row.what} | {row.asked} | {row.tried} | {row.hits} | {share} | {bound} | {row.outcome} |"


def _time_lines(jobs: Sequence[Entry]) -> Iterator[str]:
    times = [job.elapsed_s for job in jobs if job.kind == "aa-idle"]
    if times:
        late = sum(time > LONGEST_S for time in times)
        yield (f"An idle A/A job took {statistics.median(times):.1f} s (median; asked: about 30 s), the longest "
               f"{math.ceil(10 * max(times)) / 10:.1f} s (asked: at most {LONGEST_S:.0f} s: "
               + (f"**missed by {late} of {len(times)}**)." if late else f"kept by all {len(times)})."))


def _estimate_table(jobs: Sequence[Entry]) -> Iterator[str]:
    rows = estimates(jobs)
    if not rows:
        return
    yield "### How near the estimates are to what was injected"
    yield ""
    yield ("In points (hundredths of the base's time). Asked: within 0.5 points for exchanges, within 1 point for "
           "transfers. Error: estimate less what was injected.")
    yield ""
    yield ("| kind | measurement | called REGRESSION | at least | within | share | median error | middle 90 % "
           "| farthest |")
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        bound = _percent(stats.binomial_lower(row.found, row.jobs, CONFIDENCE), False)
        numbers = ("-", "-", "-")
        if row.median is not None and row.low is not None and row.high is not None and row.farthest is not None:
            numbers = (_points(row.median), f"{_points(row.low)} to {_points(row.high)}", _points(row.farthest))
        share = _percent(row.near / row.estimated, False) if row.estimated else "-"
        yield (f"| {row.kind} | {_cell(row.name)} | {row.found} of {row.jobs} | {bound} | {row.near} of "
               f"{row.estimated} within {100 * row.limit:g} | {share} | {' | '.join(numbers)} |")
    yield ""
    for work, what in (("exchange", "exchanges"), ("byte", "transfers")):
        of = [row for row in rows if row.work == work]
        near, estimated = sum(row.near for row in of), sum(row.estimated for row in of)
        if estimated:
            outcome = "all of them" if near == estimated else f"{_percent(near / estimated, False)}: **not all**"
            yield f"- {what}: {near} of {estimated} estimates are as near as asked, {outcome}"


def _equal_table(jobs: Sequence[Entry]) -> Iterator[str]:
    """What each measurement does when nothing has changed: how soon it is decided, and what it could detect."""
    rows = []
    for kind in (kind for kind in KINDS.values() if kind.equal):
        of = [job for job in jobs if job.kind == kind.name]
        for name in dict.fromkeys(one.name for job in of for one in job.judged):
            all_ = [one for job in of for one in job.judged if one.name == name]
            ratios = [one.ratio for one in all_ if one.ratio is not None]
            seen = [one.detectable for one in all_ if one.detectable is not None]
            wrong = sum(one.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT) for one in all_)
            still = sum(one.verdict == Verdict.INCONCLUSIVE for one in all_)
            looks = Counter(one.look for one in all_)
            rows.append(
                f"| {kind.name} | {_cell(name)} | {len(all_)} | {wrong} | {still} | "
                f"{', '.join(f'{looks[look]}' for look in (1, 2, 3))} | "
                + (f"{statistics.median(ratios):.4f} | {stats.quantile(ratios, 0.05):.4f} to "
                   f"{stats.quantile(ratios, 0.95):.4f}" if ratios else "- | -")
                + f" | {_percent(statistics.median(seen), True) if seen else '-'} |")
    if rows:
        yield "### The same build twice, by measurement"
        yield ""
        yield ("Detectable: the smallest slowdown that the invocations of a job would have found with 95 %, median of "
               "the jobs.")
        yield ""
        yield ("| kind | measurement | jobs | false | INCONCLUSIVE | last look was 1, 2, 3 | ratio | middle 90 % "
               "| detectable |")
        yield "|---|---|---|---|---|---|---|---|---|"
        yield from rows


def _against_table(jobs: Sequence[Entry]) -> Iterator[str]:
    rows = list(against(jobs))
    if not rows:
        return
    yield "### Jobs that count against the gate, or gave no answer"
    yield ""
    yield "| when | kind | seed | load | what it said |"
    yield "|---|---|---|---|---|"
    for job, said in rows[-_AGAINST_SHOWN:]:
        load = "-" if job.load is None else f"{job.load:.2f}"
        yield f"| {job.at} | {job.kind} | {job.seed} | {load} | {_cell(said)} |"
    if len(rows) > _AGAINST_SHOWN:
        yield ""
        yield f"The newest {_AGAINST_SHOWN} of {len(rows)}; the ledger has all."


def _single_gaps(lines: Iterable[str]) -> Iterator[str]:
    before = "x"
    for line in lines:
        if line or before:
            yield line
        before = line


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value is not None))


def _percent(share: float, upward: bool) -> str:
    """A share in percent with three decimals, rounded up or down; the last digits of a float do not count."""
    rounded = (math.ceil if upward else math.floor)(round(1e5 * share, 6)) / 1e3
    return f"{rounded:.3f} %".replace(".000 %", " %")


def _points(error: float) -> str:
    """An error in points, rounded away from 0."""
    return f"{math.copysign(math.ceil(round(1e4 * abs(error), 6)) / 100, error):+.2f}"


def _ratio(ratio: float | None) -> str:
    return "without a ratio" if ratio is None else f"{ratio:.4f}"


def _cell(text: str) -> str:
    """Foreign text in a cell of a table: one line, no bars, no markup."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    for sign in "\\`*_|<>[]":
        plain = plain.replace(sign, "\\" + sign)
    return plain
