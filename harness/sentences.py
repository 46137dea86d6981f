"""What an answer is, and the sentences that several answers use: NODELAY, segments, modes, delayed ACKs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from harness.effect import Effect, compare, values
from harness.grouping import by_buffer, by_nodelay, by_size, cell_name, split
from harness.panels import GOODPUT, SEGMENT, Measure, Points, sndbuf_level
from harness.phrases import bytes_text, joined, number_text, rate_text, time_text, times_text
from harness.stats import modes

Case = tuple[str, Effect | None]

SHOWN_MODES: Final = 3
DELAYED_ACK_S: Final = (0.038, 0.052)
NEAR_BEST: Final = 0.8

LATENCY: Final = Measure("latency_p50_s")
LATE: Final = Measure("latency_p99_s")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a report says of a run: sentences.

    headline answers the question; reasons say what the counters show of the mechanism, and where the answer does not
    hold; details go through the cases, one sentence each.
    """

    headline: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @classmethod
    def of(cls, headline: Sequence[str], reasons: Sequence[str] = (), details: Sequence[str] = ()) -> Answer:
        """The sentences without the empty ones."""
        return cls(*(tuple(filter(None, sentences)) for sentences in (headline, reasons, details)))


def nodelay_sentence(cases: Sequence[Case], what: str) -> str:
    """What NODELAY does to `what`, by write size.

    cases: the write sizes, ascending, each with NODELAY on against off.
    """
    runs: list[tuple[str, list[tuple[str, Effect]]]] = []
    for name, effect in cases:
        if effect is not None:
            kind = "both" if _both(effect) else effect.verdict
            if not runs or runs[-1][0] != kind or kind == "both":
                runs.append((kind, []))
            runs[-1][1].append((name, effect))
    texts = (("lower", f"lowers {what} with writes of {{}}"), ("higher", f"raises {what} with writes of {{}}"),
             ("both", f"does both to {what}, depending on SO_SNDBUF, with writes of {{}}"),
             ("unclear", f"makes no clear difference to {what} with writes of {{}}"),
             ("few", f"was tried too few times to tell about {what} with writes of {{}}"))
    parts = [text.format(joined([_run_text(run) for kind, run in runs if kind == wanted])) for wanted, text in texts
             if any(kind == wanted for kind, _ in runs)]
    told = "; it ".join(parts).replace("times)", f"times {'what it is' if parts[1:] else 'that'} with NODELAY off)", 1)
    return f"NODELAY on (Nagle off) {told}." if parts else ""


def _both(effect: Effect) -> bool:
    """True where the effect has no one direction: half or less in one context, twice or more in another."""
    return effect.verdict == "unclear" and effect.ratios[0][0] <= 0.5 and effect.ratios[-1][0] >= 2


def _run_text(run: Sequence[tuple[str, Effect]]) -> str:
    """Neighbouring write sizes and their ratios: 100 B to 1448 B (0.23 to 0.5 times)."""
    names = run[0][0] if len(run) == 1 else f"{run[0][0]} to {run[-1][0]}"
    ratios = [effect.ratio for _, effect in run]
    if len(run) == 1 and _both(run[0][1]):
        (low, at_low), (high, at_high) = run[0][1].ratios[0], run[0][1].ratios[-1]
        return f"{names} ({times_text(low)} at {at_low}, {times_text(high)} at {at_high})"
    low_text, high_text = number_text(min(ratios)), number_text(max(ratios))
    return f"{names} ({low_text} times)" if low_text == high_text else f"{names} ({low_text} to {high_text} times)"


def segments_sentence(cases: Sequence[tuple[str, Points]]) -> str:
    """Why NODELAY changes goodput: the case in which it changes the size of a segment most; "" where it does not."""
    found = []
    for name, points in cases:
        on, off = by_nodelay(points)
        effect = compare(on, off, SEGMENT, lambda point: (sndbuf_level(point) or ("",))[0])
        if effect is not None and effect.verdict in ("higher", "lower"):
            goodput = compare(on, off, GOODPUT, lambda point: (sndbuf_level(point) or ("",))[0])
            clear = goodput is not None and goodput.verdict in ("higher", "lower")
            found.append((max(effect.ratio, 1 / effect.ratio), name, median(values(on, SEGMENT)),
                          median(values(off, SEGMENT)), clear))
    if not found or max(found)[0] < 1.5:
        return ""
    _, name, carried_on, carried_off, clear = max(found)
    more = carried_off / carried_on
    return (f"{'The segments show it' if clear else 'The segments differ, though'}: with writes of {name} a segment "
            f"carries {bytes_text(carried_on)} with NODELAY on and {bytes_text(carried_off)} with it off, so the same "
            f"bytes take {times_text(more)} as many segments.")


def modes_sentence(points: Points, factors: Sequence[str]) -> str:
    """The cells whose goodput has two modes; "" where there is none."""
    cells = split(points, lambda point: cell_name(point, factors))
    found = [(name, modes(values(group, GOODPUT))) for name, group in cells.items()]
    double = [(name, groups) for name, groups in found if len(groups) == 2]
    if not double:
        return ""
    double.sort(key=lambda item: median(item[1][0]) / median(item[1][1]))
    shown = [f"{name} gave {rate_text(median(low))} in {len(low)} trials and {rate_text(median(high))} in {len(high)}"
             for name, (low, high) in double[:SHOWN_MODES]]
    return (f"In {len(double)} of {len(found)} cells the trials fall into two modes, so that the setting alone does "
            f"not decide: {joined(shown)}.")


def delayed_ack_sentence(points: Points) -> str:
    """The write sizes and buffers in which late chunks take as long as a delayed ACK; "" where there are none.

    Linux delays an ACK by 40 ms at least; with timer ticks 44 ms and more are seen (DELAYED_ACK_S).
    """
    told = []
    for size, group in by_size(points):
        middles = {buffer: median(values(cell, LATE) or [0.0]) for buffer, cell in by_buffer(group)}
        late = {buffer: middle for buffer, middle in middles.items() if DELAYED_ACK_S[0] <= middle <= DELAYED_ACK_S[1]}
        if late:
            first, last = list(late)[0], list(late)[-1]
            extent = f"SO_SNDBUF {first}" if first == last else f"{len(late)} sizes of SO_SNDBUF, {first} to {last}"
            told.append(f"writes of {size} (at {extent}: {time_text(median(late.values()))})")
    if not told:
        return ""
    return (f"One chunk in a hundred takes about as long as Linux may hold back an ACK (40 ms) with {joined(told)}. "
            "That is what waiting for a delayed ACK looks like.")
