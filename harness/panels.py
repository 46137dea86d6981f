"""From trials to the tables that charts draw: pure functions, one row a trial or a cell.

Cells whose request led to the same effective SO_SNDBUF are one cell here. Every finished trial is in its table. Where
the trials of a cell fall into two modes, the cell is marked, so that no script draws one median for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final

from harness.schema import HarnessError
from harness.stats import modes
from harness.store import Trial
from harness.summary import Row

PANELS_MAX: Final = 48
CURVES: Final = ("panel", "panel_title", "series", "quantile", "latency_s", "trial")
LEVELS_MAX: Final = 60

Cell = str | int | float | None


class PanelError(HarnessError):
    """A table that no chart could show."""

    status = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One finished trial: its summary row, its levels, its place in the plan and the document it came from.

    events: where its event log is, if it was kept. run: which of two runs it is of (base or new), where a chart shows
    both.
    """

    row: Row
    trial: Trial
    events: Path | None = None
    run: str = ""

    def level(self, factor: str) -> str | None:
        """Level of `factor` in this trial, None where the experiment does not vary it."""
        return self.trial.levels.get(factor)


Points = Sequence[Point]


@dataclass(frozen=True, slots=True)
class Table:
    """What a script draws: a header row and its rows; None is an empty cell; an empty row is a blank line.

    drawn are the trials that are in it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    drawn: tuple[Point, ...]


Build = Callable[[Points, Sequence[str]], Table | None]


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


def size_text(size: float) -> str:
    """Bytes as people write sizes: 100 B, 1448 B, 4.5 KiB, 4 MiB."""
    if size < 10240 and size % 512:
        return f"{size:.0f} B"
    for unit, scale in (("MiB", 1024 ** 2), ("KiB", 1024)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:.0f} B"


# ---------------------------------------------------------------------------------------------------------------------
# Places of a trial in a chart


def sndbuf_level(point: Point) -> tuple[str, float | None] | None:
    """Name and bytes of the effective SO_SNDBUF; ("auto", None) where none was set; None where it is not known."""
    if point.row.sndbuf_requested_bytes == "auto":
        return "auto", None
    effective = point.row.sndbuf_effective_bytes
    return None if effective is None else (size_text(effective), float(effective))


def sndbuf_places(points: Points) -> dict[str, float]:
    """Place on the x axis, in bytes, of each level of SO_SNDBUF; `auto` stands apart, at the right."""
    levels = {level for level in map(sndbuf_level, points) if level is not None}
    sizes = {name: size for name, size in levels if size is not None}
    places = dict(sorted(sizes.items(), key=lambda item: item[1]))
    if ("auto", None) in levels:
        largest = max(sizes.values(), default=65536.0)
        places["auto"] = 8.0 * 2 ** math.ceil(math.log2(largest)) if sizes else largest
    return places


PLACEMENTS: Final = {"same": "both ends on one CPU", "split": "each end on its own CPU", "free": "placed by the kernel"}
FACTOR_HEADS: Final = {"sndbuf": "SO_SNDBUF", "send-sndbuf": "SO_SNDBUF", "rcvbuf": "SO_RCVBUF request",
                       "mss": "MSS request", "nodelay": "NODELAY", "send-nodelay": "NODELAY",
                       "recv-nodelay": "NODELAY of the receiver", "notsent-lowat": "NOTSENT_LOWAT",
                       "rearm-quickack": "QUICKACK", "stamps": "kernel timestamps", "size": "message size",
                       "rate": "messages a second", "outstanding": "exchanges outstanding",
                       "congestion": "congestion control", "write-size": "write size", "send-with": "way of sending",
                       "cpus": "placement"}


def factor_head(factor: str) -> str:
    """A factor as it is called in words."""
    return FACTOR_HEADS.get(factor, factor)


def factor_text(factor: str, level: str) -> str:
    """A level of a factor as it stands in a title."""
    if factor == "cpus":
        return PLACEMENTS.get(level, f"CPUs {level}")
    if factor == "variant":
        return level
    if factor in ("write-size", "send-with"):
        return f"{'writes of' if factor == 'write-size' else 'sent with'} {level}"
    return f"{factor_head(factor)} {level}"


def _write_size_text(point: Point) -> str:
    size = point.row.write_size_bytes
    return "writes of unknown size" if size is None else f"writes of {size_text(size)}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One duration or count that a panel shows: a column of the summary and its name in a panel's title.

    unit: of its values (s, B, number, or k for thousands), where the panels of a chart have different ones.
    """

    attribute: str
    title: str = ""
    unit: str = ""

    def of(self, point: Point) -> float | None:
        """Its value in this trial, None where it is missing."""
        value = getattr(point.row, self.attribute)
        return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Derived(Measure):
    """A number of a trial that no column of the summary has: computed from its document."""

    compute: Callable[[Mapping[str, Any]], float | None] = lambda document: None

    def of(self, point: Point) -> float | None:
        """Its value in this trial, None where it is missing."""
        return self.compute(point.trial.document)


