"""Statistics: pure functions of numbers, each with its rule or its source."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Final, TypeVar

from harness.schema import HarnessError
from harness.verdict import Thresholds, Verdict

T = TypeVar("T")

MODE_GAP: Final = 3.0


def modes(values: Iterable[float]) -> list[list[float]]:
    """The values sorted, in two groups where they have two modes, else in one.

    Rule: two modes are the two sides of a gap in the sorted values, where the upper neighbour is more than MODE_GAP (3)
    times the lower one, and each side holds at least two values, or half of them. Of several such gaps the largest
    ratio counts. So a lone value far away is an outlier, which moves no median. Zeros, which have no ratio, belong to
    the lower side.
    """
    ordered = sorted(values)
    n = len(ordered)
    gaps = [(high / low, start) for start, (low, high) in enumerate(zip(ordered, ordered[1:]), 1)
            if low > 0 and high / low > MODE_GAP and (min(start, n - start) >= 2 or n == 2)]
    if not gaps:
        return [ordered] if ordered else []
    start = max(gaps)[1]
    return [ordered[:start], ordered[start:]]


# Above this the exact distribution takes long and the normal one is right to three digits.
EXACT_PAIRS: Final = 900


@lru_cache(maxsize=256)
def _wins(first: int, second: int) -> tuple[float, ...]:
    """Probability of 0, 1, ... first * second wins when `first` and `second` trials come from one distribution."""
    if first == 0 or second == 0:
        return (1.0,)
    # The largest of all values is one of the first (and wins against all of the second), or one of the second.
    share = first / (first + second)
    one, other = _wins(first - 1, second), _wins(first, second - 1)
    found = [0.0] * (first * second + 1)
    for wins, probability in enumerate(one):
        found[wins + second] += share * probability
    for wins, probability in enumerate(other):
        found[wins] += (1 - share) * probability
    return tuple(found)


def chance(wins: float, sides: Sequence[tuple[int, int]]) -> float:
    """Two-sided probability that equal settings give at least so one-sided an order of their trials.

    wins: pairs within a context in which the trial of the first setting is higher (a tie is half), over all contexts.
    sides: number of trials of the first and of the second setting in each context. Exact, but for ties, which it takes
    as if undecided; with more than EXACT_PAIRS pairs in one context, by the normal distribution with a correction for
    continuity. Source: the rank-sum test of Mann and Whitney (1947), summed over strata as by van Elteren (1960).
    """
    if max((first * second for first, second in sides), default=0) > EXACT_PAIRS:
        mean = sum(first * second for first, second in sides) / 2
        variance = sum(first * second * (first + second + 1) for first, second in sides) / 12
        return min(1.0, math.erfc(max(0.0, abs(wins - mean) - 0.5) / math.sqrt(2 * variance)))
    found = [1.0]
    for first, second in sides:
        one = _wins(first, second)
        both = [0.0] * (len(found) + len(one) - 1)
        for i, a in enumerate(found):
            for k, b in enumerate(one):
                both[i + k] += a * b
        found = both
    top = len(found) - 1
    far = math.ceil(min(wins, top - wins))
    return min(1.0, 2 * math.fsum(found[:far + 1]))


def sign_chance(ups: float, pairs: int) -> float:
    """Two-sided probability that pairs without a difference go up, or down, as one-sidedly.

    ups: pairs that went up (one without a change is half). Exact. Source: the sign test (Arbuthnott, 1710).
    """
    far = math.floor(min(ups, pairs - ups))
    return min(1.0, 2 * sum(math.comb(pairs, k) for k in range(far + 1)) / float(2 ** pairs))


# ---------------------------------------------------------------------------------------------------------------------
# Numbers that can be reckoned with


class StatsError(HarnessError, ValueError):
    """Numbers of which no statistic can be made; the text is a sentence."""

    status = 4


def _finite(values: Sequence[float], what: str, least: int = 1) -> None:
    """Refuses NaN, infinities and samples of fewer than `least` values, with a sentence. what: names the sample."""
    for place, value in enumerate(values, 1):
        if not math.isfinite(value):
            raise StatsError(f"{what}: value {place} of {len(values)} is {value}, and no statistic holds such a one; "
                             "leave out what was not measured and say how much was left out.")
    if len(values) < least:
        raise StatsError(f"{what}: {len(values)} values, and at least {least} are needed.")


def _share(value: float, what: str) -> None:
    if not 0 < value < 1:
        raise StatsError(f"{what} is {value}; it must lie between 0 and 1.")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the sample lies, linear between neighbours.

    values: in any order, at least one, finite. Returns it in their unit. Raises StatsError. Source: Hyndman and Fan
    (1996), definition 7, which numpy and R use too.
    """
    _finite(values, "the sample")
    if not 0 <= share <= 1:
        raise StatsError(f"the share of a quantile is {share}; it must lie between 0 and 1.")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


