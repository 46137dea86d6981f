"""The command line of the harness, from an experiment to a run that was interrupted and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jsonschema
import pytest

from harness import cli, experiment, plan, store, summary

Toml = Callable[..., Path]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def harness(fake_tool: Path, results: Path) -> Callable[..., int]:
    """Runs a command of the harness with the stand-in for the program, without charts and report."""
    def call(command: str, *arguments: object, quiet: bool = True) -> int:
        more = ["--no-report"] if command == "run" and quiet else []
        return cli.main([command, *map(str, arguments), "--tool", str(fake_tool), "--results", str(results), *more])
    return call


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Path], Path]]:
    """Takes the place of the report: a list of the runs and folders that it was asked for."""
    calls: list[tuple[list[Path], Path]] = []
    monkeypatch.setattr(cli, "_report_on", lambda runs, folder: calls.append((list(runs), folder)))
    return calls


def only_run(results: Path, name: str = "small") -> Path:
    (folder,) = (results / name).iterdir()
    return folder


def test_run(harness: Callable[..., int], toml: Toml, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert harness("run", toml()) == 0
    folder = only_run(results)
    assert {path.name for path in folder.iterdir()} == {
        "experiment.toml", "plan.tsv", "machine.json", "trials.jsonl", "events", "summary.tsv"}
    run = store.read(folder)
    assert [trial.trial for trial in run.trials] == [planned.trial for planned in run.plan.trials]
    rows = summary.read_tsv(folder / "summary.tsv")
    assert [row.id for row in rows] == [planned.id for planned in run.plan.trials]
    assert {row.sndbuf_effective_bytes for row in rows if "4K" in row.id} == {8192}
    assert "# experiment small" in (folder / "summary.tsv").read_text()
    said = capsys.readouterr().err
    assert "small: Is it small?" in said
    assert "12 trials: 4 cells in 3 blocks, seed 7" in said
    assert "block 3 of 3 done" in said


def test_every_trial_ran_what_the_plan_says(harness: Callable[..., int], toml: Toml, results: Path, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM_LOG", str(tmp_path / "log"))
    harness("run", toml())
    started = [line.split()[2:-2] for line in (tmp_path / "log").read_text().splitlines()]
    assert started == [list(planned.arguments) for planned in store.read(only_run(results)).plan.trials]


def test_plan_prints_and_runs_nothing(toml: Toml, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no program either."""
    assert cli.main(["run", str(toml()), "--plan", "--tool", "/nonexistent", "--results", str(results)]) == 0
    printed = plan.from_tsv(capsys.readouterr().out)
    assert len(printed.trials) == 12
    assert not results.exists()


def test_seed_and_blocks(harness: Callable[..., int], toml: Toml, results: Path) -> None:
    assert harness("run", toml(), "--seed", 99, "--blocks", 1) == 0
    run = store.read(only_run(results))
    assert (run.plan.seed, run.plan.blocks, len(run.trials)) == (99, 1, 4)


