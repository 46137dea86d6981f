"""The outputs of a job: golden files, each format read back as its consumer reads it, and any job whatever.

UPDATE_GOLDEN=1 writes the golden files of tests/golden/gate anew; look at them before keeping them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import consumers
import hypothesis.strategies as st
import jobs
import jsonschema
import pytest
from hypothesis import given, settings

from harness import feeds, job, junit, markdown, outputs, terminal, wording
from harness.job import COUNTER_VERDICTS
from harness.outputs import OutputError
from harness.verdict import Build, Counted, Job, Judged, Status, Thresholds, Verdict

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "gate"
XSD = ROOT / "tests" / "fixtures" / "junit.xsd"


# ---------------------------------------------------------------------------------------------------------------------
# Golden files


@pytest.mark.parametrize("name", outputs.FILES)
@pytest.mark.parametrize("which", jobs.JOBS)
def test_golden(which: str, name: str) -> None:
    """The same job makes the same files."""
    golden = GOLDEN / which / name
    made = outputs.FILES[name](jobs.JOBS[which])
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(made, encoding="utf-8")
    assert made == golden.read_text(encoding="utf-8"), "run again with UPDATE_GOLDEN=1 if this is meant"


def test_no_golden_file_is_left_over() -> None:
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.*")} == {
        f"{which}/{name}" for which in jobs.JOBS for name in outputs.FILES}


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def test_all_files_are_written(tmp_path: Path) -> None:
    written = outputs.write(jobs.EVERY, tmp_path / "new" / "folder", forest="forest plot.svg")
    assert list(written) == list(outputs.FILES)
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == set(outputs.FILES)
    for name, path in written.items():
        assert path.stat().st_mode & 0o777 == 0o644
        if name != "summary.md":
            assert path.read_text(encoding="utf-8") == outputs.FILES[name](jobs.EVERY)
    assert "](forest%20plot.svg)" in written["summary.md"].read_text(encoding="utf-8")


def test_a_file_is_complete_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be moved to its place leaves the old file and nothing beside it; job.json comes last."""
    outputs.write(jobs.PASSED, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    moved: list[str] = []

    def move(source: str, target: Path) -> None:
        if len(moved) == len(outputs.FILES) - 1:
            raise OSError(28, "No space left on device")
        moved.append(target.name)
        shutil.move(source, target)
    monkeypatch.setattr(os, "replace", move)
    with pytest.raises(OutputError, match=r"cannot be written to .*No space left on device.*make room"):
        outputs.write(jobs.EVERY, tmp_path)
    assert set(moved) == set(outputs.FILES) - {"job.json"}
    assert (tmp_path / "job.json").read_bytes() == before["job.json"]
    assert {path.name for path in tmp_path.iterdir()} == set(outputs.FILES)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="name a folder that you may write to") as error:
        outputs.write(jobs.PASSED, tmp_path / "file" / "folder")
    assert error.value.status == 3


# ---------------------------------------------------------------------------------------------------------------------
# Any job whatever

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from([jobs.HOSTILE, "", " ", "\x1b", "]]>", "::", "\ud800"])
NUMBER = st.floats(allow_nan=True, allow_infinity=True)
MAYBE = st.none() | NUMBER
COUNT = st.integers(0, 2 ** 70)
VALUES = st.lists(NUMBER, max_size=4).map(tuple)
JUDGED = st.builds(
    Judged, name=TEXT, question=TEXT, work=TEXT, method=TEXT, verdict=st.sampled_from(Verdict), ratio=MAYBE, low=MAYBE,
    high=MAYBE, confidence=NUMBER, p_slower=MAYBE, p_faster=MAYBE, look=COUNT, invocations=COUNT,
    invalid=st.integers(-1, 3), detectable=MAYBE, thresholds=st.builds(Thresholds, NUMBER, NUMBER), base_ns=MAYBE,
    new_ns=MAYBE, values=VALUES, mechanism=st.none() | TEXT, reason=st.none() | TEXT, canary=st.booleans(),
    base_each_ns=VALUES, new_each_ns=VALUES)
COUNTED = st.builds(Counted, TEXT, TEXT, st.none() | COUNT, st.none() | COUNT, st.none() | COUNT,
                    st.sampled_from(COUNTER_VERDICTS), TEXT, st.none() | TEXT)
BUILD = st.builds(Build, st.sampled_from(["base", "new"]), st.none() | TEXT, st.none() | TEXT,
                  st.none() | st.booleans(), TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT)
ANYTHING = st.recursive(st.none() | st.booleans() | COUNT | NUMBER | TEXT,
                        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
                        max_leaves=4)
KEYS = st.sampled_from(["cpu_model", "cpus_online", "kernel", "architecture", "hz", "load_1m"]) | TEXT
JOB = st.builds(
    Job, id=TEXT, started_at=st.datetimes().map(lambda when: when.isoformat() + "Z") | TEXT, elapsed_s=NUMBER,
    seed=COUNT, declaration=TEXT, machine=st.dictionaries(KEYS, ANYTHING, max_size=4), base=BUILD, new=BUILD,
    judged=st.lists(JUDGED, max_size=3).map(tuple), canaries=st.lists(JUDGED, max_size=1).map(tuple),
    counted=st.lists(COUNTED, max_size=3).map(tuple), missing=st.lists(TEXT, max_size=2).map(tuple),
    unfit=st.lists(TEXT, max_size=1).map(tuple), status=st.sampled_from(Status), sentence=TEXT,
    notes=st.lists(TEXT, max_size=1).map(tuple))