# ---------------------------------------------------------------------------------------------------------------------
# One sample of differences: the signed-rank test, its estimate and its interval

# Up to this number of values the distribution of the signed ranks is exact; beyond it the normal one is right to four
# digits where it matters.
EXACT_RANKS: Final = 200


@dataclass(frozen=True, slots=True)
class SignedRank:
    """One-sided p-values of a signed-rank test: above: that the centre is not above 0; below: not below 0."""

    above: float
    below: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds in the unit of the values. achieved: the coverage that is certain, at least what was asked for."""

    low: float
    high: float
    achieved: float


@lru_cache(maxsize=512)
def _rank_counts(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """In how many of the 2**n choices of signs the positive ranks add up to 0, 1, ... sum(ranks).

    The recurrence of Wilcoxon's table, count(s) += count(s - rank), done for all sums at once: the counts are the
    digits of one whole number, each with room for 2**n, and adding a rank is a shift and a sum.
    """
    size = len(ranks) // 8 + 1
    digits = 1
    for rank in ranks:
        digits += digits << (8 * size * rank)
    raw = digits.to_bytes(size * (sum(ranks) + 1), "little")
    return tuple(int.from_bytes(raw[at:at + size], "little") for at in range(0, len(raw), size))


@lru_cache(maxsize=512)
def _rank_tails(ranks: tuple[int, ...]) -> tuple[float, ...]:
    """Probability that the positive ranks add up to at most 0, 1, ... sum(ranks), when all signs are a toss."""
    tails, sums = [], 0
    for count in _rank_counts(ranks):
        sums += count
        tails.append(sums / (1 << len(ranks)))
    return tuple(tails)


def _signed_ranks(values: Sequence[float]) -> list[int]:
    """Twice the mid-rank of each value's distance from 0, with its sign; 0 for a value of 0, which is ranked too."""
    order = sorted(range(len(values)), key=lambda place: abs(values[place]))
    ranks = [0] * len(values)
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and abs(values[order[end]]) == abs(values[order[start]]):
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) * ((values[place] > 0) - (values[place] < 0))
        start = end
    return ranks


