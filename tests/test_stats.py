"""Statistics against scipy as oracle, against published examples, and by their own laws.

scipy counts as right where it has the same procedure; where it has none (Holm, Hodges-Lehmann, exact signed ranks with
ties), the numbers of a paper or a textbook do, or every case is written out.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness import stats
from harness.stats import StatsError

# Hollander and Wolfe, Nonparametric Statistical Methods, table 3.1: the Hamilton depression scale of nine patients at
# the first and at the second visit after a tranquiliser was begun.
FIRST_VISIT = (1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
SECOND_VISIT = (0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)
DEPRESSION = tuple(second - first for first, second in zip(FIRST_VISIT, SECOND_VISIT))

# Wholes are exact, so that nothing here hangs on the last digit; few of them make ties and zeros.
coarse = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=11)
fine = st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=1, max_size=30)
distinct = st.lists(st.integers(1, 10_000), min_size=1, max_size=40, unique=True).flatmap(
    lambda sizes: st.tuples(*(st.sampled_from((float(size), -float(size))) for size in sizes)))
shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def every_sign(values: Sequence[float]) -> tuple[Fraction, Fraction]:
    """The definition written out: ranks of the distances, zeros among them, and all 2**n choices of signs."""
    distances = sorted(abs(value) for value in values)
    ranks = [Fraction(2 * distances.index(abs(value)) + distances.count(abs(value)) + 1, 2) for value in values]
    up = sum(rank for rank, value in zip(ranks, values) if value > 0)
    moved = [rank for rank, value in zip(ranks, values) if value != 0]
    sums = [sum(itertools.compress(moved, signs)) for signs in itertools.product((0, 1), repeat=len(moved))]
    return Fraction(sum(one >= up for one in sums), len(sums)), Fraction(sum(one <= up for one in sums), len(sums))


# ---------------------------------------------------------------------------------------------------------------------
# Signed ranks


def test_signed_rank_of_hollander_and_wolfe() -> None:
    """Their example 3.1: T+ = 5 of n = 9, one-sided p = .020; estimate -.46; 96 % interval (-.786, -.010)."""
    found = stats.signed_rank(DEPRESSION)
    assert found.below == 10 / 512 and round(found.below, 3) == 0.020
    assert found.exact
    assert stats.hodges_lehmann(DEPRESSION) == pytest.approx(-0.46)
    bounds = stats.interval(DEPRESSION, 0.96)
    assert bounds is not None
    assert (bounds.low, bounds.high) == (pytest.approx(-0.786), pytest.approx(-0.010))
    assert round(bounds.achieved, 3) == 0.961


def test_signed_rank_table() -> None:
    """Upper tails of Wilcoxon's table as printed in Hollander and Wolfe, table A.4: (n, sum, chance)."""
    for count, total, chance in ((5, 15, 0.031), (6, 19, 0.047), (8, 30, 0.055), (10, 45, 0.042), (10, 50, 0.010),
                                 (12, 68, 0.010), (15, 90, 0.047)):
        left, signs = total, []
        for rank in range(count, 0, -1):  # ranks that add up to the total
            signs.append(float(rank) if rank <= left else -float(rank))
            left -= rank if rank <= left else 0
        assert round(stats.signed_rank(signs).above, 3) == chance


@given(distinct)
def test_signed_rank_is_scipys(values: tuple[float, ...]) -> None:
    """Without ties and zeros scipy has the same exact test."""
    found = stats.signed_rank(values)
    for alternative, p in (("greater", found.above), ("less", found.below)):
        assert p == pytest.approx(scipy.stats.wilcoxon(values, alternative=alternative, mode="exact").pvalue, rel=1e-9)


@given(coarse)
def test_signed_rank_counts_every_choice_of_signs(values: list[float]) -> None:
    """With ties and zeros: mid-ranks, Pratt's zeros, and the exact distribution that goes with them."""
    above, below = every_sign(values)
    found = stats.signed_rank(values)
    assert (found.above, found.below) == (float(above), float(below))


