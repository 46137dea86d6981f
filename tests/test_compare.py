"""Two stored runs side by side: the page, compare.json, and a sentence and a status for every bad world."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import invented
import jsonschema
import pytest
import synthetic
import two_runs
from test_chart import table
from test_report import Page, markdown_links

from harness import cli, compare, compare_schema
from harness.comparison import CompareError, Comparison, UnwritableError, number_text
from harness.schema import HarnessError

ROOT = Path(__file__).resolve().parent.parent
STORED = json.loads((ROOT / "harness" / "tinygram-compare-1.schema.json").read_text(encoding="utf-8"))


def written(base: Path, new: Path, results: Path) -> tuple[int, Path]:
    """The exit status of a comparison, and its folder."""
    status = compare.run(base, new, results)
    (folder,) = (results / "compare").iterdir()
    return status, folder


def loaded(folder: Path) -> dict[str, Any]:
    """compare.json, checked against its schema; numbers that are none are refused."""
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")
    document: dict[str, Any] = json.loads((folder / "compare.json").read_text(), parse_constant=refuse)
    jsonschema.Draft202012Validator(STORED).validate(document)
    return document


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """A comparison in which NODELAY is lost: status and folder."""
    folder = tmp_path_factory.mktemp("lost")
    return written(*two_runs.both(folder, two_runs.exchanges(), two_runs.nodelay_lost), folder / "results")


# ---------------------------------------------------------------------------------------------------------------------
# The page


def test_the_schema_is_fresh_and_strict() -> None:
    assert STORED == compare_schema.json_schema(), (
        "run: python3 -m harness.compare_schema > harness/tinygram-compare-1.schema.json")
    jsonschema.Draft202012Validator.check_schema(STORED)
    assert STORED["additionalProperties"] is False


def test_a_lost_nodelay_is_status_5_and_comes_first(lost: tuple[int, Path]) -> None:
    status, folder = lost
    document = loaded(folder)
    assert status == document["status"] == 5
    assert document["sentences"][0].startswith("2 of ") and "stalls was 0 and is 99" in document["sentences"][0]
    assert {one["cell"] for one in document["counters"]} == {"NODELAY, body 400"}
    page = Page((folder / "compare.html").read_text()).text
    assert "changed" in page and "stalls held by Nagle until a delayed ACK" in page


def test_timings_are_never_judged(lost: tuple[int, Path]) -> None:
    """Even a ratio of 1,700 is only drawn, and the page says why and what to do."""
    _, folder = lost
    document = loaded(folder)
    assert document["timings_judged"] is False
    (cell,) = [cell for cell in document["cells"] if cell["name"] == "NODELAY, body 400"]
    assert cell["timings"][0]["ratio"] > 1000
    for name in ("compare.html", "compare.md"):
        text = (folder / name).read_text()
        assert "The timings are drawn, and not judged, because the runs were taken one after the other" in text
        assert "make gate BASE=" in text and "compare nodelay=on nodelay=off" in text
        assert not re.search(r"\b(REGRESSION|IMPROVEMENT|PASS|significant)\b", text)


def test_differences_come_before_counters_and_timings(lost: tuple[int, Path]) -> None:
    text = (lost[1] / "compare.html").read_text()
    places = [text.index(f'<h2 id="{name}"') for name in ("differences", "counters", "cells", "charts", "method")]
    assert places == sorted(places)
    assert loaded(lost[1])["differences"][0] == {
        "group": "job", "name": "run", "base": loaded(lost[1])["base"]["folder"].rpartition("/")[2],
        "new": loaded(lost[1])["new"]["folder"].rpartition("/")[2], "forbids": "timings"}


@pytest.mark.parametrize("name", ["compare.html", "side-by-side.html"])
def test_the_pages_need_nothing_else(lost: tuple[int, Path], name: str) -> None:
    text = (lost[1] / name).read_text()
    page = Page(text)
    assert page.sources and all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not page.tags & {"link", "iframe", "object", "embed"}
    assert not re.search(r"@import|url\(|https?://", text)
    assert all(page.alts)


def test_links_lead_somewhere(lost: tuple[int, Path]) -> None:
    _, folder = lost
    anchors = {"": Page((folder / "compare.html").read_text()).anchors}
    links = [link for name in ("compare.html", "side-by-side.html")
             for link in Page((folder / name).read_text()).links]
    assert links
    for link in [*links, *markdown_links((folder / "compare.md").read_text())]:
        path, _, anchor = link.partition("#")
        assert not path or (folder / unquote(path)).is_file(), link
        assert not anchor or anchor in anchors[""], link


def test_every_cell_is_in_the_tables(lost: tuple[int, Path]) -> None:
    _, folder = lost
    names = ["Nagle, body 400", "Nagle, body 4000", "NODELAY, body 400", "NODELAY, body 4000"]
    rows = table(folder / "cells.tsv")
    assert [row["cell"] for row in rows if row["timing"] == "latency_p50"] == names
    assert {(row["n_base"], row["n_new"]) for row in rows} == {("3", "3")}
    assert set(names) == {row["cell"] for row in table(folder / "counters.tsv")}
    assert {row["verdict"] for row in table(folder / "counters.tsv")} == {"same", "changed"}
    assert table(folder / "differences.tsv")[0]["group"] == "job"
    for name in names:
        assert f"| {name} |" in (folder / "compare.md").read_text()


def test_the_mechanism_stands_beside_the_ratio(lost: tuple[int, Path]) -> None:
    (cell,) = [cell for cell in loaded(lost[1])["cells"] if cell["name"] == "NODELAY, body 400"]
    assert "more exchanges stall: 99 % of them in place of 0 %" in cell["mechanism"]
    assert "more exchanges stall" in Page((lost[1] / "compare.html").read_text()).text


def test_charts_of_both_runs_stand_side_by_side(lost: tuple[int, Path]) -> None:
    page = Page((lost[1] / "side-by-side.html").read_text())
    assert len(page.sources) == 4 and "same machine, boot, build and setting; another job" in page.text
    for side in ("base", "new"):
        assert {path.stem for path in (lost[1] / "charts" / side).glob("*.svg")} == {"latency_cdf", "remedies"}


def test_nothing_changed_is_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, folder = written(*two_runs.both(tmp_path, two_runs.transfers(), seed=4), tmp_path / "results")
    assert status == 0 and loaded(folder)["counters"] == [] and loaded(folder)["missing"] == []
    said = capsys.readouterr().out.splitlines()
    assert re.match(r"All \d+ exact counters are the same in both runs\.$", said[0])
    assert said[-1].startswith("compare: ") and said[-1].endswith("compare.html")


# ---------------------------------------------------------------------------------------------------------------------
# Worlds that differ


def test_another_machine_is_marked_on_every_pair_of_charts(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.transfers(blocks=1))
    two_runs.edited(new, "machine.json", lambda machine: machine.update(cpu_model="Other CPU", boot_id="other"))
    status, folder = written(base, new, tmp_path / "results")
    page = Page((folder / "side-by-side.html").read_text())
    assert status == 4 and len(loaded(folder)["wrong"]) == 1
    assert "base comes from another machine or system than new (they differ in cpu_model)" in Page(
        (folder / "compare.html").read_text()).text
    assert page.text.count("differs: machine: boot_id, cpu_model") == 1 == len(page.sources) // 2
    document = loaded(folder)
    assert "two machines or systems (cpu_model)" in document["sentences"][1]
    assert {(one["name"], one["forbids"]) for one in document["differences"]} == {
        ("run", "timings"), ("cpu_model", "timings"), ("boot_id", "timings")}
    assert "Other CPU" in (folder / "compare.md").read_text()


def test_a_chart_that_one_run_lacks_is_told(tmp_path: Path) -> None:
    more = two_runs.transfers(blocks=1)
    text = more.text + '[[chart]]\nname = "ratio_heatmap"\ntitle = "On by off"\n'
    base, new = two_runs.both(tmp_path, more)
    (new / "experiment.toml").write_text(text)
    _, folder = written(base, new, tmp_path / "results")
    assert "base lacks this chart: its experiment does not ask for it" in Page(
        (folder / "side-by-side.html").read_text()).text
    assert "base lacks this chart" in (folder / "compare.md").read_text()


def sentence_of(found: Comparison, words: str) -> str:
    """The one sentence about what is missing, or to be known, that has these words."""
    (sentence,) = [text for text in (*found.missing, *found.notes) if words in text]
    return sentence


def test_runs_of_different_experiments(tmp_path: Path) -> None:
    base, new = (two_runs.stored(tmp_path, made, two_runs.trials(made))
                 for made in (two_runs.exchanges(), two_runs.transfers()))
    status, folder = written(base, new, tmp_path / "results")
    assert status == 6
    document = loaded(folder)
    assert document["cells"] == [] and len(document["only_base"]) == 4 and len(document["only_new"]) == 8
    assert "no cell in common" in document["missing"][0]
    assert "two experiments, exchanges and transfers" in document["notes"][0]
    page = Page((folder / "compare.html").read_text()).text
    assert "There is nothing to draw" in page and "Only base has 4 cells" in page and "Only new has 8 cells" in page


def test_cells_that_only_one_run_has_are_listed(tmp_path: Path) -> None:
    runs = [two_runs.stored(tmp_path / str(number), made, two_runs.trials(made)) for number, made in enumerate(
        (two_runs.exchanges(), two_runs.exchanges(bodies=("400",))))]
    found = compare.compare(*runs)
    assert found.status == 6
    assert sentence_of(found, "Only base has") == "Only base has 2 cells (Nagle, body 4000; NODELAY, body 4000)."
    assert sentence_of(compare.compare(*reversed(runs)), "Only new has").startswith("Only new has 2 cells")


def test_another_boot_is_no_other_machine(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.transfers(blocks=1))
    two_runs.edited(new, "machine.json", lambda machine: machine.update(boot_id="other"))
    found = compare.compare(base, new)
    assert found.status == 0 and found.wrong == ()


def test_counters_are_judged_whatever_the_machine(tmp_path: Path) -> None:
    """A lost NODELAY is what another machine would show too, so it comes before the other machine."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost)
    two_runs.edited(new, "machine.json", lambda machine: machine.update(cpu_model="Other CPU"))
    assert compare.compare(base, new).status == 5


