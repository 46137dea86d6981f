"""Two stored runs, cell by cell: timings of every trial, exact counters, and what the counters say about the timings.

Cells are paired by their levels, whatever their order is. A ratio is new / base of the *time for the same work*, so
above 1 is slower, everywhere. Trials of two runs have nothing in common but their cell, so the range of the trials'
ratios goes from the smallest new by the largest base to the largest new by the smallest base: nothing is paired that
was not. Where the trials of one side have two modes there is no median and no ratio. Swapping the runs mirrors all.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from harness import remedy, schema
from harness.counters import COUNTERS, LOST
from harness.effect import middle, values
from harness.panels import Measure, Point, Points, factor_text
from harness.phrases import count_text, percent_text, time_text
from harness.schema import MECHANISMS, Field
from harness.stats import modes
from harness.store import Run, Trial
from harness.summary import follow, row

BASE: Final = "base"
NEW: Final = "new"
SIDES: Final = (BASE, NEW)

Value = bool | int | str | None


@dataclass(frozen=True, slots=True)
class Timing:
    """One timing of a workload. key: its name in files; of: what a ratio of it is about; inverse: more is faster."""

    key: str
    measure: Measure
    of: str
    inverse: bool = False


def _latencies(*named: tuple[str, str]) -> tuple[Timing, ...]:
    return tuple(Timing(key, Measure(f"{key}_s", title, "s"), title if "latency" in title else f"latency {title}")
                 for key, title in named)


# The first of each workload is the one that the forest of ratios shows.
TIMINGS: Final[Mapping[str, tuple[Timing, ...]]] = {
    "transfer": (Timing("goodput", Measure("goodput_bytes_per_s", "goodput", "B/s"), "time a byte", inverse=True),
                 *_latencies(("latency_p50", "latency of a chunk, median"),
                             ("latency_p99", "latency of a chunk, 99 %"))),
    "exchange": _latencies(("latency_p50", "latency, median"), ("latency_p99", "latency, 99 %")),
    "stream": _latencies(("latency_p50", "latency, median"), ("latency_p99", "latency, 99 %"),
                         ("latency_planned_p50", "from the plan, median"),
                         ("latency_planned_p99", "from the plan, 99 %")),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """One timing of one cell in both runs, in the unit of its measure.

    base and new: every trial that has a value. The medians are None without a value, and where there are two modes;
    ratio, low and high (time of new by time of base; low and high: the range of the trials' ratios) are None where
    they cannot be had.
    """

    timing: Timing
    base: tuple[float, ...]
    new: tuple[float, ...]
    base_median: float | None
    new_median: float | None
    ratio: float | None
    low: float | None
    high: float | None

    @property
    def two_modes(self) -> bool:
        """True where the trials of one side fall into two modes."""
        return any(len(modes(side)) == 2 for side in (self.base, self.new))


@dataclass(frozen=True, slots=True)
class Exact:
    """One exact counter of one cell: the distinct values of both runs, and what they say.

    verdict: same, changed (both values), varies (trials of one run differ, although it is exact), or missing.
    """

    cell: str
    counter: str
    base: tuple[Value, ...]
    new: tuple[Value, ...]
    verdict: str
    sentence: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell that both runs have. name: its levels as words; unlike: the options in which its commands differ."""

    name: str
    base: tuple[Point, ...]
    new: tuple[Point, ...]
    unlike: tuple[str, ...]
    timed: tuple[Timed, ...]
    exact: tuple[Exact, ...]
    mechanism: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both runs cell by cell. alone: names of the cells that only base, and that only new, has planned."""

    cells: tuple[Cell, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]


# ---------------------------------------------------------------------------------------------------------------------
# Trials and cells


def without_nan(value: Any) -> tuple[Any, int]:
    """The same JSON value with null for every number that is none (NaN, infinite), and how many there were.

    A point of a curve that holds one is left out.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None, 1
    if isinstance(value, Mapping):
        pairs = {key: without_nan(inner) for key, inner in value.items()}
        return {key: inner for key, (inner, _) in pairs.items()}, sum(count for _, count in pairs.values())
    if isinstance(value, list):
        items = [without_nan(inner) for inner in value]
        return [inner for inner, count in items if not count], sum(count for _, count in items)
    return value, 0


def points(run: Run, side: str) -> list[Point]:
    """The finished trials of a run, in the order of the plan; side is written on each."""
    return [Point(row(trial), trial, run.folder / "events" / f"{trial.trial}.tsv", side)
            for trial in sorted(run.trials, key=lambda trial: trial.position) if finished(trial)]


def finished(trial: Trial) -> bool:
    """True for a trial that a chart can show: it ended well, and its goodput is known."""
    return not trial.failed and trial.document["result"]["goodput_bytes_per_s"] is not None


def cell_words(levels: Mapping[str, str]) -> str:
    """The levels of a cell as words."""
    return ", ".join(factor_text(*level) for level in levels.items()) or "the only cell"


def _planned(run: Run) -> dict[frozenset[tuple[str, str]], tuple[str, dict[str, str]]]:
    """The cells of a run by their levels: name, and the options of their command."""
    found: dict[frozenset[tuple[str, str]], tuple[str, dict[str, str]]] = {}
    for planned in sorted(run.plan.trials, key=lambda planned: planned.cell):
        options = dict(zip(planned.arguments[::2], planned.arguments[1::2], strict=True))
        found.setdefault(frozenset(planned.levels), (cell_words(dict(planned.levels)), options))
    return found


def pair(base: Run, new: Run) -> Pairing:
    """Two runs, cell by cell, in the order of base. The runs must be free of NaN (see without_nan)."""
    plans = _planned(base), _planned(new)
    trials: tuple[dict[frozenset[tuple[str, str]], list[Point]], ...] = ({}, {})
    for found, run, side in zip(trials, (base, new), SIDES, strict=True):
        for point in points(run, side):
            found.setdefault(frozenset(point.trial.levels.items()), []).append(point)
    same_file = base.plan.file_bytes == new.plan.file_bytes
    cells = []
    for key, (name, options) in plans[0].items():
        if key in plans[1]:
            unlike = _unlike(options, plans[1][key][1], same_file)
            cells.append(_cell(name, trials[0].get(key, []), trials[1].get(key, []), unlike))
    return Pairing(tuple(cells), (tuple(name for key, (name, _) in plans[0].items() if key not in plans[1]),
                                  tuple(name for key, (name, _) in plans[1].items() if key not in plans[0])))


def _unlike(base: Mapping[str, str], new: Mapping[str, str], same_file: bool) -> tuple[str, ...]:
    found = [name.lstrip("-") for name in dict.fromkeys([*base, *new]) if base.get(name) != new.get(name)]
    return tuple(found) if same_file or "file" in found else (*found, "file")


def _cell(name: str, base: Points, new: Points, unlike: tuple[str, ...]) -> Cell:
    workload = str(next((point.row.workload for point in (*base, *new)), "transfer"))
    timed = tuple(_timed(timing, base, new) for timing in TIMINGS[workload])
    return Cell(name, tuple(base), tuple(new), unlike, tuple(one for one in timed if one.base or one.new),
                () if unlike else tuple(_exact(name, base, new)), _mechanism(timed[0], base, new))


# ---------------------------------------------------------------------------------------------------------------------
# Timings


def _timed(timing: Timing, base: Points, new: Points) -> Timed:
    one, other = tuple(values(base, timing.measure)), tuple(values(new, timing.measure))
    return Timed(timing, one, other, middle(one), middle(other),
                 *(_inverted if timing.inverse else _plain)(middle(one), middle(other), one, other))


_Ratios = tuple[float | None, float | None, float | None]


def _plain(base_median: float | None, new_median: float | None, base: Sequence[float],
           new: Sequence[float]) -> _Ratios:
    """Ratio of the medians, and the range of the trials' ratios; None where a value is missing or 0."""
    if not base or not new or min(*base, *new) <= 0:
        return None, None, None
    ratio = new_median / base_median if base_median is not None and new_median is not None else None
    return ratio, min(new) / max(base), max(new) / min(base)


def _inverted(base_median: float | None, new_median: float | None, base: Sequence[float],
              new: Sequence[float]) -> _Ratios:
    """The same of a rate: its time is its inverse."""
    return _plain(new_median, base_median, new, base)


# ---------------------------------------------------------------------------------------------------------------------
# Exact counters

_SEGMENTS: Final = ("result", "data_segments")
_STALLS: Final = ("result", "stalls", "count")
# Stalls that a busy machine makes: a last segment that is sent again because its ACK came late, and a receiver that got
# no CPU. They say nothing about what is compared, however exact the rest is.
_BY_CHANCE: Final = ("retransmission", "reader_late")


def counted(document: Mapping[str, Any], path: Sequence[str]) -> Value:
    """The value of an exact field, without what chance adds to it: segments sent again, and stalls of the machine."""
    value: Value = follow(document, path)
    if tuple(path) == _SEGMENTS:
        return COUNTERS["data_segments"].read(document)
    if tuple(path) == _STALLS and isinstance(value, int):
        each = (follow(document, ("result", "stalls", "by_mechanism", name)) for name in _BY_CHANCE)
        return value - sum(int(number or 0) for number in each)
    return value


def counter_words(path: Sequence[str]) -> str:
    """The name of an exact field: writes; stalls; stalls held by Nagle until a delayed ACK; nodelay of the sender."""
    if path[0] == "setting":
        return f"{path[-1]} of the {path[2]}{', at the end' if path[3] == 'end' else ''}"
    if tuple(path) == _SEGMENTS:
        return "data segments but those sent again"
    if "by_mechanism" in path:
        return f"stalls {dict(MECHANISMS)[path[-1]]}"
    return path[1].replace("_", " ")


def _exact(cell: str, base: Points, new: Points) -> Iterator[Exact]:
    if not base or not new:
        return
    for path, field in schema.exact_fields():
        if path[-1] in _BY_CHANCE:
            continue
        if all(schema.exact_in(point.trial.document, path, str(field.exact)) for point in (*base, *new)):
            one, other = (tuple(counted(point.trial.document, path) for point in side) for side in (base, new))
            if any(value is not None for value in (*one, *other)):
                yield _lost(judge(cell, path, field, one, other), path, new)


def _lost(one: Exact, path: Sequence[str], new: Points) -> Exact:
    """The same, and that TCP_NODELAY was lost where it was asked for and Nagle's algorithm stalls."""
    held = one.verdict == "changed" and path[-1] == "nagle_delayed_ack"
    more = held and int(one.new[-1] or 0) > int(one.base[-1] or 0)
    if not more or not all(_asked_for_nodelay(point.trial.document) for point in new):
        return one
    return dataclasses.replace(one, sentence=f"{one.sentence.removesuffix('.')}: {LOST}.", mechanism=LOST)


def _asked_for_nodelay(document: Mapping[str, Any]) -> bool:
    return follow(document, ("setting", "requested", "sender", "nodelay")) in (True, "on")


def judge(cell: str, path: Sequence[str], field: Field, base: Sequence[Value], new: Sequence[Value]) -> Exact:
    """What the values of an exact field in the trials of one cell say. base and new: one value a trial, at least one.

    The two runs have changed it when they have no value in common and their ranges do not meet; where trials of one run
    differ and the ranges meet, it varies, and nothing can be said. A busy machine may add stalls, and take none away,
    so of those the fewest count.
    """
    one, other = (tuple(sorted(set(side), key=lambda value: (value is None, str(type(value)), value)))
                  for side in (base, new))
    name = counter_words(path)
    both = f"{name} was {values_text(one)} and is {values_text(other)}"
    if None in (*one, *other):
        return Exact(cell, name, one, other, "missing", f"{cell}: {both}, so it cannot be compared.", "")
    if one[0] == other[0] and ("stalls" in path or len(one) == len(other) == 1):
        return Exact(cell, name, one, other, "same", f"{cell}: {name} is {values_text(one[:1])} in both.", "")
    if _apart(one, other):
        why = _why(path, field, one, other)
        return Exact(cell, name, one, other, "changed", f"{cell}: {both}{': ' if why else ''}{why}.", why)
    return Exact(cell, name, one, other, "varies", f"{cell}: {both}; it should have one value in all trials, so "
                 "something disturbed them. Run both again when the machine is quiet.", "")


def told(one: Exact) -> str:
    """The counter and its values, as words that may be the same in several cells."""
    return f"{one.counter} was {values_text(one.base)} and is {values_text(one.new)}"


def values_text(found: Sequence[Value]) -> str:
    numbers = [value for value in found if isinstance(value, int) and not isinstance(value, bool)]
    if len(found) > 2 and len(numbers) == len(found):
        return f"{min(numbers)} to {max(numbers)}"
    return " or ".join("unknown" if value is None else "on" if value is True else "off" if value is False
                       else str(value) for value in found)


def _apart(base: Sequence[Value], new: Sequence[Value]) -> bool:
    """Do the two runs have nothing in common? Of numbers: is all of one above all of the other?"""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in (*base, *new)):
        one, other = ([int(value) for value in side if value is not None] for side in (base, new))
        return max(one) < min(other) or max(other) < min(one)
    return not set(base) & set(new)


