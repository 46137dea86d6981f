"""The pictures of the lab: tables of plots/lab_*.gp, from the numbers that `tinygram lab --json` has measured.

A picture stands at the entry that it teaches best, and is left out where that entry was not tried or has no points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from harness import chart
from harness.chart import CAPTION_WIDTH, FORMAT, Chart, ChartError
from harness.panels import Cell, Table

Document = Mapping[str, Any]
Entry = Mapping[str, Any]
Numbers = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. entry: where it stands; script: plots/<script>.gp; build: its table, None where it has no numbers;
    also: other entries that it takes numbers from."""

    entry: str
    script: str
    title: str
    how_to_read: str
    build: Callable[[Document], Table | None]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """A time that is told, and where it is measured: entry and fact; told_s: None where no time is told."""

    name: str
    entry: str
    fact: str
    told_s: float | None
    told: str


def entry_of(document: Document, name: str) -> Entry | None:
    """The entry of that name; None where there is none, or it was not tried."""
    return next((entry for entry in document["entries"] if entry["name"] == name and entry["verdict"] != "not tried"),
                None)


def series_of(entry: Entry | None, name: str) -> Numbers:
    """The points of a series that could be had; empty where there are none."""
    found = next((each["points"] for each in (entry or {"series": []})["series"] if each["name"] == name), None)
    return [(x, y) for x, y in found or () if x is not None and y is not None]


def values_of(entry: Entry | None, fact: str) -> tuple[Sequence[float], str | None]:
    """What all attempts found of a fact that is a number, and its unit."""
    for each in (entry or {"evidence": []})["evidence"]:
        if each["name"] == fact:
            return [value for value in each["attempts"] if isinstance(value, int)], each["unit"]
    return [], None


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def stall(document: Document) -> Table | None:
    """A row a look at the connection: what was taken from the writer, sent and read, and the window."""
    entry = entry_of(document, "window")
    lines = [dict(series_of(entry, name)) for name in ("taken from the writer", "sent", "read", "window")]
    room = series_of(entry, "receive buffer")
    if not room or not all(lines):
        return None
    columns = ("time_s", "taken_bytes", "sent_bytes", "read_bytes", "window_bytes", "buffer_bytes")
    return Table(columns, tuple((at / 1e6, *(line.get(at) for line in lines), room[0][1]) for at in lines[0]), ())


def segments(name: str, lines: Sequence[tuple[str, str, str]]) -> Callable[[Document], Table | None]:
    """A row a write: segments sent so far. lines: series, NODELAY off or on, slow or fast acknowledger."""
    def build(document: Document) -> Table | None:
        entry = entry_of(document, name)
        rows: list[tuple[Cell, ...]] = [
            (nodelay, acknowledger, writes, count) for series, nodelay, acknowledger in lines
            for writes, count in series_of(entry, series)]
        return Table(("nodelay", "acknowledger", "writes", "segments"), tuple(rows), ()) if rows else None
    return build


def sizes(document: Document) -> Table | None:
    """A row a request: bytes asked for and read back, a panel an option."""
    rows: list[tuple[Cell, ...]] = []
    for panel, (name, option, limit) in enumerate((("sndbuf-exact", "SO_SNDBUF", "net.core.wmem_max"),
                                                   ("rcvbuf-exact", "SO_RCVBUF", "net.core.rmem_max")), 1):
        entry = entry_of(document, name)
        most = values_of(entry, limit)[0]
        rows += [(panel, option, limit, asked, got, most[0] if most else None)
                 for asked, got in series_of(entry, option)]
    return Table(("panel", "option", "limit", "asked_bytes", "got_bytes", "limit_bytes"), tuple(rows), ()) if rows \
        else None


def slow_reader(document: Document) -> Table | None:
    """A row a look: bytes sent and read so far, a panel a transport."""
    entry = entry_of(document, "slow-reader")
    rows: list[tuple[Cell, ...]] = []
    for panel, transport in enumerate(("UDP", "TCP"), 1):
        read = dict(series_of(entry, f"{transport}, read"))
        rows += [(panel, transport, at / 1e6, sent, read.get(at))
                 for at, sent in series_of(entry, f"{transport}, sent")]
    return Table(("panel", "transport", "time_s", "sent_bytes", "read_bytes"), tuple(rows), ()) if rows else None


