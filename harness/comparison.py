"""What two stored runs say about each other: what differs, what is missing, and the sentences that tell it.

Timings of stored runs are drawn and never judged (harness/differences.py says why); exact counters are judged. Exit
status, the first that holds:

    5  an exact counter changed, or varies
    4  the runs come from two machines, or systems
    6  something is missing: trials, values, a cell that only one run has, as many trials in a cell as the other has
    0  compared
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import machine, pairing, schema, store
from harness.differences import Difference, another_machine, differences, not_judged
from harness.pairing import SIDES, Cell, Exact, Pairing
from harness.phrases import path_text
from harness.schema import HarnessError
from harness.store import Run

GROUPS: Final = 4  # counters that the first sentence tells
NAMED: Final = 6  # cells that a sentence names; the tables have them all

COMPARED: Final = 0
WRONG: Final = 4
CHANGED: Final = 5
MISSING: Final = 6


class CompareError(HarnessError):
    """Two runs that cannot be compared: the text says which is at fault, and what to do."""

    status = 2


class UnwritableError(CompareError):
    """A comparison that cannot be written."""

    status = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that two runs say about each other. wrong, missing, notes: sentences; the notes change no
    status."""

    base: Run
    new: Run
    differences: tuple[Difference, ...]
    pairing: Pairing
    wrong: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def both(self) -> tuple[Cell, ...]:
        """The cells that have a finished trial in both runs."""
        return tuple(cell for cell in self.pairing.cells if cell.base and cell.new)

    @property
    def exact(self) -> tuple[Exact, ...]:
        """Every exact counter of every cell."""
        return tuple(one for cell in self.pairing.cells for one in cell.exact)

    @property
    def telling(self) -> tuple[Exact, ...]:
        """The exact counters that are not the same in both runs."""
        return tuple(one for one in self.exact if one.verdict != "same")

    @property
    def status(self) -> int:
        """The exit status."""
        if any(one.verdict in ("changed", "varies") for one in self.telling):
            return CHANGED
        return WRONG if self.wrong else MISSING if self.missing else COMPARED


# ---------------------------------------------------------------------------------------------------------------------
# Reading and comparing


def read(folder: Path, side: str) -> tuple[Run, list[str]]:
    """A run as it can be compared, and what is missing in it. side: base or new. Raises CompareError."""
    try:
        run = store.read(folder)
    except HarnessError as error:
        raise CompareError(f"{side}: {error}") from None
    if not isinstance(run.machine, Mapping):
        raise CompareError(f"{side}: {folder / 'machine.json'} is no JSON object: the run is damaged.")
    if run.machine.get("schema") != machine.TAG:
        raise CompareError(f"{side}: the schema of {folder / 'machine.json'} is {run.machine.get('schema')!r}, and "
                           f"this harness reads {machine.TAG!r}. Compare with the harness that wrote the run.")
    run, none = pairing.cleaned(run)
    for trial in run.trials:
        wrong = [text for text in schema.problems(trial.document) if "is not a field of" not in text]
        if wrong:
            raise CompareError(f"{side}: trial {trial.trial} of {folder} is damaged: {wrong[0]}. Remove its line from "
                               "trials.jsonl and continue the run.")
    return run, list(_lacks(run, side, none))


def _lacks(run: Run, side: str, none: int) -> Iterator[str]:
    """What a run lacks of what was planned, a sentence each."""
    left, planned = len(run.left), len(run.plan.trials)
    again = f"Continue it with: `python3 -m harness run --continue {path_text(run.folder)}`"
    cut = ", and the last line of trials.jsonl was cut off" if run.word else ""
    if not run.trials:
        yield f"{side} has no trial: there is no whole line in trials.jsonl{cut}. {again}"
    elif left:
        yield f"{side} was interrupted: {planned - left} of {planned} planned trials are there{cut}. {again}"
    elif run.word:
        yield f"{side}: the last line of trials.jsonl was cut off and is left out."
    failed = [trial for trial in run.trials if trial.failed]
    if failed:
        yield f"{side}: {_trials(failed)} failed, the first with this: {failed[0].problem}"
    empty = [trial for trial in run.trials if not trial.failed and not pairing.finished(trial)]
    if empty:
        yield f"{side}: {_trials(empty)} ended well and left no goodput (null); they are in no chart and no table."
    if none:
        yield (f"{side}: {none} {'value is' if none == 1 else 'values are'} no number (NaN or infinite) and "
               f"{'counts' if none == 1 else 'count'} as missing. Was trials.jsonl changed by hand?")


def _trials(some: Sequence[object]) -> str:
    return "1 trial" if len(some) == 1 else f"{len(some)} trials"


def compare(base: Path, new: Path) -> Comparison:
    """Compares the runs in two folders. Raises CompareError where one of them is none, or both are one."""
    if base.resolve() == new.resolve():
        raise CompareError(f"base and new are one and the same run ({base}), which differs in nothing; name two runs.")
    (one, lacks), (other, lacks_too) = read(base, SIDES[0]), read(new, SIDES[1])
    found = differences(one, other)
    paired = pairing.pair(one, other)
    return Comparison(one, other, found, paired, tuple(_wrong(found)),
                      (*lacks, *lacks_too, *_unpaired(paired), *_uneven(one, other, paired)), tuple(_notes(one, other)))


def _wrong(found: tuple[Difference, ...]) -> Iterator[str]:
    """Why these are not two runs that should be compared so, a sentence each."""
    which = another_machine(found)
    if which:
        yield (f"base comes from another machine or system than new (they differ in {', '.join(which)}): no timing of "
               "one says anything about the other. Take both on one machine, or let both builds take turns there.")