def test_base_that_is_the_younger_run_is_told(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    for run, when in ((base, "2026-02-01T00:00:00Z"), (new, "2026-01-01T00:00:00Z")):
        two_runs.edited(run, "machine.json", lambda machine, when=when: machine.update(captured_at=when))
    found = compare.compare(base, new)
    assert found.status == 0
    assert "If the two were swapped, every ratio here is upside down" in sentence_of(found, "base was taken after new")
    assert not [text for text in compare.compare(new, base).notes if "swapped" in text]


def test_a_terminal_sees_the_differences_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What differs in machine.json, then what came out, then the cells, the largest change on top."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost)
    two_runs.edited(new, "machine.json", lambda machine: machine.update(kernel="9.9", hz=100))
    written(base, new, tmp_path / "results")
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said[:2]] == ["differs", "differs"]
    assert {line.split(": ")[1] for line in said[:2]} == {"machine, kernel", "machine, hz"}
    assert said[0].endswith(" and 9.9") or said[1].endswith(" and 9.9")
    head = next(number for number, line in enumerate(said) if line.startswith("cell "))
    assert said[head + 1].startswith("NODELAY, body 400 ") and "changed" in said[head + 1]
    assert "more exchanges stall" in said[head + 1] + said[head + 2]
    assert any(line.startswith("wrong: base comes from another machine") for line in said[head:])