def _why(path: Sequence[str], field: Field, base: Sequence[Value], new: Sequence[Value]) -> str:
    if path[0] == "setting":
        return field.meaning
    if path[-1] == "count":
        return "each stall lasts as long as a timer of the kernel, 40 ms and more"
    known = COUNTERS.get(path[-1])
    if known is None:
        return ""
    most = [max(int(value or 0) for value in side) for side in (base, new)]
    return known.more if most[1] > most[0] else known.fewer


# ---------------------------------------------------------------------------------------------------------------------
# What goes with a change of a timing

CLEAR: Final = 1.1  # a counter that goes with a timing differs by at least so much, and in all trials
WORTH: Final = 1.02  # a timing that differs by less has nothing that could explain it


def _share_blocked(document: Mapping[str, Any]) -> float | None:
    result = document["result"]
    blocked, elapsed = result["write_blocked_ns"], result["elapsed_ns"]
    return None if blocked is None or not elapsed else blocked / elapsed


def _stalls(document: Mapping[str, Any]) -> float | None:
    result = document["result"]
    return None if not result["stalls"] or result["stalls"]["count"] is None or not result["messages"] else (
        result["stalls"]["count"] / result["messages"])


@dataclass(frozen=True, slots=True)
class _Sign:
    """What may explain a timing. more and less: the two ways; least: the smallest change that is worth a word."""

    more: str
    less: str
    read: Callable[[Mapping[str, Any]], float | None]
    text: Callable[[float], str]
    unit: str
    least: float = 0.0


