"""The charts of two runs on common axes: pure functions from pairs of cells to tables, and their drawing.

Every trial of both runs is drawn, and where the trials of a cell fall into two modes there is no median. What a run has
and the other has not is in no chart; the page names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from harness import chart
from harness.chart import Chart, ChartError
from harness.experiment import ChartSpec, Experiment
from harness.pairing import Cell, Pairing, Timed, Timing
from harness.panels import CURVES, Point, Table
from harness.panels import Cell as Text
from harness.remedy import cell_rows

FOREST: Final = ("name", "ratio", "low", "high", "kind")
TRIALS: Final = ("kind", "panel", "place", "label", "unit", "modes", "low", "high", "value", "trial", "run")
DRAWN: Final = "drawn"  # the kind of a row of a forest whose ratio was not judged

# Most rows of a forest, rows of trials, and panels of percentiles in one picture; further ones go into a second one.
FOREST_MOST: Final = 50
TRIALS_MOST: Final = 32
CURVES_MOST: Final = 12

# Charts of an experiment that can show two runs at once: those that are grids of panels with a point a trial.
OVERLAID: Final = ("goodput_sndbuf", "latency_sndbuf", "in_write_in_flight", "goodput_write_size",
                   "bytes_per_segment_write_size", "goodput_levels", "pipeline", "hold_write_size", "queue_latency",
                   "servers")
SERIES_MOST: Final = 6  # lines that plots/body/panels.gp can tell apart

_RUNS: Final = "Base is grey and hollow, new is purple and full. "
HOW_FOREST: Final = (
    "Each row is one cell, the largest ratio on top. The circle is the median of new by that of base, as time for the "
    "same work: at 1 nothing has changed, right of it new is slower, left of it faster. The dotted line is the range "
    "of all ratios that a trial of new and a trial of base can have; it is no confidence interval. Where it has no "
    "circle, the trials of a run fall into two modes.")
HOW_TRIALS: Final = (
    "Each row is one cell, each symbol one trial, each bar the median of a run. " + _RUNS + "Where the symbols of the "
    "two runs mix, the runs show no difference. Where the trials of one run fall into two modes there is no bar, and a "
    "dotted line joins the two.")
HOW_PERCENTILES: Final = (
    "Each panel is one cell, each curve one trial; base is grey, new is purple and dashed. To the right come the "
    "slower and rarer ones: at 99 only one of a hundred took longer than the curve shows. Lower is sooner.")
HOW_BOTH: Final = "Base is thin and hollow, new is full; both have one scale. "


@dataclass(frozen=True, slots=True)
class Sheet:
    """One chart that is to be drawn: script of plots/, name, title, how it is read, and its table."""

    script: str
    name: str
    title: str
    how_to_read: str
    table: Table


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def timings(cells: Sequence[Cell]) -> list[Timing]:
    """The timings that the cells have, in their order."""
    return list(dict.fromkeys(one.timing for cell in cells for one in cell.timed))


def timed(cell: Cell, timing: Timing) -> Timed | None:
    """One timing of a cell, None where it has none."""
    return next((one for one in cell.timed if one.timing == timing), None)


def by_effect(cells: Sequence[Cell], timing: Timing) -> list[tuple[Cell, Timed]]:
    """The cells that have a timing, the largest ratio first; those without a ratio last, in their order."""
    found = [(cell, one) for cell in cells if (one := timed(cell, timing)) is not None]
    return sorted(found, key=lambda item: -item[1].ratio if item[1].ratio is not None else float("inf"))


def forest(cells: Sequence[tuple[Cell, Timed]]) -> Table:
    """The table of plots/forest.gp: a row a cell, its ratio and the range of its trials' ratios."""
    rows = tuple((cell.name, one.ratio, one.low, one.high, DRAWN) for cell, one in cells)
    return Table(FOREST, rows, _points(cell for cell, _ in cells))


def trials(cells: Sequence[Cell], shown: Sequence[Timing]) -> Table:
    """The table of plots/compare_trials.gp: a row a cell, a panel a timing, both runs."""
    rows: list[tuple[Text, ...]] = [
        ("panel", number, None, _panel_title(timing), timing.measure.unit, *[None] * 6)
        for number, timing in enumerate(shown, 1)]
    for place, cell in enumerate(cells, 1):
        rows.append(("row", None, place, cell.name, *[None] * 7))
        for number, timing in enumerate(shown, 1):
            for run, side in (("base", cell.base), ("new", cell.new)):
                found = [(value, point) for point in side if (value := timing.measure.of(point)) is not None]
                rows += [(*row, run) for row in cell_rows(number, place, found)]
    return Table(TRIALS, tuple(rows), _points(cells))


def _panel_title(timing: Timing) -> str:
    return timing.measure.title + (": right is faster" if timing.inverse else "")


