"""Answers about exchanges, request by request: should TCP_NODELAY be set, and what else would end a stall?

As everywhere in an answer every word follows from the trials, by the rule of effect.py for what is clear. One more
thing counts as clear: where at least half of the exchanges of every trial stall with one setting and none does with the
other, since stalls are counted and not estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from harness.effect import Effect, compare, values
from harness.load import seconds
from harness.observer import stamped
from harness.panels import Derived, Point, Points
from harness.parts import Bar, Line, bars, lines, middle_bar
from harness.pattern import remedies
from harness.phrases import count_text, joined, percent_text, range_text, time_text
from harness.remedy import CALLS, CPU, SEGMENTS
from harness.sentences import Answer
from harness.stalls import MECHANISMS, STALLED, mechanisms, stall_share
from harness.stats import modes


def _latency(document: Mapping[str, Any]) -> float | None:
    """Seconds of the median exchange or message; of a trial too short for that, of those after its first one."""
    whole = seconds("latency_ns", "p50")(document)
    first = (document["result"].get("first_exchanges_ns") or [])[1:]
    return whole if whole is not None or not first else median(first) / 1e9


LATENCY: Final = Derived("latency", "", "s", _latency)


@dataclass(frozen=True, slots=True)
class Case:
    """One request, sent in one way, with NODELAY on and off. verdict: stall, lower, higher, unclear, few or modes.

    The last five are about the latency with NODELAY on against that with it off; stall: it ends the stalls.
    """

    name: str
    on: tuple[Point, ...]
    off: tuple[Point, ...]
    effect: Effect | None

    @property
    def verdict(self) -> str:
        shares = [[share for share in map(stall_share, side) if share is not None] for side in (self.on, self.off)]
        if all(shares) and min(shares[1]) >= STALLED and max(shares[0]) == 0:
            return "stall"
        return "modes" if self.effect is None else self.effect.verdict


def cases(points: Points) -> list[Case]:
    """Every request, and way of sending it, that was tried with NODELAY on and with it off."""
    groups: dict[str, tuple[list[Point], list[Point]]] = {}
    for line in lines(points):
        for point in line.points:
            way = remedies(point.trial.document, nodelay=False)
            name = f"{line.heading} ({way})" if way else line.heading
            groups.setdefault(name, ([], []))[point.row.nodelay != "on"].append(point)
    return [Case(name, tuple(on), tuple(off), compare(on, off, LATENCY, lambda point: ""))
            for name, (on, off) in groups.items() if on and off]


def _latencies(points: Points) -> str:
    groups = modes(values(points, LATENCY))
    return " or ".join(time_text(median(group)) for group in groups) if groups else "an unknown time"


def _on(case: Case) -> Sequence[Point]:
    return case.on


def _off(case: Case) -> Sequence[Point]:
    return case.off


def case_sentence(case: Case) -> str:
    """What NODELAY does to one request, with numbers and mechanism."""
    on, off = _latencies(case.on), _latencies(case.off)
    told = f"{case.name}: the median exchange takes {off} with Nagle's algorithm and {on} with NODELAY"
    shares = [share for share in map(stall_share, case.off) if share is not None]
    chief = next(iter(mechanisms(case.off)), None)
    if shares and max(shares) > 0 and chief is not None:
        told += (f". {range_text(shares, percent_text)} of the exchanges of a trial stall with Nagle's algorithm: "
                 f"{MECHANISMS.get(chief, chief)}")
        left = [share for share in map(stall_share, case.on) if share is not None]
        if left:
            told += ("; with NODELAY none of them does" if max(left) == 0 else
                     f"; with NODELAY {range_text(left, percent_text)} do")
    else:
        extra = {"lower": " (clearly less)", "higher": " (clearly more)", "unclear": " (no clear difference)",
                 "few": " (too few trials to tell)", "modes": " (two modes, so that they cannot be compared)"}
        told += extra.get(case.verdict, "") + (", and nothing stalls" if shares else "")
    return told + "."


def _bracketed(name: str) -> str:
    """100 + 400 B, reply 1 B, MSS not set: what follows the first comma, in brackets; for lists."""
    first, _, rest = name.partition(", ")
    return f"{first} ({rest})" if rest else first


def verdict_sentences(found: Sequence[Case]) -> list[str]:
    """Should TCP_NODELAY be set? A sentence a verdict, the strongest first."""
    texts = (
        ("stall", "Yes, set TCP_NODELAY, or use another remedy, for {}: it ends a stall in which {}. The median "
                  "exchange takes {} with Nagle's algorithm and {} with NODELAY."),
        ("lower", "Yes, TCP_NODELAY shortens the exchange for {} ({} with Nagle's algorithm, {} with NODELAY)."),
        ("higher", "No, TCP_NODELAY lengthens the exchange for {} ({} with Nagle's algorithm, {} with NODELAY)."),
        ("unclear", "It does not matter for {}: no clear difference between {} with Nagle's algorithm and {} with "
                    "NODELAY."),
        ("few", "For {} there are too few trials to tell ({} with Nagle's algorithm, {} with NODELAY); more blocks "
                "would."),
        ("modes", "For {} the trials fall into two modes, so that there is no one answer ({} with Nagle's algorithm, "
                  "{} with NODELAY)."))
    told = []
    for verdict, text in texts:
        group = [case for case in found if case.verdict == verdict]
        if not group:
            continue
        names = f"requests of {joined([_bracketed(case.name) for case in group])}"
        on, off = ([point for case in group for point in side(case)] for side in (_on, _off))
        sides = [range_text(values(side, LATENCY), time_text) for side in (off, on)]
        if verdict == "stall":
            chief = next(iter(mechanisms(off)), "unknown")
            told.append(text.format(names, MECHANISMS.get(chief, chief), *sides))
        else:
            told.append(text.format(names, *sides))
    return told


def remedy_sentences(points: Points) -> list[str]:
    """For every request that Nagle's algorithm stalls: which settings end the stall, and which of them is fastest."""
    told = []
    for heading, group in split_lines(points).items():
        stalled = {line.label: [share for share in map(stall_share, line.points) if share is not None]
                   for line in group}
        free = [line for line in group if stalled[line.label] and max(stalled[line.label]) == 0]
        stuck = [line.label for line in group if stalled[line.label] and min(stalled[line.label]) >= STALLED]
        ranked = sorted((median(values(line.points, LATENCY)), line.label, line) for line in free
                        if values(line.points, LATENCY))
        if not stuck or len(ranked) < 2:
            continue
        best, worst = ranked[0][2], ranked[-1][2]
        effect = compare(worst.points, best.points, LATENCY, lambda point: "")
        clear = effect is not None and effect.verdict == "higher"
        told.append(
            f"{heading}: {joined(stuck)} stalls; {joined([line.label for line in free])} do not. "
            + (f"The fastest of these is {_cost(best)}, the slowest {_cost(worst)}." if clear else
               f"Between these there is no clear difference in latency: the medians reach from {_cost(best)} to "
               f"{_cost(worst)}."))
    return told