def signed_rank(values: Sequence[float]) -> SignedRank:
    """The exact signed-rank test of "the values lie evenly about 0", against both sides.

    values: independent differences, such as ln(new / base) of each invocation; finite, at least one. Their distribution
    under the hypothesis has to be symmetric, which the difference of two alike arms is, whatever their own shape.
    Ties of distance get mid-ranks, and the distribution is the exact one of these ranks, given the distances. Zeros
    keep their low ranks and count for neither side (Pratt 1959), rather than being left out first (Wilcoxon): only so
    does raising every value never make "above" less certain. More than EXACT_RANKS values: normal distribution with
    the variance of these ranks and a correction for continuity. Raises StatsError.
    Sources: Wilcoxon (1945); Pratt (1959); Hollander and Wolfe, Nonparametric Statistical Methods (1999), 3.1.
    """
    _finite(values, "the differences")
    signed = _signed_ranks(values)
    ranks = sorted(abs(rank) for rank in signed if rank)
    up = sum(rank for rank in signed if rank > 0)
    if not ranks:
        return SignedRank(1.0, 1.0, True)
    if len(values) > EXACT_RANKS:
        half_step = 1.0 if any(rank % 2 for rank in ranks) else 2.0  # sums go in steps of this size over two
        middle = sum(ranks) / 2
        width = math.sqrt(2 * math.fsum(rank * rank for rank in ranks) / 4)
        return SignedRank(0.5 * math.erfc((up - middle - half_step / 2) / width),
                          0.5 * math.erfc((middle - up - half_step / 2) / width), False)
    step = math.gcd(*ranks)
    tails = _rank_tails(tuple(rank // step for rank in ranks))
    up, top = up // step, len(tails) - 1
    return SignedRank(tails[top - up], tails[up], True)  # symmetric: P(sum >= up) = P(sum <= top - up)


def walsh_averages(values: Sequence[float]) -> list[float]:
    """The n (n + 1) / 2 means of any two of the values and of each with itself, in rising order.

    Source: Walsh (1949); Hollander and Wolfe (1999), 3.2. Takes memory and time of the square of n.
    """
    ordered = sorted(values)
    return sorted([(a + b) / 2 for place, a in enumerate(ordered) for b in ordered[place:]])


def _middle(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def hodges_lehmann(values: Sequence[float]) -> float:
    """The centre of a sample: the median of its Walsh averages, in the unit of the values.

    values: finite, at least one. Bears up to 29 % of strays and loses 5 % to the mean where there are none. Raises
    StatsError. Source: Hodges and Lehmann (1963); Hollander and Wolfe (1999), 3.2.
    """
    _finite(values, "the differences")
    return _middle(walsh_averages(values))


@lru_cache(maxsize=1024)
def _bound_rank(count: int, chance_: float) -> tuple[int, float]:
    """Which Walsh average, from either end, the centre lies beyond with at most this chance; 0: none. And the chance.

    The centre lies below the c-th smallest Walsh average only when at most c - 1 of the averages lie below it.
    """
    if count > EXACT_RANKS:
        middle, width = count * (count + 1) / 4, math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        rank = max(0, math.floor(middle - normal_quantile(1 - chance_) * width))
        return rank, (0.5 * math.erfc((middle - rank + 0.5) / width / math.sqrt(2)) if rank else 0.0)
    tails = _rank_tails(tuple(range(1, count + 1)))
    rank = bisect_right(tails, chance_ * (1 + 1e-12))
    return rank, (tails[rank - 1] if rank else 0.0)


def least_values(confidence: float, sides: int = 2) -> int:
    """How many values the exact interval of signed_rank needs at this confidence (0 to 1), on two sides or on one.

    At .99: 8 for two sides, 7 for one. Raises StatsError.
    """
    _share(confidence, "the confidence")
    return math.ceil(round(-math.log2((1 - confidence) / sides), 9))


def interval(values: Sequence[float], confidence: float) -> Interval | None:
    """The exact two-sided interval of the centre: what signed_rank at (1 - confidence) / 2 a side does not rule out.

    values: finite differences. confidence: such as .99. Returns two of the ordered Walsh averages; conservative: it
    holds the centre of a continuous symmetric distribution at least so often, and of one with ties and zeros too.
    None: fewer than least_values(confidence) values. Raises StatsError. Source: Tukey (1949); Hollander and Wolfe
    (1999), 3.3.
    """
    _finite(values, "the differences", 0)
    _share(confidence, "the confidence")
    rank, beyond = _bound_rank(len(values), (1 - confidence) / 2) if values else (0, 0.0)
    if not rank:
        return None
    averages = walsh_averages(values)
    return Interval(averages[rank - 1], averages[-rank], 1 - 2 * beyond)


def upper_bound(values: Sequence[float], confidence: float) -> float | None:
    """What the centre is below, one-sided, with at least this confidence; else as interval().

    None: fewer than least_values(confidence, 1) values. The lower bound is -upper_bound of the negated values.
    """
    _finite(values, "the differences", 0)
    _share(confidence, "the confidence")
    rank = _bound_rank(len(values), 1 - confidence)[0] if values else 0
    return walsh_averages(values)[-rank] if rank else None


def spread(values: Sequence[float]) -> float | None:
    """How far single values scatter, in their unit: the standard deviation, were they normal; strays do not move it.

    The median distance between any two values, times 1.0483. values: finite. None: fewer than 2. Raises StatsError.
    Source: Shamos (1976); Rousseeuw and Croux (1993), who give the efficiency (86 %) and the breakdown point (29 %).
    """
    _finite(values, "the differences", 0)
    if len(values) < 2:
        return None
    ordered = sorted(values)
    return 1.0483 * _middle(sorted([b - a for place, a in enumerate(ordered) for b in ordered[place + 1:]]))


# ---------------------------------------------------------------------------------------------------------------------
# Many tests at once


def holm(p_values: Sequence[float], family: int | None = None) -> list[float]:
    """Adjusted p-values, in the order given: those at most alpha are significant at family-wise error alpha.

    p_values: 0 to 1. family: how many tests there are in all, where some are not at hand (they count as not
    significant); default: those given. Step-down, valid under any dependence. Raises StatsError. Source: Holm (1979).
    """
    _probabilities(p_values)
    family = len(p_values) if family is None else family
    if family < len(p_values):
        raise StatsError(f"a family of {family} tests cannot hold {len(p_values)} p-values.")
    adjusted, worst = [0.0] * len(p_values), 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        worst = max(worst, min(1.0, (family - step) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: among those at most q a share of at most q are false, on average.

    p_values: 0 to 1, of independent or positively dependent tests. Step-up. For looking through many cells; a gate's
    verdict takes holm. Raises StatsError. Source: Benjamini and Hochberg (1995).
    """
    _probabilities(p_values)
    count = len(p_values)
    adjusted, least = [0.0] * count, 1.0
    for rank, place in sorted(enumerate(sorted(range(count), key=lambda place: p_values[place]), 1), reverse=True):
        least = min(least, p_values[place] * (count / rank))
        adjusted[place] = least
    return adjusted


def _probabilities(p_values: Sequence[float]) -> None:
    for place, value in enumerate(p_values, 1):
        if not 0 <= value <= 1:  # NaN too
            raise StatsError(f"p-value {place} of {len(p_values)} is {value}; it must lie between 0 and 1.")


# ---------------------------------------------------------------------------------------------------------------------
# Any other number of a sample: the bootstrap

LEAST_BOOTSTRAP: Final = 5


def bootstrap(sample: Sequence[T], statistic: Callable[[Sequence[T]], float], confidence: float,
              chooser: random.Random, resamples: int = 4999) -> Interval | None:
    """The percentile interval of any statistic of a sample: quantiles above all, for which no exact test is at hand.

    sample: independent items: numbers, or pairs where the two of a pair belong together. statistic: of a sample of the
    same size. chooser: seeded by the caller. Returns the quantiles of `resamples` statistics, each of items drawn with
    replacement; `achieved` is the confidence asked for, which holds for large samples only. None: fewer than
    LEAST_BOOTSTRAP (5) items. The percentile method and not BCa: BCa takes its acceleration from a jackknife, which is
    wrong for quantiles (Efron and Tibshirani, An Introduction to the Bootstrap (1993), 11.6, 13.3). Raises StatsError.
    """
    _share(confidence, "the confidence")
    if resamples < 2 / (1 - confidence):
        raise StatsError(f"{resamples} resamples are too few for an interval of {confidence:.1%}; "
                         f"take at least {math.ceil(20 / (1 - confidence))}.")
    if len(sample) < LEAST_BOOTSTRAP:
        return None
    found = [statistic(chooser.choices(sample, k=len(sample))) for _ in range(resamples)]
    _finite(found, "the resampled statistics")
    aside = (1 - confidence) / 2
    return Interval(quantile(found, aside), quantile(found, 1 - aside), confidence)


def quantile_interval(values: Sequence[float], share: float, confidence: float, chooser: random.Random,
                      resamples: int = 4999) -> Interval | None:
    """The bootstrap interval of the quantile `share` (0 to 1) of a sample of numbers.

    None where the sample cannot bound it: the chance that all values lie on one side of the quantile, share**n or
    (1 - share)**n, must be at most (1 - confidence) / 2. Else as bootstrap(). Raises StatsError.
    """
    _finite(values, "the sample", 0)
    _share(share, "the share of a quantile")
    _share(confidence, "the confidence")
    if max(share, 1 - share) ** len(values) > (1 - confidence) / 2:
        return None
    return bootstrap(values, lambda drawn: quantile(drawn, share), confidence, chooser, resamples)


# ---------------------------------------------------------------------------------------------------------------------
# Proportions


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The share of the beta distribution (a, b > 0) that lies below x (0 to 1): the regularised incomplete beta.

    Right to about 14 digits. Source: the continued fraction of DLMF 8.17.22, by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    upper, lower = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    product = lower
    for step in range(1, 2000):
        for part in (step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
                     -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))):
            lower = 1 / (1 + part * lower or tiny)
            upper = 1 + part / upper or tiny
            product *= lower * upper
        if abs(lower * upper - 1) < 1e-15:
            break
    return front * product


def _solve(rises: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Two numbers, 1e-12 apart at most, between which `rises` turns from False to True; by halving."""
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if rises(middle) else (middle, high)
    return low, high


def binomial_upper(found: int, tried: int, confidence: float) -> float:
    """What the true share is at most, one-sided, when `found` of `tried` were found: exact (Clopper and Pearson 1934).

    Such as 0 of 299 at .95: .00997. Returns 1 where nothing, or everything, was found or tried. Raises StatsError.
    """
    _counts(found, tried, confidence)
    if found == tried:
        return 1.0
    return _solve(lambda share: incomplete_beta(found + 1, tried - found, share) >= confidence, 0.0, 1.0)[1]


def binomial_lower(found: int, tried: int, confidence: float) -> float:
    """What the true share is at least, one-sided; as binomial_upper. 59 of 59 at .95: .9505. 0 where none was tried."""
    _counts(found, tried, confidence)
    if found == 0:
        return 0.0
    return _solve(lambda share: incomplete_beta(found, tried - found + 1, share) > 1 - confidence, 0.0, 1.0)[0]


def binomial_interval(found: int, tried: int, confidence: float) -> tuple[float, float]:
    """The exact two-sided interval of a share: both one-sided bounds, each at half of the error. Clopper, Pearson."""
    _share(confidence, "the confidence")
    aside = (1 + confidence) / 2
    return binomial_lower(found, tried, aside), binomial_upper(found, tried, aside)


def _counts(found: int, tried: int, confidence: float) -> None:
    _share(confidence, "the confidence")
    if not 0 <= found <= tried:
        raise StatsError(f"{found} of {tried} is no share; the first must lie between 0 and the second.")


# ---------------------------------------------------------------------------------------------------------------------
# The smallest effect that would have been found


def normal_below(z: float) -> float:
    """The share of the normal distribution below z standard deviations."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def normal_quantile(share: float) -> float:
    """The z below which `share` (0 to 1, both excluded) of the normal distribution lies."""
    _share(share, "the share of a quantile")
    return NormalDist().inv_cdf(share)


@lru_cache(maxsize=1024)
def _needed_shift(count: int, alpha: float, power: float) -> float | None:
    """Shift, in standard deviations, that the one-sided signed-rank test finds with this power; None: it never can."""
    rank = _bound_rank(count, alpha)[0]
    if not rank:
        return None
    top = count * (count + 1) // 2
    critical = top - rank + 1
    return _solve(lambda shift: _signed_rank_power(count, critical, shift) >= power, 0.0, 20.0)[1]


def _signed_rank_power(count: int, critical: int, shift: float) -> float:
    """Chance that the rank sum of `count` normal values about `shift` (in standard deviations) reaches `critical`."""
    top = count * (count + 1) // 2
    one = normal_below(shift)
    if critical >= top:
        return one ** count  # all have to lie above 0
    two = normal_below(math.sqrt(2) * shift)
    step = 0.25
    three = step / math.sqrt(2 * math.pi) * math.fsum(
        math.exp(-z * z / 2) * normal_below(z + 2 * shift) ** 2 for z in (step * k for k in range(-32, 33)))
    mean = (count * one + count * (count - 1) / 2 * two) / top
    variance = (count * one * (1 - one)
                + count * (count - 1) / 2 * (2 * (one - two) ** 2 + 3 * two * (1 - two))
                + count * (count - 1) * (count - 2) * (three - two * two)) / top / top
    if mean >= 1 or variance <= 0:
        return 1.0
    weight = mean * (1 - mean) / variance - 1
    return 1.0 if weight <= 0 else 1 - incomplete_beta(mean * weight, (1 - mean) * weight, (critical - 0.5) / top)


def detectable(spread_: float, count: int, alpha: float, effect: float = 0.0, power: float = 0.95) -> float | None:
    """The smallest slowdown, as a fraction (.05 is 5 %), that is called a regression with this power.

    spread_: standard deviation of ln(new / base) of an invocation (see spread). count: invocations. alpha: of the one
    test, one-sided: for one of m measurements within a look, the look's alpha / m, which is the first and strictest
    step of Holm. effect: the estimate must reach this fraction as well. None: no effect is ever found by so few.

    An approximation, within 4 % of simulations for normal values (a test holds it to that), on the safe side for values
    with longer tails: the critical rank sum is exact; the rank sum under a shift has its exact mean and variance
    (Lehmann, Nonparametrics (1975), 4.2) and is taken as a beta distribution on its range, but for the case that every
    value must lie above 0, which is exact. The estimate's own scatter is that of the Hodges-Lehmann estimate for large
    samples, spread * sqrt(pi / 3 / count). Raises StatsError.
    """
    if not (math.isfinite(spread_) and spread_ >= 0) or count < 1:
        raise StatsError(f"no effect can be told from a spread of {spread_} and {count} invocations.")
    _share(alpha, "alpha")
    _share(power, "the power")
    shift = _needed_shift(count, alpha, power)
    if shift is None:
        return None
    scatter = spread_ * math.sqrt(math.pi / 3 / count)
    return math.expm1(max(shift * spread_, math.log1p(effect) + normal_quantile(power) * scatter))


# ---------------------------------------------------------------------------------------------------------------------
# Looks, and the decision


@dataclass(frozen=True, slots=True)
class Looks:
    """When a comparison is looked at, and how much error each look may spend.

    invocations: K at each look. alpha: the chance of a false alarm in one direction, over all measurements of a job,
    that each look may spend; together they bound the job's (Bonferroni over looks, Holm within each: any dependence is
    allowed). confidence: of the interval (two-sided) and of the bound that a pass rests on (one-sided).
    """

    invocations: tuple[int, ...] = (12, 24, 48)
    alpha: tuple[float, ...] = (0.003, 0.003, 0.004)
    confidence: float = 0.99

    def __post_init__(self) -> None:
        if not self.invocations or len(self.invocations) != len(self.alpha):
            raise StatsError(f"looks at {self.invocations} invocations need as many alphas, not {self.alpha}.")
        if list(self.invocations) != sorted(set(self.invocations)) or self.invocations[0] < 1:
            raise StatsError(f"looks at {self.invocations} invocations: the numbers must rise, from 1 or more.")
        if min(self.alpha) <= 0 or sum(self.alpha) >= 1:
            raise StatsError(f"alphas of {self.alpha}: each must be above 0, and their sum below 1.")
        _share(self.confidence, "the confidence")

    def can_find(self, look: int, measurements: int) -> bool:
        """Whether look 1, 2, ... can call one of so many measurements significant at all.

        The least p-value of K invocations is 2**-K: at K = 12 it is 1/4096 = .00024, and .003 / 12 = .00025; with 13
        measurements the first look can only pass.
        """
        return 2.0 ** -self.invocations[look - 1] <= self.alpha[look - 1] / measurements


LOOKS: Final = Looks()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look says about one measurement. Ratios are new / base of the time per fixed work, above 1 is slower.

    verdict: None: undecided, go on. ratio: of the Hodges-Lehmann estimate; low, high: exact two-sided interval at
    `confidence`; at_least, at_most: what the ratio is, each bound one-sided at `confidence`. p_slower, p_faster:
    one-sided, before Holm; adjusted_slower, adjusted_faster: after it. look: 1, 2, ... invocations: the values it
    rests on. detectable: the smallest slowdown (a fraction) that so many values of this spread find with 95 % at this
    look, in the strictest step of Holm. Each is None where there are too few values for it. reason: why there is no
    verdict, or why a change that is certain is no more than a pass; one clause.
    """

    verdict: Verdict | None
    ratio: float | None
    low: float | None
    high: float | None
    at_least: float | None
    at_most: float | None
    confidence: float
    p_slower: float | None
    p_faster: float | None
    adjusted_slower: float | None
    adjusted_faster: float | None
    look: int
    invocations: int
    detectable: float | None
    reason: str | None = None


def judge(values: Mapping[str, Sequence[float]], thresholds: Mapping[str, Thresholds], look: int, *,
          looks: Looks = LOOKS, declared: int | None = None, both_sides: bool = False) -> dict[str, Decision]:
    """One look at all measurements that are still undecided: a decision for each, in the order of `values`.

    values: for each measurement ln(new / base) of its valid invocations. thresholds: by the same names; a name without
    one has the default. look: 1, 2, ... declared: how many measurements the job has in all, those that were decided at
    earlier looks or have no values included: they stay in the family and count as not significant, which is
    conservative; default: as many as `values`.

    REGRESSION: slower is significant (Holm over the declared measurements at the look's alpha, exact one-sided
    signed-rank p-values) and the estimate is at least `effect` slower. IMPROVEMENT: the mirror image, with the ratio at
    most 1 / (1 + effect). PASS: neither, and a slowdown of `tolerance` is ruled out (one-sided exact bound at the
    confidence of the looks). Else undecided, and INCONCLUSIVE at the last look. No verdict rests on fewer values than
    the first look has.

    Swapping the arms turns REGRESSION into IMPROVEMENT and back. PASS is not symmetric: it says "not slower by the
    tolerance" and nothing of faster, because a gate may stop as soon as harm is ruled out. So a measurement that is
    truly faster, but too noisy to prove it at the first look, passes there, where its mirror image would go on to the
    next look. both_sides=True asks for the symmetric rule, for a comparison that is no gate: it passes only where a
    change by the tolerance is ruled out in both directions (Schuirmann's two one-sided tests, 1987), and swapping the
    arms then swaps every verdict.

    The error of PASS is not shared out: a measurement that is truly slower by exactly the tolerance passes at each look
    with a chance of at most 1 - confidence.

    Source of the looks: Pocock (1977) for the idea; the shares of alpha are spent look by look as by Lan and DeMets
    (1983), but added up (Bonferroni), so that nothing need be known of how the looks hang together.

    Raises StatsError for a look that is not there, and, naming the measurement, for NaN and infinities.
    """
    if not 1 <= look <= len(looks.invocations):
        raise StatsError(f"there is no look {look}; there are {len(looks.invocations)}.")
    family = len(values) if declared is None else declared
    if family < len(values):
        raise StatsError(f"{len(values)} measurements were given and only {family} are declared.")
    for name, sample in values.items():
        _finite(sample, name, 0)
    enough = [name for name, sample in values.items() if len(sample) >= looks.invocations[0]]
    tests = {name: signed_rank(values[name]) for name in enough}
    slower = dict(zip(enough, holm([tests[name].above for name in enough], family)))
    faster = dict(zip(enough, holm([tests[name].below for name in enough], family)))
    found = {}
    for name, sample in values.items():
        bounds = thresholds.get(name, Thresholds())
        if name in tests:
            decision = _decide(sample, _Question(look, looks, family, bounds, both_sides), tests[name],
                               (slower[name], faster[name]))
        else:
            decision = Decision(None, math.exp(hodges_lehmann(sample)) if sample else None, None, None, None, None,
                                looks.confidence, None, None, None, None, look, len(sample), None,
                                f"it has {len(sample)} valid invocations, and a verdict needs {looks.invocations[0]}")
        if decision.verdict is None and look == len(looks.invocations):
            decision = replace(decision, verdict=Verdict.INCONCLUSIVE)
        found[name] = decision
    return found


@dataclass(frozen=True, slots=True)
class _Question:
    """All that a decision depends on besides its values."""

    look: int
    looks: Looks
    family: int
    bounds: Thresholds
    both_sides: bool


def _decide(sample: Sequence[float], asked: _Question, test: SignedRank, adjusted: tuple[float, float]) -> Decision:
    """The decision about enough values. adjusted: the p-values of slower and of faster, after Holm."""
    alpha, bounds, confidence = asked.looks.alpha[asked.look - 1], asked.bounds, asked.looks.confidence
    averages = walsh_averages(sample)
    estimate = _middle(averages)
    two = _bound_rank(len(sample), (1 - confidence) / 2)[0]
    one = _bound_rank(len(sample), 1 - confidence)[0]
    effect, tolerance = math.log1p(bounds.effect), math.log1p(bounds.tolerance)
    verdict: Verdict | None = None
    if adjusted[0] <= alpha and estimate >= effect:
        verdict = Verdict.REGRESSION
    elif adjusted[1] <= alpha and estimate <= -effect:
        verdict = Verdict.IMPROVEMENT
    elif one and averages[-one] < tolerance and (not asked.both_sides or averages[one - 1] > -tolerance):
        verdict = Verdict.PASS
    scatter = spread(sample)
    seen = None if scatter is None else detectable(scatter, len(sample), alpha / asked.family, bounds.effect)
    decision = Decision(
        verdict, math.exp(estimate), math.exp(averages[two - 1]) if two else None,
        math.exp(averages[-two]) if two else None, math.exp(averages[one - 1]) if one else None,
        math.exp(averages[-one]) if one else None, confidence, test.above, test.below, *adjusted, asked.look,
        len(sample), seen)
    return replace(decision, reason=_reason(decision, alpha, bounds))


def _reason(decision: Decision, alpha: float, bounds: Thresholds) -> str | None:
    """Why it is undecided, or why a change that is certain is no more than a pass; None where nothing is to be said."""
    certain = [word for word, p in (("slower", decision.adjusted_slower), ("faster", decision.adjusted_faster))
               if p is not None and p <= alpha]
    if decision.verdict is Verdict.PASS and certain:
        return f"it is {certain[0]} for certain, but by less than the {bounds.effect:.3g} that counts"
    if decision.verdict is not None:
        return None
    said = (f"{decision.invocations} invocations rule out neither that nothing changed nor a change by "
            f"{bounds.tolerance:.0%}")
    if certain:
        said = (f"it is {certain[0]} for certain, but neither are {bounds.effect:.0%} reached nor "
                f"{bounds.tolerance:.0%} ruled out")
    if decision.detectable is not None:
        said += f"; the smallest slowdown that they would find is {decision.detectable:.1%}"
    return said


def judge_all(values: Mapping[str, Sequence[float]], thresholds: Mapping[str, Thresholds], *, looks: Looks = LOOKS,
              both_sides: bool = False) -> dict[str, Decision]:
    """All looks in turn at stored values: each look sees the first K of them, and only what is still undecided.

    The last decision of each measurement, in the order of `values`; else as judge().
    """
    found: dict[str, Decision] = {}
    left = dict(values)
    for look, count in enumerate(looks.invocations, 1):
        found |= judge({name: sample[:count] for name, sample in left.items()}, thresholds, look, looks=looks,
                       declared=len(values), both_sides=both_sides)
        left = {name: sample for name, sample in left.items() if found[name].verdict is None}
    return {name: found[name] for name in values}
