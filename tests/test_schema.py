"""The one table of fields: the JSON Schema, the check without it, and the options of the program say the same."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jsonschema
import pytest
from hypothesis import given, settings

from harness import schema
from harness.schema import DOCUMENT, Field

ROOT = Path(__file__).resolve().parent.parent
STORED = json.loads((ROOT / "harness" / "tinygram-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(STORED)
SOUND: dict[str, Any] = json.loads((ROOT / "tests" / "fixtures" / "document.json").read_text(encoding="utf-8"))


def fields(field: Field = DOCUMENT, path: str = "") -> Iterator[tuple[str, Field]]:
    """Every field of the document with its path."""
    yield path, field
    for child in field.fields:
        yield from fields(child, f"{path}.{child.name}".lstrip("."))
    if field.items is not None:
        yield from fields(field.items, f"{path}[]")


def test_stored_schema_is_the_tables() -> None:
    jsonschema.Draft202012Validator.check_schema(STORED)
    assert STORED == schema.json_schema(), "run: python3 -m harness.schema > harness/tinygram-1.schema.json"


def test_a_sound_document_has_no_problems() -> None:
    VALIDATOR.validate(SOUND)
    assert schema.problems(SOUND) == []


@pytest.mark.parametrize("path,field", fields(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_has_a_meaning_and_its_unit_in_the_name(path: str, field: Field) -> None:
    assert field.meaning
    for ending, unit in (("_ns", "ns"), ("_us", "us"), ("_ms", "ms"), ("_bytes_per_s", "bytes/s"), ("_bytes", "bytes")):
        if field.name.endswith(ending) and field.type in ("integer", "number"):
            assert field.unit == unit, f"{path} is in {field.unit}"
            break


def test_every_object_is_closed() -> None:
    def objects(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "properties" in node:
                yield node
            for child in node.values():
                yield from objects(child)
    found = list(objects(STORED))
    assert len(found) > 30
    assert all(node["additionalProperties"] is False and set(node["required"]) == set(node["properties"])
               for node in found)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


CHANGES = st.sampled_from(["delete", "add", "null", True, -1, 3, 2.5, "text", [], {}, ["x"], {"x": 1}])


@settings(max_examples=400)
@given(place=st.integers(0, 10 ** 6), change=CHANGES)
def test_problems_agree_with_the_json_schema(place: int, change: Any) -> None:
    """The check that runs on every trial finds a change wrong exactly where the JSON Schema does."""
    changed = copy.deepcopy(SOUND)
    found = list(places(changed))
    container, key = found[place % len(found)]
    if change == "delete":
        del container[key]
    elif change == "add" and isinstance(container, dict):
        container[f"{key}_more"] = 1
    else:
        container[key] = None if change == "null" else change
    sound = VALIDATOR.is_valid(changed)
    assert (schema.problems(changed) == []) is sound
    # JSON has one kind of number: 3.0 is a whole number to the JSON Schema, and json never writes a count that way


@pytest.mark.parametrize("path,value,said", [
    ("result.latency_ns.p99", "fast", "result.latency_ns.p99 is 'fast' but must be a number"),
    ("result.writes", -1, "result.writes is -1 but must be at least 0"),
    ("result.writes", True, "result.writes is True but must be a whole number"),
    ("setting.family", "ipx", "setting.family is 'ipx' but must be one of inet, inet6, unix"),
    ("status", None, "status is null but must be a whole number"),
    ("connections", {}, "connections is {} but must be an array"),
])
def test_a_problem_is_a_sentence(document: dict[str, Any], path: str, value: Any, said: str) -> None:
    *above, last = path.split(".")
    node = document
    for key in above:
        node = node[key]
    node[last] = value
    assert schema.problems(document) == [said]


def test_a_point_has_two_numbers(document: dict[str, Any]) -> None:
    for point, said in (([0.5], "has 1 items but must have 2"), ([0.5, 1, 2], "has 3 items but must have 2")):
        document["result"]["latency_ns"]["curve"] = [[0, 1], point]
        assert schema.problems(document) == [f"result.latency_ns.curve[1] {said}"]
        assert not VALIDATOR.is_valid(document)


def test_missing_and_unknown_keys_are_named(document: dict[str, Any]) -> None:
    del document["result"]["writes"]
    document["result"]["wirtes"] = 1
    assert schema.problems(document) == ["result.writes is missing", "result.wirtes is not a field of tinygram/1"]
    assert schema.problems([]) == ["the document is [] but must be an object"]


def test_an_empty_document_is_sound_and_says_why() -> None:
    made = schema.empty_document(4, "it did not work.", ["tinygram", "pair"])
    VALIDATOR.validate(made)
    assert schema.problems(made) == []
    assert (made["status"], made["error"], made["command"]) == (4, "it did not work.", ["tinygram", "pair"])
    assert made["result"]["goodput_bytes_per_s"] is None, "missing is null, never 0"


FIXTURES = sorted((ROOT / "tests" / "fixtures").glob("document*.json"))


@pytest.mark.parametrize("path", FIXTURES, ids=[path.stem for path in FIXTURES])
def test_documents_of_every_age_can_be_read(path: Path) -> None:
    """Fields that a document does not have yet are unknown; nothing that it has is lost."""
    old = json.loads(path.read_text(encoding="utf-8"))
    read = schema.complete(schema.upgrade(old))
    assert schema.problems(read) == []
    if path.stem == "document-first":
        assert "messages" not in old["result"] and read["result"]["messages"] is None
        assert read["result"] | {"stalls": None} == {**dict.fromkeys(read["result"]), **old["result"]}
    else:
        assert read == old, "a document of today lacks nothing"


def test_an_unknown_field_is_not_hidden(document: dict[str, Any]) -> None:
    document["result"]["more"] = 1
    assert schema.problems(schema.complete(document)) == ["result.more is not a field of tinygram/1"]


def test_upgrade_takes_this_version_and_refuses_the_others(document: dict[str, Any]) -> None:
    assert schema.upgrade(document) == document
    for tag in ("tinygram/2", "tinygram/0", "iperf3/1", None, 1):
        with pytest.raises(schema.SchemaError):
            schema.upgrade(document | {"schema": tag})
    with pytest.raises(schema.SchemaError):
        schema.upgrade(["not", "an", "object"])


def test_upgrade_goes_through_every_version(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setattr(schema, "UPGRADES", {1: lambda old: old | {"a": 1}, 2: lambda old: old | {"b": old["a"] + 1}})
    assert schema.upgrade({"schema": "tinygram/1"}) == {"schema": "tinygram/1", "a": 1, "b": 2}


@given(st.integers(0, 2 ** 40), st.sampled_from(["", "K", "M", "G"]))
def test_sizes(number: int, suffix: str) -> None:
    assert schema.parse_size(f"{number}{suffix}") == number * 1024 ** ["", "K", "M", "G"].index(suffix)


@pytest.mark.parametrize("text", ["", "-1", "12Q", "1e30", "1.5K", "0x10", " 1", "1 K", "K", "١٢", "16k"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        schema.parse_size(text)


def test_times() -> None:
    assert [schema.parse_time(text) for text in ("7ns", "7us", "60ms", "2s")] == [7, 7_000, 60_000_000, 2_000_000_000]
    for text in ("", "60", "1.5s", "1m", "-1s"):
        with pytest.raises(ValueError, match="is not a time"):
            schema.parse_time(text)


@pytest.mark.parametrize("name,good,bad", [
    ("nodelay", "auto", "yes"), ("recv-cork", "off", "1"), ("write-size", "16K", "auto"), ("sndbuf", "auto", "big"),
    ("connections", "4", "4K"), ("cpus", "0,1", "0,1,2"), ("send-with", "sendfile", "sendfil"),
    ("wait", "spin", "auto"), ("pattern", "w100,w400,r1", "w100,400"), ("think", "0ms-5ms", "5ms-1ms"),
    ("think", "2us", "2"), ("stream", "1K@5000", "1K@5K"), ("stream", "1@1", "@1"), ("schedule", "burst:4", "burst"),
    ("schedule", "poisson", "poison"), ("stamps", "on", "auto"), ("rcvbuf-when", "accept", "connect"),
    ("count", "30", "-1"), ("rate", "1000", "1K"),
    ("congestion", "cubic", ""), ("duration", "1s", "1"), ("keepalive-idle", "10", "10s")])
def test_values(name: str, good: str, bad: str) -> None:
    schema.parse_value(schema.OPTIONS[name], good)
    with pytest.raises(ValueError):
        schema.parse_value(schema.OPTIONS[name], bad)


def test_two_texts_with_one_meaning_are_one_value() -> None:
    for name, one, other in (("stream", "1K@5000", "1024@05000"), ("think", "1ms", "1000us-1ms"),
                             ("write-size", "1K", "1024")):
        assert schema.parse_value(schema.OPTIONS[name], one) == schema.parse_value(schema.OPTIONS[name], other)


PATTERNS = ("w100,w400,r1", "m100,w4K,r1", "v100+400,r1", "v1,r1", "c,w1,u,r1", "q,w1,r1", "w1,p5ms,r1", "k8(w100,r1)",
            "k1(v1+2+3,r9)", "w1,w1,r1,w2,r2")
NO_PATTERNS = ("", "w", "w1,", ",w1,r1", "w1 ,r1", "x1,r1", "w1;r1", "k8(w1,r1", "k8w1,r1", "w1,k8(w1,r1)",
               "k8(w1,r1),w1", "c1,r1", "q2,w1,r1", "w1+2,r1", "v1+,r1", "p5,w1,r1", "w1k,r1", "w-1,r1", "w1,r1)")


def program_takes(program: Path, *options: str) -> bool:
    answer = subprocess.run([program, "pair", "--count", "1", *options], capture_output=True, timeout=30)
    assert answer.returncode in (0, 2), answer.stderr
    return answer.returncode == 0


def test_patterns_are_those_of_the_program(program: Path) -> None:
    """What has the form of a pattern here has it there; what has not is refused there too."""
    for text in PATTERNS:
        assert schema.parse_pattern(text) == text
        assert program_takes(program, "--pattern", text), text
    for text in NO_PATTERNS:
        with pytest.raises(ValueError, match="is not a pattern"):
            schema.parse_pattern(text)
        assert not program_takes(program, "--pattern", text), text


def test_times_to_think_and_streams_are_those_of_the_program(program: Path) -> None:
    for option, good, bad in (("think", ("1ms", "0ms-2ms"), ("1", "2ms-1ms", "1ms-", "-1ms")),
                              ("stream", ("1K@100000",), ("1K", "@5", "1K@", "1K@1.5", "K@1")),
                              ("schedule", ("constant", "poisson", "burst:4"), ("burst", "burst:", "burst:x"))):
        workload = ["--pattern", "w1,r1", "--rate", "10000"] if option == "schedule" else \
            ["--pattern", "w1,r1"] if option == "think" else []
        for text in (*good, *bad):
            assert program_takes(program, *workload, f"--{option}", text) is (text in good), (option, text)
            try:
                schema.parse_value(schema.OPTIONS[option], text)
            except ValueError:
                assert text in bad
            else:
                assert text in good


def test_workloads_are_those_of_the_program(program: Path) -> None:
    """An option that belongs to no exchange or stream here is refused there with one."""
    values = {"file": "/bin/sh", "bytes": "1", "count": "1", "think": "1ms", "pattern": "w1,r1", "stream": "1@1000"}
    for workload, base in (("exchange", ["--pattern", "w1,r1"]), ("stream", ["--stream", "1@1000"])):
        for option, value in values.items():
            if f"--{option}" not in base:
                belongs = workload in schema.OPTIONS[option].workloads
                assert program_takes(program, *base, f"--{option}", value) is belongs, (workload, option)


def test_options_are_the_programs(program: Path) -> None:
    """Every option that makes a trial is known here, with the same default and group, and none is invented."""
    answer = subprocess.run([program, "help", "--json"], capture_output=True, timeout=30, check=True)
    told = json.loads(answer.stdout)
    groups = {option["name"]: option["group"] for option in told["options"]
              if option["group"] in ("workload", "setting")}
    known = {name: option.group for name, option in schema.OPTIONS.items()
             if name in {row.name for row in schema._PROGRAM_OPTIONS}}
    assert known == groups
    assert [option.name for option in schema.SOCKET_OPTIONS] == [option["name"] for option in told["socket_options"]]


def test_parts_and_mechanisms_are_the_programs(program: Path) -> None:
    answer = subprocess.run([program, "pair", "--pattern", "w1,r1", "--count", "20", "--stamps", "on", "--json", "-"],
                            capture_output=True, timeout=30, check=True)
    result = json.loads(answer.stdout)["result"]
    parts = [f"{name}_ns" for name, _ in schema.SPLIT_PARTS]
    split = result["split"]
    assert [name for name in split if isinstance(split[name], dict) and "curve" in split[name]] == [*parts,
                                                                                                    "until_ack_ns"]
    assert list(split["typical_not_held"]) == ["writes", "latency_ns", *parts]
    assert list(result["stalls"]["by_mechanism"]) == [name for name, _ in schema.MECHANISMS]


def test_a_real_document_is_sound(program: Path, tmp_path: Path) -> None:
    for more in (["--family", "unix"], ["--sndbuf", "16K", "--nodelay", "on"], ["--send-with", "zerocopy"],
                 ["--duration", "10ms", "--connections", "2"], ["--file", str(tmp_path / "missing")],
                 ["--pattern", "w10,w10,r1", "--count", "20", "--stamps", "on", "--nodelay", "on"],
                 ["--pattern", "k4(w10,r1)", "--count", "20", "--rate", "2000", "--schedule", "poisson"],
                 ["--pattern", "w10,r1", "--count", "3", "--think", "0ms-1ms"],
                 ["--pattern", "w10,r1", "--count", "3", "--family", "unix"],
                 ["--stream", "100@2000", "--duration", "10ms", "--schedule", "burst:4", "--stamps", "on"],
                 ["--stream", "100@2000", "--count", "20", "--max-p50", "1ns"]):
        source = [] if {"--file", "--pattern", "--stream"} & set(more) else ["--bytes", "256K"]
        answer = subprocess.run([program, "pair", *source, *more, "--json", "-"], capture_output=True, timeout=30)
        made = json.loads(answer.stdout)
        VALIDATOR.validate(made)
        assert schema.problems(made) == []
        assert made["status"] == answer.returncode
        assert (made["error"] is None) is (answer.returncode == 0)


# ---------------------------------------------------------------------------------------------------------------------
# Exact fields


EFFECTIVE = ("setting", "effective", "sender")


def exact_now(document: dict[str, Any]) -> set[tuple[str, ...]]:
    return {path for path, field in schema.exact_fields()
            if schema.exact_in(schema.complete(document), path, str(field.exact))}


def test_every_exact_field_names_a_condition_and_is_no_timing() -> None:
    found = schema.exact_fields()
    assert {field.exact for _, field in found} == set(schema.EXACT)
    assert not [path for path, field in found if field.unit == "ns" or path[-1] in ("retransmits", "reads")]


def test_a_transfer_has_exact_calls_where_its_work_is_fixed(document: dict[str, Any]) -> None:
    document["workload"] |= {"name": "transfer", "duration_ns": None, "send_with": "write"}
    document["setting"]["wait"] = "block"
    assert {("result", "bytes"), ("result", "writes")} <= exact_now(document)
    assert ("result", "data_segments") not in exact_now(document), "segments of a streaming transfer are not exact"
    document["workload"]["send_with"] = "sendfile"
    assert ("result", "bytes") in exact_now(document) and ("result", "writes") not in exact_now(document)
    document["workload"]["duration_ns"] = 1_000_000
    assert ("result", "bytes") not in exact_now(document)


def test_segments_and_stalls_are_exact_in_lock_step_only() -> None:
    document: dict[str, Any] = json.loads(
        (ROOT / "tests" / "fixtures" / "document-exchange.json").read_text(encoding="utf-8"))
    document["workload"] |= {"duration_ns": None, "rate_per_s": None, "outstanding": 1}
    counters = {("result", "data_segments"), ("result", "stalls", "count"),
                ("result", "stalls", "by_mechanism", "nagle_delayed_ack")}
    assert counters <= exact_now(document)
    assert not counters & exact_now(document | {"workload": document["workload"] | {"outstanding": 4}})
    assert not counters & exact_now(document | {"workload": document["workload"] | {"rate_per_s": 100.0}})


def test_an_option_is_exact_at_the_start_and_where_it_was_asked_for(document: dict[str, Any]) -> None:
    document["setting"]["requested"]["sender"] |= {"sndbuf": 65536, "mss": "auto", "quickack": True}
    found = exact_now(document)
    assert {(*EFFECTIVE, "start", "nodelay"), (*EFFECTIVE, "start", "sndbuf"), (*EFFECTIVE, "end", "sndbuf")} <= found
    assert not {(*EFFECTIVE, "end", "mss"), (*EFFECTIVE, "end", "quickack")} & found
    assert not {(*EFFECTIVE, "start", "mss"), (*EFFECTIVE, "start", "rcvbuf")} & found, (
        "a size that nobody set is what the kernel remembers of earlier connections")
