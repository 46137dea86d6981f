"""What jobs show: the counts that are asked for, and bounds that are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import proofs
import pytest
from scipy.stats import binomtest

from harness import evidence
from harness.evidence import KINDS, Claim, claims, jobs_needed
from harness.ledger import Entry, Ledger
from harness.proof_report import report
from harness.verdict import Verdict


def claim(entries: Sequence[Entry], words: str) -> Claim:
    """The one row that has these words."""
    found = [one for one in claims(entries) if words in one.what]
    assert len(found) == 1
    return found[0]


FALSE = "A/A, idle: jobs with a false verdict"
OPEN = "A/A, idle: jobs with a measurement INCONCLUSIVE"
SILENT = "A/A, idle: jobs without an answer"


# ---------------------------------------------------------------------------------------------------------------------
# Counts


def test_jobs_needed_are_those_asked_for() -> None:
    """0 in 299 and 1 in 473 for 1 %, 59 of 59 and 92 of 93 for 95 %; and the next by scipy."""
    assert [jobs_needed(misses, 0.01) for misses in (0, 1)] == [299, 473]
    assert [jobs_needed(misses, 0.05) for misses in (0, 1)] == [59, 93]
    needed = jobs_needed(2, 0.01)
    for count, enough in ((needed, True), (needed - 1, False)):
        high = binomtest(2, count, alternative="less").proportion_ci(0.95, "exact").high
        assert (high <= 0.01) is enough


@pytest.mark.parametrize(("wrong", "count", "outcome"), [
    (0, 299, "shown"), (0, 298, "not shown yet: asked 299, have 298"), (1, 473, "shown"),
    (1, 472, "not shown yet: asked 473, have 472"), (12, 299, "**missed**"),
    (0, 99, "not shown yet: asked 299, have 99; fewer than 100 jobs say little"),
    (0, 0, "not shown yet: asked 299, have 0; fewer than 100 jobs say little")])
def test_false_verdicts_are_bounded(wrong: int, count: int, outcome: str) -> None:
    """1 % is shown by the exact counts and by no job fewer."""
    entries = [proofs.says(one, Verdict.REGRESSION) for one in proofs.repeated("aa-idle", wrong)]
    entries += proofs.repeated("aa-idle", count - wrong, wrong + 1)
    found = claim(entries, FALSE)
    assert (found.tried, found.hits, found.outcome) == (count, wrong, outcome)


@pytest.mark.parametrize(("found", "tried", "outcome"), [
    (59, 59, "shown"), (92, 93, "shown"), (58, 58, "not shown yet: asked 59, have 58; fewer than 100 jobs say little"),
    (91, 92, "not shown yet: asked 93, have 92; fewer than 100 jobs say little"), (50, 60, "**missed**")])
def test_five_percent_must_be_found(found: int, tried: int, outcome: str) -> None:
    """95 %: 59 of 59, or 92 of 93."""
    entries = [proofs.says(one, Verdict.PASS) for one in proofs.repeated("inject-50", tried - found)]
    entries = [replace(one, judged=tuple(replace(judged, verdict="PASS") for judged in one.judged)) for one in entries]
    entries += proofs.repeated("inject-50", found, tried)
    assert claim(entries, "5 % injected: jobs that find it in every").hits == found
    row = next(one for one in claims(entries) if one.what == "5 % injected: jobs that find it")
    assert (row.tried, row.hits, row.outcome) == (tried, found, outcome)


@pytest.mark.parametrize(("kind", "what", "goal"), [
    ("inject-100", "10 % injected: jobs that find it", 59),
    ("nodelay-lost", "NODELAY lost, idle: jobs that find it by the count of stalls", 100),
    ("nodelay-lost-busy", "NODELAY lost, busy neighbour: jobs that find it by the count of stalls", 100)])
def test_one_miss_is_one_too_many_where_all_are_asked(kind: str, what: str, goal: int) -> None:
    """In all jobs: 99 of 100 is missed, 99 of 99 is not enough."""
    def outcome(entries: Sequence[Entry]) -> str:
        return next(one.outcome for one in claims(entries) if one.what == what)
    assert KINDS[kind].goal == goal
    assert outcome(proofs.repeated(kind, goal)) == "shown"
    assert outcome(proofs.repeated(kind, goal - 1)).startswith(f"not shown yet: asked {goal}, have {goal - 1}")
    assert outcome([*proofs.repeated(kind, goal - 1), replace(proofs.made(seed=999), kind=kind)]) == "**missed**"


def test_a_wrong_improvement_and_a_wrong_counter_are_false_too() -> None:
    """Whatever is not PASS or INCONCLUSIVE, once a job."""
    good = proofs.made()
    for one in (proofs.says(good, Verdict.IMPROVEMENT, 0.97), proofs.says(good, Verdict.REGRESSION),
                replace(good, status=5, counted=(replace(good.counted[0], verdict="changed", new=1),)),
                replace(good, status=5, counted=(replace(good.counted[0], verdict="varies"),))):
        assert claim([one, good], FALSE).hits == 1
        assert len(list(evidence.against([one, good]))) == 1


def test_an_unfit_machine_does_not_make_the_rate_look_better() -> None:
    """Such a job does not count as a good one; with a false verdict it counts all the same; it is told apart."""
    good, mute = proofs.made(), proofs.unfit(proofs.made(seed=2))
    wrong = proofs.unfit(proofs.says(proofs.made(seed=3), Verdict.REGRESSION))
    entries = [good, mute, wrong]
    assert (claim(entries, FALSE).tried, claim(entries, FALSE).hits) == (2, 1)
    assert (claim(entries, SILENT).tried, claim(entries, SILENT).hits) == (3, 2)
    injected = [proofs.unfit(one) for one in proofs.repeated("inject-50", 1)]
    assert claim(injected, "5 % injected: jobs that find it in every").tried == 1
    assert not evidence.finds_slowdown(injected[0])


def test_what_stays_open_on_an_unfit_machine_stays_open() -> None:
    """The gate calls a machine unfit where a measurement stays open and the detectable effect is too large."""
    weak = proofs.unfit(proofs.says(proofs.made(), Verdict.INCONCLUSIVE))
    assert (claim([weak], OPEN).tried, claim([weak], OPEN).hits) == (1, 1)
    assert claim(proofs.repeated("aa-idle", 149), OPEN).outcome == "shown"
    assert claim(proofs.repeated("aa-idle", 148), OPEN).outcome == "not shown yet: asked 149, have 148"


def test_a_lost_nodelay_is_found_by_stalls_alone() -> None:
    """A regression in time, or another counter, is no proof of it."""
    lost = proofs.made("nodelay-lost")
    assert evidence.finds_stalls(lost)
    assert not evidence.finds_stalls(replace(lost, counted=(replace(lost.counted[0], counter="writes"),)))
    assert not evidence.finds_stalls(replace(lost, counted=(replace(lost.counted[0], verdict="missing"),), status=6))
    assert not evidence.finds_stalls(replace(lost, counted=(), status=1))


def test_a_job_that_failed_counts_nowhere_and_is_told() -> None:
    """Neither as found nor as missed; the report has it."""
    failed = proofs.made("inject-50", status=None, error="the disk is full.")
    assert all(one.tried == 0 for one in claims([failed]))
    text = report(Ledger((failed,)), "x.jsonl")
    assert "1 jobs failed" in text and "the disk is full." in text and "nothing is shown" in text


# ---------------------------------------------------------------------------------------------------------------------
# Estimates


def test_estimates_are_held_against_what_was_injected() -> None:
    """Half a point for exchanges, one point for transfers; exactly at the limit is within."""
    one = proofs.made("inject-50")
    ratios = {"ping_pong": (1.055, 1.0551, 1.05), "writev": (1.045, 1.0449, 1.05), "bulk_64k": (1.06, 1.039, None)}
    entries = [replace(one, judged=tuple(replace(judged, ratio=ratios[judged.name][place]) for judged in one.judged))
               for place in range(3)]
    found = {row.name: row for row in evidence.estimates(entries)}
    assert [(row.near, row.estimated, row.jobs, row.limit) for row in found.values()] == [
        (2, 3, 3, 0.005), (2, 3, 3, 0.005), (1, 2, 3, 0.01)]
    assert found["ping_pong"].median == pytest.approx(0.005)
    assert found["ping_pong"].farthest == pytest.approx(0.0051)
    assert found["bulk_64k"].farthest == pytest.approx(-0.011)
    text = report(Ledger(tuple(entries)), "x.jsonl")
    assert "| inject-50 | ping\\_pong | 3 of 3 | 36.840 % | 2 of 3 within 0.5 | 66.666 % | +0.50 |" in text
    assert "- exchanges: 4 of 6 estimates are as near as asked, 66.666 %: **not all**" in text
    assert "- transfers: 1 of 2 estimates are as near as asked, 50 %: **not all**" in text


def test_all_near_is_said_so() -> None:
    """The good case."""
    assert "- exchanges: 6 of 6 estimates are as near as asked, all of them" in report(
        Ledger(tuple(proofs.repeated("inject-100", 3))), "x.jsonl")
