"""Two stored runs set side by side: a page, its charts on common axes, tables, and compare.json.

    python3 -m harness compare results/sndbuf/RUN results/sndbuf/RUN

Timings of stored runs are drawn and never judged (harness/differences.py says why); exact counters are judged. Exit
status, the first that holds: 2 usage (a folder that is no run, or damaged, or one run twice); 3 the page cannot be
written; 5 an exact counter changed, or varies; 6 something is missing (trials, values, a cell that only one run has);
0 compared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from harness import chart, overlay, pairing, report, schema, store, summary
from harness.answer import scaled_text
from harness.chart import Chart
from harness.differences import FORBIDS, INSTEAD, NOTHING, Difference, differences, not_judged
from harness.pairing import SIDES, Cell, Exact, Pairing, Timed
from harness.panels import Cell as Text
from harness.panels import Table
from harness.report import Picture, machine_value
from harness.schema import Field, HarnessError
from harness.store import Run, StoreError

TAG: Final = "tinygram-compare/1"
GROUPS: Final = 4  # counters that the first sentence tells
NAMED: Final = 6  # cells that a sentence names; the tables have them all

COMPARED: Final = 0
CHANGED: Final = 5
MISSING: Final = 6


class CompareError(HarnessError):
    """Two runs that cannot be compared: the text says which is at fault, and what to do."""

    status = 2


class UnwritableError(CompareError):
    """A comparison that cannot be written."""

    status = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that two runs say about each other. missing, notes: sentences; the latter change no status."""

    base: Run
    new: Run
    differences: tuple[Difference, ...]
    pairing: Pairing
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def both(self) -> tuple[Cell, ...]:
        """The cells that have a finished trial in both runs."""
        return tuple(cell for cell in self.pairing.cells if cell.base and cell.new)

    @property
    def exact(self) -> tuple[Exact, ...]:
        """Every exact counter of every cell."""
        return tuple(one for cell in self.pairing.cells for one in cell.exact)

    @property
    def telling(self) -> tuple[Exact, ...]:
        """The exact counters that are not the same in both runs."""
        return tuple(one for one in self.exact if one.verdict != "same")

    @property
    def status(self) -> int:
        """The exit status."""
        if any(one.verdict in ("changed", "varies") for one in self.telling):
            return CHANGED
        return MISSING if self.missing else COMPARED


# ---------------------------------------------------------------------------------------------------------------------
# Reading and comparing


def read(folder: Path, side: str) -> tuple[Run, list[str]]:
    """A run as it can be compared, and what is missing in it. side: base or new. Raises CompareError."""
    try:
        run = store.read(folder)
    except StoreError as error:
        raise CompareError(f"{side}: {error}") from None
    if not isinstance(run.machine, Mapping):
        raise CompareError(f"{side}: {folder / 'machine.json'} is no JSON object: the run is damaged.")
    run, none = pairing.cleaned(run)
    for trial in run.trials:
        wrong = [text for text in schema.problems(trial.document) if "is not a field of" not in text]
        if wrong:
            raise CompareError(f"{side}: trial {trial.trial} of {folder} is damaged: {wrong[0]}. Remove its line from "
                               "trials.jsonl and continue the run.")
    return run, list(_lacks(run, side, none))


def _lacks(run: Run, side: str, none: int) -> Iterator[str]:
    """What a run lacks of what was planned, a sentence each."""
    left, planned = len(run.left), len(run.plan.trials)
    again = f"Continue it with: `python3 -m harness run --continue {report.shown(run.folder)}`"
    cut = ", and the last line of trials.jsonl was cut off" if run.word else ""
    if not run.trials:
        yield f"{side} has no trial: there is no whole line in trials.jsonl{cut}. {again}"
    elif left:
        yield f"{side} was interrupted: {planned - left} of {planned} planned trials are there{cut}. {again}"
    elif run.word:
        yield f"{side}: the last line of trials.jsonl was cut off and is left out."
    failed = [trial for trial in run.trials if trial.failed]
    if failed:
        yield f"{side}: {_trials(failed)} failed, the first with this: {failed[0].problem}"
    empty = [trial for trial in run.trials if not trial.failed and not pairing.finished(trial)]
    if empty:
        yield f"{side}: {_trials(empty)} ended well and left no goodput (null); they are in no chart and no table."
    if none:
        yield (f"{side}: {none} {'value is' if none == 1 else 'values are'} no number (NaN or infinite) and "
               f"{'counts' if none == 1 else 'count'} as missing. Was trials.jsonl changed by hand?")