def test_signed_rank_with_ties_is_scipys_permutation_test() -> None:
    """The same by scipy's own permutations of signs."""
    values = numpy.array([3.0, -1, 1, 2, 2, -2, 5, 5, 0, 4])

    def positive_ranks(sample: numpy.ndarray, axis: int) -> numpy.ndarray:
        ranks = scipy.stats.rankdata(numpy.abs(sample), axis=axis)
        return numpy.asarray(numpy.sum(ranks * (sample > 0), axis=axis))
    for alternative, p in (("greater", stats.signed_rank(values.tolist()).above),
                           ("less", stats.signed_rank(values.tolist()).below)):
        oracle = scipy.stats.permutation_test((values,), positive_ranks, permutation_type="samples", vectorized=True,
                                              n_resamples=math.inf, alternative=alternative)
        assert p == pytest.approx(oracle.pvalue)


@given(coarse)
def test_signed_rank_mirrors(values: list[float]) -> None:
    """Other signs, the other side."""
    one, other = stats.signed_rank(values), stats.signed_rank([-value for value in values])
    assert (one.above, one.below) == (other.below, other.above)


@given(coarse, st.randoms(use_true_random=False), st.sampled_from((0.25, 8.0)))
def test_order_and_scale_change_nothing(values: list[float], chooser: random.Random, scale: float) -> None:
    """A test of ranks knows neither the unit nor the order; estimate and interval go with the unit."""
    moved = [scale * value for value in chooser.sample(values, len(values))]
    assert stats.signed_rank(moved) == stats.signed_rank(values)
    assert stats.hodges_lehmann(moved) == scale * stats.hodges_lehmann(values)
    one, other = stats.interval(values, 0.9), stats.interval(moved, 0.9)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (other.low, other.high) == (scale * one.low, scale * one.high)


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=10), st.integers(1, 5))
def test_raising_all_never_makes_above_less_certain(values: list[int], rise: int) -> None:
    """Why zeros are Pratt's: with Wilcoxon's rule a higher sample can look less high."""
    before = stats.signed_rank([float(value) for value in values])
    after = stats.signed_rank([float(value + rise) for value in values])
    ties = len({abs(value) for value in values}) < len(values) or len({abs(v + rise) for v in values}) < len(values)
    if not ties:  # with ties the distribution itself is another one
        assert after.above <= before.above


def test_leaving_zeros_out_first_would_not_do_so() -> None:
    """Pratt 1959: by Wilcoxon's rule the sample with 0 looks less high than the one with -1 in its place."""
    rest = (2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 11.0, 14.0, 15.0, 17.0, -18.0)
    low, high, left_out = stats.signed_rank((-1.0, *rest)), stats.signed_rank((0.0, *rest)), stats.signed_rank(rest)
    assert high.above < low.above < left_out.above
    assert [round(found.above, 4) for found in (low, left_out)] == [0.0133, 0.0171]


def test_all_zeros_say_nothing() -> None:
    """Two arms that always take the same time: no side, centre 0, interval 0 to 0."""
    assert stats.signed_rank([0.0] * 12) == stats.SignedRank(1.0, 1.0, True)
    assert stats.hodges_lehmann([0.0] * 12) == 0
    bounds = stats.interval([0.0] * 12, 0.99)
    assert bounds is not None and (bounds.low, bounds.high) == (0, 0)


