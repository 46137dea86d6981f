"""Where the one-way latency of a write went: the parts of the split, as stacked bars, a row a setting.

From result.split of each trial to the table of plots/split_bars.gp. Writes that were held and writes that were not are
two modes: they have a bar each, and are never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from harness.panels import Cell, Point, Points, Table
from harness.pattern import interval, mss_text, pattern_of, remedies, request_text

# The parts in the order in which a byte meets them: the name in the result, and the words of the chart.
PARTS: Final = (("in_write_ns", "inside write()"), ("hold_ns", "held back by TCP"), ("to_device_ns", "to the device"),
                ("to_kernel_ns", "to the receiving kernel"), ("wait_read_ns", "waiting for read()"))
# The two kinds of writes: were they held, and their name in the result.
MODES: Final = ((True, "typical_held"), (False, "typical_not_held"))
FEW: Final = 0.1
LONG_S: Final = 1e-3
ZOOM: Final = 4.0
ROW_FACTORS: Final = ("variant", "pattern", "stream", "body", "size", "outstanding", "rate", "nodelay", "send-nodelay",
                      "cork", "rearm-quickack", "quickack", "recv-quickack", "mss", "family", "write-size")


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

    What was sent at another rate is another request. Patterns that move the same bytes by other calls stand below one
    heading. A variant of the experiment has its name as its label; where two patterns have one label, the pattern
    stands behind it.
    """
    ordered = sorted(points, key=lambda point: (point.row.cell, point.row.block))
    groups: dict[tuple[Any, ...], dict[tuple[str, str], list[Point]]] = {}
    for point in ordered:
        document = point.trial.document
        pattern = pattern_of(document)
        asked = mss_text(document)
        each = interval_text(document)
        key: tuple[Any, ...] = ((sum(pattern.writes), sum(pattern.replies), pattern.outstanding, each, asked)
                                if pattern is not None else (request_text(document), each, asked))
        text = document["workload"].get("pattern") or ""
        label = point.trial.levels.get("variant") or remedies(document)
        groups.setdefault(key, {}).setdefault((label, text), []).append(point)
    found = []
    for rows in groups.values():
        labels = [label for label, _ in rows]
        first = next(iter(rows.values()))[0].trial.document
        heading = ", ".join(filter(None, (request_text(first), interval_text(first), mss_text(first))))
        for (label, text), group in rows.items():
            found.append(Line(heading, f"{label}: {text}" if labels.count(label) > 1 else label, tuple(group)))
    return found


def interval_text(document: Mapping[str, Any]) -> str:
    """When messages or exchanges begin, in words; "" where there is no schedule."""
    each, words = interval(document)
    return words if each else ""


# ---------------------------------------------------------------------------------------------------------------------
# The split of one trial


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts (ns) of the writes of one trial that were held, or were not, of the same writes.

    share: how many of its writes were so.
    """

    held: bool
    share: float
    parts: tuple[float, ...]


def bars(split: Mapping[str, Any] | None) -> list[Bar]:
    """One bar where (nearly) all writes of a trial were held or none was, else two; none without kernel timestamps."""
    kinds = [(held, split.get(name)) for held, name in MODES] if split else []
    found = [(held, kind) for held, kind in kinds if kind]
    writes = sum(kind["writes"] for _, kind in found)
    made = [Bar(held, kind["writes"] / writes, tuple(float(kind[name]) for name, _ in PARTS)) for held, kind in found]
    return [bar for bar in made if bar.share >= FEW]


def middle_bar(found: Iterable[Bar]) -> Bar:
    """The bar whose sum is in the middle: a whole one, so that its parts belong to the same writes."""
    ordered = sorted(found, key=lambda bar: sum(bar.parts))
    return ordered[(len(ordered) - 1) // 2]


def _line_bars(line: Line) -> list[list[tuple[Point, Bar]]]:
    """The bars of a row's trials, those that were held first; one a trial where most trials have one."""
    split = [(point, bars(point.trial.document["result"].get("split"))) for point in line.points]
    split = [(point, found) for point, found in split if found]
    double = [(point, found) for point, found in split if len(found) == 2]
    if 2 * len(double) <= len(split):
        whole = [(point, max(found, key=lambda bar: bar.share)) for point, found in split]
        return [whole] if whole else []
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
            mode = (f": {'held' if group[0][1].held else 'not held'}, {100 * share:.0f} % of writes"
                    if len(groups) == 2 else "")
            rows.append(("row", place, line.label + mode, None, None, None, None))
            start = 0.0
            middles = [part / 1e9 for part in middle_bar(bar for _, bar in group).parts]
            for index, middle in enumerate(middles):
                rows.append(("part", place, None, index + 1, start, start + middle, None))
                start += middle
            totals.append(start)
            if middles[1] <= LONG_S:
                small.append(start)
            for point, bar in group:
                rows.append(("trial", place, None, None, None, sum(bar.parts) / 1e9, point.row.trial))
                totals.append(sum(bar.parts) / 1e9)
        drawn += line.points if groups else ()
    if not drawn:
        return None
    reach, near = max(totals) * 1.08, max(small, default=0.0) * 1.35
    rows.append(("reach", 1, None, None, 0.0, reach, None))
    if small and reach > ZOOM * near:
        rows.append(("reach", 2, None, None, 0.0, near, None))
    return Table(("kind", "place", "label", "part", "start_s", "end_s", "trial"), tuple(rows), tuple(drawn))
