"""Turns an experiment into its plan: every trial, in the order in which it will run, before the first one runs.

A block holds every cell once, shuffled, so that drift of the machine hits all cells alike. The order comes from a
recorded seed alone: the same experiment, seed and machine limits give the same plan. plan.tsv holds all of it.
"""

from __future__ import annotations

import itertools
import random
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.experiment import Experiment, ExperimentError, Factor, readable_file
from harness.schema import OPTIONS, HarnessError, parse_value

TAG: Final = "tinygram-plan/1"
AVAILABLE: Final = "available"  # a level of `congestion`: every congestion control that this machine lets us set
DEFAULT_TIMEOUT: Final = "20s"
_FIXED_COLUMNS: Final = ("position", "trial", "block", "cell", "id")

Levels = tuple[tuple[str, str], ...]


class PlanError(HarnessError):
    """A plan that cannot be read back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine allows: congestion controls that can be set, net.core.wmem_max and rmem_max in bytes."""

    congestion: tuple[str, ...] = ()
    wmem_max: int | None = None
    rmem_max: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of levels, in the order of the factors."""

    number: int
    levels: Levels

    @property
    def id(self) -> str:
        """`sndbuf=16K,nodelay=on`; `only` where nothing varies."""
        return ",".join(f"{name}={level}" for name, level in self.levels) or "only"


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial that is to run: its place and the options of `tinygram pair` that make it."""

    position: int
    trial: str
    block: int
    cell: int
    id: str
    levels: Levels
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All the trials of one run, in order.

    file is the real path of what is sent (None for memory), file_bytes its size. notes are sentences about levels that
    this machine made us change. keep_events: none, first or all.
    """

    experiment: str
    seed: int
    blocks: int
    factors: tuple[str, ...]
    trials: tuple[PlannedTrial, ...]
    file: Path | None = None
    file_bytes: int | None = None
    keep_events: str = "none"
    notes: tuple[str, ...] = field(default=())

    @property
    def cells(self) -> int:
        """Number of cells in a block."""
        return len(self.trials) // self.blocks

    def keeps_events(self, trial: PlannedTrial) -> bool:
        """True when the event log of this trial is kept."""
        return self.keep_events == "all" or (self.keep_events == "first" and trial.block == 0)


def build(experiment: Experiment, *, file: Path | None = None, limits: Limits | None = None,
          seed: int | None = None, blocks: int | None = None) -> Plan:
    """The plan of a run.

    experiment: what to vary. file: what is sent in place of the experiment's `file` (see experiment.resolve_file).
    limits: what the machine allows. seed, blocks: in place of the experiment's. Raises ExperimentError.
    """
    seed = experiment.seed if seed is None else seed
    blocks = experiment.blocks if blocks is None else blocks
    factors, notes = _fit(experiment, limits or Limits())
    cells = [Cell(number, tuple(zip((factor.name for factor in factors), combination, strict=True)))
             for number, combination in enumerate(itertools.product(*(factor.levels for factor in factors)))]
    order = shuffled_blocks(len(cells), blocks, random.Random(seed))
    width = len(str(len(cells) - 1))
    trials = []
    for position, (block, number) in enumerate(order):
        cell = cells[number]
        trials.append(PlannedTrial(position, f"b{block}-c{number:0{width}d}", block, number, cell.id, cell.levels,
                                   _arguments(_options(experiment, cell.levels, file))))
    return Plan(experiment.name, seed, blocks, tuple(factor.name for factor in factors), tuple(trials), file,
                file.stat().st_size if file is not None else None, experiment.events, notes)


def shuffled_blocks(cells: int, blocks: int, rng: random.Random) -> list[tuple[int, int]]:
    """(block, cell) of every trial: block after block, in each every cell once, shuffled by `rng`."""
    order: list[tuple[int, int]] = []
    for block in range(blocks):
        numbers = list(range(cells))
        rng.shuffle(numbers)
        order.extend((block, number) for number in numbers)
    return order


def _options(experiment: Experiment, levels: Levels, file: Path | None) -> Levels:
    """The options of one trial: those of its cell, with the file that is sent, and with a limit in time."""
    fixed = tuple((name, str(file) if name == "file" and file is not None and name not in dict(levels) else value)
                  for name, value in experiment.options(levels))
    return fixed if "timeout" in dict(fixed) else (*fixed, ("timeout", DEFAULT_TIMEOUT))


def _arguments(options: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(itertools.chain.from_iterable((f"--{name}", value) for name, value in options))


def _fit(experiment: Experiment, limits: Limits) -> tuple[tuple[Factor, ...], tuple[str, ...]]:
    """The factors as this machine can run them, and a sentence for each change."""
    notes: list[str] = []
    factors = tuple(_fit_factor(factor, limits, notes, experiment) for factor in experiment.factors)
    return factors, tuple(notes)


def _fit_factor(factor: Factor, limits: Limits, notes: list[str], experiment: Experiment) -> Factor:
    if not experiment.varies_option(factor.name):
        return factor
    option = OPTIONS[factor.name]
    if option.kind == "name" and AVAILABLE in factor.levels:
        found = tuple(name for name in limits.congestion if name not in factor.levels)
        if not limits.congestion:
            raise ExperimentError(f"{experiment.path}: level {AVAILABLE!r} of {factor.name!r}: no congestion control "
                                  "can be set here; name the levels, for example [\"cubic\", \"reno\"].")
        notes.append(f"{factor.name}: {AVAILABLE} is {', '.join(limits.congestion)} here.")
        return Factor(factor.name, tuple(level for level in factor.levels if level != AVAILABLE) + found)
    if option.kind == "path":
        return Factor(factor.name, tuple(
            str(readable_file(experiment.path.parent / level)) for level in factor.levels))
    ceiling = {"wmem_max": limits.wmem_max, "rmem_max": limits.rmem_max}.get(option.limit or "")
    if ceiling is None:
        return factor
    return _fold(factor, ceiling, notes)


def _fold(factor: Factor, ceiling: int, notes: list[str]) -> Factor:
    """Requests above the machine's ceiling all have one effective value: they become one level, the ceiling itself."""
    option = OPTIONS[factor.name]
    above = [level for level in factor.levels
             if isinstance(bytes_ := parse_value(option, level), int) and bytes_ > ceiling]
    if not above:
        return factor
    levels: list[str] = []
    for level in factor.levels:
        new = str(ceiling) if level in above else level
        if parse_value(option, new) not in [parse_value(option, other) for other in levels]:
            levels.append(new)
    notes.append(f"{factor.name}: {', '.join(above)} would be cut to net.core.{option.limit} = {ceiling} here; they "
                 f"are one level. To have them all: sysctl -w net.core.{option.limit}=4194304.")
    return Factor(factor.name, tuple(levels))


