"""What load does to latency: exchanges outstanding, messages a second, bytes a write, connections: tables of charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.panels import Derived, Point, Points, Table, factor_text, panels, size_text, sndbuf_level
from harness.pattern import interval, mss_text, pattern_of, request_text

Document = Mapping[str, Any]


def seconds(*path: str) -> Callable[[Document], float | None]:
    """Reads a duration of the result by its keys: ns there, seconds here; None where there is none."""
    def read(document: Document) -> float | None:
        value: Any = document["result"]
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else float(value) / 1e9
    return read


def rate(document: Document) -> float | None:
    """Exchanges or messages a second."""
    result = document["result"]
    messages, elapsed = result.get("messages"), result.get("elapsed_ns")
    return float(messages / elapsed * 1e9) if messages and elapsed else None


def segments(document: Document) -> float | None:
    """Data segments per exchange, message or chunk."""
    found = document["result"].get("segments_per_message")
    return None if found is None else float(found)


# ---------------------------------------------------------------------------------------------------------------------
# Outstanding exchanges

PIPELINE: Final = (
    Derived("latency", "latency of the median exchange", "s", seconds("latency_ns", "p50")),
    Derived("late", "latency, 99th percentile", "s", seconds("latency_ns", "p99")),
    Derived("rate", "exchanges a second", "k", rate),
    Derived("segments", "segments per exchange", "number", segments))


def pipeline_factors(factors: Sequence[str]) -> Sequence[str]:
    """NODELAY, and the pattern with its outstanding exchanges."""
    return [factor for factor in factors if factor in ("pattern", "outstanding", "nodelay", "send-nodelay")]


def pipeline(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/pipeline.gp: latency, rate and segments against the exchanges that are outstanding."""
    def place(point: Point) -> tuple[str, float] | None:
        pattern = pattern_of(point.trial.document)
        return None if pattern is None else (str(pattern.outstanding), float(pattern.outstanding))
    return panels(points, PIPELINE, "value", lambda point: (0, ""), place)


# ---------------------------------------------------------------------------------------------------------------------
# The hold against the write size

HOLD: Final = (Derived("hold_p50", "median", "", seconds("split", "hold_ns", "p50")),
               Derived("hold_p99", "99 %", "", seconds("split", "hold_ns", "p99")))


def write_size(document: Document) -> int | None:
    """Bytes of the write that a hold is about: of a message, of a chunk, or of the last write of an exchange."""
    pattern, workload = pattern_of(document), document["workload"]
    if pattern is not None:
        return pattern.writes[-1] if pattern.writes else None
    size: int | None = workload.get("message_size")
    return size if size is not None or workload.get("write_size") is None else int(workload["write_size"])


def hold_factors(factors: Sequence[str]) -> Sequence[str]:
    """NODELAY, and whatever sets the size and the interval of writes."""
    placed = ("stream", "pattern", "size", "rate", "write-size", "mss", "nodelay", "send-nodelay")
    return [factor for factor in factors if factor in placed]


def hold_write_size(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/hold_write_size.gp; None where no trial has kernel timestamps."""
    def place(point: Point) -> tuple[str, float] | None:
        size = write_size(point.trial.document)
        return None if size is None else (size_text(size), float(size))

    def panel(point: Point) -> tuple[float, str]:
        document = point.trial.document
        each, words = interval(document)
        asked = mss_text(document) if "mss" in factors else ""
        return asks.index(asked) * 1e3 + each, ", ".join(filter(None, (words, asked)))
    asks = sorted({mss_text(point.trial.document) for point in points}) if "mss" in factors else [""]
    return panels(points, HOLD, "hold_s", panel, place)


# ---------------------------------------------------------------------------------------------------------------------
# Queues in the send buffer

QUEUE: Final = (
    Derived("planned", "median from the plan", "", seconds("schedule", "latency_planned_ns", "p50")),
    Derived("late", "99 % from the plan", "", seconds("schedule", "latency_planned_ns", "p99")),
    Derived("actual", "99 % from write()", "", seconds("latency_ns", "p99")))


def queue_factors(factors: Sequence[str]) -> Sequence[str]:
    """The rate, and the two options that bound what waits in the send buffer."""
    placed = ("stream", "rate", "sndbuf", "send-sndbuf", "notsent-lowat", "send-notsent-lowat")
    return [factor for factor in factors if factor in placed]


def queue_latency(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/queue_latency.gp: latency against the rate, panels by SO_SNDBUF, lines by NOTSENT_LOWAT."""
    lowat = next((factor for factor in factors if factor.endswith("notsent-lowat")), None)

    def panel(point: Point) -> tuple[float, str]:
        level = sndbuf_level(point)
        if level is None or not any(factor.endswith("sndbuf") for factor in factors):
            return 0, request_text(point.trial.document)
        return (float("inf") if level[1] is None else level[1]), f"SO_SNDBUF {level[0]}"

    def place(point: Point) -> tuple[str, float] | None:
        each = point.trial.document["workload"].get("rate_per_s")
        return None if not each else (f"{each:g}", float(each))

    def series(point: Point) -> str:
        return "every trial" if lowat is None else factor_text("NOTSENT_LOWAT", point.trial.levels[lowat])
    return panels(points, QUEUE, "latency_s", panel, place, series)


# ---------------------------------------------------------------------------------------------------------------------
# Ways to serve many connections

def open_at_once(document: Document) -> float | None:
    """Connections that were in use at once, on average: their times from first write to last read, by the trial's.

    Fewer than there are: the sender starts them one after the other, and some end before the last has begun.
    """
    elapsed = document["result"].get("elapsed_ns")
    each = [one.get("elapsed_ns") for one in document.get("connections") or ()]
    return float(sum(each) / elapsed) if elapsed and each and None not in each else None


SERVERS: Final = (
    Derived("latency", "latency, median", "s", seconds("latency_ns", "p50")),
    Derived("late", "latency, 99 %", "s", seconds("latency_ns", "p99")),
    Derived("rate", "exchanges a second", "k", rate),
    Derived("open", "connections in use at once, mean", "k", open_at_once))


def server_factors(factors: Sequence[str]) -> Sequence[str]:
    """The way to serve, the connections (a variant may set them), and how many exchanges each of them carries."""
    return [factor for factor in factors if factor in ("concurrency", "connections", "count", "variant")]


def servers(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/servers.gp: latency and rate against the connections, a line a way to serve."""
    def place(point: Point) -> tuple[str, float]:
        connections = point.level("connections") or str(point.trial.document["workload"]["connections"])
        return connections, float(connections)

    def panel(point: Point) -> tuple[float, str]:
        count = point.level("count")
        return (0, "") if count is None else (float(count), f"{count} each")

    def series(point: Point) -> str:
        return point.level("concurrency") or str(point.trial.document["setting"]["concurrency"])
    measures = [measure for measure in SERVERS if any(measure.of(point) is not None for point in points)]
    return panels(points, measures, "value", panel, place, series)