def percentiles(cells: Sequence[Cell]) -> Table | None:
    """The table of plots/latency_percentiles.gp: a panel a cell, a curve a trial; None where no trial has a curve."""
    rows: list[tuple[Text, ...]] = []
    for number, cell in enumerate(cells, 1):
        for run, side in (("base", cell.base), ("new", cell.new)):
            for point in side:
                curve = _curve(point)
                rows += [(number, cell.name, run, quantile, value, point.row.trial) for quantile, value in curve]
                rows += [()] if curve else []
    return Table(CURVES, tuple(rows), _points(cells)) if rows else None


def _curve(point: Point) -> list[tuple[float, float]]:
    latency = point.trial.document["result"]["latency_ns"] or {}
    return [(quantile, ns / 1e9) for quantile, ns in latency.get("curve") or [] if quantile < 1 and ns is not None]


def _points(cells: Iterable[Cell]) -> tuple[Point, ...]:
    return tuple(point for cell in cells for point in (*cell.base, *cell.new))


# ---------------------------------------------------------------------------------------------------------------------
# Sheets and their drawing


def sheets(pairing: Pairing) -> list[Sheet]:
    """The charts that every comparison has: forests, all trials, percentiles; long ones go on in a second picture."""
    cells = [cell for cell in pairing.cells if cell.base and cell.new]
    found = []
    shown = timings(cells)
    for timing in shown:
        parts = _parts(by_effect(cells, timing), FOREST_MOST)
        found += [Sheet("forest", f"forest_{timing.key}{_nth(number, parts)}",
                        f"New against base: {timing.of}{_of(number, parts)}", HOW_FOREST, forest(part))
                  for number, part in enumerate(parts, 1)]
    pages = _parts(cells, TRIALS_MOST)
    found += [Sheet("compare_trials", f"trials{_nth(number, pages)}", f"Every trial of both runs{_of(number, pages)}",
                    HOW_TRIALS, trials(part, shown)) for number, part in enumerate(pages, 1)]
    curved = _parts([cell for cell in cells if any(map(_curve, (*cell.base, *cell.new)))], CURVES_MOST)
    for number, part in enumerate(curved, 1):
        table = percentiles(part)
        if table is not None:
            found.append(Sheet("latency_percentiles", f"percentiles{_nth(number, curved)}",
                               f"Latency by percentile, both runs{_of(number, curved)}", HOW_PERCENTILES, table))
    return found


_Item = TypeVar("_Item")


def _parts(items: Sequence[_Item], most: int) -> list[Sequence[_Item]]:
    return [items[start:start + most] for start in range(0, len(items), most)]


def _nth(number: int, parts: Sequence[object]) -> str:
    return f"-{number}" if len(parts) > 1 else ""


def _of(number: int, parts: Sequence[object]) -> str:
    return f" ({number} of {len(parts)})" if len(parts) > 1 else ""


def overlaid(pairing: Pairing, experiment: Experiment) -> list[ChartSpec]:
    """The charts of an experiment that can show both runs at once."""
    points = _points(cell for cell in pairing.cells if cell.base and cell.new)
    factors = [factor.name for factor in experiment.factors if len({point.level(factor.name) for point in points}) > 1]
    found = []
    for spec in experiment.charts:
        if spec.name in OVERLAID and points:
            table = chart.KINDS[spec.name].build(points, chart.KINDS[spec.name].places(factors))
            if table is not None and _lines(table) <= SERIES_MOST:
                found.append(ChartSpec(spec.name, f"{spec.title}, both runs"))
    return found


def _lines(table: Table) -> int:
    """Lines that a table names; 0 where NODELAY alone tells them apart."""
    if "series" not in table.columns:
        return 0
    return len({row[table.columns.index("series")] for row in table.rows})


def draw(pairing: Pairing, experiment: Experiment, failed: int, out_dir: Path) -> list[Chart]:
    """Draw all charts of two runs into `out_dir`: those of every comparison, then the experiment's own with both runs.

    experiment: that of base. failed: trials of paired cells that are not drawn. Raises ChartError.
    """
    made = []
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for sheet in sheets(pairing):
            words = (sheet.name, sheet.title, chart.caption(sheet.table.drawn, failed, experiment), sheet.how_to_read)
            heading = chart.of_trials(experiment.name, sheet.name, sheet.table)
            made.append((sheet.script, chart.tabled(out_dir, words, sheet.table, heading)))
    except OSError as error:
        raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None
    chart.draw_pictures(made)
    points = _points(cell for cell in pairing.cells if cell.base and cell.new)
    both = chart.draw_points(experiment, overlaid(pairing, experiment), points, failed, out_dir)
    return [one for _, one in made] + [replace(one, how_to_read=HOW_BOTH + one.how_to_read) for one in both]