def test_the_normal_distribution_takes_over_without_a_step() -> None:
    """Beyond EXACT_RANKS values; the two agree to four digits there, with ties and without."""
    chooser = random.Random(1)
    for rounded in (6, 1):
        values = [round(chooser.gauss(0.15, 1), rounded) for _ in range(stats.EXACT_RANKS + 1)]
        near, exact = stats.signed_rank(values), stats.signed_rank(values[:-1])
        assert (near.exact, exact.exact) == (False, True)
        by_scipy = scipy.stats.wilcoxon(values, alternative="greater", mode="approx", correction=True,
                                        zero_method="pratt").pvalue
        assert near.above == pytest.approx(by_scipy, rel=0.02)
        ranks = tuple(sorted(abs(rank) for rank in stats._signed_ranks(values) if rank))
        up = sum(rank for rank in stats._signed_ranks(values) if rank > 0)
        assert near.above == pytest.approx(1 - stats._rank_tails(ranks)[up - 1], abs=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# Estimate, interval, spread


@given(fine)
def test_hodges_lehmann_is_the_median_of_all_means_of_two(values: list[float]) -> None:
    """The definition, by numpy."""
    first, second = numpy.triu_indices(len(values))
    sample = numpy.array(values)
    assert stats.hodges_lehmann(values) == pytest.approx(float(numpy.median((sample[first] + sample[second]) / 2)),
                                                         rel=1e-9, abs=1e-9)


@given(distinct, st.sampled_from((0.8, 0.9, 0.95, 0.99)))
def test_interval_is_what_the_test_does_not_rule_out(values: tuple[float, ...], confidence: float) -> None:
    """Just inside either bound both one-sided p-values are above half of the error, just outside one is not."""
    bounds = stats.interval(values, confidence)
    aside = (1 - confidence) / 2
    assert (bounds is None) == (len(values) < stats.least_values(confidence))
    if bounds is None:
        return
    assert bounds.low <= stats.hodges_lehmann(values) <= bounds.high
    assert bounds.achieved >= confidence - 1e-12
    gap = 0.01  # all Walsh averages are multiples of one half
    for bound, inward in ((bounds.low, gap), (bounds.high, -gap)):
        inside = stats.signed_rank([value - bound - inward for value in values])
        outside = stats.signed_rank([value - bound + inward for value in values])
        if bounds.low < bounds.high:
            assert min(inside.above, inside.below) > aside
        assert min(outside.above, outside.below) <= aside


def test_how_many_values_an_interval_needs() -> None:
    """The least chance of n signs is 2**-n: the count is said, and one fewer has no interval."""
    for confidence, two, one in ((0.99, 8, 7), (0.95, 6, 5), (0.75, 3, 2), (0.998046875, 10, 9)):
        assert (stats.least_values(confidence), stats.least_values(confidence, 1)) == (two, one)
        values = [float(value) for value in range(1, two + 1)]
        assert stats.interval(values, confidence) is not None
        assert stats.interval(values[1:], confidence) is None
        assert stats.upper_bound(values[:one], confidence) == one
        assert stats.upper_bound(values[:one - 1], confidence) is None
    assert stats.interval([], 0.5) is None and stats.upper_bound([], 0.5) is None


def test_interval_of_a_large_sample() -> None:
    """Beyond EXACT_RANKS the rank comes from the normal distribution; it joins on to the exact one."""
    exact, near = stats._bound_rank(stats.EXACT_RANKS, 0.005), stats._bound_rank(stats.EXACT_RANKS + 1, 0.005)
    assert 0 < near[0] - exact[0] < 100 and near[1] == pytest.approx(0.005, rel=0.02)


def test_interval_covers() -> None:
    """Of 600 samples of 12 from each of three symmetric distributions at most 2 % of intervals at 99 % miss 0."""
    chooser = random.Random(4)
    draws = (lambda: chooser.gauss(0, 1), lambda: chooser.choice((-1, 1)) * chooser.expovariate(1),
             lambda: float(chooser.randint(-2, 2)))  # the last one with many ties and zeros
    for draw in draws:
        missed = 0
        for _ in range(600):
            bounds = stats.interval([draw() for _ in range(12)], 0.99)
            assert bounds is not None
            missed += not bounds.low <= 0 <= bounds.high
        assert missed <= 12


@given(fine)
def test_upper_bound_mirrors(values: list[float]) -> None:
    """The lower bound is the upper one of the mirror image; at a given confidence it lies within the two-sided one."""
    above, below = stats.upper_bound(values, 0.95), stats.upper_bound([-value for value in values], 0.95)
    assert (above is None) == (below is None) == (len(values) < 5)
    bounds = stats.interval(values, 0.95)
    if above is not None and below is not None and bounds is not None:
        assert bounds.low <= -below and above <= bounds.high


def test_spread_is_the_standard_deviation_without_strays() -> None:
    """For normal values about sigma; one stray in twelve hardly moves it; too few have none."""
    chooser = random.Random(2)
    values = [chooser.gauss(5, 2) for _ in range(400)]
    found = stats.spread(values)
    assert found == pytest.approx(2, rel=0.1)
    strayed = stats.spread([*values[:-20], *[1e6] * 20])
    assert strayed == pytest.approx(2, rel=0.2)
    assert stats.spread([1.0]) is None and stats.spread([]) is None and stats.spread([1.0, 1.0]) == 0


@given(fine, st.floats(0, 1))
def test_quantile_is_numpys(values: list[float], share: float) -> None:
    """Definition 7."""
    assert stats.quantile(values, share) == pytest.approx(float(numpy.quantile(values, share)), rel=1e-9, abs=1e-9)


# ---------------------------------------------------------------------------------------------------------------------
# Families of tests


def test_holm_of_a_textbook() -> None:
    """Four tests at .05: .005 and .01 are significant, .03 and .04 are not, although each is below .05."""
    adjusted = stats.holm((0.01, 0.04, 0.03, 0.005))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [p <= 0.05 for p in adjusted] == [True, False, False, True]


# Benjamini and Hochberg (1995), section 4.1: fifteen end points of a trial of treatments of myocardial infarction.
INFARCTION = (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
              0.7590, 1.0000)


def test_benjamini_hochberg_of_their_paper() -> None:
    """Their table: four are significant at a false discovery rate of .05; the family-wise rule finds three."""
    assert sum(q <= 0.05 for q in stats.benjamini_hochberg(INFARCTION)) == 4
    assert sum(p <= 0.05 for p in stats.holm(INFARCTION)) == 3


@given(shares, st.randoms(use_true_random=False))
def test_families_keep_their_order(p_values: list[float], chooser: random.Random) -> None:
    """Adjusted p-values go with their test wherever it stands; they are at least the raw ones and at most 1."""
    order = chooser.sample(range(len(p_values)), len(p_values))
    for adjust in (stats.holm, stats.benjamini_hochberg):
        whole = adjust(p_values)
        assert adjust([p_values[place] for place in order]) == [whole[place] for place in order]
        assert all(raw <= p <= 1 for raw, p in zip(p_values, whole))
    assert all(q <= p + 1e-12 for q, p in zip(stats.benjamini_hochberg(p_values), stats.holm(p_values)))


@given(shares, st.sampled_from((0.01, 0.05, 0.2)))
def test_holm_is_its_step_down_rule(p_values: list[float], alpha: float) -> None:
    """The rule as Holm wrote it: walk up from the least, stop at the first above alpha / (tests left)."""
    significant: set[int] = set()
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        if p_values[place] * (len(p_values) - step) > alpha:
            break
        significant.add(place)
    assert {place for place, p in enumerate(stats.holm(p_values)) if p <= alpha} == significant


def test_absent_tests_stay_in_the_family() -> None:
    """Two of four tests at hand are judged as if the others had shown nothing."""
    assert stats.holm((0.01, 0.02), 4) == stats.holm((0.01, 0.02, 1.0, 1.0))[:2]
    with pytest.raises(StatsError, match="cannot hold"):
        stats.holm((0.1, 0.2), 1)


# ---------------------------------------------------------------------------------------------------------------------
# Bootstrap


def test_bootstrap_is_scipys_percentile_method() -> None:
    """The same interval of a 90th percentile, up to the luck of the draw; the same seed gives the same one."""
    chooser = random.Random(3)
    values = [chooser.lognormvariate(0, 0.5) for _ in range(120)]
    found = stats.quantile_interval(values, 0.9, 0.95, random.Random(5))
    oracle = scipy.stats.bootstrap((numpy.array(values),), lambda sample, axis: numpy.quantile(sample, 0.9, axis=axis),
                                   method="percentile", n_resamples=4999, random_state=1).confidence_interval
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(oracle.low, rel=0.05), pytest.approx(oracle.high, rel=0.05))
    assert found == stats.quantile_interval(values, 0.9, 0.95, random.Random(5))
    assert found.low <= stats.quantile(values, 0.9) <= found.high


