"""Two stored runs set side by side: a page, its charts on common axes, tables, and compare.json.

    python3 -m harness compare results/sndbuf/RUN results/sndbuf/RUN

harness/comparison.py says what is judged, and what the exit status means; 2 is usage (a folder that is no run, or
damaged, or one run twice), 3 a page that cannot be written.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from harness import chart, overlay, pairing, report, store, terminal
from harness.comparison import Comparison, UnwritableError, cells_text, compare, number_text, sentences
from harness.compare_schema import TAG, document
from harness.differences import INSTEAD
from harness.pairing import SIDES, Cell, Timed
from harness.pages import templates, write_pages
from harness.panels import Cell as Text
from harness.panels import Table
from harness.phrases import path_text, scaled_text
from harness.report import Picture, machine_value
from harness.side_by_side import Pair, marker, side_by_side

SHOWN: Final = 12  # differences, and cells, that a terminal shows; the page has them all


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def cell_table(found: Comparison) -> report.Table:
    """A row a cell, as words: medians, ratios, ranges, counters, and what goes with the first timing."""
    shown = overlay.timings(found.both)
    if not shown:
        return report.Table((), ())
    first, *rest = shown
    heads = ("cell", "n", f"{first.measure.title}: base", "new", f"{first.of}: new / base", "range of the trials",
             *(f"{timing.of}: new / base" for timing in rest), "counters", "what goes with it")
    rows = []
    for cell in found.both:
        timed = {timing: overlay.timed(cell, timing) for timing in shown}
        one = timed[first]
        rows.append((cell.name, _n(cell), *(_side_text(one, side) for side in SIDES), _ratio_text(one),
                     _range_text(one), *(_ratio_text(timed[timing]) for timing in rest), _counters_text(cell),
                     "; ".join(cell.mechanism)))
    return report.Table(heads, tuple(rows))


def _n(cell: Cell) -> str:
    return str(len(cell.base)) if len(cell.base) == len(cell.new) else f"{len(cell.base)} and {len(cell.new)}"


def _side_text(one: Timed | None, side: str) -> str:
    if one is None:
        return ""
    middle, trials = (one.base_median, one.base) if side == SIDES[0] else (one.new_median, one.new)
    return "two modes" if middle is None and trials else _value_text(middle, one.timing.measure.unit)


def _ratio_text(one: Timed | None) -> str:
    if one is None or one.ratio is None:
        return "two modes" if one is not None and one.two_modes else ""
    return number_text(one.ratio)


def _range_text(one: Timed | None) -> str:
    if one is None or one.low is None or one.high is None:
        return ""
    return f"{number_text(one.low)} to {number_text(one.high)}"


def _counters_text(cell: Cell) -> str:
    if cell.unlike:
        return "not compared"
    verdicts = [one.verdict for one in cell.exact]
    told = [f"{verdicts.count(name)} {name}" for name in ("changed", "varies", "missing") if name in verdicts]
    return ", ".join(told) or (f"{len(verdicts)} same" if verdicts else "none")


def counter_table(found: Comparison) -> report.Table:
    """The counters that are not the same, as words; cells in which one says the same share a row."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in found.telling:
        key = (one.counter, _listed(one.base), _listed(one.new), one.verdict, one.mechanism)
        groups.setdefault(key, []).append(one.cell)
    rows = [(*key[:4], cells_text(cells), key[4]) for key, cells in groups.items()]
    return report.Table(("counter", "base", "new", "verdict", "where", "what it means"), tuple(rows))


def _listed(found: Sequence[object]) -> str:
    return ", ".join("unknown" if value is None else "on" if value is True else "off" if value is False
                     else str(value) for value in found)


def _tables(found: Comparison) -> dict[str, Table]:
    """The tables that are written as files: cells, counters, differences."""
    cells: list[tuple[Text, ...]] = [
        (cell.name, one.timing.key, one.timing.measure.unit, len(one.base), len(one.new), one.base_median,
         one.new_median, one.ratio, one.low, one.high, "yes" if one.two_modes else "no")
        for cell in found.pairing.cells for one in cell.timed]
    counters: list[tuple[Text, ...]] = [(one.cell, one.counter, _listed(one.base), _listed(one.new), one.verdict)
                                        for one in found.exact]
    differing: list[tuple[Text, ...]] = [(one.group, one.name, one.base, one.new, one.forbids)
                                         for one in found.differences]
    return {
        "cells": Table(("cell", "timing", "unit", "n_base", "n_new", "base_median", "new_median", "ratio", "low",
                        "high", "two_modes"), tuple(cells), ()),
        "counters": Table(("cell", "counter", "base", "new", "verdict"), tuple(counters), ()),
        "differences": Table(("group", "name", "base", "new", "forbids"), tuple(differing), ())}


