"""A run on disk: results/<experiment>/<UTC time>-<short id>/ with its plan, machine and trials.

A trial is an immutable record: one line of trials.jsonl, written in one piece and flushed when the trial ends, and
brought to the disk at the end of every block. What an interruption leaves can be continued: the finished trials stay,
a last line that was cut off is dropped with a word.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

from harness import plan as plans
from harness.experiment import Experiment, ExperimentError, parse
from harness.machine import Machine, differences
from harness.pair import Outcome
from harness.plan import Plan, PlannedTrial
from harness.schema import HarnessError, SchemaError, complete, upgrade

TAG: Final = "tinygram-trial/1"


class StoreError(HarnessError):
    """A run that cannot be written, read or continued."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial: its place in the plan, its levels, and the document of the tool.

    wall_s: seconds from starting the tool to its end. document: the result document, see schema.DOCUMENT.
    """

    trial: str
    block: int
    cell: int
    position: int
    id: str
    levels: Mapping[str, str]
    wall_s: float
    document: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """True when the tool did not end with status 0."""
        return bool(self.document["status"] != 0)

    @property
    def problem(self) -> str:
        """A sentence about what went wrong, with the status."""
        said = self.document["error"] or "the tool gave no reason."
        return f"{self.trial} ({self.id}): status {self.document['status']}: {said}"

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {"schema": TAG, "trial": self.trial, "block": self.block, "cell": self.cell, "position": self.position,
                "id": self.id, "levels": dict(self.levels), "wall_s": round(self.wall_s, 6), "document": self.document}


def finished(planned: PlannedTrial, outcome: Outcome) -> Trial:
    """The record of a planned trial that has been run."""
    return Trial(planned.trial, planned.block, planned.cell, planned.position, planned.id, dict(planned.levels),
                 outcome.wall_s, outcome.document)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is on disk. machine is the JSON object of machine.json. word: what reading had to drop, or ''."""

    folder: Path
    experiment: Experiment
    plan: Plan
    machine: Mapping[str, Any]
    trials: tuple[Trial, ...]
    word: str = ""

    @property
    def left(self) -> tuple[PlannedTrial, ...]:
        """Planned trials that have no record, in order."""
        done = {trial.trial for trial in self.trials}
        return tuple(planned for planned in self.plan.trials if planned.trial not in done)


class Writer:
    """Appends the trials of one run. One writer a run: a second one is refused."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self._block: int | None = None
        self._file: BinaryIO = (folder / "trials.jsonl").open("ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise StoreError(f"{folder} is being written by another harness; wait for it to end.") from None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def events_path(self, planned: PlannedTrial) -> Path | None:
        """Where the event log of a trial goes; None when it is not kept."""
        return self.folder / "events" / f"{planned.trial}.tsv" if self.plan.keeps_events(planned) else None

    def append(self, trial: Trial) -> None:
        """Writes one trial. Raises StoreError when the disk does not take it; the line is then taken back."""
        line = json.dumps(trial.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._block is not None and self._block != trial.block:
                os.fsync(self._file.fileno())
            self._block = trial.block
            written = self._file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, "only a part was written")
        except OSError as error:
            with contextlib.suppress(OSError):  # nothing to take back from what is no regular file
                os.ftruncate(self._file.fileno(), size)
            raise StoreError(f"{self.folder / 'trials.jsonl'} cannot be written ({error.strerror}); the trials before "
                             "this one are kept. Make room and continue the run.") from None

    def close(self) -> None:
        """Brings everything to the disk and lets another writer in."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def create(results: Path, experiment: Experiment, plan: Plan, machine: Machine) -> Writer:
    """A new run below `results`, with everything but trials. Raises StoreError when it cannot be written."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        folder = new_folder(results / experiment.name, stamp)
        (folder / "events").mkdir()
        (folder / "experiment.toml").write_text(experiment.text, encoding="utf-8")
        (folder / "plan.tsv").write_text(plans.to_tsv(plan), encoding="utf-8")
        write_json(folder / "machine.json", machine.to_json())
        return Writer(folder, plan)
    except OSError as error:
        raise StoreError(f"no run can be stored below {results}: {error.strerror}: {error.filename}.") from None


def new_folder(parent: Path, stamp: str) -> Path:
    """A new folder `<stamp>-<short id>` in `parent`. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = parent / f"{stamp}-{secrets.token_hex(2)}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file that a person can read too."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def resume(folder: Path, machine: Machine) -> tuple[Run, Writer]:
    """Opens an interrupted run to add the trials that are missing.

    machine: as it is now; the run is refused when a decisive part of it has changed since, and the machine is stored
    as machine-2.json (and so on) when only the boot or the load has. Raises StoreError.
    """
    run = read(folder)
    changed = differences(run.machine, json.loads(json.dumps(machine.to_json())))
    if changed:
        raise StoreError(f"{folder} cannot be continued here, because its trials would not be comparable: "
                         f"{'; '.join(changed)}. Start a new run.")
    if run.plan.file is not None and _size(run.plan.file) != run.plan.file_bytes:
        raise StoreError(f"{folder} cannot be continued: {run.plan.file} had {run.plan.file_bytes} bytes when the run "
                         "started, and now it is not so. Start a new run.")
    writer = Writer(folder, run.plan)
    if run.word:
        _drop_last_line(folder / "trials.jsonl")
    part = 2 + len(list(folder.glob("machine-*.json")))
    write_json(folder / f"machine-{part}.json", machine.to_json())
    return run, writer


