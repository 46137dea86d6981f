"""From the trials of a run to the sentences that answer its question. Every number and every word is computed here.

One rule decides every comparison of two settings, so that it can be said once in the report: a difference is *clear*
when the typical ratio of the medians is at least EFFECT (1.1), and an order of the trials that is as one-sided as
theirs would come by chance in at most CHANCE (1 in 100) of the cases (stats.chance). Cells whose trials fall into two
modes take no part in it: they are named on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from harness.experiment import Experiment
from harness.panels import (GOODPUT, SEGMENT, Measure, Point, Points, factor_head, factor_text, size_text, sndbuf_level,
                            sndbuf_places)
from harness.stats import chance, modes

Case = tuple[str, "Effect | None"]

CHANCE: Final = 0.01
EFFECT: Final = 1.1
APART: Final = 1.25
NEAR_BEST: Final = 0.8
SHOWN_MODES: Final = 3
DELAYED_ACK_S: Final = (0.038, 0.052)

LATENCY: Final = Measure("latency_p50_s")
LATE: Final = Measure("latency_p99_s")
IN_FLIGHT: Final = Measure("in_flight_p50_s")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a report says of a run: sentences.

    headline answers the question; reasons say what the counters show of the mechanism, and where the answer does not
    hold; details go through the cases, one sentence each.
    """

    headline: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


def _answer(headline: Sequence[str], reasons: Sequence[str] = (), details: Sequence[str] = ()) -> Answer:
    """The sentences without the empty ones."""
    return Answer(*(tuple(filter(None, sentences)) for sentences in (headline, reasons, details)))


# ---------------------------------------------------------------------------------------------------------------------
# Numbers as words


def scaled_text(value: float, unit: str) -> str:
    """A value in SI units with three digits: 3.2 GB/s, 41 us."""
    for prefix, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("u", 1e-6)):
        if abs(value) >= scale * 0.9995 and not (unit == "s" and scale > 1):
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value / 1e-9:.3g} n{unit}" if value else f"0 {unit}"


def rate_text(value: float) -> str:
    """Bytes a second."""
    return scaled_text(value, "B/s")


def time_text(value: float) -> str:
    """Seconds."""
    return scaled_text(value, "s")


def number_text(ratio: float) -> str:
    """A ratio with two digits: 0.25, 1.4, 220."""
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2g}"


def times_text(ratio: float) -> str:
    """A ratio: 0.25 times, 1.4 times, 220 times."""
    return f"{number_text(ratio)} times"


def bytes_text(value: float) -> str:
    """A mean number of bytes: 512 B, 18.4 KiB."""
    return f"{value:.0f} B" if value < 10240 else f"{value / 1024:.3g} KiB"


def percent_text(share: float) -> str:
    """A share of 1 as a percentage."""
    return f"{100 * share:.0f} %"


