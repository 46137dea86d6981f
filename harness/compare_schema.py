"""compare.json (tinygram-compare/1): every field of a comparison of two stored runs, and its content.

The JSON Schema in tinygram-compare-1.schema.json is made from DOCUMENT; refresh it with
`python3 -m harness.compare_schema > harness/tinygram-compare-1.schema.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from harness import pairing, schema
from harness.chart import Chart
from harness.comparison import CHANGED, COMPARED, MISSING, WRONG, Comparison, sentences
from harness.differences import FORBIDS, INSTEAD
from harness.pairing import SIDES, Cell
from harness.schema import Field
from harness.store import Run

TAG: Final = "tinygram-compare/1"


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
    Field("status", "integer", "exit status: 0 compared, 4 the runs come from two machines, 5 an exact counter changed "
          "or varies, 6 something is missing", nullable=False, choices=(COMPARED, WRONG, CHANGED, MISSING)),
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
    _strings("wrong", "why these are not two runs to be compared so, a sentence each"),
    _strings("missing", "what is missing, a sentence each"),
    _strings("notes", "remarks that change no status"),
    _objects("charts", "the charts of both runs on common axes", _string("name", "file name without its end"),
             _string("title", "heading")),
))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of compare.json."""
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
        "wrong": list(found.wrong), "missing": list(found.missing), "notes": list(found.notes),
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