def run_table(found: Comparison) -> report.Table:
    """What the two runs are, as words."""
    runs = (found.base, found.new)
    rows = [("run", *(path_text(run.folder) for run in runs)),
            ("experiment", *(run.experiment.name for run in runs)),
            ("trials", *(f"{len(run.trials)} of {len(run.plan.trials)} planned" for run in runs))]
    rows += [(words, *(machine_value(key, run.machine.get(key)) for run in runs))
             for key, words in (("captured_at", "taken at"), ("load_1m", "load at the start"), ("kernel", "kernel"),
                                ("version", "tinygram"), ("git_commit", "commit"))]
    return report.Table(("", *SIDES), tuple(rows))


def _value_text(value: float | None, unit: str) -> str:
    return "" if value is None else scaled_text(value, unit)


# ---------------------------------------------------------------------------------------------------------------------
# The pages


def write(found: Comparison, out_dir: Path) -> Path:
    """Writes everything about a comparison into `out_dir`; returns the path of compare.html.

    Raises UnwritableError, and ChartError where a chart cannot be drawn.
    """
    made_at = datetime.now(UTC)
    failed = sum(not pairing.finished(trial) for run in (found.base, found.new) for trial in run.trials)
    try:
        charts = overlay.draw(found.pairing, found.base.experiment, failed, out_dir / "charts") if found.both else []
        pairs = side_by_side(found, out_dir)
        for name, table in _tables(found).items():
            chart.write_table(out_dir / f"{name}.tsv", table, {"schema": TAG, "table": name})
        pictures = [report.picture(one, out_dir / "charts", out_dir) for one in charts]
        known = _known(found, pictures, pairs, out_dir, made_at)
        environment = templates()
        write_pages(out_dir, {name: environment.get_template(name).render(known)
                              for name in ("compare.html", "compare.md", "side-by-side.html")})
        store.write_json(out_dir / "compare.json",
                         document(found, charts, made_at.isoformat(timespec="seconds").replace("+00:00", "Z")))
    except OSError as error:
        raise UnwritableError(f"the comparison cannot be written to {out_dir}: {error.strerror}: {error.filename}. "
                              "Name another folder with --results DIR.") from None
    return out_dir / "compare.html"


def _known(found: Comparison, pictures: Sequence[Picture], pairs: Sequence[Pair], out_dir: Path,
           made_at: datetime) -> dict[str, Any]:
    """What the templates know."""
    links = [quote(os.path.relpath(run.folder.resolve(), out_dir.resolve()), safe="/=")
             for run in (found.base, found.new)]
    return {"found": found, "sentences": sentences(found), "instead": INSTEAD, "runs": run_table(found),
            "cells": cell_table(found), "counters": counter_table(found), "pictures": pictures, "pairs": pairs,
            "marker": marker(found), "links": links, "made_at": made_at.strftime("%Y-%m-%d %H:%M UTC"),
            "question": found.base.experiment.question, "name": found.base.experiment.name}


def lines(found: Comparison) -> Iterator[str]:
    """What a person at a terminal reads: what differs, what came out, the cells that differ most, and what is wrong."""
    differing = [one for one in found.differences if one.group != "job"]
    for one in differing[:SHOWN]:
        yield f"differs: {one.group}, {one.name}: {one.base} and {one.new}"
    if len(differing) > SHOWN:
        yield f"differs: {len(differing) - SHOWN} more, see the page"
    yield from sentences(found)
    yield from _most(found)
    yield from (f"wrong: {sentence}" for sentence in found.wrong)
    yield from (f"missing: {sentence}" for sentence in found.missing)
    yield from (f"note: {sentence}" for sentence in found.notes)


def _most(found: Comparison) -> list[str]:
    """The cells whose first timing differs most, as a table; not judged, as the page says."""
    shown = overlay.timings(found.both)
    if not shown:
        return []
    timing = shown[0]
    cells = sorted(((cell, one) for cell in found.both if (one := overlay.timed(cell, timing)) is not None),
                   key=lambda item: -abs(math.log(item[1].ratio)) if item[1].ratio is not None else math.inf)
    rows = [(cell.name, _n(cell), _ratio_text(one), _range_text(one), _counters_text(cell), "; ".join(cell.mechanism))
            for cell, one in cells[:SHOWN]]
    goes_with = "goes with" if any(cell.mechanism for cell, _ in cells[:SHOWN]) else ""
    head = ("cell", "n", f"{timing.of}: new / base", "range", "counters", goes_with)
    left = len(cells) - len(rows)
    told = [f"and {left} that differ less, on the page"] if left else []
    return ["", *terminal.columns([head, *rows], (1, 2)), *told, ""]


def run(base: Path, new: Path, results: Path) -> int:
    """Compares two stored runs and writes the page below results/compare/; prints what came out.

    Returns the exit status: 0, 5 or 6. Raises CompareError (2; 3 where nothing can be written) and ChartError.
    """
    found = compare(base, new)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        folder = store.new_folder(results / "compare", stamp)
    except OSError as error:
        raise UnwritableError(f"no comparison can be stored below {results}: {error.strerror}. Name another folder "
                              "with --results DIR.") from None
    page = write(found, folder)
    for line in lines(found):
        print(line)
    print(f"compare: {path_text(page)}", flush=True)
    return found.status