def _uneven(base: Run, new: Run, paired: Pairing) -> Iterator[str]:
    """Two runs of which one was to repeat its cells more often. Trials that one lost are told elsewhere."""
    uneven = [cell for cell in paired.cells if len(cell.base) != len(cell.new) and cell.base and cell.new]
    if base.plan.blocks != new.plan.blocks and uneven:
        counts = sorted({(len(cell.base), len(cell.new)) for cell in uneven})
        told = ", ".join(f"{one} against {other}" for one, other in counts[:NAMED])
        yield (f"The runs have unequal numbers of trials in {len(uneven)} of {len(paired.cells)} cells ({told}), and "
               "the range of the trials grows with their number: run both with the same --blocks.")


def _unpaired(paired: Pairing) -> Iterator[str]:
    """What cannot be set against anything, a sentence each."""
    if not paired.cells:
        yield "The two runs have no cell in common, so nothing is compared: they are runs of different experiments."
    for side, names in zip(SIDES, paired.alone, strict=True):
        if names and paired.cells:
            yield f"Only {side} has {cells_text(names)}."
    for side, other in (SIDES, SIDES[::-1]):
        empty = [cell.name for cell in paired.cells if not getattr(cell, side) and getattr(cell, other)]
        if empty:
            yield f"Only {other} has a finished trial in {cells_text(empty)}."
    none = [cell.name for cell in paired.cells if not cell.base and not cell.new]
    if none:
        yield f"Neither run has a finished trial in {cells_text(none)}."
    unlike = [cell for cell in paired.cells if cell.unlike]
    if unlike:
        options = dict.fromkeys(option for cell in unlike for option in cell.unlike)
        yield (f"The counters of {cells_text([cell.name for cell in unlike])} are not compared, because the two runs "
               f"did not do the same there: they differ in {', '.join(options)}.")
    lost = [one for cell in paired.cells for one in cell.exact if one.verdict == "missing"]
    if lost:
        yield (f"{len(lost)} exact {'counter is' if len(lost) == 1 else 'counters are'} missing in one of the runs; "
               f"the first: {lost[0].sentence}")


def cells_text(names: Sequence[str]) -> str:
    """How many cells, and the names of the first ones."""
    more = len(names) - NAMED
    listed = "; ".join(names[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"{len(names)} {'cell' if len(names) == 1 else 'cells'} ({listed})"


def _notes(base: Run, new: Run) -> Iterator[str]:
    """What a reader should know, and what changes no status."""
    if base.experiment.name != new.experiment.name and base.experiment.text != new.experiment.text:
        yield (f"These are runs of two experiments, {base.experiment.name} and {new.experiment.name}; cells with the "
               "same levels are set against each other.")
    one, other = (run.machine.get("captured_at") for run in (base, new))
    if isinstance(one, str) and isinstance(other, str) and one > other:
        yield (f"base was taken after new ({one} and {other}). If the two were swapped, every ratio here is upside "
               "down: name the older run first.")
    for run, side in ((base, SIDES[0]), (new, SIDES[1])):
        if len(list(run.folder.glob("machine-*.json"))):
            yield f"{side} was continued later, so its trials come from several jobs."
        load, cpus = run.machine.get("load_1m"), run.machine.get("cpus_online")
        if isinstance(load, int | float) and isinstance(cpus, int) and load > 0.5 * cpus:
            yield f"The machine was busy when {side} began (load {load:.1f} on {cpus} CPUs)."


# ---------------------------------------------------------------------------------------------------------------------
# Sentences


def sentences(found: Comparison) -> tuple[str, ...]:
    """What came out, the most certain first."""
    return tuple(filter(None, (_counters_sentence(found), not_judged(found.differences), _timings_sentence(found))))


def _counters_sentence(found: Comparison) -> str:
    exact, telling = found.exact, [one for one in found.telling if one.verdict in ("changed", "varies")]
    if not exact:
        return "No exact counter could be compared."
    if not telling:
        lost = len(found.telling)
        told = f"All {len(exact)} exact counters are" if not lost else f"{len(exact) - lost} exact counters are"
        return f"{told} the same in both runs."
    cells = len(dict.fromkeys(one.cell for one in telling))
    groups: dict[str, int] = {}
    for one in telling:
        told = pairing.told(one)
        groups[told] = groups.get(told, 0) + 1
    first = "; ".join(f"{told}, in {count} {'cell' if count == 1 else 'cells'}" for told, count in
                      list(groups.items())[:GROUPS])
    more = f"; and {len(groups) - GROUPS} more" if len(groups) > GROUPS else ""
    return (f"{len(telling)} of {len(exact)} exact counters {'differs' if len(telling) == 1 else 'differ'}, in {cells} "
            f"of {len(found.both)} cells: {first}{more}.")


def _timings_sentence(found: Comparison) -> str:
    """How far the ratios reach, as drawn."""
    firsts = [(cell, cell.timed[0]) for cell in found.both if cell.timed]
    ratios = sorted((one.ratio, cell.name) for cell, one in firsts if one.ratio is not None)
    if not ratios:
        return ""
    title = firsts[0][1].timing.of
    apart = sum(one.low is not None and one.high is not None and not one.low <= 1 <= one.high for _, one in firsts)
    (low, least), (high, most) = ratios[0], ratios[-1]
    reach = (f"is {number_text(low)} ({least})" if len(ratios) == 1 else
             f"goes from {number_text(low)} ({least}) to {number_text(high)} ({most})")
    return (f"As drawn, new by base ({title}) {reach}; in {apart} of {len(firsts)} cells all trials of one run are on "
            "one side of all trials of the other.")


def number_text(ratio: float) -> str:
    """A ratio of times: 1.07, 0.035, 220."""
    return f"{ratio:.2f}" if 0.095 <= ratio < 10 else f"{ratio:.2g}" if ratio < 0.095 else f"{ratio:.0f}"
