"""Rounds: their statistics against scipy, their order, their verdicts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness import rounds
from harness.rounds import Row


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60))
def test_interval_of_median_holds_95_percent(values: list[float]) -> None:
    """The ranks are the innermost ones whose coverage, by scipy's binomial, is at least 95 %."""
    low, high = rounds.interval_of_median(values)
    ordered, count = sorted(values), len(values)
    rank = next(k for k in range(count) if ordered[k] == low and ordered[-1 - k] == high)
    innermost = max(k for k in range(count) if 2 * stats.binom.cdf(k, count, 0.5) <= 0.05)
    assert ordered[innermost] == low and ordered[-1 - innermost] == high
    assert rank <= innermost


def test_interval_of_few_values_is_their_range() -> None:
    """Five values cannot bound a median with 95 %."""
    assert rounds.interval_of_median([3.0, 1.0, 2.0, 5.0, 4.0]) == (1.0, 5.0)


def test_every_arm_runs_once_a_round_in_changing_order() -> None:
    """Rounds are complete, and shuffled from the seed."""
    order: list[str] = []
    arms = {name: (lambda name=name: float(order.append(name) or len(order))) for name in ("a", "b", "c")}
    found = rounds.interleave(arms, 20, random.Random(1))
    each = [order[start:start + 3] for start in range(0, 60, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in each)
    assert len({tuple(names) for names in each}) > 1
    assert [len(values) for values in found.values()] == [20, 20, 20]


@pytest.mark.parametrize(("values", "asked", "at_least", "verdict"), [
    ((0.98, 0.99, 1.0, 1.0, 1.01, 1.02), 0.97, True, "reached"),
    ((0.90, 0.91, 0.92, 0.93, 0.94, 0.95), 0.97, True, "not reached"),
    ((0.90, 0.98, 0.98, 0.99, 0.99, 1.0), 0.97, True, "reached (close)"),
    ((14.0, 14.1, 14.2, 14.3, 14.4, 14.5), 15.0, False, "reached"),
    ((1.0, 2.0, 3.0), None, True, "-"),
])
def test_verdict(values: tuple[float, ...], asked: float | None, at_least: bool, verdict: str) -> None:
    """By the median; close where the interval lies on both sides of what was asked."""
    row = Row("x", "ratio", values, asked, at_least)
    assert row.verdict == verdict


def test_ratios_are_made_pair_by_pair() -> None:
    """The median of ratios is not the ratio of medians."""
    assert rounds.ratios([1.0, 4.0], [2.0, 2.0]) == (0.5, 2.0)
    with pytest.raises(ValueError):
        rounds.ratios([1.0], [1.0, 2.0])
