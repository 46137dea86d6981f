"""The history: one line a job against the anchor; what does not belong there is refused with a sentence."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jobs
import pytest
from hypothesis import given

from harness import history
from harness.history import Entry, HistoryError, append, entry, read
from harness.verdict import Job, Verdict

ANCHOR = "v0.1.0"


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """A history with one line."""
    path = tmp_path / "results" / "history.jsonl"
    append(path, entry(jobs.PASSED, "2026-11-22T19:00:00+00:00"), ANCHOR)
    return path


def another(number: int = 1, **changes: Any) -> Job:
    return replace(jobs.PASSED, id=f"job-{number}", **changes)


# ---------------------------------------------------------------------------------------------------------------------
# From job to line


def test_a_line_holds_ratios_and_no_times(path: Path) -> None:
    line = json.loads(path.read_text())
    assert line["schema"] == "tinygram-history/1"
    assert (line["job"], line["anchor"], line["commit_date"]) == (jobs.PASSED.id, ANCHOR, "2026-11-22T19:00:00+00:00")
    assert (line["anchor_commit"], line["commit"]) == (jobs.BASE.commit, jobs.NEW.commit)
    assert (line["cpu_model"], line["kernel"], line["cpus"]) == ("Invented CPU 3000 @ 2.0 GHz", "6.18.0", 2)
    item = jobs.PASSED.judged[0]
    assert line["measurements"]["exchange-small"] == {
        "ratio": item.ratio, "low": item.low, "high": item.high, "confidence": 0.99, "invocations": 12,
        "verdict": "PASS", "tolerance": 0.05}
    assert "_ns" not in path.read_text()


def test_what_was_written_is_read(path: Path) -> None:
    second = entry(another(machine={}, judged=(replace(jobs.PASSED.judged[0], ratio=None, low=math.nan),)))
    append(path, second)
    found = read(path)
    assert found.word == "" and found.anchor == (ANCHOR, jobs.BASE.commit)
    assert found.entries == (entry(jobs.PASSED, "2026-11-22T19:00:00+00:00"), second)
    assert (second.cpu_model, second.cpus, second.commit_date) == (None, None, None)
    assert second.measurements["exchange-small"].low is None


@pytest.mark.parametrize(("job", "said"), [
    (replace(jobs.PASSED, new=jobs.NEW), r"built from changed files \(new\), which no commit describes"),
    (replace(jobs.PASSED, base=replace(jobs.BASE, commit=None)), "does not say which commit its base is"),
    (replace(jobs.PASSED, base=replace(jobs.BASE, commit="HEAD")), "does not say which commit its base is"),
    (jobs.UNFIT, "on a machine that could not judge"),
    (replace(jobs.PASSED, judged=()), "judged no measurement"),
])
def test_a_job_that_no_commit_describes_is_refused(job: Job, said: str) -> None:
    with pytest.raises(HistoryError, match=said) as error:
        entry(job)
    assert error.value.status == 2 and str(error.value).endswith(".")


def test_the_date_of_a_commit(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True, timeout=60)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True, timeout=60, env={
        "PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+0100", "HOME": str(tmp_path)})
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, timeout=60, capture_output=True, text=True).stdout
    assert history.commit_date(tmp_path, head.strip()) == "2026-01-02T03:04:05+01:00"
    assert history.commit_date(tmp_path, "0" * 40) is None
    assert history.commit_date(tmp_path / "nowhere", "0" * 40) is None


def test_an_anchor_has_a_name_that_lasts(tmp_path: Path) -> None:
    """A tag of the commit stays; a branch or HEAD~3 becomes the commit; of what git does not know nothing changes."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "v9"]):
        subprocess.run([*git, *words], check=True, timeout=60)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, timeout=60, capture_output=True, text=True).stdout
    one = entry(another(base=replace(jobs.BASE, ref="main", commit=head.strip())))
    assert history.lasting(tmp_path, one).anchor == head[:12]
    for name in ("v9", "refs/tags/v9"):
        assert history.lasting(tmp_path, replace(one, anchor=name)).anchor == name
    for unknown in (replace(one, anchor_commit="0" * 40), entry(jobs.PASSED)):
        assert history.lasting(tmp_path, unknown) == unknown
    assert history.lasting(tmp_path / "nowhere", one) == one
    path = tmp_path / "history.jsonl"
    append(path, history.lasting(tmp_path, one), head[:9])
    assert read(path).anchor == (head[:12], head.strip())


# ---------------------------------------------------------------------------------------------------------------------
# The anchor