def test_bootstrap_keeps_pairs_together() -> None:
    """Items are drawn whole: where each pair has the ratio 2, every resample has."""
    pairs = [(float(base), 2.0 * base) for base in range(1, 30)]
    found = stats.bootstrap(pairs, lambda drawn: sum(new for _, new in drawn) / sum(base for base, _ in drawn), 0.9,
                            random.Random(1), 200)
    assert found is not None and (found.low, found.high) == (pytest.approx(2), pytest.approx(2))


def test_bootstrap_covers() -> None:
    """Medians of 150 samples of 40: at most 10 % of the intervals at 95 % miss the true one."""
    chooser, missed = random.Random(6), 0
    for _ in range(150):
        found = stats.quantile_interval([chooser.expovariate(1) for _ in range(40)], 0.5, 0.95, chooser, 300)
        assert found is not None
        missed += not found.low <= math.log(2) <= found.high
    assert missed <= 15


def test_a_quantile_that_the_sample_cannot_bound_has_no_interval() -> None:
    """The 99th percentile of 48 values may well lie above all of them."""
    values = [float(value) for value in range(48)]
    assert stats.quantile_interval(values, 0.99, 0.95, random.Random(1)) is None
    assert stats.quantile_interval(values, 0.9, 0.95, random.Random(1)) is not None
    assert stats.bootstrap([1.0] * 4, sum, 0.9, random.Random(1)) is None


