"""The timeline of one connection: which byte was written, left, arrived, was read and was acknowledged when.

From the event logs of two trials that differ in NODELAY alone, to the table of plots/timeline.gp: four panels, Nagle
above and NODELAY below, on the left the first exchanges of both on one pair of axes, on the right their first moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.panels import Cell, PanelError, Point, Points, Table
from harness.pattern import mss_text, request_text

EXCHANGES: Final = 3
WRITES: Final = 8
LONG_NS: Final = 1_000_000
NARROW: Final = 0.05
NO_STAMPS: Final = "no kernel timestamps here: what TCP sent when is not known"

# The lines of a timeline, and the kind of event that each comes from.
LINES: Final = (("written", "write"), ("left", "sched"), ("arrived", "arrive"), ("read", "read"), ("acked", "ack"))

# What a hold is called, by the mechanism that the program counted most: who holds, and until when.
MECHANISMS: Final = {
    "nagle_delayed_ack": ("by Nagle", "until a delayed ACK"), "corked": ("by the cork", "until its time is up"),
    "send_buffer_full": ("in write()", "the send buffer was full"), "window_closed": ("", "the window was closed"),
    "retransmission": ("", "until it was sent again"), "reply_held": ("", "the reply was held"),
    "reader_late": ("", "until read()"), "unknown": ("", "cause unknown")}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an event log. Times in ns since the first write; offset in bytes, or the number of an exchange."""

    kind: str
    time_ns: int
    end_ns: int
    offset: int


def read_events(path: Path, connection: int = 0) -> list[Event]:
    """The events of one connection, in order of time.

    path: a file as `tinygram pair --events` writes it. end_ns is time_ns where the log has none. Raises PanelError.
    """
    try:
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
        at = {name: lines[0].index(name) for name in ("connection", "kind", "time_ns", "end_ns", "offset_bytes")}
        events = [Event(line[at["kind"]], int(line[at["time_ns"]]),
                        int(line[at["end_ns"]] or line[at["time_ns"]]), int(line[at["offset_bytes"]]))
                  for line in lines[1:] if int(line[at["connection"]]) == connection]
    except (OSError, ValueError, IndexError) as error:
        raise PanelError(f"{path} is no event log of tinygram ({error}); run the trial again.") from None
    return sorted(events, key=lambda event: (event.time_ns, event.offset))