def test_the_same_seed_gives_the_same_order(toml: Toml, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in ("3", "3", "4"):
        cli.main(["run", str(toml()), "--plan", "--seed", seed])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize("way", ["option", "environment"])
def test_another_file(harness: Callable[..., int], toml: Toml, results: Path, tmp_path: Path,
                      monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"x" * 100)
    if way == "environment":
        monkeypatch.setenv("FILE", str(mine))
    assert harness("run", toml(), *(("--file", mine) if way == "option" else ())) == 0
    run = store.read(only_run(results))
    assert (run.plan.file, run.plan.file_bytes) == (mine, 100)
    assert {trial.document["workload"]["file"] for trial in run.trials} == {str(mine)}


def test_a_file_for_an_experiment_that_sends_memory(harness: Callable[..., int], toml: Toml,
                                                    monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    path = toml(('file = "default"', 'bytes = "1M"'))
    assert harness("run", path, "--file", "/bin/sh") == 2
    assert "does not send one fixed file" in capsys.readouterr().err
    monkeypatch.setenv("FILE", "/bin/sh")
    assert harness("run", path) == 0, "FILE is for all experiments of a report"


def test_failed_trials_are_kept_and_told(harness: Callable[..., int], toml: Toml, results: Path,
                                         monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM", "refuse")
    assert harness("run", toml()) == 4
    run = store.read(only_run(results))
    assert len(run.trials) == 12 and all(trial.failed for trial in run.trials)
    assert [row.status for row in summary.read_tsv(run.folder / "summary.tsv")] == [3] * 12
    said = capsys.readouterr().err
    assert said.count("SO_SNDBUF: 4194304 was asked for and 425984 is in effect") == 5, "not a wall of the same"
    assert "12 of 12 trials failed" in said


@pytest.mark.parametrize("arguments,status,said", [
    (["run"], 2, "name one experiment to run, or one run to continue"),
    (["run", "x.toml", "--continue", "y"], 2, "name one experiment to run"),
    (["run", "missing.toml"], 2, "there is no such experiment"),
    (["run", "--continue", "missing"], 3, "is not a run"),
    (["run", "--continue", "missing", "--seed", "1"], 2, "leave out --plan, --seed, --blocks and --file"),
    (["run", "--continue", "missing", "--file", "x"], 2, "leave out --plan, --seed, --blocks and --file"),
    (["chart", "missing"], 3, "is not a run"),
])
def test_usage_is_a_sentence(arguments: Sequence[str], status: int, said: str, fake_tool: Path, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAM", str(fake_tool))
    assert cli.main(list(arguments)) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and "Traceback" not in error


@pytest.mark.parametrize("arguments", [["run", "x.toml", "--seed", "-1"], ["run", "x.toml", "--blocks", "0"],
                                       ["run", "x.toml", "--seed", "1e3"], ["dance"], []])
def test_wrong_options_end_with_status_2(arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    assert ended.value.code == 2


def test_no_program(toml: Toml, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(toml()), "--tool", "/nonexistent/tinygram", "--results", str(results)]) == 3
    assert "build it with `make`" in capsys.readouterr().err
    assert not results.exists(), "nothing is started that cannot run"


# ---------------------------------------------------------------------------------------------------------------------
# interrupted and continued, in a process of its own


def start(fake_tool: Path, results: Path, toml: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "run", str(toml), "--tool", str(fake_tool), "--results", str(results)],
        cwd=ROOT, env={**os.environ, "FAKE_TINYGRAM": "slow"}, stderr=subprocess.PIPE, text=True)


def wait_for_trials(results: Path, count: int) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in results.glob("small/*/trials.jsonl"):
            if path.read_bytes().count(b"\n") >= count:
                return path
        time.sleep(0.01)
    raise AssertionError(f"there are no {count} trials after 30 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_continued(fake_tool: Path, toml: Toml, results: Path, number: signal.Signals,
                                         harness: Callable[..., int]) -> None:
    process = start(fake_tool, results, toml())
    path = wait_for_trials(results, 3)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    before = path.read_bytes()
    kept = before.count(b"\n")
    assert before.endswith(b"\n") and 3 <= kept < 12
    assert f"{kept} of 12 trials are kept; continue with" in said
    assert f"run --continue {path.parent}" in said
    assert len(summary.read_tsv(path.parent / "summary.tsv")) == kept

    assert harness("run", "--continue", path.parent) == 0
    assert path.read_bytes().startswith(before), "finished trials are not run again"
    run = store.read(path.parent)
    assert [trial.trial for trial in run.trials] == [planned.trial for planned in run.plan.trials]
    assert len(summary.read_tsv(path.parent / "summary.tsv")) == 12
    assert harness("run", "--continue", path.parent) == 0, "there is nothing left, and that is no error"
    assert len(store.read(path.parent).trials) == 12


def test_a_killed_run_is_continued(fake_tool: Path, toml: Toml, results: Path, harness: Callable[..., int]) -> None:
    """Nobody tidied up: the last line may be half there."""
    process = start(fake_tool, results, toml())
    path = wait_for_trials(results, 3)
    process.kill()
    process.communicate(timeout=30)
    with path.open("ab") as file:
        file.write(b'{"schema": "tinygram-tr')
    assert harness("run", "--continue", path.parent) == 0
    assert sorted(trial.position for trial in store.read(path.parent).trials) == list(range(12))


def test_a_reader_that_goes_away_is_no_error(toml: Toml) -> None:
    done = subprocess.run(f"{sys.executable} -m harness run {toml(('blocks = 3', 'blocks = 3000'))} --plan | head -1",
                          shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "# schema tinygram-plan/1\n"
    assert done.stderr == ""


# ---------------------------------------------------------------------------------------------------------------------
# charts and report


def test_a_run_is_reported_and_latest_points_at_it(harness: Callable[..., int], toml: Toml, results: Path,
                                                   reported: list[tuple[list[Path], Path]]) -> None:
    assert harness("run", toml(), quiet=False) == 0
    folder = only_run(results)
    assert reported == [([folder], folder)]
    assert (results / "latest").resolve() == folder
    assert not os.path.isabs(os.readlink(results / "latest")), "results/ can be moved"


def test_chart_writes_the_summary_anew(harness: Callable[..., int], toml: Toml, results: Path,
                                       reported: list[tuple[list[Path], Path]]) -> None:
    harness("run", toml())
    folder = only_run(results)
    summary_before = (folder / "summary.tsv").read_bytes()
    (folder / "summary.tsv").unlink()
    assert cli.main(["chart", str(folder)]) == 0
    assert (folder / "summary.tsv").read_bytes() == summary_before
    assert reported == [([folder], folder)]


def test_report_runs_and_takes_runs(harness: Callable[..., int], toml: Toml, results: Path,
                                    reported: list[tuple[list[Path], Path]]) -> None:
    harness("run", toml())
    old = only_run(results)
    assert harness("report", old, toml(name="other.toml")) == 0
    ((runs, folder),) = reported
    assert runs == [old, only_run(results, "other")]
    assert folder.parent == results / "reports"
    assert (results / "latest").resolve() == folder
    assert harness("report", old) == 0
    assert (results / "latest").resolve() == reported[1][1] != folder


def test_report_says_when_a_trial_failed(harness: Callable[..., int], toml: Toml,
                                         reported: list[tuple[list[Path], Path]],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM", "crash")
    assert harness("report", toml()) == 4
    assert len(reported) == 1, "a report of what is there"


def test_latest_that_is_no_link_is_left_alone(harness: Callable[..., int], toml: Toml, results: Path,
                                              reported: list[tuple[list[Path], Path]]) -> None:
    (results / "latest").mkdir(parents=True)
    assert harness("run", toml(), quiet=False) == 0
    assert (results / "latest").is_dir() and not (results / "latest").is_symlink()


def test_standard_experiments_in_their_order() -> None:
    names = [path.stem for path in cli.standard_experiments()]
    assert names == ["sndbuf", "write_size", "mss", "congestion", "send_with", "stall", "remedies", "timeline",
                     "observer"]
    assert "smoke" not in names, "it compares nothing that deserves a conclusion"


def test_an_experiment_file_in_a_run_is_the_one_that_ran(harness: Callable[..., int], toml: Toml,
                                                         results: Path) -> None:
    path = toml()
    text = path.read_text()
    harness("run", path)
    path.write_text(text.replace("blocks = 3", "blocks = 4"))
    assert store.read(only_run(results)).experiment.blocks == 3
    assert experiment.load(path).blocks == 4


def test_machine_of_a_run(harness: Callable[..., int], toml: Toml, results: Path) -> None:
    harness("run", toml())
    stored = json.loads((only_run(results) / "machine.json").read_text())
    assert stored["version"] == "0.1.0"
    assert stored["kernel"] == os.uname().release


# ---------------------------------------------------------------------------------------------------------------------
# with the program itself


def test_an_experiment_with_the_program_itself(program: Path, toml: Toml, results: Path) -> None:
    """Every level took effect, everything arrived, and every document keeps to the JSON Schema."""
    schema = json.loads((ROOT / "harness" / "tinygram-1.schema.json").read_text())
    path = toml(("blocks = 3", "blocks = 1"), ("question =", 'events = "all"\nquestion ='))
    assert cli.main(["run", str(path), "--tool", str(program), "--results", str(results), "--no-report"]) == 0
    run = store.read(only_run(results))
    for trial, row in zip(run.trials, summary.rows(run.trials), strict=True):
        jsonschema.validate(trial.document, schema)
        assert row.nodelay == trial.levels["nodelay"]
        assert row.sndbuf_requested_bytes == {"4K": "4096", "auto": "auto"}[trial.levels["sndbuf"]]
        if trial.levels["sndbuf"] == "4K":
            assert row.sndbuf_effective_bytes == 8192
        assert row.verified is True
        assert row.bytes is not None and row.bytes > 0 and row.elapsed_s is not None
        assert row.goodput_bytes_per_s == pytest.approx(row.bytes / row.elapsed_s)
        assert row.elapsed_s < trial.wall_s
        header = (run.folder / "events" / f"{trial.trial}.tsv").read_text().splitlines()
        assert header[0] == "# tinygram events 1"


def test_an_experiment_of_exchanges_with_the_program_itself(program: Path, tmp_path: Path, results: Path) -> None:
    """Variants, places and stamps reach the program, and their numbers come back into the rows."""
    path = tmp_path / "exchanges.toml"
    path.write_text("""# Why: to see variants run.
question = "Which?"
events = "all"
[workload]
name = "exchange"
count = 20
[setting]
stamps = "on"
[[variant]]
name = "NODELAY"
pattern = "w100,w{body},r1"
nodelay = "on"
[[variant]]
name = "writev"
pattern = "v100+{body},r1"
[factors]
body = ["400", "600"]
[repeat]
blocks = 1
""")
    schema = json.loads((ROOT / "harness" / "tinygram-1.schema.json").read_text())
    assert cli.main(["run", str(path), "--tool", str(program), "--results", str(results), "--no-report"]) == 0
    run = store.read(only_run(results, "exchanges"))
    found = {row.id: row for row in summary.rows(run.trials)}
    assert set(found) == {f"variant={variant},body={body}" for variant in ("NODELAY", "writev") for body in (400, 600)}
    for trial in run.trials:
        jsonschema.validate(trial.document, schema)
        row = found[trial.id]
        assert (row.workload, row.variant, row.messages, row.stamps) == ("exchange", trial.levels["variant"], 20, "on")
        assert row.bytes == 20 * (100 + int(trial.levels["body"]))
        assert row.writes == row.split_writes == (20 if row.variant == "writev" else 40)
        assert row.segments_per_message == (1 if row.variant == "writev" else 2), "lock step: these counts are exact"
        assert row.latency_p50_s is not None and row.first_exchange_s is not None and row.split_hold_p50_s is not None
        kinds = {line.split("\t")[2] for line in
                 (run.folder / "events" / f"{trial.trial}.tsv").read_text().splitlines() if line[0] != "#"}
        assert {"write", "exchange", "sched", "device", "ack", "arrive", "read"} <= kinds


def test_an_interruption_leaves_no_process(program: Path, toml: Toml, results: Path) -> None:
    path = toml(("10ms", "10s"))
    process = subprocess.Popen([sys.executable, "-m", "harness", "run", str(path), "--tool", str(program),
                                "--results", str(results)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    groups: set[int] = set()
    deadline = time.monotonic() + 30
    while not groups and time.monotonic() < deadline:
        groups = set(children(process.pid))
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "0 of 12 trials are kept" in said
    assert groups
    for group in groups:
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)


def children(parent: int) -> Iterator[int]:
    """Running tinygram children of a process; each leads its own group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest.split()[1]) == parent and name.partition("(")[2] == "tinygram" and "pair" in cmdline(stat.parent):
            yield int(stat.parent.name)


def cmdline(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