def test_a_new_history_must_be_told_its_anchor(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with pytest.raises(HistoryError, match="has no line yet: say which release .* --anchor v0.1.0"):
        append(path, entry(jobs.PASSED))
    with pytest.raises(HistoryError, match="was run against v0.1.0, not against the anchor v0.2.0: run make gate"):
        append(path, entry(jobs.PASSED), "v0.2.0")
    assert path.read_bytes() == b""
    append(path, entry(jobs.PASSED), (jobs.BASE.commit or "")[:12])
    assert len(read(path).entries) == 1


def test_a_job_against_another_base_is_refused(path: Path) -> None:
    before = path.read_bytes()
    other = another(base=replace(jobs.BASE, ref="main", commit="f" * 40))
    with pytest.raises(HistoryError, match=r"against main \(f{12}\).*refers to v0.1.0 \(3f2a91c0{5}\): run make"):
        append(path, entry(other))
    with pytest.raises(HistoryError, match="the anchor of .* is v0.1.0, not v0.2.0"):
        append(path, entry(another()), "v0.2.0")
    assert path.read_bytes() == before


def test_the_anchor_is_a_commit_not_a_name(path: Path) -> None:
    """A tag that was moved is another anchor; another name of the same commit is the same."""
    with pytest.raises(HistoryError, match="run make gate BASE=v0.1.0"):
        append(path, entry(another(base=replace(jobs.BASE, commit="f" * 40))))
    append(path, entry(another(base=replace(jobs.BASE, ref="refs/tags/v0.1.0"))))
    assert len(read(path).entries) == 2


def test_the_same_job_twice_is_refused(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=f"job {jobs.PASSED.id} is in .* already; nothing was added"):
        append(path, entry(jobs.PASSED), ANCHOR)
    assert path.read_bytes() == before


# ---------------------------------------------------------------------------------------------------------------------
# Damage


def test_a_line_that_was_cut_off_is_told_and_skipped(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    found = read(path)
    assert len(found.entries) == 1
    assert "the last line of" in found.word and "was cut off and is skipped" in found.word
    said = append(path, entry(another()))
    assert said.startswith("The last line of") and said.endswith("job job-1 is line 2, against v0.1.0.")
    assert (read(path).word, [each.job for each in read(path).entries]) == ("", [jobs.PASSED.id, "job-1"])


def test_a_line_that_only_lacks_its_end_is_kept(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path).word == ""
    append(path, entry(another()))
    assert [each.job for each in read(path).entries] == [jobs.PASSED.id, "job-1"]


@pytest.mark.parametrize(("change", "said"), [
    (lambda line: "<<<<<<< HEAD", r"line 1: this is no JSON"),
    (lambda line: "[]", r"line 1: its schema is None"),
    (lambda line: line.replace("history/1", "history/2"), r"line 1: its schema is 'tinygram-history/2', and this "),
    (lambda line: line.replace('"cpus":2', '"cpus":"two"'), r"line 1: cpus is 'two'"),
    (lambda line: line.replace('"kernel":"6.18.0",', ""), r"line 1: kernel is missing"),
    (lambda line: line.replace('"invocations":12', '"invocations":true'), r"measurements\['exchange-small'\]\.invoca"),
    (lambda line: line.replace('"measurements":{', '"measurements":{"x":1,'), r"measurements\['x'\]\. is no object"),
])
def test_a_damaged_line_is_named(path: Path, change: Callable[[str], str], said: str) -> None:
    """Anything but a cut end means that somebody changed the file: nothing is drawn from it or added to it."""
    append(path, entry(another()))
    first, second = path.read_text().splitlines()
    path.write_text(f"{change(first)}\n{second}\n")
    assert path.read_text().splitlines()[0] != first
    for attempt in (lambda: read(path), lambda: append(path, entry(another(2)))):
        with pytest.raises(HistoryError, match=said) as error:
            attempt()
        assert "version control" in str(error.value)


def test_two_anchors_in_one_file(path: Path) -> None:
    line = path.read_text()
    path.write_text(line + line.replace(jobs.PASSED.id, "b").replace("3f2a91c", "4f2a91c"))
    with pytest.raises(HistoryError, match="entry 2: its ratios refer to v0.1.0.*Keep a file for each anchor"):
        read(path)


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "none").entries == ()
    assert read(tmp_path / "none").anchor is None
    with pytest.raises(HistoryError, match="cannot be read"):
        read(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="cannot be written"):
        append(tmp_path / "file" / "history.jsonl", entry(jobs.PASSED), ANCHOR)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        history._parse(data, Path("history.jsonl"))
    except HistoryError as error:
        assert str(error).endswith(".")


def test_the_order_is_that_of_the_commits() -> None:
    def of(job: str, date: str | None, started: str) -> Entry:
        return replace(entry(jobs.PASSED), job=job, commit_date=date, started_at=started)
    found = history.in_order([
        of("c", "2026-03-01T00:00:00+00:00", "2026-01-01T00:00:00Z"), of("b", None, "2026-02-01T00:00:00Z"),
        of("a", "2026-01-31T23:30:00-02:00", "2026-04-01T00:00:00Z"), of("z", None, "no time")])
    assert [each.job for each in found] == ["z", "b", "a", "c"]


def test_every_verdict_is_kept() -> None:
    names = {item.name: item.verdict.value for item in jobs.EVERY.judged}
    kept = entry(replace(jobs.EVERY, new=jobs.PASSED.new))
    assert {name: ratio.verdict for name, ratio in kept.measurements.items()} == names
    assert set(names.values()) == {verdict.value for verdict in Verdict}
