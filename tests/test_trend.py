"""The trend: what is drawn of a history, what is kept apart, and the command."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jobs
import pytest
from test_chart import compare_with_golden, points, table

from harness import history, job, trend
from harness.chart import ChartError
from harness.history import Entry, History, HistoryError
from harness.schema import HarnessError

Rows = list[dict[str, str]]


def of(entries: list[Entry]) -> History:
    return History(tuple(entries), "", 0)


def drawn(entries: list[Entry], folder: Path, last: int = trend.COMMITS_SHOWN) -> tuple[trend.Chart, Rows]:
    made = trend.draw(of(entries), folder, last)
    return made, table(made.tsv)


def kind(rows: Rows, name: str) -> Rows:
    return [row for row in rows if row["kind"] == name]


def test_golden(tmp_path: Path) -> None:
    made, _ = drawn(jobs.past(), tmp_path)
    compare_with_golden(made, "trend")


def test_every_job_is_drawn(tmp_path: Path) -> None:
    entries = jobs.past()
    made, rows = drawn(entries, tmp_path)
    found = [row for row in kind(rows, "point") if row["ratio"]]
    assert len(found) == sum(item.ratio is not None for entry in entries for item in entry.measurements.values())
    rings = sum(row["verdict"] in ("REGRESSION", "IMPROVEMENT") for row in found)
    assert points(made.svg) == len(found) + rings + 3 + 2  # and the legend


def test_models_have_rows_of_their_own(tmp_path: Path) -> None:
    """Points of one model and panel follow each other, so that no line can join two models."""
    _, rows = drawn(jobs.past(), tmp_path)
    assert [row["label"] for row in kind(rows, "model")] == [
        "Invented CPU 3000 @ 2.0 GHz", "Other CPU 9", "unknown CPU"]
    groups = [(row["panel"], row["model"]) for row in kind(rows, "point")]
    assert groups == sorted(groups) and len(set(groups)) == 9
    for group in set(groups):
        places = [float(row["place"]) for row in kind(rows, "point") if (row["panel"], row["model"]) == group]
        assert places == sorted(places)


def test_a_missing_ratio_is_an_empty_cell(tmp_path: Path) -> None:
    _, rows = drawn(jobs.past(), tmp_path)
    (panel,) = (row["panel"] for row in kind(rows, "panel") if row["label"] == "bulk_64k")
    gaps = [row for row in kind(rows, "point") if row["panel"] == panel and not row["ratio"]]
    assert gaps and all(row["low"] == row["high"] == "" for row in gaps)


def test_jobs_of_one_commit_stand_side_by_side(tmp_path: Path) -> None:
    _, rows = drawn(jobs.past(), tmp_path)
    twice = [row for row in kind(rows, "point") if row["spread"] != "0"]
    assert {row["spread"] for row in twice} == {"-1", "1"}
    assert {row["place"] for row in twice} == {"4"}


def test_the_last_commits_are_drawn(tmp_path: Path) -> None:
    made, rows = drawn(jobs.past(12), tmp_path, last=5)
    labels = [row["label"] for row in kind(rows, "commit")]
    assert len(labels) == 5 and labels == sorted(labels)
    assert "7 commits not drawn" in made.caption.replace("\n", " ")


def test_more_models_than_colours(tmp_path: Path) -> None:
    one = history.entry(jobs.PASSED)
    entries = [replace(one, job=f"{number}", cpu_model=f"CPU {number:02d}") for number in range(9)]
    made, rows = drawn([*entries, *(replace(entry, job=f"{entry.job}b") for entry in entries[3:])], tmp_path)
    assert [row["label"] for row in kind(rows, "model")] == [f"CPU {number:02d}" for number in range(3, 9)]
    assert "3 CPU models with fewer jobs not drawn" in made.caption.replace("\n", " ")


def test_one_job_is_enough(tmp_path: Path) -> None:
    made, rows = drawn([history.entry(jobs.PASSED)], tmp_path)
    assert len(kind(rows, "commit")) == 1
    assert made.caption.replace("\n", " ").startswith(
        "each point is one job, its time for the same work divided by that of v0.1.0 (3f2a91c) in the same job; 1 job "
        "on 1 commit, which is no trend yet; bars are 99 % intervals; K = 12 to 24 invocations;")


@pytest.mark.parametrize("commits", [2, 5, 60])
def test_any_number_of_commits_is_drawn(commits: int, tmp_path: Path) -> None:
    """Two CPU models, twelve measurements: every job is drawn, labels thin out, and nothing is said of one point."""
    entries = [replace(entry, cpu_model=model, job=f"{entry.job} {model}", measurements={
        f"measurement_{number}": ratio for number, ratio in enumerate([*entry.measurements.values()] * 4)})
        for entry in jobs.past(commits) if entry.cpu_model for model in ("Invented CPU 3000", "Other CPU 9")]
    made, rows = drawn(entries, tmp_path)
    assert len(kind(rows, "model")) == 2 and len(kind(rows, "commit")) == commits
    labels = re.findall(r"<text>(\d{4}-\d\d-\d\d [0-9a-f]+)</text>", made.svg.read_text())
    assert 2 <= len(labels) <= 2 * 13 and "no trend" not in made.caption


def test_hostile_names_and_panels_without_a_ratio_are_drawn(tmp_path: Path) -> None:
    one = history.entry(replace(jobs.EVERY, new=jobs.PASSED.new))
    none = {name: replace(ratio, ratio=None, low=None, high=None) for name, ratio in one.measurements.items()}
    drawn([one, replace(one, job="b", cpu_model=jobs.HOSTILE)], tmp_path)
    for measurements in (none, {}):
        with pytest.raises(ChartError, match="none of the jobs that would be drawn has a ratio"):
            drawn([replace(one, measurements=measurements)], tmp_path)


def test_an_empty_history_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="has no line yet: run make gate BASE=RELEASE"):
        trend.draw(of([]), tmp_path)


def test_too_many_panels(tmp_path: Path) -> None:
    one = history.entry(jobs.PASSED)
    many = {f"m{number}": one.measurements["exchange-small"] for number in range(41)}
    with pytest.raises(ChartError, match="has 41 measurements, and a chart of at most 40"):
        drawn([replace(one, measurements=many)], tmp_path)


def test_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChartError, match="no chart can be written below"):
        drawn(jobs.past(2), tmp_path / "file" / "charts")


# ---------------------------------------------------------------------------------------------------------------------
# The command


@pytest.fixture(name="command")
def _command(tmp_path: Path) -> Callable[..., int]:
    """Runs `trend` with a history and a folder of its own."""
    parser = argparse.ArgumentParser()
    trend.add_command(parser.add_subparsers(required=True))

    def run(*arguments: str) -> int:
        options = parser.parse_args(["trend", "--history", str(tmp_path / "history.jsonl"), "--out",
                                     str(tmp_path / "trend"), *arguments])
        return int(options.command(options))
    return run


def test_append_and_draw(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "job.json"
    path.write_text(job.to_text(jobs.PASSED), encoding="utf-8")
    assert command("--append", str(path), "--anchor", "v0.1.0") == 0
    assert "is line 1, against v0.1.0." in capsys.readouterr().out
    with pytest.raises(HistoryError, match="already"):
        command("--append", str(path))
    assert command() == 0
    assert str(tmp_path / "trend" / "trend.svg") in capsys.readouterr().out
    assert (tmp_path / "trend" / "trend.png").read_bytes().startswith(b"\x89PNG")


def test_an_anchor_that_moves_is_refused(command: Callable[..., int], tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    path, commit = tmp_path / "job.json", str(jobs.BASE.commit)
    monkeypatch.setattr(history, "lasting", lambda _, found: replace(found, anchor=commit[:12]))
    for ref, anchor in (("main", "main"), (commit[:7], commit[:7])):
        path.write_text(job.to_text(replace(jobs.PASSED, base=replace(jobs.BASE, ref=ref))), encoding="utf-8")
        if anchor == "main":
            with pytest.raises(HistoryError, match=f"main is no tag and will .* say --anchor {commit[:12]}, which is"):
                command("--append", str(path), "--anchor", anchor)
        else:
            assert command("--append", str(path), "--anchor", anchor) == 0


def test_a_cut_line_is_told(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.jsonl"
    history.append(path, history.entry(jobs.PASSED), "v0.1.0")
    path.write_text(path.read_text() + '{"schema":')
    assert command() == 0
    assert "was cut off and is skipped" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "said"), [
    ("", "is no JSON"), ("{}", "its schema is None"), ('{"schema": "tinygram-gate/1"}', "is damaged: id is missing"),
    (None, "cannot be read")])
def test_what_is_no_job(text: str | None, said: str, command: Callable[..., int], tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HarnessError, match=said) as error:
        command("--append", str(path))
    assert error.value.status == 2


def test_nothing_to_draw(command: Callable[..., int]) -> None:
    with pytest.raises(HistoryError, match="at least 1"):
        command("--last", "0")
    with pytest.raises(ChartError, match="has no line yet"):
        command()
