"""job.json: what is written is read, the schema says what the check says, and damage is named."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import jsonschema
import pytest

from harness import job
from harness.job import MEANINGS, JobError
from harness.verdict import Status

VALIDATOR = jsonschema.Draft202012Validator(job.json_schema())


def plain(made: Any) -> dict[str, Any]:
    """What a reader of the file gets."""
    document: dict[str, Any] = json.loads(job.to_text(made))
    return document


@pytest.mark.parametrize("record", MEANINGS, ids=lambda record: record.__name__)
def test_every_field_has_its_meaning(record: type) -> None:
    assert [field.name for field in dataclasses.fields(record)] == list(MEANINGS[record])
    assert all(meaning for meaning in MEANINGS[record].values())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    for made in jobs.JOBS.values():
        path.write_text(job.to_text(made), encoding="utf-8")
        back = job.read(path)
        assert job.to_text(back) == job.to_text(made)
        assert back.status is made.status and type(back.judged) is tuple
    path.write_text(job.to_text(jobs.PASSED), encoding="utf-8")
    assert job.read(path) == jobs.PASSED


def test_a_job_without_a_later_field_is_read(tmp_path: Path) -> None:
    """Fields are added at the end, with a default: an older file does not have them."""
    document = plain(jobs.PASSED)
    for item in document["judged"]:
        del item["base_each_ns"], item["new_each_ns"]
    del document["notes"]
    path = tmp_path / "job.json"
    path.write_text(json.dumps(document))
    assert job.read(path).judged[0].base_each_ns == ()


def test_no_number_is_null() -> None:
    document = plain(dataclasses.replace(jobs.EVERY, elapsed_s=math.inf))
    half = next(item for item in document["judged"] if item["name"] == "half-known")
    assert [half[key] for key in ("low", "high", "p_slower", "detectable")] == [None] * 4
    assert document["elapsed_s"] is None
    assert job.problems(document) == []


def changes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sound documents with one thing wrong."""
    def changed(*path: Any, to: Any) -> dict[str, Any]:
        made = copy.deepcopy(document)
        place = made
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return made
    yield "schema", changed("schema", to="tinygram-gate/2")
    yield "status", changed("status", to=7)
    yield "status", changed("status", to="PASS")
    yield "judged[0].verdict", changed("judged", 0, "verdict", to="MAYBE")
    yield "judged[0].ratio", changed("judged", 0, "ratio", to="1")
    yield "judged[0].ratio", changed("judged", 0, "ratio", to=True)
    yield "judged[0].invocations", changed("judged", 0, "invocations", to=1.5)
    yield "judged[0].values[1]", changed("judged", 0, "values", 1, to=[])
    yield "judged[0].thresholds.more", changed("judged", 0, "thresholds", "more", to=1)
    yield "counted[0].verdict", changed("counted", 0, "verdict", to="other")
    yield "counted", changed("counted", to=None)
    yield "machine", changed("machine", to=[])
    yield "base.dirty", changed("base", "dirty", to=1)
    yield "more", changed("more", to=1)


@pytest.mark.parametrize(("where", "document"), changes(plain(jobs.PASSED)))
def test_the_check_says_what_the_schema_says(where: str, document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)
    found = job.problems(document)
    assert len(found) == 1 and found[0].startswith(f"{where} is ")


@pytest.mark.parametrize("name", [name for name in MEANINGS[type(jobs.PASSED)] if name != "notes"])
def test_a_missing_field_is_named(name: str) -> None:
    document = plain(jobs.PASSED)
    del document[name]
    assert job.problems(document) == [f"{name} is missing"]
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(("text", "said"), [
    ("", "is no JSON"), ('{"schema":', "is no JSON .*: was the job interrupted"), ("[]", "its schema is None"),
    ('{"schema": "tinygram/1"}', "its schema is 'tinygram/1' and should be 'tinygram-gate/1'"),
    ('{"schema": "tinygram-gate/2"}', "Use the harness that wrote it"),
    ('{"schema": "tinygram-gate/1"}', r"is damaged: id is missing; .* \(and \d+ more\)"),
])
def test_what_is_no_job(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(JobError, match=said) as error:
        job.read(path)
    assert error.value.status == Status.USAGE and str(error.value).endswith(".")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be read"):
        job.read(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'"\xe9"')
    with pytest.raises(JobError, match="is no JSON"):
        job.read(tmp_path / "latin.json")
