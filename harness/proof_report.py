"""The report on a proof, in Markdown: what its jobs show, by group, with the jobs that count against the gate.

Every rate is printed with its exact binomial bound (Clopper and Pearson 1934, one-sided, 95 %) and with the count that
was asked for. Nothing is rounded in the gate's favour: upper bounds and bad shares go up, lower bounds and good ones go
down.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from harness import stats
from harness.evidence import CONFIDENCE, KINDS, LONGEST_S, against, claims, estimates, groups
from harness.ledger import Entry, Ledger
from harness.verdict import Verdict

_AGAINST_SHOWN: Final = 40


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


def _cell(text: str) -> str:
    """Foreign text in a cell of a table: one line, no bars, no markup."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    for sign in "\\`*_|<>[]":
        plain = plain.replace(sign, "\\" + sign)
    return plain
