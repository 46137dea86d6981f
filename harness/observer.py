"""The observer's own effect: each trial with kernel timestamps by the one without them in the same block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.load import seconds
from harness.panels import Derived, Measure, Point, Points, Table
from harness.parts import Line, lines, row_factors
from harness.remedy import CPU, dots

MEDIAN: Final = Derived("latency", "latency, median", "ratio", seconds("latency_ns", "p50"))
LATE: Final = Derived("late", "latency, 90 %", "ratio", seconds("latency_ns", "p90"))
CPU_TIME: Final = Derived("cpu", "CPU time", "ratio", CPU.compute)
MEASURES: Final = (MEDIAN, LATE, CPU_TIME)


def observer_factors(factors: Sequence[str]) -> Sequence[str]:
    """What makes a row of its own, and the stamps, which are compared."""
    return [*row_factors(factors), *(factor for factor in factors if factor == "stamps")]


def stamped(point: Point) -> bool:
    """True where the kernel was asked for timestamps."""
    return bool(point.trial.document["setting"].get("stamps"))


def ratios(line: Line, measure: Measure) -> list[tuple[float, Point]]:
    """Stamps on by stamps off, block by block; with each its trial with stamps."""
    plain = {point.row.block: measure.of(point) for point in line.points if not stamped(point)}
    found = []
    for point in line.points:
        on, off = measure.of(point), plain.get(point.row.block)
        if stamped(point) and on is not None and off:
            found.append((on / off, point))
    return found


def observer(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/observer.gp; None where stamps do not vary."""
    table = dots(lines(points), MEASURES, ratios)
    return table and Table(table.columns, table.rows, tuple(points))