@settings(max_examples=150)
@given(JOB)
def test_no_job_makes_an_invalid_file(made: Job) -> None:
    """Whatever a job holds, each consumer can read its file, and finds in it what belongs there."""
    check_json(made)
    check_junit(made)
    check_markdown(made)
    consumers.plain_lines(terminal.text(made))
    for arm in ("base", "new"):
        consumers.go_benchmarks(feeds.go_benchmarks(made, arm))
    for text in (make(made) for make in outputs.FILES.values()):
        text.encode("utf-8")


@pytest.mark.parametrize("which", jobs.JOBS)
def test_every_format_is_valid(which: str) -> None:
    made = jobs.JOBS[which]
    check_json(made)
    check_junit(made)
    check_markdown(made)
    consumers.plain_lines(terminal.text(made))


def check_json(made: Job) -> None:
    document = consumers.strict_json(job.to_text(made))
    jsonschema.Draft202012Validator(job.json_schema()).validate(document)
    assert job.problems(document) == []
    bmf = consumers.strict_json(feeds.bencher(made))
    jsonschema.validate(bmf, dict(consumers.BMF_SCHEMA))
    assert all(1 <= len(name) <= 1024 and all(1 <= len(measure) <= 64 for measure in measures)
               for name, measures in bmf.items())
    entries = consumers.strict_json(feeds.action_benchmark(made))
    jsonschema.validate(entries, dict(consumers.ACTION_SCHEMA))
    assert len({entry["name"] for entry in entries}) == len(entries)
    if not wording.disbelieved(made):
        assert len(entries) == sum(bool(item.ratio) and math.isfinite(item.ratio * 100) for item in made.judged)
    lines = feeds.invocations(made).split("\n")
    assert lines.pop() == ""
    assert len(lines) == sum(len(item.values) + max(item.invalid, 0) for item in (*made.judged, *made.canaries))
    for line in lines:
        assert consumers.strict_json(line)["schema"] == feeds.INVOCATION_SCHEMA


def check_junit(made: Job) -> None:
    text = junit.text(made)
    consumers.well_formed_xml(text)
    suites = junit.suites(made)
    for group, number in (("measurement", len(made.judged)), ("counter", len(made.counted)),
                          ("canary", len(made.canaries)), ("job", 2)):
        assert sum(case.group == group for suite in suites for case in suite.cases) == number


def check_markdown(made: Job) -> None:
    page = markdown.summary(made)
    tables = consumers.tables(page)
    assert len(tables[-1]) == 1 + len(made.judged) + len(made.canaries)
    assert page.split("\n", 1)[0].startswith(("## ❌ ", "## ✅ ", "## ⚠️ "))
    found = consumers.annotations(markdown.annotation_lines(made))
    assert all(sum(each.kind == kind for each in found) <= 10 for kind in ("error", "warning", "notice"))
    assert any(each.title == f"tinygram gate: {made.status.name}" for each in found)


@pytest.mark.parametrize("which", [*jobs.JOBS, "nothing"])
def test_junit_is_what_the_schemas_allow(which: str, tmp_path: Path) -> None:
    """The schema of Jenkins' xUnit plugin and that of Ant's task, at once."""
    nothing = replace(jobs.PASSED, judged=(), counted=(), canaries=(), machine={}, elapsed_s=math.nan)
    path = tmp_path / "junit.xml"
    path.write_text(junit.text(jobs.JOBS.get(which, nothing)), encoding="utf-8")
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", XSD, path], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, f"{path} validates")


def test_the_schema_refuses(tmp_path: Path) -> None:
    """The check above can fail: properties in a test case are what both schemas forbid."""
    text = junit.text(jobs.PASSED)
    for old, new in (('time="0" />', 'time="0"><properties/></testcase>'), ('id="0"', 'id="first"'),
                     ('<properties>', '<system-out/><properties>')):
        assert old in text
        path = tmp_path / "junit.xml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", XSD, path], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode != 0


def test_the_stored_schema_is_the_records() -> None:
    stored = json.loads((ROOT / "harness" / "tinygram-gate-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(stored)
    assert stored == job.json_schema(), "run: python3 -m harness.job > harness/tinygram-gate-1.schema.json"


# ---------------------------------------------------------------------------------------------------------------------
# What is written about them

CHAPTER = (ROOT / "results" / "README.md").read_text(encoding="utf-8")


def test_every_file_is_described() -> None:
    """The table of results/README.md names each file that is written, and none that is not."""
    table = CHAPTER.split("## A job of the gate\n")[1].split("\n\n", 2)[1]
    named = set(re.findall(r"`([\w.-]+\.\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert named - {"raw.jsonl"} == set(outputs.FILES)


def test_the_properties_are_those_that_are_named() -> None:
    named = set(re.findall(r"`(\w+)`", CHAPTER.split("its properties are the figures (")[1].split(")")[0]))
    assert named <= set(junit.suites(jobs.EVERY)[0].properties)
    assert {"ratio", "low", "high", "K", "detectable"} <= named


@pytest.mark.parametrize("command", ["outputs"])
def test_the_outputs_can_be_written_anew(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From job.json alone, beside it or elsewhere; a forest plot that is there stays linked."""
    parser = argparse.ArgumentParser()
    outputs.add_command(parser.add_subparsers(required=True))
    outputs.write(jobs.EVERY, tmp_path)
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "forest.svg").write_text("<svg/>")
    (tmp_path / "junit.xml").unlink()
    options = parser.parse_args([command, str(tmp_path / "job.json")])
    assert options.command(options) == 0
    assert capsys.readouterr().out == terminal.text(jobs.EVERY)
    assert (tmp_path / "junit.xml").read_text(encoding="utf-8") == junit.text(jobs.EVERY)
    assert "](charts/forest.svg)" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    options = parser.parse_args([command, str(tmp_path / "job.json"), "--out", str(tmp_path / "other")])
    assert options.command(options) == 0
    assert "](charts" not in (tmp_path / "other" / "summary.md").read_text(encoding="utf-8")
