"""Where the one-way latency of a write went: the parts of the split, as stacked bars, a row a setting.

From result.split of each trial to the table of plots/split_bars.gp. Writes that were held and writes that were not are
two modes: they have a bar each, and are never averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from harness.panels import Cell, Point, Points, Table
from harness.pattern import mss_text, pattern_of, remedies, request_text

# The parts in the order in which a byte meets them: the name in the result, and the words of the chart.
PARTS: Final = (("in_write_ns", "inside write()"), ("hold_ns", "held back by TCP"), ("to_device_ns", "to the device"),
                ("to_kernel_ns", "to the receiving kernel"), ("wait_read_ns", "waiting for read()"))
HELD_NS: Final = 5000.0
FEW: Final = 0.1
ZOOM: Final = 4.0
ROW_FACTORS: Final = ("variant", "pattern", "stream", "body", "size", "outstanding", "rate", "nodelay", "send-nodelay",
                      "cork", "rearm-quickack", "quickack", "recv-quickack", "mss", "family", "write-size")

Curve = Sequence[Sequence[float]]


def row_factors(factors: Sequence[str]) -> Sequence[str]:
    """Those of `factors` that make a row of their own."""
    return [factor for factor in factors if factor in ROW_FACTORS]


# ---------------------------------------------------------------------------------------------------------------------
# Rows: a setting each, below the request that it was tried with


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a chart: what was sent (its heading), what was done about small segments, and its trials."""

    heading: str
    label: str
    points: tuple[Point, ...]


def lines(points: Points) -> list[Line]:
    """The trials by what they sent and what was set, in the order of the plan.

    Patterns that move the same bytes by other calls stand below one heading. A variant of the experiment has its name
    as its label; where two patterns have one label, the pattern stands behind it.
    """
    ordered = sorted(points, key=lambda point: (point.row.cell, point.row.block))
    groups: dict[tuple[Any, ...], dict[tuple[str, str], list[Point]]] = {}
    for point in ordered:
        document = point.trial.document
        pattern = pattern_of(document)
        asked = mss_text(document)
        key: tuple[Any, ...] = ((sum(pattern.writes), sum(pattern.replies), pattern.outstanding, asked)
                                if pattern is not None else (request_text(document), asked))
        text = document["workload"].get("pattern") or ""
        label = point.trial.levels.get("variant") or remedies(document)
        groups.setdefault(key, {}).setdefault((label, text), []).append(point)
    found = []
    for rows in groups.values():
        labels = [label for label, _ in rows]
        first = next(iter(rows.values()))[0].trial.document
        heading = ", ".join(filter(None, (request_text(first), mss_text(first))))
        for (label, text), group in rows.items():
            found.append(Line(heading, f"{label}: {text}" if labels.count(label) > 1 else label, tuple(group)))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The split of one trial


def at_quantile(curve: Curve, quantile: float) -> float:
    """Value of a curve of (quantile, value), linear between its points."""
    before = curve[0]
    for point in curve:
        if point[0] >= quantile:
            share = (quantile - before[0]) / (point[0] - before[0]) if point[0] > before[0] else 1.0
            return float(before[1] + share * (point[1] - before[1]))
        before = point
    return float(curve[-1][1])


def held_from(curve: Curve) -> float:
    """The quantile of the hold from which writes were held for more than HELD_NS (1.0: none was)."""
    before = 0.0
    for quantile, value in curve:
        if value > HELD_NS:
            return (before + quantile) / 2 if before > 0 else 0.0
        before = quantile
    return 1.0


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts (ns) of the writes of one trial that were held, or were not. share: how many of its writes."""

    held: bool
    share: float
    parts: tuple[float, ...]


def bars(split: Mapping[str, Any] | None) -> list[Bar]:
    """One bar where all writes of a trial were held or none was, else two; none without kernel timestamps."""
    if not split or any(not split.get(name) for name, _ in PARTS):
        return []
    border = held_from(split["hold_ns"]["curve"])
    if border >= 1 - FEW or border <= FEW:
        return [whole_bar(split, held=border <= FEW)]
    return [_bar(split, True, 1 - border, (1 + border) / 2), _bar(split, False, border, border / 2)]


def whole_bar(split: Mapping[str, Any], held: bool = False) -> Bar:
    """The median write of a trial."""
    return _bar(split, held, 1.0, 0.5)


def _bar(split: Mapping[str, Any], held: bool, share: float, middle: float) -> Bar:
    """middle: the quantile of the hold that stands for these writes; the other parts are those of the median write."""
    return Bar(held, share, tuple(
        float(at_quantile(split[name]["curve"], middle) if name == "hold_ns" else split[name]["p50"])
        for name, _ in PARTS))


def _line_bars(line: Line) -> list[list[tuple[Point, Bar]]]:
    """The bars of a row's trials, those that were held first; one a trial where most trials have one."""
    split = [(point, bars(point.trial.document["result"].get("split"))) for point in line.points]
    split = [(point, found) for point, found in split if found]
    double = [(point, found) for point, found in split if len(found) == 2]
    if 2 * len(double) <= len(split):
        return [[(point, whole_bar(point.trial.document["result"]["split"])) for point, _ in split]] if split else []
    return [[(point, bar) for point, found in split for bar in found if bar.held == held] for held in (True, False)]


def split_bars(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/split_bars.gp; None where no trial has kernel timestamps.

    Rows of kind `part` are a piece of a bar from start_s to end_s, `trial` one trial's sum, `row` the label of a row,
    `heading` what was sent, `reach` the end of the axis of a panel.
    """
    rows: list[tuple[Cell, ...]] = []
    drawn: list[Point] = []
    totals: list[float] = []
    small: list[float] = []
    place, heading, empty = 0.0, None, True
    for line in lines(points):
        groups = _line_bars(line)
        if groups and line.heading != heading:
            place += 1.0 if empty else 1.4
            rows.append(("heading", place, line.heading, None, None, None, None))
            heading, empty = line.heading, False
        for group in groups:
            place += 1
            share = median(bar.share for _, bar in group)
            mode = (f": {'held' if group[0][1].held else 'not held'}, {100 * share:.0f} %" if len(groups) == 2 else "")
            rows.append(("row", place, line.label + mode, None, None, None, None))
            start = 0.0
            middles = [median(bar.parts[index] for _, bar in group) / 1e9 for index in range(len(PARTS))]
            for index, middle in enumerate(middles):
                rows.append(("part", place, None, index + 1, start, start + middle, None))
                start += middle
            totals.append(start)
            small.append(start - middles[1] if middles[1] > 1e-3 else start)
            for point, bar in group:
                rows.append(("trial", place, None, None, None, sum(bar.parts) / 1e9, point.row.trial))
                totals.append(sum(bar.parts) / 1e9)
        drawn += line.points if groups else ()
    if not drawn:
        return None
    reach, near = max(totals) * 1.08, max(small) * 1.35
    rows.append(("reach", 1, None, None, 0.0, reach, None))
    if reach > ZOOM * near:
        rows.append(("reach", 2, None, None, 0.0, near, None))
    return Table(("kind", "place", "label", "part", "start_s", "end_s", "trial"), tuple(rows), tuple(drawn))
