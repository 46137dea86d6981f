"""Statistics: pure functions of numbers, each with its rule or its source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

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
