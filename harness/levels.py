"""Answers about any other factor: its levels against the one that is most often the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.effect import Effect, compare, typical
from harness.grouping import by_nodelay, by_size, cell_name, level_text, split
from harness.panels import GOODPUT, Point, Points, factor_head, factor_text
from harness.phrases import joined, number_text, range_text, rate_text, times_text
from harness.sentences import Answer, modes_sentence, nodelay_sentence, segments_sentence

APART: Final = 1.25


def about_levels(points: Points, factors: Sequence[str]) -> Answer:
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
    return Answer.of(head, reasons, details)


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
    extent = range_text(rates, rate_text)
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