def stops(document: Document) -> Table | None:
    """A row a size of the send buffer: how often the sender was stopped."""
    entry = entry_of(document, "bigger-is-better")
    limit = document["machine"]["sysctl"].get("net.core.wmem_max")
    rows: list[tuple[Cell, ...]] = []
    for fact in (entry or {"evidence": []})["evidence"]:
        option, _, asked = fact["name"].partition(" ")
        if option == "SO_SNDBUF" and asked.isdigit() and fact["unit"] == "stops":
            rows += [(int(asked), count, int(limit) if limit else None)
                     for count in fact["attempts"] if isinstance(count, int)]
    return Table(("asked_bytes", "stops", "limit_bytes"), tuple(sorted(rows, key=str)), ()) if rows else None


SECONDS: Final[Mapping[str | None, float]] = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
TIMERS: Final = (
    Timer("a hold by Nagle's algorithm ends after", "write-write-read", "shortest hold", 0.2, "often told: 200 ms"),
    Timer("an ACK is delayed for", "delayed-ack-limit", "acknowledged after", 0.5, "RFC 1122: less than 500 ms"),
    Timer("TCP_CORK holds for", "cork-ceiling", "held by TCP_CORK", 0.2, "tcp(7): 200 ms"),
    Timer("MSG_MORE holds for", "cork-ceiling", "held by MSG_MORE", 0.2, "tcp(7): 200 ms"),
    Timer("data are sent again after", "minimum-rto", "sent again after", 1.0, "RFC 6298: 1 s at least"),
    Timer("TIME_WAIT lasts", "time-wait-fin-timeout", "time left", 240.0, "RFC 9293: 2 MSL, 4 min"),
)


def timers(document: Document) -> Table | None:
    """A row an attempt, and one for what is told, from top to bottom."""
    rows: list[tuple[Cell, ...]] = []
    place = 0
    for timer in TIMERS:
        values, unit = values_of(entry_of(document, timer.entry), timer.fact)
        if not values or unit not in SECONDS:
            continue
        place += 1
        rows.append(("told", place, timer.name, timer.told_s, timer.told))
        rows += [("seen", place, timer.name, value * SECONDS[unit], None) for value in values]
    return Table(("kind", "place", "name", "value_s", "words"), tuple(rows), ()) if rows else None


# ---------------------------------------------------------------------------------------------------------------------
# The list of pictures