def test_a_run_that_was_copied_elsewhere_is_the_same_experiment(tmp_path: Path) -> None:
    """The folder above a run names its experiment; a copy elsewhere is no other one."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    copied = shutil.copytree(new, tmp_path / "downloads" / "artifact")
    assert not [text for text in compare.compare(base, copied).notes if "two experiments" in text]


def test_unequal_repeats_are_told(tmp_path: Path) -> None:
    runs = [two_runs.stored(tmp_path / str(blocks), made, two_runs.trials(made))
            for blocks in (2, 5) for made in [two_runs.exchanges(blocks)]]
    found = compare.compare(*runs)
    assert found.status == 6
    assert "unequal numbers of trials in 4 of 4 cells (2 against 5)" in sentence_of(found, "unequal")
    assert compare.cell_table(found).rows[0][1] == "2 and 5"


def test_an_interrupted_run_says_how_to_continue(tmp_path: Path) -> None:
    made = two_runs.exchanges()
    base = two_runs.stored(tmp_path / "base", made, two_runs.trials(made))
    new = two_runs.stored(tmp_path / "new", made, two_runs.trials(made)[:9])
    found = compare.compare(base, new)
    assert found.status == 6
    assert sentence_of(found, "interrupted").startswith("new was interrupted: 9 of 12 planned trials are there. "
                                                        "Continue it with: `python3 -m harness run --continue ")


def test_an_empty_run_is_told(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    (new / "trials.jsonl").write_text("")
    status, folder = written(base, new, tmp_path / "results")
    document = loaded(folder)
    assert status == 6 and document["missing"][0].startswith("new has no trial: ")
    assert "No exact counter could be compared." in document["sentences"]
    assert "new lacks this chart: it has no finished trial." in Page((folder / "side-by-side.html").read_text()).text


@pytest.mark.parametrize("side", ["base", "new"])
def test_two_empty_runs_make_a_page_too(tmp_path: Path, side: str) -> None:
    runs = two_runs.both(tmp_path, two_runs.exchanges())
    for run in runs:
        (run / "trials.jsonl").write_text("")
    status, folder = written(*runs, tmp_path / "results")
    assert status == 6 and any(f"{side} has no trial" in text for text in loaded(folder)["missing"])
    assert "Neither run has a chart" in (folder / "compare.md").read_text()


def test_a_cut_last_line_is_told(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    (new / "trials.jsonl").write_bytes((new / "trials.jsonl").read_bytes()[:-40])
    found = compare.compare(base, new)
    assert found.status == 6
    assert "11 of 12 planned trials are there, and the last line of trials.jsonl was cut off." in sentence_of(
        found, "interrupted")


def test_failed_trials_are_told(tmp_path: Path) -> None:
    made = two_runs.exchanges()
    some = two_runs.trials(made)
    base = two_runs.stored(tmp_path / "base", made, some)
    new = two_runs.stored(tmp_path / "new", made, [synthetic.failed(some[0], "No room."), *some[1:]])
    found = compare.compare(base, new)
    assert found.status == 6
    assert sentence_of(found, "failed").startswith("new: 1 trial failed, the first with this: ")
    assert sum(len(cell.new) for cell in found.both) == 11


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_values_that_are_none_count_as_missing(tmp_path: Path, value: float | None) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())

    def spoil(record: dict[str, Any]) -> None:
        record["document"]["result"]["latency_ns"]["p50"] = value
        record["document"]["result"]["goodput_bytes_per_s"] = value
    two_runs.edited_trial(new, 0, spoil)
    status, folder = written(base, new, tmp_path / "results")
    missing = loaded(folder)["missing"]
    assert status == 6
    assert missing[0] == "new: 1 trial ended well and left no goodput (null); they are in no chart and no table."
    assert len(missing) == (1 if value is None else 2)
    if value is not None:
        assert missing[1].startswith("new: 2 values are no number (NaN or infinite) and count as missing.")


def test_a_counter_that_one_run_lacks_is_missing(tmp_path: Path) -> None:
    def forget(levels: Any, result: dict[str, Any]) -> None:
        result["data_segments"] = None
    found = compare.compare(*two_runs.both(tmp_path, two_runs.exchanges(), forget))
    assert found.status == 6
    told = sentence_of(found, "exact counters are missing")
    assert "data segments but those sent again was 200 and is unknown" in told


def test_a_counter_that_varies_is_status_5(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    two_runs.edited_trial(new, 0, lambda record: record["document"]["result"].update(data_segments=201))
    found = compare.compare(base, new)
    (one,) = found.telling
    assert found.status == 5 and one.verdict == "varies" and "when the machine is quiet" in one.sentence


def test_swapped_runs_are_the_mirror(tmp_path: Path) -> None:
    runs = two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost)
    there, back = compare.compare(*runs), compare.compare(*reversed(runs))
    assert there.status == back.status == 5
    assert [(one.base, one.new) for one in there.differences] == [(one.new, one.base) for one in back.differences]
    assert [(one.cell, one.base, one.new) for one in there.telling] == [
        (one.cell, one.new, one.base) for one in back.telling]


def test_a_run_that_was_continued_is_noted(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    shutil.copy(new / "machine.json", new / "machine-2.json")
    found = compare.compare(base, new)
    assert found.status == 0 and "new was continued later" in sentence_of(found, "continued")


# ---------------------------------------------------------------------------------------------------------------------
# What cannot be compared: a sentence and a status


def refused(base: Path, new: Path, results: Path) -> HarnessError:
    """The error with which a comparison ends; it leaves nothing behind."""
    with pytest.raises(HarnessError) as caught:
        compare.run(base, new, results)
    assert not list(results.glob("compare/*"))
    assert str(caught.value).endswith(".")
    return caught.value


def test_one_run_twice_is_usage(tmp_path: Path) -> None:
    base, _ = two_runs.both(tmp_path, two_runs.exchanges())
    (tmp_path / "link").symlink_to(base)
    for same in (base, tmp_path / "link"):
        error = refused(base, same, tmp_path / "results")
        assert error.status == 2 and "one and the same run" in str(error)


def test_a_folder_that_is_no_run_is_usage(tmp_path: Path) -> None:
    base, _ = two_runs.both(tmp_path, two_runs.exchanges())
    error = refused(base, tmp_path, tmp_path / "results")
    assert error.status == 2 and str(error).startswith(f"new: {tmp_path} is not a run: ")
    assert str(refused(tmp_path / "nowhere", base, tmp_path / "results")).startswith("base: ")


@pytest.mark.parametrize(("old", "other"), [("tinygram-trial/1", "tinygram-trial/9"), ("tinygram/1", "tinygram/9")])
def test_another_version_of_the_format_is_usage(tmp_path: Path, old: str, other: str) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    path = new / "trials.jsonl"
    path.write_text(path.read_text().replace(f'"{old}"', f'"{other}"', 1))
    error = refused(base, new, tmp_path / "results")
    assert error.status == 2 and other in str(error) and str(error).startswith("new: ")


def test_a_damaged_trial_is_usage(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    two_runs.edited_trial(new, 1, lambda record: record["document"]["result"].update(goodput_bytes_per_s="fast"))
    error = refused(base, new, tmp_path / "results")
    assert isinstance(error, CompareError) and error.status == 2
    assert "result.goodput_bytes_per_s is 'fast' but must be a number" in str(error)


def test_machine_json_that_is_no_object_is_usage(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    (new / "machine.json").write_text("[]")
    error = refused(base, new, tmp_path / "results")
    assert error.status == 2 and "machine.json is no JSON object" in str(error)


def test_machine_json_of_another_version_is_usage(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    two_runs.edited(base, "machine.json", lambda machine: machine.update(schema="tinygram-machine/7"))
    error = refused(base, new, tmp_path / "results")
    assert error.status == 2 and str(error).startswith("base: the schema of ")
    assert "'tinygram-machine/7', and this harness reads 'tinygram-machine/1'" in str(error)


@pytest.mark.parametrize("name", ["plan.tsv", "machine.json", "experiment.toml"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe rubbish\n", None])
def test_a_damaged_file_names_its_side(tmp_path: Path, name: str, content: bytes | None) -> None:
    """Empty, rubbish, or not there: usage, whichever file of the run it is."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    if content is None:
        (new / name).unlink()
    else:
        (new / name).write_bytes(content)
    error = refused(base, new, tmp_path / "results")
    assert error.status == 2 and str(error).startswith("new: ") and str(new) in str(error)


