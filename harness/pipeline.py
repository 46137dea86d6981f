"""Answers about exchanges of which several are outstanding: what NODELAY does by how many there are."""

from __future__ import annotations

from statistics import median

from harness.effect import compare, values
from harness.grouping import by_nodelay, cell_name, split
from harness.load import PIPELINE
from harness.panels import Point, Points, factor_text
from harness.phrases import count_text, joined, number_text, range_text, time_text, times_text
from harness.sentences import Answer
from harness.stalls import MECHANISMS, mechanisms, stall_share


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
                     ("segments per exchange:", segments, count_text))
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
                                    range_text([ratio for _, ratio in told[verdict]], number_text)))
    if saved:
        _, count, carried_off, carried_on = max(saved)
        head.append(f"Nagle's algorithm saves segments: with {count} outstanding an exchange takes "
                    f"{count_text(carried_off)} of them, with NODELAY {count_text(carried_on)}.")
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