def read(folder: Path) -> Run:
    """The run in a folder. Raises StoreError when something is missing or damaged."""
    try:
        experiment = parse(_text(folder / "experiment.toml"), folder / f"{folder.resolve().parent.name}.toml")
        plan = plans.from_tsv(_text(folder / "plan.tsv"), str(folder / "plan.tsv"))
        machine = _object(folder / "machine.json")
        lines = (folder / "trials.jsonl").read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(f"{folder} is not a run: {error.strerror}: {error.filename}. "
                         "Name a folder such as results/sndbuf/20260102T030405Z-1a2b.") from None
    except (ValueError, ExperimentError) as error:
        raise StoreError(f"{folder} is damaged: {str(error).rstrip('.')}. Copy the run anew from where it is whole, or "
                         "run its experiment again.") from None
    word = ""
    if lines[-1]:
        word = f"the last line of {folder / 'trials.jsonl'} was cut off and is dropped; its trial is run again."
    trials = [_trial(line, folder, number) for number, line in enumerate(lines[:-1], 1)]
    _check_plan(trials, plan, folder)
    return Run(folder, experiment, plan, machine, tuple(trials), word)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except ValueError:
        raise ValueError(f"{path.name} is no UTF-8 text") from None


def _object(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is no JSON ({error})") from None


def _trial(line: bytes, folder: Path, number: int) -> Trial:
    try:
        record = json.loads(line)
        if record["schema"] != TAG:
            raise ValueError(f"its schema is {record['schema']!r} and should be {TAG!r}")
        return Trial(record["trial"], record["block"], record["cell"], record["position"], record["id"],
                     record["levels"], record["wall_s"], complete(upgrade(record["document"])))
    except (ValueError, KeyError, TypeError, SchemaError) as error:
        raise StoreError(f"{folder / 'trials.jsonl'}, line {number} is not a trial ({error}); "
                         "remove the line and continue the run.") from None


def _check_plan(trials: Sequence[Trial], plan: Plan, folder: Path) -> None:
    """Every record belongs to the plan, once."""
    planned = {trial.trial: trial.id for trial in plan.trials}
    seen = set()
    for number, trial in enumerate(trials, 1):
        if planned.get(trial.trial) != trial.id:
            raise StoreError(f"{folder / 'trials.jsonl'}, line {number}: trial {trial.trial} ({trial.id}) is not in "
                             "plan.tsv; the two are not of one run.")
        if trial.trial in seen:
            raise StoreError(f"{folder / 'trials.jsonl'}, line {number}: trial {trial.trial} stands there twice; "
                             "remove one of the lines.")
        seen.add(trial.trial)


def _drop_last_line(path: Path) -> None:
    content = path.read_bytes()
    os.truncate(path, content.rfind(b"\n") + 1)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