_SIGNS: Final = (
    _Sign("more exchanges stall", "fewer exchanges stall", _stalls, percent_text, "of them", 0.01),
    _Sign("more segments", "fewer segments", remedy.SEGMENTS.compute, count_text, "{}"),
    _Sign("more time blocked in write()", "less time blocked in write()", _share_blocked, percent_text, "of the time",
          0.05),
    _Sign("more CPU time", "less CPU time", remedy.CPU.compute, time_text, "{}"))
_EACH: Final = {"transfer": "a chunk", "exchange": "an exchange", "stream": "a message"}


def _mechanism(timed: Timed, base: Points, new: Points) -> tuple[str, ...]:
    """The counters that go the way of the timing: all trials of one run are above all of the other."""
    if timed.ratio is None or 1 / WORTH < timed.ratio < WORTH:
        return ()
    each = _EACH[str(base[0].row.workload)]
    found = []
    for sign in _SIGNS:
        one, other = ([value for value in (sign.read(point.trial.document) for point in side) if value is not None]
                      for side in (base, new))
        if one and other and _goes_with(timed.ratio > 1, one, other, sign.least):
            found.append(f"{sign.more if timed.ratio > 1 else sign.less}: {sign.text(median(other))} "
                         f"{sign.unit.format(each)} in place of {sign.text(median(one))}")
    return tuple(found)


def _goes_with(up: bool, base: Sequence[float], new: Sequence[float], least: float) -> bool:
    low, high = (base, new) if up else (new, base)
    return min(high) > max(low) and median(high) >= CLEAR * median(low) and median(high) - median(low) >= least


def cleaned(run: Run) -> tuple[Run, int]:
    """The same run with null for every number that is none, and how many there were."""
    trials, count = [], 0
    for trial in run.trials:
        document, some = without_nan(trial.document)
        count += some
        trials.append(dataclasses.replace(trial, document=document))
    return dataclasses.replace(run, trials=tuple(trials)), count
