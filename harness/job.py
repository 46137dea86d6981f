"""A job on disk: job.json (tinygram-gate/1), its JSON Schema, and reading it back.

The records of harness/verdict.py are the one table of fields: names and types come from them, MEANINGS says what each
is. The schema in tinygram-gate-1.schema.json is made from both; refresh it with
`python3 -m harness.job > harness/tinygram-gate-1.schema.json`. A number that is none (NaN, infinite) is written as
null, like every value that could not be had.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final

from harness.schema import HarnessError
from harness.verdict import JOB_SCHEMA, Build, Counted, Job, Judged, Thresholds

COUNTER_VERDICTS: Final = ("same", "changed", "varies", "missing")

# What every field means, in the order of the records. A test compares the names with those of the records.
MEANINGS: Final[Mapping[type, Mapping[str, str]]] = {
    Job: {
        "id": "name of the job, unlike that of any other",
        "started_at": "when it began, UTC, ISO 8601",
        "elapsed_s": "how long it took (unit: s)",
        "seed": "seed of every shuffling",
        "declaration": "the file that declares what is measured",
        "machine": "the machine, a tinygram-machine/1 object",
        "base": "the build that is the measure",
        "new": "the build that is judged",
        "judged": "the declared measurements, in the order of the declaration",
        "canaries": "base against itself: what the machine makes of no change at all",
        "counted": "exact counters",
        "missing": "sentences about what was declared and is absent",
        "unfit": "sentences about why the machine cannot judge",
        "status": "exit status: 0 pass, 1 regression, 2 usage, 3 inconclusive, 4 machine unfit, 5 exact counter "
                  "changed, 6 a measurement is missing",
        "sentence": "the outcome in one sentence",
        "notes": "remarks that change no verdict",
    },
    Judged: {
        "name": "name of the measurement",
        "question": "what it measures, one sentence",
        "work": "the fixed work that is timed: exchange or byte",
        "method": "slices, or pairs (of short processes)",
        "verdict": "the answer",
        "ratio": "time of new by time of base for the same work: above 1 is slower",
        "low": "lower bound of the ratio's interval",
        "high": "upper bound of the ratio's interval",
        "confidence": "two-sided confidence of the interval, 0 to 1",
        "p_slower": "one-sided exact signed-rank p-value for slower, before Holm's correction",
        "p_faster": "one-sided exact signed-rank p-value for faster, before Holm's correction",
        "look": "at which look it was decided, from 1",
        "invocations": "valid invocations (K)",
        "invalid": "invocations that gave no value",
        "detectable": "smallest slowdown that this K and spread would have found, as a fraction",
        "thresholds": "what it was judged by",
        "base_ns": "median time per unit of work of base (unit: ns)",
        "new_ns": "median time per unit of work of new (unit: ns)",
        "values": "ln(new / base) of each valid invocation, in the order of time",
        "mechanism": "what the counters say about why",
        "reason": "why it is inconclusive, or which invocations failed and how",
        "canary": "true: base against itself",
        "base_each_ns": "median time per unit of work of base in each valid invocation; empty: not kept (unit: ns)",
        "new_each_ns": "median time per unit of work of new in each valid invocation; empty: not kept (unit: ns)",
    },
    Thresholds: {
        "effect": "smallest effect that is called a regression or an improvement, as a fraction",
        "tolerance": "a pass must exclude a slowdown of this size, as a fraction",
    },
    Counted: {
        "name": "name of the measurement",
        "counter": "the counter, such as stalls or writes",
        "expected": "what the committed expectations say",
        "base": "what base counted",
        "new": "what new counted",
        "verdict": "same, changed, varies (declared exact, but it is not), or missing",
        "sentence": "what a person reads",
        "mechanism": "what it means",
    },
    Build: {
        "label": "base or new",
        "ref": "as it was asked for",
        "commit": "full hash of the commit",
        "dirty": "true: files differed from the commit",
        "program": "path of the program, as run",
        "version": "version that the program gives",
        "compiler": "compiler that built it",
        "flags": "flags that it was built with",
    },
}


class JobError(HarnessError):
    """A job.json that cannot be read, or is something else."""

    status = 2


# ---------------------------------------------------------------------------------------------------------------------
# The schema


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of job.json, made from the records and MEANINGS; closed but for `machine`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"tinygram gate job {JOB_SCHEMA}"}
    return {**head, **_schema_of_record(Job)}


def _schema_of_record(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    properties: dict[str, dict[str, Any]] = {
        name: {"description": meaning, **_schema_of(hints[name])} for name, meaning in MEANINGS[record].items()}
    if record is Job:
        properties = {"schema": {"description": "format and version", "const": JOB_SCHEMA}, **properties}
    if record is Counted:
        properties["verdict"]["enum"] = list(COUNTER_VERDICTS)
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _schema_of(hint: Any) -> dict[str, Any]:
    origin = typing.get_origin(hint)
    if origin is UnionType:
        (some,) = (part for part in typing.get_args(hint) if part is not NoneType)
        inner = _schema_of(some)
        known = inner["type"] if isinstance(inner["type"], list) else [inner["type"]]
        return {**inner, "type": known if "null" in known else [*known, "null"]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(typing.get_args(hint)[0])}
    if origin is dict:
        return {"type": "object"}
    if dataclasses.is_dataclass(hint):
        return _schema_of_record(typing.cast(type, hint))
    if issubclass(hint, Enum):
        values = [member.value for member in hint]
        return {"type": "integer" if isinstance(values[0], int) else "string", "enum": values}
    # A number may turn out to be none, wherever it stands.
    plain: dict[Any, dict[str, Any]] = {str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"},
                                        float: {"type": ["number", "null"]}}
    return plain[hint]


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def clean(value: Any) -> Any:
    """The same value, with nothing in it that JSON or UTF-8 cannot hold.

    A number that is none becomes None; half of a surrogate pair, as a file name that is not UTF-8 has it, becomes
    U+FFFD; a tuple becomes a list; anything that is no JSON value becomes its text.
    """
    if isinstance(value, Enum):
        return clean(value.value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return re.sub(r"[\ud800-\udfff]", "\ufffd", str(value))


def to_json(value: Any, indent: int | None = 1) -> str:
    """JSON text, as strict as RFC 8259: no NaN, no half of a surrogate pair. A line feed ends it."""
    return json.dumps(clean(value), ensure_ascii=False, allow_nan=False, indent=indent) + "\n"


def to_text(job: Job) -> str:
    """The text of job.json."""
    return to_json(job.document())


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def problems(document: object) -> list[str]:
    """What is wrong with the content of a job.json, one sentence part a problem; says the same as the JSON Schema.

    document: what json.loads returned. A field that was added within tinygram-gate/1 and has a default may be missing.
    """
    found: list[str] = []
    _check(document, json_schema(), "", found)
    return found


_TYPES: Final[Mapping[str, type | UnionType]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": int | float,
    "null": NoneType}


def _is_a(value: object, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind in ("boolean", "null") or not isinstance(value, bool))


def _check(value: object, schema: Mapping[str, Any], path: str, found: list[str]) -> None:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    where = path or "the document"
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is {value!r:.40} but must be {schema['const']!r}")
    elif kinds and not any(_is_a(value, kind) for kind in kinds):
        found.append(f"{where} is {value!r:.40} but must be {' or '.join(kinds)}")
    elif "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r:.40} but must be one of {', '.join(map(str, schema['enum']))}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, schema["items"], f"{path}[{index}]", found)
    elif isinstance(value, dict) and "properties" in schema:
        known, prefix = schema["properties"], f"{path}." if path else ""
        for name, inner in known.items():
            if name in value:
                _check(value[name], inner, prefix + name, found)
            elif name not in _WITH_DEFAULT:
                found.append(f"{prefix}{name} is missing")
        found.extend(f"{prefix}{key} is not a field of {JOB_SCHEMA}" for key in value if key not in known)


_WITH_DEFAULT: Final = frozenset(
    field.name for record in MEANINGS for field in dataclasses.fields(typing.cast(Any, record))
    if field.default is not dataclasses.MISSING)


def read(path: Path) -> Job:
    """The job in a file. Raises JobError with a sentence where there is none, or it is of another version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path} cannot be read ({error.strerror}): name the job.json of a job of the gate.") from None
    except ValueError as error:
        raise JobError(f"{path} is no JSON ({error}): was the job interrupted? Run the gate again.") from None
    tag = document.get("schema") if isinstance(document, dict) else None
    if tag != JOB_SCHEMA:
        raise JobError(f"{path} is not a job that this harness reads: its schema is {tag!r} and should be "
                       f"{JOB_SCHEMA!r}. Use the harness that wrote it, or run the gate again.")
    wrong = problems(document)
    if wrong:
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        raise JobError(f"{path} is damaged: {'; '.join(wrong[:3])}{more}. Run the gate again.")
    made = _record(Job, {key: value for key, value in document.items() if key != "schema"})
    assert isinstance(made, Job)
    return made


def _record(record: type, values: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(record)
    return record(**{name: _value(hints[name], value) for name, value in values.items()})


def _value(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if value is None:
        return None if origin is UnionType else math.nan
    if origin is UnionType:
        return _value(next(part for part in typing.get_args(hint) if part is not NoneType), value)
    if origin is tuple:
        return tuple(_value(typing.get_args(hint)[0], each) for each in value)
    if origin is dict:
        return value
    if dataclasses.is_dataclass(hint):
        return _record(typing.cast(type, hint), value)
    return float(value) if hint is float else hint(value)


if __name__ == "__main__":
    sys.stdout.write(to_json(json_schema()))