def chief_stall(point: Point) -> tuple[str, str]:
    """The mechanism that stalled this trial most: who holds, and until when; empty where nothing stalled."""
    stalls = point.trial.document["result"].get("stalls")
    counts = (stalls.get("by_mechanism") if isinstance(stalls, dict) else None) or {}
    most = max(counts, key=lambda name: counts[name] or 0, default="")
    return MECHANISMS.get(most, ("", most)) if most and counts[most] else ("", "")


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two trials, and its events up to the end of what is shown of it."""

    point: Point
    events: list[Event]
    end_ns: int
    end_bytes: int
    done: int
    exchanges: bool

    @property
    def nodelay(self) -> str:
        return self.point.row.nodelay or "none"


def _side(point: Point, events: list[Event]) -> _Side:
    """The first exchanges of a trial, or its first writes where it has none."""
    exchanges = [event for event in events if event.kind == "exchange"][:EXCHANGES]
    writes = [event for event in events if event.kind == "write"]
    if exchanges:
        end = max(event.end_ns for event in exchanges)
        size = max((event.offset for event in writes if event.time_ns <= end), default=0)
        return _Side(point, events, end, size, len(exchanges), True)
    size = writes[:WRITES][-1].offset if writes else 0
    end = next((event.time_ns for event in events if event.kind == "read" and event.offset >= size), 0)
    return _Side(point, events, max(end, writes[:WRITES][-1].end_ns if writes else 0), size, len(writes[:WRITES]),
                 False)


def _pair(points: Points) -> list[Point]:
    """Of the trials that kept events the two that show most: Nagle with the most stalls, and the same with NODELAY."""
    kept = [point for point in points if point.events is not None and point.events.is_file()]
    groups: dict[tuple[tuple[str, str], ...], dict[str, Point]] = {}
    for point in kept:
        rest = tuple((name, level) for name, level in point.trial.levels.items() if not name.endswith("nodelay"))
        groups.setdefault(rest, {}).setdefault(point.row.nodelay or "none", point)

    def stalls(group: dict[str, Point]) -> tuple[int, float]:
        off = group.get("off")
        counted = off.trial.document["result"].get("stalls") if off is not None else None
        return len(group), (counted.get("count") or 0) if isinstance(counted, dict) else 0
    if not groups:
        return []
    best = max(groups.values(), key=stalls)
    return [best[side] for side in ("off", "on", "none") if side in best]


def all_factors(factors: Sequence[str]) -> Sequence[str]:
    """Every factor: the chart chooses what it shows."""
    return factors


def _lines(side: _Side, panel: int, end_ns: int) -> list[tuple[Cell, ...]]:
    """The steps of every line within `end_ns`, and the first one beyond; a blank row after each line."""
    rows: list[tuple[Cell, ...]] = []
    for name, kind in LINES:
        found = [event for event in side.events if event.kind == kind]
        if not found:
            continue
        rows.append((panel, name, 0.0, None, 0, None, None, side.nodelay))
        for event in found:
            rows.append((panel, name, event.time_ns / 1e9, None, event.offset, None, None, side.nodelay))
            if event.time_ns > end_ns:
                break
        rows.append(())
    writes = [event for event in side.events if event.kind == "write"]
    for event in side.events:
        if event.kind == "exchange" and event.end_ns <= end_ns:
            size = max((write.offset for write in writes if write.end_ns <= event.end_ns), default=None)
            rows.append((panel, "reply", event.end_ns / 1e9, None, size, None, None, side.nodelay))
    return rows


def _holds(side: _Side, panel: int, end_ns: int) -> list[tuple[Cell, ...]]:
    """An arrow and its words for every write that was held for long and begins within `end_ns`."""
    left = {event.offset: event.time_ns for event in side.events if event.kind == "sched"}
    if not left:
        left = {event.offset: event.time_ns for event in side.events if event.kind == "read"}
    rows: list[tuple[Cell, ...]] = []
    for event in side.events:
        until = left.get(event.offset)
        if event.kind != "write" or until is None or until - event.end_ns < LONG_NS or event.end_ns > end_ns:
            continue
        who, end = chief_stall(side.point)
        told = f"held {(until - event.end_ns) / 1e6:.1f} ms {who}".strip()
        beyond = until > end_ns * 1.05
        rows.append((panel, "beyond" if beyond else "hold", event.end_ns / 1e9, min(until, end_ns) / 1e9, event.offset,
                     told, f"{end}, beyond this panel".lstrip(", ") if beyond else end, side.nodelay))
    return rows


def timeline(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/timeline.gp; None where no trial kept its events.

    Rows of kind `panel` say how far the axes of a panel go and what it shows; `hold` is an arrow from time_s to end_s
    (`beyond`: it goes on outside the panel).
    """
    sides = [_side(point, read_events(point.events)) for point in _pair(points) if point.events is not None]
    sides = [side for side in sides if side.end_ns > 0]
    if not sides:
        return None
    long = round(max(side.end_ns for side in sides) * 1.04)
    short = round(min(side.end_ns for side in sides) * 1.15)
    top = max(side.end_bytes for side in sides)
    rows: list[tuple[Cell, ...]] = []
    for number, side in enumerate(sides):
        what = f"the first {side.done} {'exchanges' if side.exchanges else 'writes'}"
        took = f"{side.end_ns / 1e6:.3g} ms" if side.end_ns >= LONG_NS else f"{side.end_ns / 1e3:.3g} us"
        document = side.point.trial.document
        request = ", ".join(filter(None, (request_text(document), mss_text(document))))
        for column, end in enumerate((long, short)):
            panel = 2 * number + column + 1
            title = f"{what} take {took}" if column == 0 else "the beginning, enlarged"
            rows.append((panel, "panel", 0.0, end / 1e9, top, title, request, side.nodelay))
            if side.end_ns < end * NARROW:
                rows.append((panel, "narrow", end / 1e9 * NARROW, None, top / 2, "All of it is in this upright line:",
                             "see the panel at the right.", side.nodelay))
            rows += _lines(side, panel, end)
            rows += _holds(side, panel, end)
    stamped = any(event.kind == "sched" for side in sides for event in side.events)
    columns = ("panel", "kind", "time_s", "end_s", "bytes", "words", "more_words", "nodelay")
    if not stamped:
        rows.append((1, "note", 0.0, None, None, NO_STAMPS, None, None))
    return Table(columns, tuple(rows), tuple(side.point for side in sides))
