"""Runs on disk: nothing that was finished is lost, nothing is there twice, and damage is told, not guessed around."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import experiment, machine, plan, store
from harness.pair import Outcome
from harness.schema import HarnessError
from harness.store import StoreError, Writer

Toml = Callable[..., Path]


@pytest.fixture(scope="module")
def here() -> machine.Machine:
    return machine.capture(None, {"version": "0.1.0"})


@pytest.fixture
def writer(toml: Toml, tmp_path: Path, here: machine.Machine) -> Iterator[Writer]:
    """A new run of twelve trials."""
    loaded = experiment.load(toml())
    made = plan.build(loaded, file=experiment.resolve_file(loaded))
    with store.create(tmp_path / "results", loaded, made, here) as opened:
        yield opened


def run_some(writer: Writer, document: dict[str, Any], count: int, first: int = 0) -> list[store.Trial]:
    trials = [store.finished(planned, Outcome(document, 0.25))
              for planned in writer.plan.trials[first:first + count]]
    for trial in trials:
        writer.append(trial)
    return trials


def test_what_is_written_is_read(writer: Writer, document: dict[str, Any], here: machine.Machine) -> None:
    trials = run_some(writer, document, 12)
    run = store.read(writer.folder)
    assert list(run.trials) == trials
    assert run.plan == writer.plan
    assert run.left == ()
    assert run.experiment.name == "small" and run.experiment.text == Path(writer.folder / "experiment.toml").read_text()
    assert run.machine == json.loads(json.dumps(here.to_json()))
    assert not trials[0].failed


def test_the_folder_is_named_by_time_and_id(writer: Writer) -> None:
    assert writer.folder.parent.name == "small"
    stamp, _, short = writer.folder.name.partition("-")
    assert len(stamp) == 16 and stamp[8] == "T" and stamp.endswith("Z") and len(short) == 4
    assert (writer.folder / "events").is_dir()


def test_a_trial_is_in_the_file_as_soon_as_it_is_finished(writer: Writer, document: dict[str, Any]) -> None:
    for count in range(1, 6):
        run_some(writer, document, 1, first=count - 1)
        lines = (writer.folder / "trials.jsonl").read_text().splitlines()
        assert len(lines) == count
        assert json.loads(lines[-1])["schema"] == "tinygram-trial/1"


def test_what_is_left_is_in_the_order_of_the_plan(writer: Writer, document: dict[str, Any]) -> None:
    run_some(writer, document, 5)
    assert store.read(writer.folder).left == writer.plan.trials[5:]


def test_a_line_that_was_cut_off_is_dropped_with_a_word(writer: Writer, document: dict[str, Any],
                                                        here: machine.Machine) -> None:
    run_some(writer, document, 3)
    writer.close()
    path = writer.folder / "trials.jsonl"
    whole = path.read_bytes()
    kept = whole[:whole[:-1].rfind(b"\n") + 1]
    for cut in (len(whole) - 1, len(whole) - 100, len(kept) + 1):
        path.write_bytes(whole[:cut])
        run = store.read(writer.folder)
        assert len(run.trials) == 2
        assert "was cut off and is dropped" in run.word
        assert path.read_bytes() == whole[:cut], "reading changes nothing"
        run, opened = store.resume(writer.folder, here)
        with opened:
            assert path.read_bytes() == kept
            run_some(opened, document, 10, first=2)
        assert len(store.read(writer.folder).trials) == 12


@pytest.mark.parametrize("damage,said", [
    (b"not json\n", "line 3 is not a trial"),
    (b"{}\n", "line 3 is not a trial"),
    (b"[]\n", "line 3 is not a trial"),
    (b'{"schema": "tinygram-trial/2"}\n', "its schema is 'tinygram-trial/2'"),
])
def test_a_damaged_line_is_told(writer: Writer, document: dict[str, Any], damage: bytes, said: str) -> None:
    run_some(writer, document, 2)
    with (writer.folder / "trials.jsonl").open("ab") as file:
        file.write(damage)
    with pytest.raises(StoreError, match=said):
        store.read(writer.folder)


def test_a_trial_twice_is_told(writer: Writer, document: dict[str, Any]) -> None:
    run_some(writer, document, 2)
    run_some(writer, document, 1)
    with pytest.raises(StoreError, match="line 3: trial .* stands there twice"):
        store.read(writer.folder)


def test_a_trial_of_another_plan_is_told(writer: Writer, document: dict[str, Any]) -> None:
    (trial,) = run_some(writer, document, 1)
    writer.append(replace(trial, trial="b9-c9"))
    with pytest.raises(StoreError, match="line 2: trial b9-c9 .* is not in plan.tsv"):
        store.read(writer.folder)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run: No such file"):
        store.read(tmp_path)


@pytest.mark.parametrize("name", ["experiment.toml", "plan.tsv", "machine.json"])
def test_a_run_whose_description_is_damaged(writer: Writer, name: str) -> None:
    (writer.folder / name).write_text("{")
    with pytest.raises(HarnessError, match="damaged"):
        store.read(writer.folder)


def test_one_writer_a_run(writer: Writer, here: machine.Machine) -> None:
    with pytest.raises(StoreError, match="is being written by another harness"):
        store.resume(writer.folder, here)
    writer.close()
    store.resume(writer.folder, here)[1].close()


def test_a_changed_machine_is_refused(writer: Writer, here: machine.Machine) -> None:
    writer.close()
    with pytest.raises(StoreError, match="kernel was .* and is '9.9'"):
        store.resume(writer.folder, replace(here, kernel="9.9"))
    with pytest.raises(StoreError, match="version was '0.1.0' and is '0.2.0'"):
        store.resume(writer.folder, replace(here, version="0.2.0"))


def test_another_boot_is_recorded(writer: Writer, here: machine.Machine) -> None:
    writer.close()
    for part in (2, 3):
        store.resume(writer.folder, replace(here, boot_id=f"boot {part}"))[1].close()
        assert json.loads((writer.folder / f"machine-{part}.json").read_text())["boot_id"] == f"boot {part}"
    assert json.loads((writer.folder / "machine.json").read_text())["boot_id"] == here.boot_id


def test_a_changed_file_is_refused(writer: Writer, here: machine.Machine) -> None:
    writer.close()
    path = writer.folder / "plan.tsv"
    size = writer.plan.file_bytes
    path.write_text(path.read_text().replace(f"# file_bytes {size}", "# file_bytes 1"))
    with pytest.raises(StoreError, match="had 1 bytes when the run started"):
        store.resume(writer.folder, here)


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Lets files grow to a number of bytes only, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_the_trials_before(writer: Writer, document: dict[str, Any],
                                             small_disk: Callable[[int], None]) -> None:
    """The trial that does not fit is taken back whole, so that the run can be read and continued."""
    run_some(writer, document, 2)
    path = writer.folder / "trials.jsonl"
    before = path.read_bytes()
    small_disk(len(before) + 100)
    with pytest.raises(StoreError, match="cannot be written"):
        run_some(writer, document, 1, first=2)
    small_disk(10 ** 9)
    assert path.read_bytes() == before
    run_some(writer, document, 10, first=2)
    assert len(store.read(writer.folder).trials) == 12


def test_results_that_cannot_be_written(toml: Toml, tmp_path: Path, here: machine.Machine) -> None:
    loaded = experiment.load(toml())
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="no run can be stored below"):
        store.create(tmp_path / "file", loaded, plan.build(loaded), here)


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path) -> None:
    folders = {store.new_folder(tmp_path, "20260102T030405Z") for _ in range(20)}
    assert len(folders) == 20


def test_a_failed_trial_is_kept_with_its_sentence(writer: Writer, document: dict[str, Any]) -> None:
    document["status"], document["error"] = 3, "no room."
    (trial,) = run_some(writer, document, 1)
    assert trial.failed
    assert trial.problem == f"{trial.trial} ({trial.id}): status 3: no room."
    assert store.read(writer.folder).trials[0].failed


def test_events_have_a_place_when_they_are_kept(writer: Writer) -> None:
    planned = writer.plan.trials[0]
    assert writer.events_path(planned) is None
    writer.plan = replace(writer.plan, keep_events="first")
    assert writer.events_path(planned) == writer.folder / "events" / f"{planned.trial}.tsv"
