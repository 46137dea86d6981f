"""Answers about exchanges and streams: should TCP_NODELAY be set for this pattern, and what else would do?

As in answer.py every word follows from the trials, by the same rule for what is clear. One more thing counts as clear:
where at least half of the exchanges of every trial stall with one setting and none does with the other, since stalls
are counted and not estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from harness import answer as answers
from harness.effect import CHANCE, Effect, compare, values
from harness.experiment import Experiment
from harness.grouping import by_nodelay, cell_name, split
from harness.load import HOLD, PIPELINE, QUEUE, seconds
from harness.observer import MEASURES, ratios, stamped
from harness.panels import Derived, Measure, Point, Points, factor_text, sndbuf_level
from harness.parts import Bar, Line, bars, lines, middle_bar
from harness.pattern import remedies
from harness.phrases import joined, number_text, percent_text, time_text, times_text
from harness.remedy import CALLS, CPU, SEGMENTS
from harness.sentences import Answer
from harness.stats import modes, sign_chance

STALLED: Final = 0.5

# What a stall waited for, as it ends a sentence.
MECHANISMS: Final = {
    "nagle_delayed_ack": "Nagle's algorithm holds the later write until the earlier one is acknowledged, and the "
                         "receiver delays that ACK",
    "corked": "the cork holds the last segment until the kernel's time for it is up",
    "send_buffer_full": "write() waits for room in the send buffer",
    "window_closed": "the receiver's window is closed",
    "retransmission": "a segment is sent again",
    "reply_held": "the request arrives in time, and the reply is held at the receiver",
    "reader_late": "the bytes wait for the receiver's read()",
    "unknown": "the kernel's timestamps do not tell for what"}


def _latency(document: Mapping[str, Any]) -> float | None:
    """Seconds of the median exchange or message; of a trial too short for that, of those after its first one."""
    whole = seconds("latency_ns", "p50")(document)
    first = (document["result"].get("first_exchanges_ns") or [])[1:]
    return whole if whole is not None or not first else median(first) / 1e9


LATENCY: Final = Derived("latency", "", "s", _latency)


def stall_share(point: Point) -> float | None:
    """Share of the exchanges or messages of a trial that stalled; None where it was not counted."""
    result = point.trial.document["result"]
    stalls, messages = result.get("stalls"), result.get("messages")
    count = stalls.get("count") if isinstance(stalls, Mapping) else None
    return None if count is None or not messages else float(count) / messages


def mechanisms(points: Points) -> dict[str, int]:
    """How many stalls each mechanism caused, most first; those without any are left out."""
    found: dict[str, int] = {}
    for point in points:
        stalls = point.trial.document["result"].get("stalls")
        for name, count in ((stalls.get("by_mechanism") if isinstance(stalls, Mapping) else None) or {}).items():
            found[name] = found.get(name, 0) + (count or 0)
    return {name: found[name] for name in sorted(found, key=lambda name: -found[name]) if found[name]}


def _range(found: Sequence[float], text: Callable[[float], str]) -> str:
    if not found:
        return "an unknown value"
    return " to ".join(dict.fromkeys(text(value) for value in (min(found), max(found))))


# ---------------------------------------------------------------------------------------------------------------------
# NODELAY, request by request


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
        told += (f". {_range(shares, percent_text)} of the exchanges of a trial stall with Nagle's algorithm: "
                 f"{MECHANISMS.get(chief, chief)}")
        left = [share for share in map(stall_share, case.on) if share is not None]
        if left:
            told += ("; with NODELAY none of them does" if max(left) == 0 else
                     f"; with NODELAY {_range(left, percent_text)} do")
    else:
        extra = {"lower": " (clearly less)", "higher": " (clearly more)", "unclear": " (no clear difference)",
                 "few": " (too few trials to tell)", "modes": " (two modes, so that they cannot be compared)"}
        told += extra.get(case.verdict, "") + (", and nothing stalls" if shares else "")
    return told + "."


def _bracketed(name: str) -> str:
    """100 + 400 B, reply 1 B, MSS not set: what follows the first comma, in brackets; for lists."""
    first, _, rest = name.partition(", ")
    return f"{first} ({rest})" if rest else first


def _count_text(value: float) -> str:
    return f"{value:.3g}"


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
        sides = [_range(values(side, LATENCY), time_text) for side in (off, on)]
        if verdict == "stall":
            chief = next(iter(mechanisms(off)), "unknown")
            told.append(text.format(names, MECHANISMS.get(chief, chief), *sides))
        else:
            told.append(text.format(names, *sides))
    return told


# ---------------------------------------------------------------------------------------------------------------------
# The other remedies, the split


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
            count = _count_text(median(found))
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


# ---------------------------------------------------------------------------------------------------------------------
# Pipelines, holds, queues


def about_pipeline(points: Points) -> Answer:
    """What NODELAY does to exchanges, by how many are outstanding."""
    latency, _, rate, segments = PIPELINE
    head, details = [], []
    by_count = split(sorted(points, key=lambda point: point.row.outstanding or 0),
                     lambda point: None if point.row.outstanding is None else str(point.row.outstanding))
    told: dict[str, list[tuple[str, float]]] = {}
    saved: list[tuple[float, str, float, float]] = []
    for count, group in by_count.items():
        on, off = by_nodelay(group)
        effect = compare(on, off, rate, lambda point: cell_name(point, _others(point)))
        if effect is None or not on or not off:
            continue
        told.setdefault(effect.verdict, []).append((count, effect.ratio))
        parts = [f"{name} {text(median(values(off, measure)))} with Nagle's algorithm and "
                 f"{text(median(values(on, measure)))} with NODELAY" for name, measure, text in (
                     ("the median exchange takes", latency, time_text),
                     ("segments per exchange:", segments, _count_text))
                 if values(on, measure) and values(off, measure)]
        details.append(f"{count} outstanding: NODELAY on gives {times_text(effect.ratio)} the exchanges a second; "
                       f"{'; '.join(parts)}.")
        fewer = compare(on, off, segments, lambda point: cell_name(point, _others(point)))
        if fewer is not None and fewer.verdict == "higher":
            saved.append((fewer.ratio, count, median(values(off, segments)), median(values(on, segments))))
    texts = {"lower": "NODELAY lowers the exchanges a second with {} outstanding ({} times what they are without it).",
             "higher": "NODELAY raises the exchanges a second with {} outstanding ({} times what they are without it).",
             "unclear": "NODELAY makes no clear difference to the exchanges a second with {} outstanding ({} times).",
             "few": "With {} outstanding there are too few trials to tell what NODELAY does ({} times)."}
    for verdict, text in texts.items():
        if verdict in told:
            head.append(text.format(joined([count for count, _ in told[verdict]]),
                                    _range([ratio for _, ratio in told[verdict]], number_text)))
    if saved:
        _, count, carried_off, carried_on = max(saved)
        head.append(f"Nagle's algorithm saves segments: with {count} outstanding an exchange takes "
                    f"{_count_text(carried_off)} of them, with NODELAY {_count_text(carried_on)}.")
    return Answer(tuple(head) or ("NODELAY was not varied, or its trials cannot be compared.",),
                  tuple(filter(None, [_stalls_sentence(points)])), tuple(details))


def _stalls_sentence(points: Points) -> str:
    """How many exchanges stalled, by what, and with which levels alone; "" where none did."""
    texts = []
    for name, number in mechanisms(points).items():
        some = [point for point in points if name in mechanisms([point])]
        shared = [factor_text(factor, level) for factor, level in some[0].trial.levels.items()
                  if {point.trial.levels[factor] for point in some} == {level}
                  and len({point.trial.levels[factor] for point in points}) > 1]
        where = f", always with {joined(shared)}" if shared and len(some) > 1 else ""
        trials = f"{len(some)} trial{'s' if len(some) > 1 else ''}"
        texts.append(f"{number} times {MECHANISMS.get(name, name)} (in {trials}{where})")
    stalled = sum(1 for point in points if stall_share(point))
    return f"Exchanges stalled in {stalled} of {len(points)} trials: {'; '.join(texts)}." if texts else ""


def _others(point: Point) -> list[str]:
    return [name for name in point.trial.levels if name not in ("nodelay", "send-nodelay")]


def about_holds(points: Points) -> Answer:
    """Which messages are held back, and for how long."""
    known = [point for point in points if HOLD[0].of(point) is not None]
    if not known:
        return Answer(("The kernel gave no timestamps, so how long a message was held back is not known.",))
    details = []
    longest: list[tuple[float, str]] = []
    for line in lines(known):
        middle, late = (median(values(line.points, measure)) for measure in HOLD)
        name = f"{line.heading}, {line.label}"
        longest.append((middle, name))
        if middle >= 1e-6 or late >= 1e-4:
            details.append(f"{name}: held {time_text(middle)} at the median, {time_text(late)} for one in a hundred.")
    held = [item for item in longest if item[0] >= 1e-6]
    if not held:
        return Answer((f"None is held: in all {len(longest)} cells the median message leaves before write() returns.",),
                      (), tuple(details))
    hold, name = max(held)
    return Answer((f"The median message is held back in {len(held)} of {len(longest)} cells, longest "
                   f"({time_text(hold)}) with {name}.",), (), tuple(details))


def about_queues(points: Points) -> Answer:
    """What waits in the send buffer: at the highest rate the largest buffer against the smallest, and NOTSENT_LOWAT."""
    planned, _, actual = QUEUE
    details = []
    for name, group in split(sorted(points, key=lambda point: (_lowat(point), _buffer(point))), _queue).items():
        cells = split(sorted(group, key=lambda point: point.row.rate_per_s or 0), _rate)
        both = {rate: (values(cell, planned), values(cell, actual)) for rate, cell in cells.items()}
        told = [f"{time_text(median(plan))} at {rate} (one in a hundred takes more than "
                f"{time_text(median(wrote))} from its write())"
                for rate, (plan, wrote) in both.items() if plan and wrote]
        details.append(f"{name}: from its planned time the median message takes {', '.join(told)}.")
    fast = max((point.row.rate_per_s or 0 for point in points), default=0)
    top = [point for point in points if point.row.rate_per_s == fast]
    head = [f"At {fast:g} messages a second, one in a hundred is read later than this after its write(): "
            + "; ".join(filter(None, [*_by_buffer(top), _by_lowat(top)])) + "."]
    behind = [rate for rate, cell in split(sorted(points, key=lambda point: point.row.rate_per_s or 0), _rate).items()
              if 2 * sum(point.row.kept_schedule is False for point in cell) > len(cell)]
    if behind:
        head.append(f"At {joined(behind)} most trials did not keep their schedule: there a smaller buffer only moves "
                    "the wait, from the buffer to before write(), where the program can see it.")
    if head[0].endswith(": ."):
        head[0] = "There is one buffer only, so there is nothing to compare."
    return Answer(tuple(head), (), tuple(details))


def _after_write(one: Points, other: Points, names: tuple[str, str]) -> str:
    """What waits after write() with one setting, against the other."""
    actual = QUEUE[2]
    effect = compare(one, other, actual, lambda point: "")
    found = [values(side, actual) for side in (one, other)]
    if not all(found) or effect is None:
        return ""
    verdict = {"higher": "clearly more", "lower": "clearly less", "unclear": "no clear difference",
               "few": "too few trials to tell"}[effect.verdict]
    first, last = (time_text(median(side)) for side in found)
    return f"{first} with {names[0]}, {last} with {names[1]} ({verdict})"


def _by_buffer(top: Points) -> list[str]:
    """The largest buffer against the smallest, for each NOTSENT_LOWAT."""
    told = []
    for lowat, group in split(sorted(top, key=_lowat), _lowat).items():
        cells = list(split(sorted(group, key=_buffer), lambda point: (sndbuf_level(point) or ("unknown",))[0]).items())
        if len(cells) > 1:
            (small, first), (large, last) = cells[0], cells[-1]
            behind = f" and NOTSENT_LOWAT {lowat}" if lowat else ""
            told.append(_after_write(last, first, (f"SO_SNDBUF {large}{behind}", f"SO_SNDBUF {small}{behind}")))
    return told


def _by_lowat(top: Points) -> str:
    """NOTSENT_LOWAT against none, in the largest buffer."""
    largest = max(map(_buffer, top), default=0.0)
    sides = split([point for point in top if _buffer(point) == largest], _lowat)
    other = next((lowat for lowat in sides if lowat not in ("", "auto")), None)
    if other is None or "auto" not in sides:
        return ""
    name = f"SO_SNDBUF {(sndbuf_level(sides[other][0]) or ('unknown',))[0]}"
    return _after_write(sides[other], sides["auto"], (f"{name} and NOTSENT_LOWAT {other}", "NOTSENT_LOWAT auto"))


def _buffer(point: Point) -> float:
    level = sndbuf_level(point)
    return float("inf") if level is None or level[1] is None else level[1]


def _lowat(point: Point) -> str:
    return next((level for name, level in point.trial.levels.items() if name.endswith("notsent-lowat")), "")


def _rate(point: Point) -> str | None:
    return None if point.row.rate_per_s is None else f"{point.row.rate_per_s:g} a second"


def _queue(point: Point) -> str | None:
    level = (sndbuf_level(point) or ("unknown",))[0]
    return f"SO_SNDBUF {level}" + (f", NOTSENT_LOWAT {_lowat(point)}" if _lowat(point) else "")


# ---------------------------------------------------------------------------------------------------------------------
# The observer


def observer_sentence(line: Line, measure: Measure, what: str) -> str:
    """What kernel timestamps do to one measure of one setting: the median of the pairs, and how far they reach."""
    found = [ratio for ratio, _ in ratios(line, measure)]
    if not found:
        return ""
    middle = median(found)
    ups = sum((ratio > 1) + (ratio == 1) / 2 for ratio in found)
    clear = sign_chance(ups, len(found)) <= CHANCE
    verb = "raise" if middle > 1 else "lower"
    told = f"{verb} {what} by {abs(middle - 1) * 100:.2g} %" if clear else f"make no clear difference to {what}"
    return f"{told} ({min(found):.2f} to {max(found):.2f} times, {len(found)} pairs)"


def about_observer(points: Points) -> Answer:
    """How much kernel timestamps change what they measure."""
    head = []
    for line in lines(points):
        parts = [observer_sentence(line, measure, what) for measure, what in zip(
            MEASURES, ("the latency of the median exchange", "that of the latest tenth", "the CPU time"), strict=True)]
        if any(parts):
            head.append(f"{line.heading}, {line.label}: kernel timestamps {joined([part for part in parts if part])}.")
    lost = [point for point in points if stamped(point) and not bars(point.trial.document["result"].get("split"))]
    reasons = [f"The kernel gave no timestamps in {len(lost)} trials that asked for them."] if lost else []
    return Answer(tuple(head) or ("There are no pairs of trials with and without kernel timestamps.",), tuple(reasons))


def answer(experiment: Experiment, points: Points) -> Answer:
    """The answer to the question of an experiment of any workload. points: its finished trials."""
    workload = {point.row.workload for point in points}
    if workload not in ({"exchange"}, {"stream"}):
        return answers.answer(experiment, points)
    if len({stamped(point) for point in points}) > 1:
        return about_observer(points)
    if workload == {"stream"}:
        return about_holds(points) if any(map(stamped, points)) else about_queues(points)
    return about_pipeline(points) if len({point.row.outstanding for point in points}) > 1 else about_exchanges(points)
