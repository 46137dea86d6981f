"""`tinygram cliff`: what it finds depends on the kernel; how it says it does not."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path
from statistics import median
from typing import Any

import jsonschema
import pytest
from running import Running, fails, run, says

from harness import cliff_schema

RATIO = 3.0
VALIDATOR = jsonschema.Draft202012Validator(cliff_schema.json_schema())
SHORT = ["--trials", 3, "--duration", "20ms"]


def search(*arguments: object, status: int = 0) -> dict[str, Any]:
    """The document of a search: sound by the JSON Schema."""
    ended = run("cliff", *arguments, "--json", "-", patience_s=120)
    assert ended.status == status, ended.err
    VALIDATOR.validate(ended.document)
    assert cliff_schema.problems(ended.document) == []
    return ended.document


def speeds(trials: list[dict[str, Any]]) -> list[float]:
    """What the judged trials reached, ascending."""
    return sorted(trial["evidence"]["speed"] for trial in trials if trial["evidence"] and not trial["probe"])


def is_sound(document: dict[str, Any], least: int, most: int) -> None:
    """Values in order and in range; modes, cliffs and remedies follow from the trials that are kept."""
    points = document["points"]
    values = [point["value"] for point in points]
    assert values == sorted(set(values)) and values[0] == least and values[-1] == most
    for point in points:
        found = speeds(point["trials"])
        assert sum(mode["trials"] for mode in point["modes"]) == len(found)
        if len(point["modes"]) == 1:
            assert point["modes"][0]["speed"] == pytest.approx(median(found), rel=1e-6)
        if len(point["modes"]) == 2:
            slow = point["modes"][0]["trials"]
            assert found[slow] > RATIO * found[slow - 1] and 2 <= slow <= len(found) - 2
    single = [point for point in points if len(point["modes"]) == 1]
    steep = [(low, high) for low, high in itertools.pairwise(single)
             if max(low["modes"][0]["speed"], high["modes"][0]["speed"])
             > RATIO * min(low["modes"][0]["speed"], high["modes"][0]["speed"])]
    assert [sorted((cliff["slow"], cliff["fast"])) for cliff in document["cliffs"]] == [
        [low["value"], high["value"]] for low, high in steep][:16]
    assert {place["from"] for place in document["bistable"]} <= {
        point["value"] for point in points if len(point["modes"]) == 2}
    for cliff in document["cliffs"]:
        assert cliff["ratio"] == pytest.approx(cliff["fast_speed"] / cliff["slow_speed"], rel=1e-6)
        assert cliff["mechanism"]["sentences"] and cliff["mechanism"]["slow"]["speed"] < cliff["fast_speed"]
        assert [remedy["name"] for remedy in cliff["remedies"]] == list(cliff_schema.REMEDIES)
        for remedy in cliff["remedies"]:
            if remedy["not_tried"] is None and remedy["after"] is not None:
                assert remedy["removes"] is (RATIO * remedy["after"] >= cliff["fast_speed"])
                assert speeds(remedy["trials"])


def test_sndbuf() -> None:
    """The range is scanned, the cliff (if there is one here) is cornered, and remedies are tried on it."""
    document = search("--factor", "sndbuf", "--from", 16384, "--to", 65536, "--congestion", "cubic", *SHORT)
    is_sound(document, 16384, 65536)
    assert document["search"]["factor"] == "sndbuf" and document["congestion"] == "cubic"
    for point in document["points"]:
        assert all(trial["evidence"]["sndbuf_bytes"] >= 2 * point["value"] for trial in point["trials"])
    for cliff in document["cliffs"]:
        tried = {remedy["name"]: remedy["not_tried"] for remedy in cliff["remedies"]}
        assert tried["quickack"] is tried["nodelay"] is tried["mss"] is tried["sndbuf"] is None
        assert "not set" in tried["rcvbuf"] and "not set" in tried["early_rcvbuf"]


def test_a_receive_buffer_that_is_set_too_late_is_found_in_time() -> None:
    """A few bytes show the speed: with full buffers each slow trial would be waited for a minute."""
    began = time.monotonic()
    document = search("--factor", "rcvbuf", "--rcvbuf-when", "accept", "--from", 4096, "--to", 131072, "--trials", 2,
                      "--duration", "20ms")
    assert time.monotonic() - began < 100
    is_sound(document, 4096, 131072)
    early = [remedy for cliff in document["cliffs"] for remedy in cliff["remedies"] if remedy["name"] == "early_rcvbuf"]
    assert all(remedy["not_tried"] is None for remedy in early)
    if document["cliffs"] and all(remedy["helps"] for remedy in early):
        assert "rcvbuf_too_late" in {cliff["mechanism"]["name"] for cliff in document["cliffs"]}


@pytest.mark.parametrize("arguments,least,most", [
    (["--factor", "rcvbuf", "--from", 65536, "--to", 131072, "--trials", 1, "--duration", "10ms"], 65536, 131072),
    (["--factor", "write-size", "--from", 1000, "--to", 4000, "--trials", 1, "--duration", "10ms"], 1000, 4000),
    (["--factor", "rate", "--stream", "100@1", "--from", 1000, "--to", 4000, "--trials", 3, "--count", 20,
      "--nodelay", "on"], 1000, 4000),
    (["--factor", "sndbuf", "--pattern", "w100,r1", "--count", 50, "--from", 65536, "--to", 131072, "--trials", 2],
     65536, 131072),
    (["--factor", "sndbuf", "--family", "unix", "--from", 65536, "--to", 131072, "--trials", 1, "--duration", "10ms"],
     65536, 131072),
], ids=["rcvbuf", "write-size", "rate", "exchange", "unix"])
def test_every_factor(arguments: list[object], least: int, most: int) -> None:
    """Each factor can be searched, and each workload."""
    is_sound(search(*arguments), least, most)


def test_the_document_can_repeat_the_search() -> None:
    """Command, version, machine, what was asked for, what was in effect, placement."""
    document = search("--factor", "write-size", "--from", 4096, "--to", 8192, "--trials", 1, "--duration", "10ms",
                      "--cpus", "same", "--congestion", "reno")
    assert document["command"][1:4] == ["cliff", "--factor", "write-size"]
    assert document["version"] and document["build"]["compiler"] and document["machine"]["kernel"]
    setting = document["setting"]
    assert setting["requested"]["sender"]["congestion"] == "reno" == document["congestion"]
    assert setting["effective"]["sender"]["start"]["congestion"] == "reno"
    assert setting["placement"]["sender"] == setting["placement"]["receiver"] is not None
    assert document["workload"]["name"] == "transfer"


def test_a_budget_ends_the_search() -> None:
    document = search("--factor", "sndbuf", "--from", 4096, "--to", 65536, "--budget", "1ms", *SHORT)
    assert len(document["points"]) == 9 and all(len(cliff["remedies"]) in (0, 6) for cliff in document["cliffs"])
    assert sum(cliff["explained"] for cliff in document["cliffs"]) == (1 if document["cliffs"] else 0)


def test_a_person_gets_a_map() -> None:
    """A line a value, a bar, and a sentence for each cliff or that there is none."""
    out = run("cliff", "--factor", "write-size", "--from", 1000, "--to", 2000, "--trials", 1, "--duration", "10ms").out
    assert "map (logarithmic)" in out
    assert sum(line.rstrip().endswith("#") for line in out.splitlines()) >= 3
    assert "no cliff:" in out or "cliff: write-size" in out


def test_a_range_without_a_cliff_says_so() -> None:
    """An MSS of an Ethernet leaves no cliff in this range; status 0."""
    arguments = ["--factor", "write-size", "--mss", 1460, "--from", 32768, "--to", 65536, "--trials", 1, "--duration",
                 "10ms"]
    ended = run("cliff", *arguments)
    assert ended.status == 0 and ("no cliff: no two neighbours" in ended.out or "cliff: write-size" in ended.out)
    document = search(*arguments)
    assert document["status"] == 0 and document["error"] is None


@pytest.mark.parametrize("arguments,words", [
    ([], ["what is to be sent?"]),
    (["--bytes", "1M"], ["which factor?"]),
    (["--factor", "colour"], ["'colour' is none of sndbuf, rcvbuf, write-size, rate"]),
    (["--factor", "rate", "--bytes", "1M"], ["--factor rate needs --stream"]),
    (["--factor", "write-size", "--pattern", "w1,r1"], ["--factor write-size needs --file or --bytes"]),
    (["--factor", "sndbuf", "--sndbuf", "8K"], ["--factor sndbuf varies SO_SNDBUF itself", "--from"]),
    (["--factor", "rcvbuf", "--rcvbuf", "8K"], ["--factor rcvbuf varies SO_RCVBUF itself", "--from"]),
    (["--factor", "rcvbuf", "--family", "unix"], ["--factor rcvbuf: family unix", "--factor sndbuf"]),
    (["--factor", "sndbuf", "--from", 10, "--to", 10], ["--from must be below --to"]),
    (["--factor", "sndbuf", "--from", 20, "--to", 10], ["--from must be below --to"]),
    (["--factor", "write-size", "--from", "2M"], ["--from 2097152 is not below --to 1048576"]),
    (["--factor", "sndbuf", "--trials", 0], ["--trials", "too small"]),
    (["--factor", "sndbuf", "--trials", 102], ["--trials", "too large"]),
    (["--factor", "sndbuf", "--from", 0], ["--from", "too small"]),
    (["--factor", "sndbuf", "--budget", "soon"], ["--budget"]),
], ids=lambda value: " ".join(map(str, value)))
def test_bad_input(arguments: list[object], words: list[str]) -> None:
    """One sentence, status 2."""
    fails(2, *words, arguments=["cliff", *arguments])


def test_an_output_that_cannot_be_written_costs_no_measurement(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run("cliff", "--factor", "sndbuf", "--json", tmp_path / "none" / "found.json")
    says(ended, 3, "cannot write", "found.json")
    assert time.monotonic() - began < 5


RATE = ["--factor", "rate", "--stream", "10@1", "--count", 5, "--timeout", "300ms", "--trials", 1]


def test_a_range_where_every_trial_fails_ends_the_search() -> None:
    """The sentence names a value at which it failed; the document has the failed trials."""
    arguments = [*RATE, "--from", 1, "--to", 5]
    says(run("cliff", *arguments), 4, "no trial finished at any of 4 values", "--timeout passed")
    document = search(*arguments, status=4)
    assert document["status"] == 4 and "no trial finished" in document["error"]
    assert {trial["status"] for point in document["points"] for trial in point["trials"]} == {4}
    assert document["cliffs"] == [] and all(point["modes"] == [] for point in document["points"])


def test_values_at_which_trials_fail_are_told() -> None:
    document = search(*RATE, "--from", 8, "--to", 400)
    assert [point["modes"] == [] for point in document["points"]][:2] == [True, True]
    assert document["points"][-1]["modes"] != []
    out = run("cliff", *RATE, "--from", 8, "--to", 400).out
    assert "no trial finished: " in out and "values no trial finished" in out


@pytest.mark.parametrize("as_json", [True, False])
def test_an_interruption_leaves_a_marked_part(tmp_path: Path, as_json: bool) -> None:
    """130, what was found until then, nothing left running."""
    path = tmp_path / "cliff.json"
    with Running(["cliff", "--factor", "sndbuf", "--trials", 101, *(["--json", path] if as_json else [])]) as running:
        time.sleep(1)
        assert running.process.poll() is None, running.err
        running.kill(signal.SIGINT)
        ended = running.wait(15)
    assert ended.status == 130, ended.err
    assert "interrupted" in ended.err
    if not as_json:
        assert "map (logarithmic)" in ended.out
        return
    document = json.loads(path.read_text(encoding="utf-8"))
    VALIDATOR.validate(document)
    assert document["interrupted"] is True and document["status"] == 130
    assert document["points"] and "partial" in document["error"]
    assert list(tmp_path.iterdir()) == [path]