def split_lines(points: Points) -> dict[str, list[Line]]:
    """The rows of the charts by what they sent."""
    found: dict[str, list[Line]] = {}
    for line in lines(points):
        found.setdefault(line.heading, []).append(line)
    return found


def _cost(line: Line) -> str:
    parts = [f"{_latencies(line.points)}"]
    for measure, what in ((SEGMENTS, "segment"), (CALLS, "call")):
        found = values(line.points, measure)
        if found:
            count = count_text(median(found))
            parts.append(f"{count} {what}{'' if count == '1' else 's'}")
    cpu = values(line.points, CPU)
    if cpu:
        parts.append(f"{time_text(median(cpu))} of CPU time")
    return f"{line.label} ({', '.join(parts)} an exchange)"


def split_sentence(points: Points) -> str:
    """Where the time of the longest hold went; or that the kernel gave no timestamps."""
    asked = [point for point in points if stamped(point)]
    if not asked:
        return "No kernel timestamps were asked for, so the trials do not show where the time went."
    lost = [point for point in asked if not bars(point.trial.document["result"].get("split"))]
    told = (f"The kernel gave no timestamps in {len(lost)} of {len(asked)} trials: where their time went is not known."
            if lost else "")
    if len(lost) == len(asked):
        return told
    held: dict[str, list[Bar]] = {}
    for line in lines(asked):
        for point in line.points:
            for bar in bars(point.trial.document["result"].get("split")):
                if bar.held:
                    held.setdefault(f"{line.heading}, {line.label}", []).append(bar)
    if not held:
        return f"{told} The kernel's timestamps show no write that was held back.".strip()
    typical = {name: middle_bar(found) for name, found in held.items()}
    name = max(typical, key=lambda name: typical[name].parts[1])
    hold, whole = typical[name].parts[1] / 1e9, sum(typical[name].parts) / 1e9
    share = "nearly all of that" if hold / whole >= 0.995 else f"{percent_text(hold / whole)} of that"
    return (f"{told} The kernel's timestamps show where the time goes. {name}: a write that is held takes "
            f"{time_text(whole)} to its read(), and {share} ({time_text(hold)}) it lies in the sender's TCP, written "
            "and not sent.").strip()


def about_exchanges(points: Points) -> Answer:
    """Should TCP_NODELAY be set for these patterns, and what else ends their stalls?"""
    found = cases(points)
    told = verdict_sentences(found)
    rest = remedy_sentences(points)
    if not told:
        told = rest or [f"{line.label}, {line.heading}: the median exchange takes {_latencies(line.points)}."
                        for line in lines(points)]
        rest = [] if told == rest else rest
    return Answer(tuple(told), tuple(filter(None, (split_sentence(points), *rest))),
                  tuple(map(case_sentence, found)))