GOODPUT: Final = Measure("goodput_bytes_per_s")
SEGMENT: Final = Measure("bytes_per_segment")
LATENCIES: Final = (Measure("latency_p50_s", "median"), Measure("latency_p99_s", "99th percentile"))
FLIGHT: Final = (Measure("in_write_p50_s", "inside write()"), Measure("in_flight_p50_s", "in flight, after write()"))


def _fit(what: str, number: int, most: int = LEVELS_MAX) -> None:
    if number > most:
        raise PanelError(f"a chart with {number} {what} cannot be read (at most {most}): give the experiment fewer "
                         "levels, or leave the chart out.")


def panels(points: Points, measures: Sequence[Measure], value: str, panel: Callable[[Point], tuple[float, str]],
           place: Callable[[Point], tuple[str, float] | None],
           series: Callable[[Point], str] | None = None) -> Table | None:
    """The table of plots/body/panels.gp: a row a trial, then a row a cell with its median.

    panel gives the order and the title of the panel of a trial, place its level and its place on the x axis. With
    several measures each panel of a row shows one of them. spread (-1 to 1) sets the trials of a cell side by side, in
    plan order. nodelay is `none` where there is no TCP; with `series` its column is that of the names which they give.
    Where points are of two runs, the run stands before that name.
    Where measures have units, there is a column `unit`. low and high are the medians of two modes, if there are two.
    """
    order = sorted({panel(point) for point in points})
    _fit("panels", len(order) * len(measures), PANELS_MAX)
    _fit("levels", len({where for where in map(place, points) if where is not None}))
    groups: dict[tuple[int, str, float, str], list[tuple[float, Point]]] = {}
    titles: dict[int, str] = {}
    for point in points:
        where = place(point)
        for index, measure in enumerate(measures):
            number = order.index(panel(point)) * len(measures) + index + 1
            titles[number] = ", ".join(filter(None, (panel(point)[1], measure.title)))
            size = measure.of(point)
            if where is not None and size is not None:
                named = series(point) if series is not None else point.row.nodelay or "none"
                side = f"{point.run} {named}" if point.run else named
                key = (number, side, where[1], where[0])
                groups.setdefault(key, []).append((size, point))
    united = any(measure.unit for measure in measures)
    columns = ("kind", "panel", "panel_title", "nodelay" if series is None else "series", "level", "place", "spread",
               "modes", "low", "high", value, "trial", *(("unit",) if united else ()))
    trials: list[tuple[Cell, ...]] = []
    medians: list[tuple[Cell, ...]] = []
    for key in sorted(groups):
        number, nodelay, at, level = key
        found = modes(size for size, _ in groups[key])
        low, high = (median(found[0]), median(found[1])) if len(found) == 2 else (None, None)
        head = (number, titles[number], nodelay, level, at)
        unit = (measures[(number - 1) % len(measures)].unit,) if united else ()
        n = len(groups[key])
        for index, (size, point) in enumerate(groups[key]):
            spread = round((2 * index + 1) / n - 1, 4)
            trials.append(("trial", *head, spread, len(found), None, None, size, point.row.trial, *unit))
        medians.append(("median", *head, 0, len(found), low, high, median(size for size, _ in groups[key]), None,
                        *unit))
    drawn = {(point.run, point.row.trial): point for group in groups.values() for _, point in group}
    return Table(columns, tuple(trials + medians), tuple(drawn.values())) if trials else None


def _by_write_size(point: Point) -> tuple[float, str]:
    return point.row.write_size_bytes or 0, _write_size_text(point)


def buffer_factors(factors: Sequence[str]) -> Sequence[str]:
    """Those of `factors` that have a place in a chart over SO_SNDBUF or the write size."""
    placed = ("sndbuf", "send-sndbuf", "write-size", "nodelay", "send-nodelay")
    return [factor for factor in factors if factor in placed]


def against_sndbuf(measures: Sequence[Measure], value: str) -> Build:
    def build(points: Points, factors: Sequence[str]) -> Table | None:
        places = sndbuf_places(points)

        def place(point: Point) -> tuple[str, float] | None:
            level = sndbuf_level(point)
            return None if level is None else (level[0], places[level[0]])
        return panels(points, measures, value, _by_write_size, place)
    return build


def against_write_size(measures: Sequence[Measure], value: str) -> Build:
    def build(points: Points, factors: Sequence[str]) -> Table | None:
        def panel(point: Point) -> tuple[float, str]:
            level = sndbuf_level(point)
            if "sndbuf" not in factors or level is None:
                return 0, ""
            return (math.inf if level[1] is None else level[1]), f"SO_SNDBUF {level[0]}"

        def place(point: Point) -> tuple[str, float] | None:
            size = point.row.write_size_bytes
            return None if size is None else (size_text(size), float(size))
        return panels(points, measures, value, panel, place)
    return build