def test_results_that_cannot_be_written_are_status_3(tmp_path: Path) -> None:
    """As a folder that is read-only; root may write there too, so a file stands in its place."""
    runs = two_runs.both(tmp_path, two_runs.exchanges())
    (tmp_path / "results").write_text("")
    with pytest.raises(UnwritableError) as caught:
        compare.run(*runs, tmp_path / "results")
    assert caught.value.status == 3 and "--results DIR" in str(caught.value)


def test_a_disk_that_is_full_is_status_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "compare.html")
    monkeypatch.setattr(compare, "write_pages", full)
    runs = two_runs.both(tmp_path, two_runs.exchanges(blocks=1))
    with pytest.raises(UnwritableError, match="No space left on device: compare.html"):
        compare.run(*runs, tmp_path / "results")


def test_a_run_that_may_only_be_read_can_be_compared(tmp_path: Path) -> None:
    """Nothing is written into the runs themselves."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges(blocks=1))
    before = sorted((path, path.stat().st_mtime_ns) for run in (base, new) for path in run.rglob("*"))
    written(base, new, tmp_path / "results")
    assert before == sorted((path, path.stat().st_mtime_ns) for run in (base, new) for path in run.rglob("*"))


def test_words_of_an_experiment_cannot_break_the_page(tmp_path: Path) -> None:
    made = invented.experiment({"body": ["400"]}, ("remedies",), variants=("Nagle",), blocks=1, name="x")
    text = made.text.replace("Should it be set?", "<script>alert(1)</script> | x?")
    base, new = two_runs.both(tmp_path, made)
    (base / "experiment.toml").write_text(text)
    _, folder = written(base, new, tmp_path / "results")
    assert "<script>alert" not in (folder / "compare.html").read_text()
    assert "\\| x?" in (folder / "compare.md").read_text()


@pytest.mark.parametrize(("ratio", "text"), [(1.0, "1.00"), (0.0123, "0.012"), (1799.4, "1799"), (0.5, "0.50")])
def test_numbers_in_words(ratio: float, text: str) -> None:
    assert number_text(ratio) == text


# ---------------------------------------------------------------------------------------------------------------------
# The command line


def test_the_command_compares_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, new = map(str, two_runs.both(tmp_path, two_runs.exchanges(blocks=1), two_runs.nodelay_lost))
    results = ["--results", str(tmp_path / "results")]
    assert cli.main(["compare", base, new, *results]) == 5
    assert "stalls was 0 and is 99" in capsys.readouterr().out
    assert cli.main(["compare", base, base, *results]) == 2
    assert "one and the same run" in capsys.readouterr().err
    assert cli.main(["compare", base, str(tmp_path), *results]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_a_run_is_no_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, _ = two_runs.both(tmp_path, two_runs.exchanges(blocks=1))
    assert cli.main(["compare", str(base), "nodelay=on"]) == 2
    assert "name two runs, or two arms" in capsys.readouterr().err
