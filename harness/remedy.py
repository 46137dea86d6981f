"""What each setting costs and gains, side by side: a row a setting, a panel a measure, every trial a point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final

from harness.load import seconds
from harness.panels import Cell, Derived, Measure, Point, Points, Table
from harness.parts import Line, lines
from harness.pattern import pattern_of
from harness.stats import modes

COLUMNS: Final = ("kind", "panel", "place", "label", "unit", "modes", "low", "high", "value", "trial")

Document = Mapping[str, Any]
Value = Callable[[Line, Measure], list[tuple[float, Point]]]


def _each(document: Document, *names: str) -> float | None:
    """The sum of some counts of the result by its exchanges (messages, chunks); None where one is missing."""
    result: Mapping[str, float | None] = document["result"]
    found = [value for name in names for value in [result.get(name)] if value is not None]
    messages = result.get("messages")
    return sum(found) / messages if messages and len(found) == len(names) else None


def calls(document: Document) -> float | None:
    """System calls of both ends per exchange: sends, reads, and options that the pattern or the receiver sets."""
    pattern = pattern_of(document)
    names = ("writes", "reads") if pattern is None else ("writes", "reads", "reply_writes", "reply_reads")
    found = _each(document, *names)
    if found is None:
        return None
    rearmed = (_each(document, "reads") or 0.0) if document["setting"].get("rearm_quickack") else 0.0
    return found + rearmed + (pattern.options if pattern is not None else 0)


def cpu(document: Document) -> float | None:
    """CPU time of both ends per exchange, in seconds."""
    found = _each(document, "cpu_sender_ns", "cpu_receiver_ns")
    return None if found is None else found / 1e9


LATENCY: Final = Derived("latency", "latency, median", "s", seconds("latency_ns", "p50"))
SEGMENTS: Final = Derived("segments", "segments", "number", lambda document: _each(document, "data_segments"))
CALLS: Final = Derived("calls", "calls", "number", calls)
CPU: Final = Derived("cpu", "CPU time", "s", cpu)
REMEDIES: Final = (LATENCY, SEGMENTS, CALLS, CPU)


def dots(found: Iterable[Line], measures: Sequence[Measure], value: Value) -> Table | None:
    """The table of plots/body/rows.gp: headings, labels, panels, a row a trial and a row a median.

    value gives the numbers of one line in one panel, each with its trial. Where they have two modes there is no median.
    """
    rows: list[tuple[Cell, ...]] = [("panel", number, None, measure.title, measure.unit, None, None, None, None, None)
                                    for number, measure in enumerate(measures, 1)]
    drawn: dict[str, Point] = {}
    place, heading = 0.0, None
    for line in found:
        groups = [(number, value(line, measure)) for number, measure in enumerate(measures, 1)]
        if not any(group for _, group in groups):
            continue
        if line.heading != heading:
            place += 1.4 if heading is not None else 1.0
            rows.append(("heading", None, place, line.heading, None, None, None, None, None, None))
            heading = line.heading
        place += 1
        rows.append(("row", None, place, line.label, None, None, None, None, None, None))
        for number, group in groups:
            rows += cell_rows(number, place, group)
            drawn |= {point.row.trial: point for _, point in group}
    return Table(COLUMNS, tuple(rows), tuple(drawn.values())) if drawn else None


def cell_rows(panel: int, place: float, group: Sequence[tuple[float, Point]]) -> list[tuple[Cell, ...]]:
    """The rows of one cell in one panel: one a trial, and one for the median, or for the medians of two modes."""
    if not group:
        return []
    split = modes(size for size, _ in group)
    low, high = (median(split[0]), median(split[1])) if len(split) == 2 else (None, None)
    rows: list[tuple[Cell, ...]] = [
        ("trial", panel, place, None, None, len(split), None, None, size, point.row.trial) for size, point in group]
    return [*rows, ("median", panel, place, None, None, len(split), low, high, median(size for size, _ in group), None)]


def remedies(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/remedies.gp: latency, segments, calls and CPU time of an exchange."""
    def value(line: Line, measure: Measure) -> list[tuple[float, Point]]:
        return [(size, point) for point in line.points for size in [measure.of(point)] if size is not None]
    return dots(lines(points), REMEDIES, value)