def _trials(some: Sequence[object]) -> str:
    return "1 trial" if len(some) == 1 else f"{len(some)} trials"


def compare(base: Path, new: Path) -> Comparison:
    """Compares the runs in two folders. Raises CompareError where one of them is none, or both are one."""
    if base.resolve() == new.resolve():
        raise CompareError(f"base and new are one and the same run ({base}), which differs in nothing; name two runs.")
    (one, lacks), (other, lacks_too) = read(base, SIDES[0]), read(new, SIDES[1])
    found = differences(one, other)
    paired = pairing.pair(one, other)
    return Comparison(one, other, found, paired, (*lacks, *lacks_too, *_unpaired(paired)),
                      tuple(_notes(one, other, paired)))


def _unpaired(paired: Pairing) -> Iterator[str]:
    """What cannot be set against anything, a sentence each."""
    if not paired.cells:
        yield "The two runs have no cell in common, so nothing is compared: they are runs of different experiments."
    for side, names in zip(SIDES, paired.alone, strict=True):
        if names and paired.cells:
            yield f"Only {side} has {_cells(names)}."
    for side, other in (SIDES, SIDES[::-1]):
        empty = [cell.name for cell in paired.cells if not getattr(cell, side) and getattr(cell, other)]
        if empty:
            yield f"Only {other} has a finished trial in {_cells(empty)}."
    none = [cell.name for cell in paired.cells if not cell.base and not cell.new]
    if none:
        yield f"Neither run has a finished trial in {_cells(none)}."
    unlike = [cell for cell in paired.cells if cell.unlike]
    if unlike:
        options = dict.fromkeys(option for cell in unlike for option in cell.unlike)
        yield (f"The counters of {_cells([cell.name for cell in unlike])} are not compared, because the two runs did "
               f"not do the same there: they differ in {', '.join(options)}.")
    lost = [one for cell in paired.cells for one in cell.exact if one.verdict == "missing"]
    if lost:
        yield (f"{len(lost)} exact {'counter is' if len(lost) == 1 else 'counters are'} missing in one of the runs; "
               f"the first: {lost[0].sentence}")