PICTURES: Final = (
    Picture("window", "lab_stall", "A reader that sleeps stops the sender", (
        "Time goes to the right. A program writes 6000 bytes every 10 ms (upper line) while the reader sleeps. At "
        "first everything is sent (middle line) and waits, unread, in the receive buffer. Below, the window that the "
        "receiver announces shrinks; when it is 0 nothing more is sent, though write() goes on to take bytes: they "
        "wait in the send buffer (hatched area) until that is full too. The program begins to read (lower line), and "
        "as soon as the kernel has room again, which need not be at the first read, it announces a window (a window "
        "update), and what had waited is sent. While the reader slept, less was sent than the size of the receive "
        "buffer (dotted line), because the kernel's bookkeeping has its share of that."), stall),
    Picture("ten-letters", "lab_segments", "Ten letters typed one at a time: how many segments are sent?", (
        "Each step to the right is one letter written, each step up one segment sent. With Nagle's algorithm and no "
        "acknowledgement under way the first letter leaves and the other nine wait, until at the right the "
        "acknowledgement comes and all nine leave in one segment. With TCP_NODELAY, or where every letter is "
        "acknowledged before the next is typed, each letter is a segment of its own."),
            segments("ten-letters", (("Nagle, slow acknowledger", "off", "slow"),
                                     ("Nagle, fast acknowledger", "off", "fast"),
                                     ("NODELAY, slow acknowledger", "on", "slow")))),
    Picture("nodelay-write-is-segment", "lab_segments", "With TCP_NODELAY, is every write a segment?", (
        "Each step to the right is one write of 100 bytes, each step up one segment sent. As long as the "
        "acknowledgements come, every write is a segment. Where none comes, no more are sent than the congestion "
        "window of a fresh connection allows (ten on Linux). What is written then waits and is merged, so that the "
        "rest leaves in few segments when the acknowledgement comes (the last step up)."),
            segments("nodelay-write-is-segment", (("NODELAY, fast acknowledger", "on", "fast"),
                                                  ("NODELAY, slow acknowledger", "on", "slow")))),
    Picture("sndbuf-exact", "lab_sizes", "A buffer's size asked for, and what the kernel made of it", (
        "To the right more bytes are asked for with setsockopt(), upwards is what getsockopt() then reads. If the "
        "kernel did as asked, the points would lie on the dashed line. On Linux they lie on the dotted one, at twice "
        "of that, but for small requests, which are raised to a floor, and for those beyond the limit (the vertical "
        "bar), which are cut to a ceiling. None is refused."), sizes, ("rcvbuf-exact",)),
    Picture("bigger-is-better", "lab_stops", "Does a bigger send buffer stop the sender less often?", (
        "To the right a bigger send buffer is asked for, upwards is how often the sender of the same bytes found it "
        "full. Left of the limit (the vertical bar) a larger buffer saves stops; right of it nothing changes any "
        "more, because a larger request is cut to the limit without an error."), stops),
    Picture("slow-reader", "lab_slow_reader", "A fast sender and a slow reader, by UDP and by TCP", (
        "Time goes to the right; the two panels have different scales. The upper line is what the sender has handed "
        "to its kernel, the lower one what the reader has got. By UDP nothing stops the sender: the lines part, the "
        "reader has little when the sender is done, and the difference is lost. By TCP the lines stay together: what "
        "lies between them fits into the two buffers, and the sender waits in send() until the reader has made room. "
        "At the end everything has arrived."), slow_reader),
    Picture("time-wait-fin-timeout", "lab_timers", "Times that are told, and times that this kernel keeps", (
        "Each row is one of TCP's waiting times, on a logarithmic axis: each mark is ten times the one before. The "
        "diamond is what a document or a common saying has, the points are what the attempts of the lab have "
        "measured on this kernel."), timers, tuple(timer.entry for timer in TIMERS)),
)


def caption(document: Document, picture: Picture) -> str:
    """What a picture rests on, in lines that fit below it."""
    machine = document["machine"]
    entries = [entry for name in dict.fromkeys((picture.entry, *picture.also))
               if (entry := entry_of(document, name)) is not None]
    own = series_of(entries[0], "MSS")
    mss = own[0][1] if own else entries[0]["mss"] or machine["loopback_mss"]
    sysctls = {each["name"]: each["value"] for entry in entries for each in entry["sysctls"] if each["value"]}
    parts = [f"tinygram lab {' '.join(entry['name'] for entry in entries)}", f"kernel {machine['kernel']}",
             f"HZ {machine['hz']}", f"congestion control {entries[0]['congestion'] or machine['congestion_default']}",
             f"MSS {mss}", *(f"{name}={found}" for name, found in sysctls.items())]
    return "\n".join(wrap("; ".join(parts), CAPTION_WIDTH)[:3])


def draw(document: Document, out_dir: Path) -> dict[str, Chart]:
    """Draws the pictures into `out_dir`: SCRIPT-ENTRY.tsv, .svg and .png; returns them by entry. Raises ChartError."""
    made: dict[str, tuple[str, Chart]] = {}
    for picture in PICTURES:
        entry, table = entry_of(document, picture.entry), picture.build(document)
        if entry is None or table is None:
            continue
        name = f"{picture.script}-{picture.entry}"
        at = Chart(name, picture.title, out_dir / f"{name}.svg", out_dir / f"{name}.png", out_dir / f"{name}.tsv",
                   caption(document, picture), picture.how_to_read)
        try:
            chart.write_table(at.tsv, table, {"schema": FORMAT, "chart": name, "version": document["version"]})
        except OSError as error:
            raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None
        made[picture.entry] = picture.script, at
    chart.draw_pictures(made.values())
    return {entry: at for entry, (_, at) in made.items()}