# ---------------------------------------------------------------------------------------------------------------------
# Proportions


def test_clopper_pearson_tables() -> None:
    """95 % bounds as tables print them."""
    for found, tried, low, high in ((0, 10, 0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129),
                                    (10, 10, 0.6915, 1), (0, 30, 0, 0.1157), (4, 20, 0.0573, 0.4366)):
        assert stats.binomial_interval(found, tried, 0.95) == (pytest.approx(low, abs=5e-5),
                                                               pytest.approx(high, abs=5e-5))


def test_how_many_jobs_prove_what() -> None:
    """The counts that a proof asks for are the least that reach it at 95 %."""
    for found, tried in ((0, 299), (1, 473)):
        assert stats.binomial_upper(found, tried, 0.95) <= 0.01 < stats.binomial_upper(found, tried - 1, 0.95)
    for found, tried in ((59, 59), (92, 93)):
        assert stats.binomial_lower(found, tried, 0.95) >= 0.95 > stats.binomial_lower(found - 1, tried - 1, 0.95)


@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from((0.8, 0.95, 0.999)))
def test_binomial_bounds_are_scipys(found: int, missed: int, confidence: float) -> None:
    """One-sided and two-sided."""
    tried = found + missed
    if not tried:
        assert stats.binomial_interval(0, 0, confidence) == (0, 1)
        return
    oracle = scipy.stats.binomtest(found, tried).proportion_ci(confidence, method="exact")
    assert stats.binomial_interval(found, tried, confidence) == (pytest.approx(oracle.low, abs=1e-9),
                                                                 pytest.approx(oracle.high, abs=1e-9))
    oracle = scipy.stats.binomtest(found, tried, alternative="less").proportion_ci(confidence, method="exact")
    assert stats.binomial_upper(found, tried, confidence) == pytest.approx(oracle.high, abs=1e-9)


@given(st.floats(0.05, 3000), st.floats(0.05, 3000), st.floats(0, 1))
def test_incomplete_beta_is_scipys(a: float, b: float, x: float) -> None:
    """For every size of sample."""
    assert stats.incomplete_beta(a, b, x) == pytest.approx(float(scipy.special.betainc(a, b, x)), rel=1e-8, abs=1e-11)


