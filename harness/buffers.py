"""Answers about the send buffer: what its size does to goodput, and what a large one costs in latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from harness.effect import EFFECT, Effect, compare, typical
from harness.grouping import buffer_context, by_buffer, by_nodelay, by_size
from harness.panels import GOODPUT, Measure, Point, Points
from harness.phrases import joined, number_text, percent_text, range_text, rate_text, time_text, times_text
from harness.sentences import (LATENCY, NEAR_BEST, Answer, delayed_ack_sentence, modes_sentence, nodelay_sentence,
                               segments_sentence)

IN_FLIGHT: Final = Measure("in_flight_p50_s")


def blocked_share(points: Points) -> float | None:
    """Typical share of the transfer that the sender was asleep inside write(); None where that is not known."""
    shares = [point.row.write_blocked_s / point.row.elapsed_s for point in points
              if point.row.write_blocked_s is not None and point.row.elapsed_s]
    return median(shares) if shares else None


@dataclass(frozen=True, slots=True)
class _Rise:
    """What the size of the buffer does to one write size: from the smallest buffer to the one with the best median."""

    name: str
    smallest: str
    best: str
    low: float
    high: float
    effect: Effect
    enough: str
    points: dict[str, list[Point]]
    nodelay: Effect | None

    @property
    def rises(self) -> bool:
        return self.effect.verdict == "higher"


def _rise(name: str, points: Points) -> _Rise | None:
    """With NODELAY off, where that was tried. None where the trials are too few or have two modes."""
    cells = dict(by_buffer(by_nodelay(points)[1] or points))
    sizes = [(buffer, middle) for buffer, group in cells.items() if buffer != "auto"
             for middle in [typical(group, GOODPUT)] if middle is not None]
    if len(sizes) < 2:
        return None
    smallest, low = sizes[0]
    best, high = max(sizes, key=lambda item: item[1])
    effect = compare(cells[best], cells[smallest], GOODPUT, lambda point: "")
    poor = [index for index, (_, middle) in enumerate(sizes) if middle < NEAR_BEST * high]
    enough = sizes[poor[-1] + 1][0] if poor and poor[-1] + 1 < len(sizes) else best if poor else smallest
    nodelay = compare(*by_nodelay(points), GOODPUT, buffer_context)
    return None if effect is None else _Rise(name, smallest, best, low, high, effect, enough, cells, nodelay)


def _off(points: Points) -> str:
    """Which half of the trials a sentence is about, where NODELAY varies."""
    return " and NODELAY off" if all(by_nodelay(points)) else ""


def _buffer_sentences(points: Points) -> tuple[list[str], list[str], list[str]]:
    """What the size of the buffer does to goodput: the headline, reasons, and a sentence for each write size."""
    found = [_rise(name, group) for name, group in by_size(points)]
    rises = [rise for rise in found if rise is not None]
    head, reasons = "", []
    strong = max((rise for rise in rises if rise.rises), key=lambda rise: rise.high / rise.low, default=None)
    weak = [rise.name for rise in rises if not rise.rises]
    if strong is not None:
        head = (
            f"A send buffer that is too small slows the sender: with writes of {strong.name}{_off(points)} goodput "
            f"rises from {rate_text(strong.low)} at an effective SO_SNDBUF of {strong.smallest} to "
            f"{rate_text(strong.high)} at {strong.best} ({times_text(strong.high / strong.low)}), and from "
            f"{strong.enough} on it stays within 20 % of that best.")
        asleep = blocked_share(strong.points[strong.smallest]), blocked_share(strong.points[strong.best])
        if asleep[0] is not None and asleep[1] is not None and asleep[0] - asleep[1] >= 0.2:
            reasons.append(
                f"The time inside write() shows it: the sender is asleep there for {percent_text(asleep[0])} "
                f"of the transfer at {strong.smallest}, and for {percent_text(asleep[1])} at {strong.best}.")
    if weak:
        none = f"ith writes of {joined(weak)} SO_SNDBUF makes no clear difference to goodput."
        head = f"{head} W{none}" if head else f"W{none}"
    details = [_case_sentence(rise) for rise in rises]
    return [head, _auto_sentence(rises)], reasons, details


def _auto_sentence(rises: Sequence[_Rise]) -> str:
    """What the kernel makes of SO_SNDBUF when it is left alone, against the best size that was tried."""
    ratios = [(auto / rise.high, rise.name) for rise in rises
              for auto in [typical(rise.points.get("auto", []), GOODPUT)] if auto is not None]
    if not ratios:
        return ""
    (low, at_low), (high, _) = min(ratios), max(ratios)
    extent = range_text((low, high), number_text)
    if low >= 1 / EFFECT:
        return f"Left to the kernel (auto), goodput is as high as with the best size tried ({extent} times)."
    return (f"Left to the kernel (auto), goodput is {extent} times what the best size tried gives, lowest with writes "
            f"of {at_low}.")


def _case_sentence(rise: _Rise) -> str:
    """One write size: what NODELAY off gives, and what NODELAY on makes of it."""
    told = (f"Writes of {rise.name}: {rate_text(rise.low)} at {rise.smallest}, at best {rate_text(rise.high)} at "
            f"{rise.best}")
    if rise.enough == rise.smallest:
        told += ", and nowhere more than 20 % below that"
    else:
        told += f"; {rise.enough} is the smallest SO_SNDBUF from which it stays within 20 % of that"
    auto = typical(rise.points.get("auto", []), GOODPUT)
    told += f"; auto gives {rate_text(auto)}." if auto is not None else "."
    effect = rise.nodelay
    if effect is not None and len(effect.ratios) > 1:
        (low, at_low), (high, at_high) = effect.ratios[0], effect.ratios[-1]
        told += (f" That was with NODELAY off; on gives {number_text(low)} ({at_low}) to {times_text(high)} "
                 f"({at_high}) as much.")
    return told


def _latency_sentence(points: Points) -> str:
    """What a large buffer does to the latency of a chunk, for the write size where it does most."""
    found = []
    for name, group in by_size(points):
        cells = [(buffer, cell) for buffer, cell in by_buffer(by_nodelay(group)[1] or group) if buffer != "auto"]
        if len(cells) < 2:
            continue
        (small, first), (large, last) = cells[0], cells[-1]
        effect = compare(last, first, LATENCY, lambda point: "")
        if effect is not None and effect.verdict in ("higher", "lower"):
            found.append((effect.ratio, name, small, large, first, last))
    if not found:
        return "The latency of the median chunk shows no clear change between the smallest and the largest SO_SNDBUF."
    ratio, name, small, large, first, last = max(found, key=lambda item: item[0])
    before, after = typical(first, LATENCY), typical(last, LATENCY)
    waiting = typical(last, IN_FLIGHT)
    if before is None or after is None:
        return ""
    if ratio < 1:
        return (f"A larger buffer does not cost latency here: with writes of {name}{_off(points)} the median chunk "
                f"takes {time_text(before)} at {small} and {time_text(after)} at {large}.")
    told = (f"A large buffer has its price in latency: with writes of {name}{_off(points)} the median chunk takes "
            f"{time_text(before)} at {small} and {time_text(after)} at {large} ({times_text(ratio)})")
    if waiting is not None and waiting > after / 2:
        told += f", {time_text(waiting)} of it in flight: waiting in the buffers after write() has returned"
    return told + "."


def about_buffers(points: Points, factors: Sequence[str]) -> Answer:
    """What the send buffer does, write size by write size, and NODELAY with it. factors: those that really vary."""
    head, reasons, details = _buffer_sentences(points)
    sizes = by_size(points)
    nodelay = ""
    if all(by_nodelay(points)):
        cases = [(name, compare(*by_nodelay(group), GOODPUT, buffer_context)) for name, group in sizes]
        nodelay = nodelay_sentence(cases, "goodput")
    reasons += [segments_sentence(sizes), delayed_ack_sentence(points), modes_sentence(points, factors)]
    return Answer.of([*head, nodelay, _latency_sentence(points)], reasons, details)
