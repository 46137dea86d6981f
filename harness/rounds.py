"""Rounds: arms that take turns, and a row of the bench's table.

Within a round each arm runs once, in shuffled order, so that drift hits all arms alike; a ratio is always made of two
numbers of one round.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CONFIDENCE: Final = 0.95

Arm = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. asked: None where nothing was promised. values: one a round, in `unit`."""

    claim: str
    unit: str
    values: tuple[float, ...]
    asked: float | None = None
    at_least: bool = True

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """reached or not reached, by the median; clear only where the whole interval lies on that side."""
        if self.asked is None:
            return "-"
        low, high = interval_of_median(self.values)
        reached = self.median >= self.asked if self.at_least else self.median <= self.asked
        clear = (low < self.asked) == (high < self.asked)
        return ("reached" if reached else "not reached") + ("" if clear else " (close)")


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """The shortest symmetric pair of order statistics that holds the median in at least 95 % of all samples.

    values: independent, of any distribution. Returns the range where the sample is too small for that (n < 6).
    Source: Conover, Practical Nonparametric Statistics, 3.2 (binomial interval of a quantile).
    """
    ordered = sorted(values)
    count, rank = len(ordered), 0
    while 2 * sum(math.comb(count, k) for k in range(rank + 2)) / 2**count <= 1 - CONFIDENCE:
        rank += 1
    return ordered[rank], ordered[-1 - rank]


def interleave(arms: Mapping[str, Arm], rounds: int, shuffler: random.Random,
               before: Callable[[], object] = lambda: None) -> dict[str, list[float]]:
    """Runs every arm once a round, in shuffled order; `before` is called before each.

    Returns each arm's numbers in the order of the rounds.
    """
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name in shuffler.sample(sorted(arms), len(arms)):
            before()
            found[name].append(arms[name]())
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Ratios pair by pair: both numbers of a ratio come from one round."""
    return tuple(a / b for a, b in zip(above, below, strict=True))