def test_normal_distribution() -> None:
    """Both ways."""
    for z in (-6.0, -1.0, 0.0, 2.5):
        assert stats.normal_below(z) == pytest.approx(scipy.stats.norm.cdf(z))
        assert stats.normal_quantile(stats.normal_below(z)) == pytest.approx(z)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_refused(bad: float) -> None:
    """NaN and infinities end every statistic with a sentence that says which value it is."""
    values = [1.0, bad, 2.0] * 4
    for statistic in (stats.signed_rank, stats.hodges_lehmann, stats.spread, lambda sample: stats.interval(sample, 0.9),
                      lambda sample: stats.upper_bound(sample, 0.9), lambda sample: stats.quantile(sample, 0.5),
                      lambda sample: stats.quantile_interval(sample, 0.5, 0.9, random.Random(1))):
        with pytest.raises(StatsError, match=r"value 2 of 12 is (nan|-?inf).*\.$"):
            statistic(values)
    for adjust in (stats.holm, stats.benjamini_hochberg):
        with pytest.raises(StatsError, match="p-value 2 of 2"):
            adjust((0.5, bad))
    with pytest.raises(StatsError, match="spread"):
        stats.detectable(bad, 12, 0.01)


def test_what_has_no_answer_is_refused() -> None:
    """Each with its sentence."""
    for call, words in ((lambda: stats.signed_rank([]), "0 values"), (lambda: stats.hodges_lehmann([]), "0 values"),
                        (lambda: stats.interval([1.0], 1.0), "confidence"),
                        (lambda: stats.least_values(0), "confidence"),
                        (lambda: stats.quantile([1.0], 1.5), "share"), (lambda: stats.quantile([], 0.5), "0 values"),
                        (lambda: stats.binomial_upper(2, 1, 0.95), "2 of 1"),
                        (lambda: stats.binomial_lower(-1, 1, 0.95), "-1 of 1"),
                        (lambda: stats.binomial_interval(1, 2, 95), "confidence"),
                        (lambda: stats.normal_quantile(0), "share"), (lambda: stats.detectable(0.1, 0, 0.01), "spread"),
                        (lambda: stats.holm((-0.1,)), "p-value 1"),
                        (lambda: stats.bootstrap([1.0] * 9, sum, 0.999, random.Random(1), 100), "too few")):
        with pytest.raises(StatsError, match=words):
            call()


# ---------------------------------------------------------------------------------------------------------------------
# Detectable effect


def found_share(count: int, alpha: float, shift: float, repeats: int, chooser: random.Random) -> float:
    """Simulated: the share of samples of `count` normal values about `shift` that the exact test finds."""
    return sum(stats.signed_rank([chooser.gauss(shift, 1) for _ in range(count)]).above <= alpha
               for _ in range(repeats)) / repeats


@pytest.mark.parametrize(("count", "alpha"), [(12, 0.003 / 12), (12, 0.003), (24, 0.003 / 12), (48, 0.004 / 12),
                                              (48, 0.004)])
def test_detectable_effect_is_found_with_its_power(count: int, alpha: float) -> None:
    """The approximation against 4000 simulated samples: 95 % promised, 93.5 to 96.5 % found."""
    shift = stats.detectable(1.0, count, alpha)
    assert shift is not None
    assert 0.935 <= found_share(count, alpha, math.log1p(shift), 4000, random.Random(count)) <= 0.965


def test_detectable_effect_has_to_reach_the_threshold_too() -> None:
    """With hardly any spread the effect threshold decides; with none, it is the threshold."""
    assert stats.detectable(0.0, 12, 0.001, 0.02) == pytest.approx(0.02)
    small, large = stats.detectable(0.006, 48, 0.004 / 12, 0.02), stats.detectable(0.043, 48, 0.004 / 12, 0.02)
    assert small is not None and large is not None
    assert 0.02 < small < 0.022 < large < 0.036


def test_what_can_never_be_found_has_no_detectable_effect() -> None:
    """Twelve signs have no p-value of .003 / 13."""
    assert stats.detectable(0.01, 12, 0.003 / 13) is None
    assert stats.detectable(0.01, 12, 0.003 / 12) is not None