def _cells(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    listed = "; ".join(names[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"{len(names)} {'cell' if len(names) == 1 else 'cells'} ({listed})"


def _notes(base: Run, new: Run, paired: Pairing) -> Iterator[str]:
    """What a reader should know, and what changes no status."""
    if base.experiment.name != new.experiment.name:
        yield (f"These are runs of two experiments, {base.experiment.name} and {new.experiment.name}; cells with the "
               "same levels are set against each other.")
    uneven = [cell for cell in paired.cells if len(cell.base) != len(cell.new) and cell.base and cell.new]
    if uneven:
        counts = sorted({(len(cell.base), len(cell.new)) for cell in uneven})
        told = ", ".join(f"{one} against {other}" for one, other in counts[:NAMED])
        yield (f"The runs have unequal numbers of trials in {len(uneven)} of {len(paired.cells)} cells ({told}); the "
               "range of the trials grows with their number.")
    for run, side in ((base, SIDES[0]), (new, SIDES[1])):
        if len(list(run.folder.glob("machine-*.json"))):
            yield f"{side} was continued later, so its trials come from several jobs."
        load, cpus = run.machine.get("load_1m"), run.machine.get("cpus_online")
        if isinstance(load, int | float) and isinstance(cpus, int) and load > 0.5 * cpus:
            yield f"The machine was busy when {side} began (load {load:.1f} on {cpus} CPUs)."


# ---------------------------------------------------------------------------------------------------------------------
# Sentences


def sentences(found: Comparison) -> tuple[str, ...]:
    """What came out, the most certain first."""
    return tuple(filter(None, (_counters_sentence(found), not_judged(found.differences), _timings_sentence(found))))


def _counters_sentence(found: Comparison) -> str:
    exact, telling = found.exact, [one for one in found.telling if one.verdict in ("changed", "varies")]
    if not exact:
        return "No exact counter could be compared."
    if not telling:
        lost = len(found.telling)
        told = f"All {len(exact)} exact counters are" if not lost else f"{len(exact) - lost} exact counters are"
        return f"{told} the same in both runs."
    cells = len(dict.fromkeys(one.cell for one in telling))
    groups: dict[str, int] = {}
    for one in telling:
        told = pairing.told(one)
        groups[told] = groups.get(told, 0) + 1
    first = "; ".join(f"{told}, in {count} {'cell' if count == 1 else 'cells'}" for told, count in
                      list(groups.items())[:GROUPS])
    more = f"; and {len(groups) - GROUPS} more" if len(groups) > GROUPS else ""
    return (f"{len(telling)} of {len(exact)} exact counters {'differs' if len(telling) == 1 else 'differ'}, in {cells} "
            f"of {len(found.both)} cells: {first}{more}.")


def _timings_sentence(found: Comparison) -> str:
    """How far the ratios reach, as drawn."""
    firsts = [(cell, cell.timed[0]) for cell in found.both if cell.timed]
    ratios = sorted((one.ratio, cell.name) for cell, one in firsts if one.ratio is not None)
    if not ratios:
        return ""
    title = firsts[0][1].timing.of
    apart = sum(one.low is not None and one.high is not None and not one.low <= 1 <= one.high for _, one in firsts)
    (low, least), (high, most) = ratios[0], ratios[-1]
    reach = (f"is {number_text(low)} ({least})" if len(ratios) == 1 else
             f"goes from {number_text(low)} ({least}) to {number_text(high)} ({most})")
    return (f"As drawn, new by base ({title}) {reach}; in {apart} of {len(firsts)} cells all trials of one run are on "
            "one side of all trials of the other.")


def number_text(ratio: float) -> str:
    """A ratio of times: 1.07, 0.035, 220."""
    return f"{ratio:.2f}" if 0.095 <= ratio < 10 else f"{ratio:.2g}" if ratio < 0.095 else f"{ratio:.0f}"


def _value_text(value: float | None, unit: str) -> str:
    return "" if value is None else scaled_text(value, unit)


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
    rows = [(*key[:4], _cells(cells), key[4]) for key, cells in groups.items()]
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
    rows = [("run", *(report.shown(run.folder) for run in runs)),
            ("experiment", *(run.experiment.name for run in runs)),
            ("trials", *(f"{len(run.trials)} of {len(run.plan.trials)} planned" for run in runs))]
    rows += [(words, *(machine_value(key, run.machine.get(key)) for run in runs))
             for key, words in (("captured_at", "taken at"), ("load_1m", "load at the start"), ("kernel", "kernel"),
                                ("version", "tinygram"), ("git_commit", "commit"))]
    return report.Table(("", *SIDES), tuple(rows))


# ---------------------------------------------------------------------------------------------------------------------
# compare.json


def _strings(name: str, meaning: str) -> Field:
    return Field(name, "array", meaning, nullable=False, items=Field("text", "string", meaning, nullable=False))


def _numbers(name: str, meaning: str) -> Field:
    return Field(name, "array", meaning, nullable=False, items=Field("value", "number", meaning, nullable=False))


def _string(name: str, meaning: str, *choices: str, nullable: bool = False) -> Field:
    return Field(name, "string", meaning, nullable=nullable, choices=choices)


def _integer(name: str, meaning: str) -> Field:
    return Field(name, "integer", meaning, nullable=False)


def _objects(name: str, meaning: str, *fields: Field) -> Field:
    return Field(name, "array", meaning, nullable=False,
                 items=Field("item", "object", meaning, nullable=False, fields=fields))


def _run_field(side: str) -> Field:
    return Field(side, "object", f"the run that is {side}", nullable=False, fields=(
        _string("folder", "folder of the run, as it was named"), _string("experiment", "name of its experiment"),
        _string("captured_at", "when it began, UTC, ISO 8601", nullable=True),
        _integer("planned", "planned trials"), _integer("trials", "trials that are there, failed ones too"),
        _integer("finished", "trials that ended well and have a value")))


DOCUMENT: Final = Field("comparison", "object", "Two stored runs side by side.", nullable=False, fields=(
    _string("schema", "format and version of this document", TAG),
    _string("made_at", "when it was made, UTC, ISO 8601"),
    Field("status", "integer", "exit status: 0 compared, 5 an exact counter changed or varies, 6 something is missing",
          nullable=False, choices=(COMPARED, CHANGED, MISSING)),
    _strings("sentences", "what came out, the most certain first"),
    _run_field("base"), _run_field("new"),
    Field("timings_judged", "boolean", "always false: timings of stored runs are drawn, and not judged",
          nullable=False),
    _string("instead", "how the timings can be judged"),
    _objects("differences", "what the runs differ in, the job first",
             _string("group", "what it is about", "job", "machine", "build", "experiment", "setting"),
             _string("name", "what differs"), _string("base", "its value in base, as words"),
             _string("new", "its value in new, as words"),
             _string("forbids", "what may not be judged because of it", *FORBIDS)),
    _objects("cells", "the cells that both runs planned, in the order of base",
             _string("name", "its levels as words"), _integer("base_trials", "finished trials of base"),
             _integer("new_trials", "finished trials of new"),
             _strings("unlike", "options in which its commands differ; its counters are not compared then"),
             _objects("timings", "its timings, the first is that of the forest",
                      _string("name", "name of the timing"), _string("unit", "unit of the values: s or B/s"),
                      _numbers("base", "every trial of base, in the order of the plan"),
                      _numbers("new", "every trial of new, in the order of the plan"),
                      Field("base_median", "number", "median of base; null without one value, and with two modes"),
                      Field("new_median", "number", "median of new; null without one value, and with two modes"),
                      Field("ratio", "number", "time of new by time of base for the same work: above 1 is slower"),
                      Field("low", "number", "smallest ratio of a trial of new and a trial of base"),
                      Field("high", "number", "largest ratio of a trial of new and a trial of base"),
                      Field("two_modes", "boolean", "true: the trials of one run fall into two modes",
                            nullable=False)),
             _strings("mechanism", "counters that go the way of the first timing"),
             _integer("counters_same", "exact counters that are the same in both runs")),
    _objects("counters", "the exact counters that are not the same in both runs",
             _string("cell", "its cell"), _string("counter", "the counter"),
             *(Field(side, "array", f"the distinct values of {side}", nullable=False,
                     items=Field("value", "option", "a count, or the value of an option")) for side in SIDES),
             _string("verdict", "what they say", "changed", "varies", "missing"),
             _string("sentence", "what a person reads"), _string("mechanism", "what it means; empty: not known")),
    _strings("only_base", "cells that only base has planned"),
    _strings("only_new", "cells that only new has planned"),
    _strings("missing", "what is missing, a sentence each"),
    _strings("notes", "remarks that change no status"),
    _objects("charts", "the charts of both runs on common axes", _string("name", "file name without its end"),
             _string("title", "heading")),
))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of compare.json; refresh the copy in tinygram-compare-1.schema.json with
    `python3 -m harness.compare > harness/tinygram-compare-1.schema.json`."""
    return schema.json_schema(DOCUMENT, f"tinygram comparison of two runs {TAG}")


def document(found: Comparison, charts: Sequence[Chart], made_at: str) -> dict[str, Any]:
    """The content of compare.json."""
    return {
        "schema": TAG, "made_at": made_at, "status": found.status, "sentences": list(sentences(found)),
        **{side: _run_document(run) for side, run in zip(SIDES, (found.base, found.new), strict=True)},
        "timings_judged": False, "instead": INSTEAD,
        "differences": [{"group": one.group, "name": one.name, "base": one.base, "new": one.new,
                         "forbids": one.forbids} for one in found.differences],
        "cells": [_cell_document(cell) for cell in found.pairing.cells],
        "counters": [{"cell": one.cell, "counter": one.counter, "base": list(one.base), "new": list(one.new),
                      "verdict": one.verdict, "sentence": one.sentence, "mechanism": one.mechanism}
                     for one in found.telling],
        "only_base": list(found.pairing.alone[0]), "only_new": list(found.pairing.alone[1]),
        "missing": list(found.missing), "notes": list(found.notes),
        "charts": [{"name": one.name, "title": one.title} for one in charts]}


def _run_document(run: Run) -> dict[str, Any]:
    return {"folder": str(run.folder), "experiment": run.experiment.name, "captured_at": run.machine.get("captured_at"),
            "planned": len(run.plan.trials), "trials": len(run.trials),
            "finished": sum(map(pairing.finished, run.trials))}


def _cell_document(cell: Cell) -> dict[str, Any]:
    return {"name": cell.name, "base_trials": len(cell.base), "new_trials": len(cell.new), "unlike": list(cell.unlike),
            "timings": [{"name": one.timing.key, "unit": one.timing.measure.unit, "base": list(one.base),
                         "new": list(one.new), "base_median": one.base_median, "new_median": one.new_median,
                         "ratio": one.ratio, "low": one.low, "high": one.high, "two_modes": one.two_modes}
                        for one in cell.timed],
            "mechanism": list(cell.mechanism),
            "counters_same": sum(one.verdict == "same" for one in cell.exact)}


# ---------------------------------------------------------------------------------------------------------------------
# The pages


@dataclass(frozen=True, slots=True)
class Pair:
    """One chart of both runs, side by side; None: that run lacks it, and `lacks` says so."""

    title: str
    base: Picture | None
    new: Picture | None
    lacks: str


def marker(found: Comparison) -> tuple[str, ...]:
    """What a reader of two pictures must know: the groups that differ, each with what differs in it."""
    groups: dict[str, list[str]] = {}
    for one in found.differences:
        if one.group != "job" and (one.forbids != NOTHING or one.group == "build"):
            groups.setdefault(one.group, []).append(one.name)
    return tuple(f"{group}: {', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''}"
                 for group, names in groups.items())


def _own_charts(run: Run, side: str, out_dir: Path) -> dict[str, Chart]:
    """The charts of one run, drawn anew below `out_dir`, by name."""
    trials = sorted(run.trials, key=lambda trial: trial.position)
    drawn = chart.draw(run.experiment, summary.rows(trials), trials, out_dir / "charts" / side, run.folder / "events")
    return {one.name: one for one in drawn}


def side_by_side(found: Comparison, out_dir: Path) -> tuple[Pair, ...]:
    """All charts of both runs, drawn and paired by name. Raises ChartError."""
    runs = dict(zip(SIDES, (found.base, found.new), strict=True))
    drawn = {side: _own_charts(run, side, out_dir) for side, run in runs.items()}
    pairs = []
    for name in dict.fromkeys(name for side in SIDES for name in drawn[side]):
        pictures = {side: report.picture(drawn[side][name], out_dir / "charts" / side, out_dir)
                    if name in drawn[side] else None for side in SIDES}
        lacks = next((side for side in SIDES if pictures[side] is None), "")
        title = next(drawn[side][name].title for side in SIDES if name in drawn[side])
        pairs.append(Pair(title, pictures["base"], pictures["new"], f"{lacks} lacks this chart: {_why_no(runs[lacks])}"
                          if lacks else ""))
    return tuple(pairs)


def _why_no(run: Run) -> str:
    return ("it has no finished trial." if not any(map(pairing.finished, run.trials)) else
            "its experiment does not ask for it, or no trial of it has a value.")


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
        environment = report.templates()
        report.write_pages(out_dir, {name: environment.get_template(name).render(known)
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
    for sentence in (*sentences(found), *(f"missing: {sentence}" for sentence in found.missing),
                     *(f"note: {sentence}" for sentence in found.notes)):
        print(sentence)
    print(f"compare: {report.shown(page)}", flush=True)
    return found.status


if __name__ == "__main__":
    import json
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
