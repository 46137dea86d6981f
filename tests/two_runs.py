"""Two invented runs on disk, equal but for what a test changes: data for the tests of comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import invented
import synthetic

from harness import store
from harness.experiment import Experiment
from harness.store import Run, Trial

Edit = Callable[[dict[str, Any]], None]
BUFFERS = {"sndbuf": ["16K", "auto"], "nodelay": ["on", "off"], "write-size": ["100", "64K"]}


def exchanges(blocks: int = 3, name: str = "exchanges", bodies: tuple[str, ...] = ("400", "4000")) -> Experiment:
    """Requests in two writes, with Nagle's algorithm and without it."""
    return invented.experiment({"body": bodies}, ("latency_cdf", "remedies"), variants=("Nagle", "NODELAY"),
                               blocks=blocks, name=name)


def transfers(blocks: int = 3, name: str = "transfers") -> Experiment:
    """Transfers over SO_SNDBUF, NODELAY and write size; one cell has two modes."""
    return synthetic.experiment(BUFFERS, {"goodput_sndbuf": "Goodput against SO_SNDBUF"}, name, blocks)


def trials(made: Experiment, seed: int = 1, change: invented.Change | None = None) -> list[Trial]:
    """Every trial of one of these experiments."""
    return invented.trials(made, change) if made.workload_name == "exchange" else synthetic.trials(made, seed)


def stored(folder: Path, made: Experiment, some: list[Trial]) -> Path:
    """A run on disk."""
    return synthetic.stored(folder, made, some)


def edited(run: Path, name: str, edit: Edit) -> Path:
    """The same run with a JSON file of it edited."""
    content = json.loads((run / name).read_text())
    edit(content)
    (run / name).write_text(json.dumps(content))
    return run


def edited_trial(run: Path, number: int, edit: Edit) -> Path:
    """The same run with one line of trials.jsonl edited."""
    path = run / "trials.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[number])
    edit(record)
    lines[number] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n")
    return run


def both(folder: Path, made: Experiment, change: invented.Change | None = None, seed: int = 1) -> tuple[Path, Path]:
    """A run, and one with other trials. change: what else a result of the second one is."""
    return (stored(folder / "base", made, trials(made)), stored(folder / "new", made, trials(made, seed, change)))


def read(*folders: Path) -> tuple[Run, ...]:
    """The runs in some folders."""
    return tuple(store.read(folder) for folder in folders)


def nodelay_lost(levels: Mapping[str, str], result: dict[str, Any]) -> None:
    """What a program that forgets NODELAY gives: the stalls of Nagle's algorithm."""
    if levels["variant"] == "NODELAY" and levels["body"] == "400":
        result |= {"stalls": invented.stalls(99), "latency_ns": invented.flat(invented.STALL_NS)}