def level_factors(factors: Sequence[str]) -> Sequence[str]:
    """The factor along x (neither NODELAY nor the write size, if there is another), that of the panels, and NODELAY."""
    named = [factor for factor in factors if factor not in ("nodelay", "write-size")]
    if "write-size" in factors:
        named.insert(1, "write-size")
    return [*named[:2], *(factor for factor in factors if factor == "nodelay")]


def levels(points: Points, factors: Sequence[str]) -> Table | None:
    """Goodput by level of the first of `factors`, panels by the next, NODELAY by colour."""
    named = [factor for factor in factors if factor != "nodelay"] or list(factors)
    across = named[0] if named else None
    down = named[1] if len(named) > 1 else None

    def order(factor: str | None) -> list[str]:
        found = {point.trial.levels[factor]: point.row.cell for point in reversed(points)} if factor else {}
        return sorted(found, key=lambda level: found[level])

    columns, lines = order(across), order(down)

    def panel(point: Point) -> tuple[float, str]:
        if down is None:
            return 0, "" if "write-size" in factors else _write_size_text(point)
        if down == "write-size":
            return _by_write_size(point)
        return lines.index(point.trial.levels[down]), factor_text(down, point.trial.levels[down])

    def place(point: Point) -> tuple[str, float]:
        level = point.trial.levels[across] if across else "all"
        return level, float(columns.index(level) + 1 if across else 1)
    return panels(points, (GOODPUT,), "goodput_bytes_per_s", panel, place)


def _spread_out(items: Sequence[float], most: int) -> list[float]:
    """At most `most` of the sorted items: the first, the last and evenly chosen ones between them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def latency_curves(points: Points, factors: Sequence[str]) -> Table | None:
    """The latency distribution, a curve a trial; panels: up to three write sizes, by up to three SO_SNDBUF."""
    places = sndbuf_places(points)
    buffers = _spread_out(sorted(places.values()), 3)
    sizes = _spread_out(sorted({float(p.row.write_size_bytes) for p in points if p.row.write_size_bytes is not None}),
                        3 if len(buffers) > 1 else 6)
    names = {at: name for name, at in places.items()}
    rows: list[tuple[Cell, ...]] = []
    drawn = []
    for number, (size, buffer) in enumerate(product(sizes, buffers), 1):
        title = f"writes of {size_text(size)}" + (f", SO_SNDBUF {names[buffer]}" if len(buffers) > 1 else "")
        for point in sorted(points, key=lambda p: str(p.row.nodelay)):
            level = sndbuf_level(point)
            latency = point.trial.document["result"]["latency_ns"]
            if point.row.write_size_bytes != size or level is None or places[level[0]] != buffer or latency is None:
                continue
            curve = [(q, ns) for q, ns in latency["curve"] if q < 1.0]
            rows += [(number, title, point.row.nodelay or "none", q, ns / 1e9, point.row.trial) for q, ns in curve]
            rows.append(())
            drawn.append(point)
    return Table(CURVES, tuple(rows), tuple(drawn)) if rows else None


def ratios(points: Points, factors: Sequence[str]) -> Table | None:
    """Median goodput with NODELAY on by that with NODELAY off, a row a cell of write size and effective SO_SNDBUF.

    The ratio is missing where the trials of one side have two modes.
    """
    places = sndbuf_places(points)
    buffers = sorted(places, key=lambda name: places[name])
    groups: dict[tuple[int, str, str], list[tuple[float, Point]]] = {}
    for point in points:
        level, size, goodput = sndbuf_level(point), point.row.write_size_bytes, GOODPUT.of(point)
        if level is not None and size is not None and goodput is not None and point.row.nodelay is not None:
            groups.setdefault((size, level[0], point.row.nodelay), []).append((goodput, point))
    sizes = sorted({size for size, _, _ in groups})
    _fit("levels", max(len(sizes), len(buffers)))
    rows: list[tuple[Cell, ...]] = []
    drawn: list[Point] = []
    for (y, size), (x, buffer) in product(enumerate(sizes, 1), enumerate(buffers, 1)):
        both = [groups.get((size, buffer, nodelay), []) for nodelay in ("on", "off")]
        if all(both):
            on, off = ([goodput for goodput, _ in group] for group in both)
            found = max(len(modes(on)), len(modes(off)))
            rows.append((x, y, buffer, size_text(size), median(on) / median(off) if found == 1 else None, found,
                         median(on), median(off), len(on), len(off)))
            drawn += [point for group in both for _, point in group]
    columns = ("x", "y", "sndbuf", "write_size", "ratio", "modes", "goodput_on_bytes_per_s", "goodput_off_bytes_per_s",
               "n_on", "n_off")
    return Table(columns, tuple(rows), tuple(drawn)) if rows else None
