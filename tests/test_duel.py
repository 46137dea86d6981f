"""compare A B for two arms: what an arm may be, what is printed, and what is refused."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import consumers
import pytest
from test_chart import table

from harness import cli, duel
from harness.arms import Arm, ArmError, Contest, Invocation
from harness.duel_page import KeepError
from harness.gate import GateError, World
from harness.schema import HarnessError

FAKE = Path(__file__).resolve().parent / "fake_slices.py"
WORK = ("--pattern", "w100,w400,r1")


def options(*words: str) -> argparse.Namespace:
    """The command line of a comparison of arms."""
    parser = argparse.ArgumentParser()
    duel.add_options(parser)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that drives is the stand-in."""
    monkeypatch.setenv("TINYGRAM", str(FAKE))


def test_an_arm_is_a_setting_or_a_program_or_both() -> None:
    """Words with an equals sign are settings; one word may be a program."""
    assert duel.parse_arm("nodelay=on sndbuf=64K") == Arm((("nodelay", "on"), ("sndbuf", "64K")))
    assert duel.parse_arm(str(FAKE)) == Arm(program=FAKE)
    assert duel.parse_arm(f"{FAKE} nodelay=on", "nice -n 5") == Arm((("nodelay", "on"),), FAKE, ("nice", "-n", "5"))


@pytest.mark.parametrize("text, said", [
    ("nodelai=on", "nearest is 'nodelay'"), ("/bin/sh /bin/true", "names 2 programs"),
    ("no-such-program", "neither a setting")])
def test_what_is_no_arm(text: str, said: str) -> None:
    """A sentence and status 2."""
    with pytest.raises(ArmError, match=said) as caught:
        duel.parse_arm(text)
    assert caught.value.status == 2


@pytest.mark.parametrize("world, status, said", [
    ("1.2", 0, "slower"), ("0.8", 0, "faster"), ("1.0", 0, "no change that matters"),
    ("dies", 6, "ended by SIGSEGV"), ("pinning", 4, "cannot pin")])
def test_what_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: str, status: int,
                         said: str) -> None:
    """The verdict, or why there is none."""
    monkeypatch.setenv("FAKE_SLICES", world)
    assert duel.run("nodelay=on", "nodelay=off", options(*WORK, "--seed", "3"), World()) == status
    printed = capsys.readouterr().out
    assert said in printed and "--pattern w100,w400,r1" in printed
    if status == 0:
        assert "A  nodelay=on " in printed and f"B / A  {world[:3] if world != '1.0' else ''}" in printed
        assert "K = 12, detectable " in printed and "seed 3" in printed


@pytest.mark.parametrize("words, base, new, said", [
    ((), "nodelay=on", "nodelay=off", "which workload"),
    (WORK, "nodelay=on", "nodelay=on", "one and the same arm"),
    (("--pattern", "x1"), "nodelay=on", "nodelay=off", "the workload: 'pattern'")])
def test_what_is_refused(words: tuple[str, ...], base: str, new: str, said: str) -> None:
    """A sentence and status 2."""
    with pytest.raises(ArmError, match=said):
        duel.run(base, new, options(*words), World())


def test_pinning_refused() -> None:
    """Status 4 before anything is measured."""
    with pytest.raises(GateError, match="no") as caught:
        duel.run("nodelay=on", "nodelay=off", options(*WORK), World(pinning=lambda: "no process can be pinned."))
    assert caught.value.status == 4


def test_swapping_the_arms_mirrors_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The same world seen from the other side."""
    def world(sign: float) -> World:
        def invoke(contest: Contest, seed: int, units: int | None) -> Invocation:
            value = sign * (0.2 + (seed % 1000) * 1e-6)
            return Invocation(contest.key, "slices", seed, "", 0.1, value, 100.0, 120.0, 40, None, None)
        return World(invoke)
    for sign, said in ((1.0, "slower"), (-1.0, "faster")):
        assert duel.run("nodelay=on", "nodelay=off", options(*WORK, "--seed", "4"), world(sign)) == 0
        assert said in capsys.readouterr().out


def command(*words: str, results: Path) -> argparse.Namespace:
    """The command line with a folder for results."""
    return argparse.Namespace(**vars(options(*words)), results=results)


@pytest.fixture(name="kept")
def _kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a comparison in which B takes a fifth longer."""
    monkeypatch.setenv("FAKE_SLICES", "1.2")
    assert duel.run("nodelay=on", "nodelay=off", command(*WORK, "--seed", "3", results=tmp_path), World()) == 0
    (folder,) = (tmp_path / "compare").iterdir()
    return folder


