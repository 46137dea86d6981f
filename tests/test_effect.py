"""The rule by which a difference between two settings is called clear."""

from __future__ import annotations

import random

import pytest
import synthetic
from scipy.stats import mannwhitneyu

from harness import effect as effects
from harness import stats, summary
from harness.effect import Effect
from harness.grouping import by_nodelay
from harness.panels import GOODPUT, Point


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_the_exact_rank_sum_test(seed: int) -> None:
    """Against scipy, in one context; in several, the order of the contexts does not matter."""
    rng = random.Random(seed)
    first = [rng.random() + 0.3 for _ in range(rng.randint(1, 9))]
    second = [rng.random() for _ in range(rng.randint(1, 9))]
    wins = sum(a > b for a in first for b in second)
    expected = mannwhitneyu(first, second, method="exact").pvalue
    assert stats.chance(wins, [(len(first), len(second))]) == pytest.approx(expected)


def test_chance_over_contexts() -> None:
    assert stats.chance(0, [(5, 5)]) == pytest.approx(2 / 252)
    assert stats.chance(0, [(1, 1)] * 3) == pytest.approx(2 / 8)
    assert stats.chance(25, [(5, 5), (5, 5)]) == pytest.approx(1.0, abs=0.2)
    assert stats.chance(0, []) == 1.0


def test_equal_settings_are_seldom_called_different() -> None:
    """The rule's false alarms, with a hundredfold smaller effect demanded than in use."""
    rng = random.Random(3)
    alarms = 0
    for _ in range(400):
        values = [[rng.gauss(1, 0.2) for _ in range(5)] for _ in range(6)]
        wins = sum(a > b for one, other in zip(values[::2], values[1::2]) for a in one for b in other)
        alarms += stats.chance(wins, [(5, 5)] * 3) <= effects.CHANCE
    assert alarms <= 12


@pytest.mark.parametrize(("effect", "verdict"), [
    (Effect(2.0, 0.95, 0.001, 0.001, ((2.0, ""),)), "higher"), (Effect(0.5, 0.05, 0.001, 0.001, ((0.5, ""),)), "lower"),
    (Effect(1.05, 1.0, 0.001, 0.001, ((1.05, ""),)), "unclear"),
    (Effect(2.0, 0.7, 0.2, 0.001, ((2.0, ""),)), "unclear"),
    (Effect(2.0, 1.0, 0.1, 0.1, ((2.0, ""),)), "few"), (Effect(1.2, 0.4, 0.001, 0.001, ((1.2, ""),)), "unclear"),
])
def test_verdict(effect: Effect, verdict: str) -> None:
    assert effect.verdict == verdict


def test_ties_are_half_a_win() -> None:
    made = synthetic.experiment({"nodelay": ["on", "off"]}, {}, blocks=5)
    trials = synthetic.trials(made)
    for trial in trials:
        trial.document["result"]["goodput_bytes_per_s"] = 1e9
    points = [Point(row, trial) for row, trial in zip(summary.rows(trials), trials, strict=True)]
    effect = effects.compare(*by_nodelay(points), GOODPUT, lambda point: "")
    assert effect is not None and (effect.share, effect.verdict) == (0.5, "unclear")


def test_many_trials_are_judged_by_the_normal_distribution_as_scipy_does() -> None:
    rng = random.Random(7)
    for shift in (0.0, 0.2, 0.5, 1.0):
        first = [rng.gauss(shift, 1.0) for _ in range(60)]
        second = [rng.gauss(0.0, 1.0) for _ in range(80)]
        wins = sum(a > b for a in first for b in second)
        expected = mannwhitneyu(first, second, method="asymptotic").pvalue
        assert stats.chance(wins, [(60, 80)]) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    exact, near = stats.chance(330, [(30, 30)]), stats.chance(330 * 31 / 30, [(30, 31)])  # on both sides of the limit
    assert exact == pytest.approx(near, rel=0.1)
