"""Answers about streams: which messages are held back, and what waits in the send buffer."""

from __future__ import annotations

from statistics import median

from harness.effect import compare, values
from harness.grouping import split
from harness.load import HOLD, QUEUE
from harness.panels import Point, Points, sndbuf_level
from harness.parts import lines
from harness.phrases import joined, time_text
from harness.sentences import Answer


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