def test_what_was_measured_is_kept(kept: Path) -> None:
    """Every invocation with its slices, the answer as JSON and as a page."""
    raw = [json.loads(line) for line in (kept / "raw.jsonl").read_text().splitlines()]
    answer = consumers.strict_json((kept / "arms.json").read_text())
    assert answer["schema"] == "tinygram-arms/1" and (answer["a"], answer["b"]) == ("nodelay=on", "nodelay=off")
    assert answer["options"] == {"pattern": "w100,w400,r1"} and answer["seed"] == 3
    assert answer["judged"]["ratio"] == pytest.approx(1.2, rel=0.01) and answer["judged"]["verdict"] == "REGRESSION"
    assert [each["value"] for each in raw] == answer["judged"]["values"]
    page = (kept / "arms.md").read_text()
    assert "B / A  1.2" in page
    for link in re.findall(r"\]\((charts/[\w.]+)\)", page):
        assert (kept / link).is_file()


def test_every_invocation_of_both_arms_is_drawn(kept: Path) -> None:
    """On common axes: the ratio with its interval, the invocations, and the slices by percentile."""
    assert {path.stem for path in (kept / "charts").glob("*.png")} == {"forest", "invocations", "slices"}
    (row,) = table(kept / "charts" / "forest.tsv")
    assert float(row["low"]) < float(row["ratio"]) < float(row["high"]) and row["kind"] == "REGRESSION"
    trials = [row for row in table(kept / "charts" / "invocations.tsv") if row["kind"] == "trial"]
    assert [sum(row["run"] == run for row in trials) for run in ("base", "new")] == [12, 12]
    curves = table(kept / "charts" / "slices.tsv")
    assert {(row["series"], row["trial"]) for row in curves} == {
        (run, str(number)) for run in ("base", "new") for number in range(1, 13)}
    middle = {run: [float(row["latency_s"]) for row in curves if row["series"] == run and row["quantile"] == "0.5"]
              for run in ("base", "new")}
    assert max(middle["base"]) < min(middle["new"])
    text = (kept / "charts" / "invocations.svg").read_text()
    assert "A (base) is nodelay=on; B (new) is nodelay=off; --pattern w100,w400,r1" in text


def test_nothing_to_draw_is_kept_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """No invocation gave a value: the page says why, and there is no chart."""
    monkeypatch.setenv("FAKE_SLICES", "dies")
    assert duel.run("nodelay=on", "nodelay=off", command(*WORK, results=tmp_path), World()) == 6
    (folder,) = (tmp_path / "compare").iterdir()
    assert f"compare: {folder / 'arms.md'}" in capsys.readouterr().out
    assert "ended by SIGSEGV" in (folder / "arms.md").read_text() and not list((folder / "charts").iterdir())
    assert consumers.strict_json((folder / "arms.json").read_text())["judged"]["ratio"] is None


def test_what_cannot_begin_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGRAM", str(tmp_path / "nothing"))
    with pytest.raises(HarnessError, match="there is no program at"):
        duel.run("nodelay=on", "nodelay=off", command(*WORK, results=tmp_path), World())
    assert list((tmp_path / "compare").iterdir()) == []


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    """Status 3 before anything is measured."""
    (tmp_path / "file").write_text("")
    with pytest.raises(KeepError, match="Name another folder with --results DIR") as caught:
        duel.run("nodelay=on", "nodelay=off", command(*WORK, results=tmp_path / "file"), World())
    assert caught.value.status == 3


def test_a_run_and_an_arm_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verb serves both; a mixture is a mistake. Two folders go to the comparison of stored runs."""
    assert cli.main(["compare", str(tmp_path), "nodelay=on", *WORK]) == 2
    assert "is the folder of a run and 'nodelay=on' is not" in capsys.readouterr().err
    assert cli.main(["compare", str(tmp_path), str(tmp_path / ".")]) == 2
    assert "run" in capsys.readouterr().err


def test_lines_without_values() -> None:
    """Missing is not 0."""
    contest = Contest("arms", "?", (("bytes", "1M"),), Arm(), Arm())
    from harness.verdict import Judged, Thresholds, Verdict
    nothing = Judged("arms", "?", "byte", "slices", Verdict.INCONCLUSIVE, None, None, None, 0.99, None, None, 1, 0, 3,
                     None, Thresholds(), None, None, ())
    text = "\n".join(duel.lines(contest, nothing, ("A1", "B1"), 1))
    assert "unknown (no interval): undecided" in text and "nan" not in text.lower()
    assert "why" in "\n".join(duel.lines(contest, replace(nothing, mechanism="more"), ("A1", "B1"), 1))
    same = replace(nothing, mechanism="13.1 -> 13.1 us of CPU time an exchange", verdict=Verdict.PASS, ratio=1.0)
    assert "why" not in "\n".join(duel.lines(contest, same, ("A1", "B1"), 1)), "nothing changed, so nothing explains it"
