"""One setting against another: the rule that decides every comparison of a report.

It is one rule, so that it can be said once in the report: a difference is *clear* when the typical ratio of the medians
is at least EFFECT (1.1), and an order of the trials that is as one-sided as theirs would come by chance in at most
CHANCE (1 in 100) of the cases (stats.chance). Cells whose trials fall into two modes take no part in it: they are named
on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from harness.panels import Measure, Point, Points
from harness.stats import chance, modes

CHANCE: Final = 0.01
EFFECT: Final = 1.1


def values(points: Iterable[Point], measure: Measure) -> list[float]:
    """The measure in each trial that has it, in the order of the trials."""
    return [value for value in map(measure.of, points) if value is not None]


def middle(found: Sequence[float]) -> float | None:
    """The median, None where there is no value or where there are two modes."""
    return median(found) if len(modes(found)) == 1 else None


def typical(points: Iterable[Point], measure: Measure) -> float | None:
    """The median of the trials, None where there is none or where they have two modes."""
    return middle(values(points, measure))


@dataclass(frozen=True, slots=True)
class Effect:
    """One setting against another, over the contexts in which both were tried.

    ratio: median over the contexts of median by median. share: of all pairs of trials in one context, those in which
    the first setting is higher (a tie is half). chance: of at least so one-sided an order by chance; least: the
    smallest chance that so many trials could reach. ratios: ratio and name of each context, ascending.
    """

    ratio: float
    share: float
    chance: float
    least: float
    ratios: tuple[tuple[float, str], ...]

    @property
    def verdict(self) -> str:
        """higher, lower, unclear, or few: so few trials that nothing could be clear."""
        if self.least > CHANCE:
            return "few"
        if self.chance <= CHANCE and self.share > 0.5 and self.ratio >= EFFECT:
            return "higher"
        if self.chance <= CHANCE and self.share < 0.5 and self.ratio <= 1 / EFFECT:
            return "lower"
        return "unclear"


def compare(first: Points, second: Points, measure: Measure, context: Callable[[Point], str]) -> Effect | None:
    """The first group against the second, context by context; None where no context has one mode on both sides."""
    groups: dict[str, tuple[list[Point], list[Point]]] = {}
    for side, points in enumerate((first, second)):
        for point in points:
            groups.setdefault(context(point), ([], []))[side].append(point)
    ratios, sides, wins = [], [], 0.0
    for name, (one, other) in groups.items():
        first_middle, second_middle = typical(one, measure), typical(other, measure)
        if first_middle is None or second_middle is None or second_middle <= 0:
            continue
        left, right = values(one, measure), values(other, measure)
        ratios.append((first_middle / second_middle, name))
        sides.append((len(left), len(right)))
        wins += sum((a > b) + (a == b) / 2 for a in left for b in right)
    if not ratios:
        return None
    return Effect(median(ratio for ratio, _ in ratios), wins / sum(a * b for a, b in sides), chance(wins, sides),
                  chance(0, sides), tuple(sorted(ratios)))