# ---------------------------------------------------------------------------------------------------------------------
# plan.tsv


def to_tsv(plan: Plan) -> str:
    """The plan as text: `#` lines with what holds for all trials, a header row, one row a trial."""
    head = [("schema", TAG), ("experiment", plan.experiment), ("seed", str(plan.seed)), ("blocks", str(plan.blocks)),
            ("events", plan.keep_events)]
    if plan.file is not None:
        head += [("file", str(plan.file)), ("file_bytes", str(plan.file_bytes))]
    head += [("note", note) for note in plan.notes]
    lines = [f"# {key} {value}" for key, value in head]
    lines.append("\t".join((*_FIXED_COLUMNS, *plan.factors, "command")))
    for trial in plan.trials:
        command = shlex.join(("tinygram", "pair", *trial.arguments))
        lines.append("\t".join((str(trial.position), trial.trial, str(trial.block), str(trial.cell), trial.id,
                                *(level for _, level in trial.levels), command)))
    return "\n".join(lines) + "\n"


def from_tsv(text: str, name: str = "plan.tsv") -> Plan:
    """The plan that to_tsv wrote. `name` stands in errors. Raises PlanError."""
    try:
        return _from_tsv(text)
    except (ValueError, KeyError, IndexError) as error:
        raise PlanError(f"{name} is damaged and cannot be continued ({error}); start a new run.") from None


def _from_tsv(text: str) -> Plan:
    lines = text.splitlines()
    head = [line[2:].partition(" ") for line in lines if line.startswith("# ")]
    values = {key: value for key, _, value in head}
    if values["schema"] != TAG:
        raise ValueError(f"its schema is {values['schema']}, not {TAG}")
    header, *rows = [line.split("\t") for line in lines if not line.startswith("#")]
    factors = tuple(header[len(_FIXED_COLUMNS):-1])
    trials = tuple(_trial_from(row, factors) for row in rows)
    blocks = int(values["blocks"])
    if blocks < 1 or not trials or len(trials) % blocks or not _in_order(trials):
        raise ValueError("rows are missing")
    return Plan(values["experiment"], int(values["seed"]), blocks, factors, trials,
                Path(values["file"]) if "file" in values else None,
                int(values["file_bytes"]) if "file_bytes" in values else None, values["events"],
                tuple(value for key, _, value in head if key == "note"))


def _trial_from(row: Sequence[str], factors: Sequence[str]) -> PlannedTrial:
    position, trial, block, cell, identity = row[:len(_FIXED_COLUMNS)]
    levels = tuple(zip(factors, row[len(_FIXED_COLUMNS):-1], strict=True))
    program, role, *arguments = shlex.split(row[-1])
    if (program, role) != ("tinygram", "pair"):
        raise ValueError(f"the command of {trial} is not tinygram pair")
    return PlannedTrial(int(position), trial, int(block), int(cell), identity, levels, tuple(arguments))


def _in_order(trials: Sequence[PlannedTrial]) -> bool:
    return [trial.position for trial in trials] == list(range(len(trials)))
