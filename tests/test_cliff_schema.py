"""The table of tinygram-cliff/1: its JSON Schema is fresh, and says the same as the check without it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import invented
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from test_schema import CHANGES, fields, places

from harness import cliff_schema, schema
from harness.schema import Field

ROOT = Path(__file__).resolve().parent.parent
STORED = json.loads((ROOT / "harness" / "tinygram-cliff-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(STORED)


def test_stored_schema_is_the_table() -> None:
    jsonschema.Draft202012Validator.check_schema(STORED)
    assert STORED == cliff_schema.json_schema(), (
        "run: python3 -m harness.cliff_schema > harness/tinygram-cliff-1.schema.json")
    assert STORED["title"] == "tinygram search document tinygram-cliff/1"


def test_the_schema_of_results_is_not_changed_by_it() -> None:
    assert schema.json_schema()["title"] == "tinygram result document tinygram/1"


def test_a_sound_document_has_no_problems() -> None:
    VALIDATOR.validate(invented.CLIFF)
    assert cliff_schema.problems(invented.CLIFF) == []


@pytest.mark.parametrize("path,field", fields(cliff_schema.DOCUMENT),
                         ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_has_a_meaning_and_its_unit_in_the_name(path: str, field: Field) -> None:
    assert field.meaning
    for ending, unit in (("_ns", "ns"), ("_bytes", "bytes")):
        if field.name.endswith(ending) and field.type in ("integer", "number"):
            assert field.unit == unit, f"{path} is in {field.unit}"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, 10 ** 6), change=CHANGES)
def test_problems_agree_with_the_json_schema(place: int, change: Any) -> None:
    document = copy.deepcopy(invented.CLIFF)
    found = list(places(document))
    container, key = found[place % len(found)]
    if change == "delete":
        del container[key]
    elif change == "add" and isinstance(container, dict):
        container[f"{key}_more"] = 1
    else:
        container[key] = None if change == "null" else change
    assert (cliff_schema.problems(document) == []) is VALIDATOR.is_valid(document)