def joined(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# ---------------------------------------------------------------------------------------------------------------------
# Comparing


def values(points: Iterable[Point], measure: Measure) -> list[float]:
    """The measure in each trial that has it."""
    return [value for value in map(measure.of, points) if value is not None]


def typical(points: Iterable[Point], measure: Measure) -> float | None:
    """The median of the trials, None where there is none or where they have two modes."""
    found = modes(values(points, measure))
    return median(found[0]) if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Effect:
    """One setting against another, over the contexts in which both were tried.

    ratio: median over the contexts of median by median. share: of all pairs of trials in one context, those in which
    the first setting is higher (a tie is half). chance: of at least so one-sided an order by chance; least: the
    smallest chance that so many trials could reach. ratios: ratio and name of each context, ascending.
    """

    ratio: float
    share: float
    chance: float
    least: float
    ratios: tuple[tuple[float, str], ...]

    @property
    def verdict(self) -> str:
        """higher, lower, unclear, or few: so few trials that nothing could be clear."""
        if self.least > CHANCE:
            return "few"
        if self.chance <= CHANCE and self.share > 0.5 and self.ratio >= EFFECT:
            return "higher"
        if self.chance <= CHANCE and self.share < 0.5 and self.ratio <= 1 / EFFECT:
            return "lower"
        return "unclear"


def compare(first: Points, second: Points, measure: Measure, context: Callable[[Point], str]) -> Effect | None:
    """The first group against the second, context by context; None where no context has one mode on both sides."""
    groups: dict[str, tuple[list[Point], list[Point]]] = {}
    for side, points in enumerate((first, second)):
        for point in points:
            groups.setdefault(context(point), ([], []))[side].append(point)
    ratios, sides, wins = [], [], 0.0
    for name, (one, other) in groups.items():
        middle = typical(one, measure), typical(other, measure)
        if middle[0] is None or middle[1] is None or middle[1] <= 0:
            continue
        left, right = values(one, measure), values(other, measure)
        ratios.append((middle[0] / middle[1], name))
        sides.append((len(left), len(right)))
        wins += sum((a > b) + (a == b) / 2 for a in left for b in right)
    if not ratios:
        return None
    return Effect(median(ratio for ratio, _ in ratios), wins / sum(a * b for a, b in sides), chance(wins, sides),
                  chance(0, sides), tuple(sorted(ratios)))


def split(points: Points, key: Callable[[Point], str | None]) -> dict[str, list[Point]]:
    """The points by key, in order of appearance; those without a key are left out."""
    found: dict[str, list[Point]] = {}
    for point in points:
        name = key(point)
        if name is not None:
            found.setdefault(name, []).append(point)
    return found


def by_nodelay(points: Points) -> tuple[list[Point], list[Point]]:
    """The points with NODELAY on, and those with it off."""
    found = split(points, lambda point: point.row.nodelay)
    return found.get("on", []), found.get("off", [])


def by_size(points: Points) -> list[tuple[str, list[Point]]]:
    """The points by write size, ascending."""
    known = [point for point in points if point.row.write_size_bytes is not None]
    found = split(sorted(known, key=lambda point: point.row.write_size_bytes or 0),
                  lambda point: size_text(point.row.write_size_bytes or 0))
    return list(found.items())


def by_buffer(points: Points) -> list[tuple[str, list[Point]]]:
    """The points by effective SO_SNDBUF, ascending; auto is the last."""
    places = sndbuf_places(points)
    found = split(points, lambda point: (sndbuf_level(point) or (None,))[0])
    return sorted(found.items(), key=lambda item: places[item[0]])


# ---------------------------------------------------------------------------------------------------------------------
# Sentences that several answers use


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


def level_text(point: Point, factor: str) -> str:
    """The level of a factor in a trial: the effective size for SO_SNDBUF, bytes for the write size."""
    level = sndbuf_level(point)
    if factor in ("sndbuf", "send-sndbuf") and level is not None:
        return level[0]
    if factor == "write-size" and point.row.write_size_bytes is not None:
        return size_text(point.row.write_size_bytes)
    return point.trial.levels[factor]


def cell_name(point: Point, factors: Sequence[str]) -> str:
    """The levels of a trial as words."""
    words = []
    for factor in factors:
        level = level_text(point, factor)
        words.append(factor_text(factor, level))
    return ", ".join(words) or "the only cell"


def blocked_share(points: Points) -> float | None:
    """Typical share of the transfer that the sender was asleep inside write(); None where that is not known."""
    shares = [point.row.write_blocked_s / point.row.elapsed_s for point in points
              if point.row.write_blocked_s is not None and point.row.elapsed_s]
    return median(shares) if shares else None


# ---------------------------------------------------------------------------------------------------------------------
# Answers


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
    nodelay = compare(*by_nodelay(points), GOODPUT, _context)
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
    extent = " to ".join(dict.fromkeys((number_text(low), number_text(high))))
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


def _context(point: Point) -> str:
    return f"SO_SNDBUF {(sndbuf_level(point) or ('unknown',))[0]}"


def _about_buffers(points: Points, factors: Sequence[str]) -> Answer:
    head, reasons, details = _buffer_sentences(points)
    sizes = by_size(points)
    nodelay = ""
    if all(by_nodelay(points)):
        nodelay = nodelay_sentence([(name, compare(*by_nodelay(group), GOODPUT, _context)) for name, group in sizes],
                                   "goodput")
    reasons += [segments_sentence(sizes), delayed_ack_sentence(points), modes_sentence(points, factors)]
    return _answer([*head, nodelay, _latency_sentence(points)], reasons, details)


def _about_write_sizes(points: Points, factors: Sequence[str]) -> Answer:
    sizes = by_size(points)
    base = [(name, by_nodelay(group)[1] or group) for name, group in sizes]
    middles = [(name, middle) for name, group in base for middle in [typical(group, GOODPUT)] if middle is not None]
    head = []
    if len(middles) > 1:
        (first, low), (best, high) = middles[0], max(middles, key=lambda item: item[1])
        effect = compare(dict(base)[best], dict(base)[first], GOODPUT, lambda point: "")
        if effect is not None and effect.verdict == "higher":
            near = next(name for name, middle in middles if middle >= NEAR_BEST * high)
            head.append(f"Goodput grows with the write size, from {rate_text(low)} with writes of {first} to "
                        f"{rate_text(high)} with writes of {best}; {near} is the first to come within 20 % of that.")
        else:
            head.append(f"The write size makes no clear difference to goodput: {rate_text(low)} with writes of "
                        f"{first}, at best {rate_text(high)} with writes of {best}.")
    if all(by_nodelay(points)):
        for measure, what in ((GOODPUT, "goodput"), (LATENCY, "the latency of the median chunk")):
            effects = [(name, compare(*by_nodelay(group), measure, _context)) for name, group in sizes]
            head.append(nodelay_sentence(effects, what))
    return _answer(head, [segments_sentence(sizes), delayed_ack_sentence(points), modes_sentence(points, factors)])


def _about_levels(points: Points, factors: Sequence[str]) -> Answer:
    """Each factor that is neither NODELAY nor the write size: its levels against its fastest one."""
    head: list[str] = []
    reasons: list[str] = []
    details: list[str] = []
    ordered = sorted(points, key=lambda point: point.row.cell)
    for factor in factors:
        if factor in ("nodelay", "send-nodelay", "write-size") and len(factors) > 1:
            continue
        others = [other for other in factors if other != factor]
        groups = split(ordered, lambda point: level_text(point, factor))
        head.append(_levels_sentence(factor, groups, others))
        if "nodelay" in others:
            head += _nodelay_by_level(factor, groups)
            reasons += [_inset(factor, level, segments_sentence(by_size(group))) for level, group in groups.items()]
        details += [_ranking(name, split(group, lambda point: level_text(point, factor)))
                    for name, group in split(ordered, lambda point: cell_name(point, others)).items()]
    reasons.append(modes_sentence(points, factors))
    return _answer(head, reasons, details)


def _inset(factor: str, level: str, sentence: str) -> str:
    """A sentence that holds for one level."""
    return f"{factor_head(factor)} {level}: {sentence}" if sentence else ""


def _nodelay_by_level(factor: str, groups: dict[str, list[Point]]) -> list[str]:
    """What NODELAY does at each level, and for which write sizes that differs."""
    effects = {level: {name: compare(*by_nodelay(cell), GOODPUT, lambda point: "") for name, cell in by_size(group)}
               for level, group in groups.items()}
    found = [_inset(factor, level, nodelay_sentence(list(cases.items()), "goodput"))
             for level, cases in effects.items()]
    sizes = dict.fromkeys(name for cases in effects.values() for name in cases)
    differ = [name for name in sizes if _differ([cases.get(name) for cases in effects.values()])]
    if differ:
        found.append(f"So what NODELAY does depends on the {factor_head(factor)} with writes of {joined(differ)}.")
    return found


def _differ(effects: Sequence[Effect | None]) -> bool:
    """True where effects go different ways, and apart by a quarter or more."""
    known = [effect for effect in effects if effect is not None and effect.verdict != "few"]
    ratios = [effect.ratio for effect in known]
    return len({effect.verdict for effect in known}) > 1 and max(ratios) >= APART * min(ratios)


def _levels_sentence(factor: str, groups: dict[str, list[Point]], others: Sequence[str]) -> str:
    """All the levels of a factor against the one that is the fastest in most contexts."""
    base = _fastest(groups, others)
    effects = {level: compare(group, groups[base], GOODPUT, lambda point: cell_name(point, others))
               for level, group in groups.items() if level != base}
    name = factor_head(factor)
    if not any(effect is not None and effect.verdict in ("lower", "higher") for effect in effects.values()):
        few = all(effect is not None and effect.verdict == "few" for effect in effects.values())
        ratios = [effect.ratio for effect in effects.values() if effect is not None]
        extent = f"; the others reach {number_text(min(ratios))}" if ratios else ""
        if ratios and number_text(min(ratios)) != number_text(max(ratios)):
            extent += f" to {number_text(max(ratios))}"
        verdict = "too few trials to tell" if few else "no clear difference"
        levels = joined([level_words(factor, level) for level in groups])
        return (f"{name[0].upper()}{name[1:]}: {verdict} in goodput between {levels}"
                + (f" ({level_words(factor, base)} is most often the fastest{extent} times that)." if ratios else "."))
    told = "; ".join(_against(level_words(factor, level), effect) for level, effect in effects.items())
    rates = [middle for cell in split(groups[base], lambda point: cell_name(point, others)).values()
             for middle in [typical(cell, GOODPUT)] if middle is not None]
    extent = " to ".join(dict.fromkeys(map(rate_text, (min(rates), max(rates)))))
    return (f"{name[0].upper()}{name[1:]}: most often the fastest is {level_words(factor, base)} ({extent}). "
            f"Against it, {told}.")


def level_words(factor: str, level: str) -> str:
    """A level as it stands in a sentence about its factor."""
    return factor_text(factor, level) if factor == "cpus" else level


def _fastest(groups: dict[str, list[Point]], others: Sequence[str]) -> str:
    """The level with the highest median in most contexts; of equals the first."""
    firsts = dict.fromkeys(groups, 0)
    contexts = split([point for group in groups.values() for point in group], lambda point: cell_name(point, others))
    for name in contexts:
        middles = {level: typical([point for point in group if cell_name(point, others) == name], GOODPUT) or 0.0
                   for level, group in groups.items()}
        firsts[max(middles, key=lambda level: middles[level])] += 1
    return max(firsts, key=lambda level: firsts[level])


def _against(name: str, effect: Effect | None) -> str:
    """One level against the first one of its factor."""
    if effect is None:
        return f"{name} cannot be compared, because there are two modes wherever both were tried"
    (low, at_low), (high, at_high) = effect.ratios[0], effect.ratios[-1]
    extent = times_text(effect.ratio)
    if len(effect.ratios) > 1 and number_text(low) != number_text(high):
        extent += f", from {number_text(low)} [{at_low}] to {number_text(high)} [{at_high}]"
    if effect.verdict == "few":
        return f"{name} was tried too few times to tell ({extent})"
    if effect.verdict == "unclear":
        return f"{name} makes no clear difference ({extent})"
    return f"{name} gives {'more' if effect.verdict == 'higher' else 'less'} goodput ({extent})"


def _ranking(context: str, groups: dict[str, list[Point]]) -> str:
    """The levels of a factor in one context, fastest first."""
    found = sorted(((middle, level) for level, group in groups.items()
                    for middle in [typical(group, GOODPUT)] if middle is not None), reverse=True)
    if len(found) < 2:
        return ""
    ranking = ", ".join(f"{level} {rate_text(rate)}" for rate, level in found)
    return f"{context[0].upper()}{context[1:]}: {ranking}."


def _plain(points: Points) -> Answer:
    found = values(points, GOODPUT)
    latency = typical(points, LATENCY)
    told = f"{len(found)} trials: goodput {rate_text(min(found))} to {rate_text(max(found))}"
    middle = typical(points, GOODPUT)
    told += f", median {rate_text(middle)}" if middle is not None else ", in two modes"
    return Answer((told + (f"; the median chunk takes {time_text(latency)}." if latency is not None else "."),))


def answer(experiment: Experiment, points: Points) -> Answer:
    """The answer to the question of an experiment.

    points: its finished trials. Which sentences there are follows from the factors that really vary; what they say
    follows from the trials. Returns one sentence that says so where no trial finished.
    """
    if not points:
        return Answer(("No trial finished, so there is no answer.",))
    factors = [factor.name for factor in experiment.factors if len({p.level(factor.name) for p in points}) > 1]
    if set(factors) & {"sndbuf", "send-sndbuf"}:
        return _about_buffers(points, factors)
    if "write-size" in factors and set(factors) <= {"write-size", "nodelay", "send-nodelay"}:
        return _about_write_sizes(points, factors)
    return _about_levels(points, factors) if factors else _plain(points)
