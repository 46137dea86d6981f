"""From trials to rows: one row a trial, the columns that charts and statistics read, in SI base units.

A pure function of the raw records. The class Row is the one table of columns: name, type, where the value stands in
the result document, its scale and its meaning. A value that is missing is None here and an empty cell in summary.tsv.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from harness.experiment import VARIANT
from harness.schema import HarnessError
from harness.store import Trial

TAG: Final = "tinygram-summary/1"
_NS: Final = 1e9


class SummaryError(HarnessError):
    """A summary that cannot be read back."""


def _trial(meaning: str) -> Any:
    """A column from the trial's place in the plan."""
    return dataclasses.field(metadata={"meaning": meaning})


def _from(path: str, meaning: str, divide: float | None = None) -> Any:
    """A column from the document: keys to follow, joined by dots, and what to divide by."""
    return dataclasses.field(metadata={"path": path.split("."), "divide": divide, "meaning": meaning})


def _made(make: Callable[[Trial], Any], meaning: str) -> Any:
    """A column that a function makes of the trial."""
    return dataclasses.field(metadata={"make": make, "meaning": meaning})


def _variant(trial: Trial) -> str | None:
    return trial.levels.get(VARIANT)


def _first_exchange(trial: Trial) -> float | None:
    found = follow(trial.document, ("result", "first_exchanges_ns"))
    return found[0] / _NS if found else None


def _chief_mechanism(trial: Trial) -> str | None:
    """What most stalls waited for; None where there was no stall, or where that is not known."""
    found = follow(trial.document, ("result", "stalls", "by_mechanism"))
    counts: dict[str, int] = {name: n for name, n in found.items() if n} if isinstance(found, Mapping) else {}
    return max(counts, key=lambda name: counts[name]) if counts else None


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. Durations in seconds, sizes in bytes, rates in bytes a second; None where there is no value."""

    trial: str = _trial("name of the trial: block and cell")
    block: int = _trial("block, from 0")
    cell: int = _trial("cell, from 0")
    id: str = _trial("the levels of the cell")
    status: int = _from("status", "exit status of the tool; 0 is done")
    workload: str | None = _from("workload.name", "transfer, exchange or stream")
    variant: str | None = _made(_variant, "variant of the experiment, where it has any")
    pattern: str | None = _from("workload.pattern", "what one exchange is made of")
    outstanding: int | None = _from("workload.outstanding", "exchanges that may be outstanding at once")
    message_size_bytes: int | None = _from("workload.message_size", "bytes of a message of a stream")
    rate_per_s: float | None = _from("workload.rate_per_s", "exchanges or messages planned a second")
    schedule: str | None = _from("workload.schedule", "how the rate is spread")
    nodelay: str | None = _from("setting.effective.sender.end.nodelay", "TCP_NODELAY of the sender, on or off")
    sndbuf_requested_bytes: str | None = _from("setting.requested.sender.sndbuf", "SO_SNDBUF asked for, or auto")
    sndbuf_effective_bytes: int | None = _from("setting.effective.sender.end.sndbuf", "SO_SNDBUF at the end")
    rcvbuf_effective_bytes: int | None = _from("setting.effective.receiver.end.rcvbuf", "SO_RCVBUF at the end")
    notsent_lowat_effective_bytes: int | None = _from(
        "setting.effective.sender.end.notsent-lowat", "TCP_NOTSENT_LOWAT at the end")
    mss_bytes: int | None = _from("tcp_info.sender.snd_mss", "largest segment of the sender at the end")
    congestion: str | None = _from("setting.effective.sender.end.congestion", "congestion control of the sender")
    family: str | None = _from("setting.family", "address family")
    write_size_bytes: int | None = _from("workload.write_size", "bytes a write()")
    send_with: str | None = _from("workload.send_with", "the call that sends")
    connections: int | None = _from("workload.connections", "data connections")
    cpus: str | None = _from("setting.cpus", "placement that was asked for")
    wait: str | None = _from("setting.wait", "how the ends wait")
    concurrency: str | None = _from("setting.concurrency", "how the receiver serves")
    stamps: str | None = _from("setting.stamps", "the kernel was asked for timestamps, on or off")
    bytes: int | None = _from("result.bytes", "payload bytes that arrived")
    elapsed_s: float | None = _from("result.elapsed_ns", "first write() to last read()", _NS)
    goodput_bytes_per_s: float | None = _from("result.goodput_bytes_per_s", "payload by elapsed time")
    start_goodput_bytes_per_s: float | None = _from("result.start.goodput_bytes_per_s", "goodput of the first tenth")
    rest_goodput_bytes_per_s: float | None = _from("result.rest.goodput_bytes_per_s", "goodput after the first tenth")
    verified: bool | None = _from("result.verified", "the content arrived as it was sent")
    latency_p50_s: float | None = _from("result.latency_ns.p50", "median latency of a chunk, exchange or message", _NS)
    latency_p90_s: float | None = _from("result.latency_ns.p90", "90 % of them are at most as late", _NS)
    latency_p99_s: float | None = _from("result.latency_ns.p99", "99 % of them are at most as late", _NS)
    latency_max_s: float | None = _from("result.latency_ns.max", "latency of the latest of them", _NS)
    first_exchange_s: float | None = _made(_first_exchange, "latency of the first exchange of the connection")
    latency_planned_p50_s: float | None = _from(
        "result.schedule.latency_planned_ns.p50", "median latency from the planned start", _NS)
    latency_planned_p99_s: float | None = _from(
        "result.schedule.latency_planned_ns.p99", "99 % are at most as late, from the planned start", _NS)
    lateness_p99_s: float | None = _from("result.schedule.lateness_ns.p99", "99 % start at most so late", _NS)
    kept_schedule: bool | None = _from("result.schedule.kept", "the sender could keep the rate")
    in_write_p50_s: float | None = _from("result.in_write_ns.p50", "median time of a write inside write()", _NS)
    in_flight_p50_s: float | None = _from("result.in_flight_ns.p50", "median time from write() to read()", _NS)
    split_in_write_p50_s: float | None = _from(
        "result.split.in_write_ns.p50", "median time of a write inside write()", _NS)
    split_in_write_mean_s: float | None = _from(
        "result.split.in_write_ns.mean", "mean time of a write inside write()", _NS)
    split_hold_p50_s: float | None = _from(
        "result.split.hold_ns.p50", "median time of a write until the kernel handed the bytes on", _NS)
    split_hold_mean_s: float | None = _from(
        "result.split.hold_ns.mean", "mean time of a write until the kernel handed the bytes on", _NS)
    split_to_device_p50_s: float | None = _from(
        "result.split.to_device_ns.p50", "median time of a write to the device", _NS)
    split_to_device_mean_s: float | None = _from(
        "result.split.to_device_ns.mean", "mean time of a write to the device", _NS)
    split_to_kernel_p50_s: float | None = _from(
        "result.split.to_kernel_ns.p50", "median time of a write to the receiving kernel", _NS)
    split_to_kernel_mean_s: float | None = _from(
        "result.split.to_kernel_ns.mean", "mean time of a write to the receiving kernel", _NS)
    split_wait_read_p50_s: float | None = _from(
        "result.split.wait_read_ns.p50", "median time of a write waiting for read()", _NS)
    split_wait_read_mean_s: float | None = _from(
        "result.split.wait_read_ns.mean", "mean time of a write waiting for read()", _NS)
    split_until_ack_p50_s: float | None = _from(
        "result.split.until_ack_ns.p50", "median time of a write until the ACK", _NS)
    split_until_ack_mean_s: float | None = _from(
        "result.split.until_ack_ns.mean", "mean time of a write until the ACK", _NS)
    split_writes: int | None = _from("result.split.writes", "writes that were split")
    merged: int | None = _from("result.split.merged", "writes that shared a segment with later ones")
    messages: int | None = _from("result.messages", "chunks, exchanges or messages that were done")
    segments_per_message: float | None = _from("result.segments_per_message", "data segments by messages")
    stalls: int | None = _from("result.stalls.count", "delays that sit on a kernel timer")
    stall_mechanism: str | None = _made(_chief_mechanism, "what most stalls waited for")
    stall_s: float | None = _from("result.stalls.time_ns", "sum of the stalled durations", _NS)
    write_s: float | None = _from("result.write_ns", "total time inside write()", _NS)
    write_blocked_s: float | None = _from("result.write_blocked_ns", "time asleep inside write()", _NS)
    writes: int | None = _from("result.writes", "calls that sent")
    reads: int | None = _from("result.reads", "calls that received")
    data_segments: int | None = _from("result.data_segments", "segments with payload")
    bytes_per_segment: float | None = _from("result.bytes_per_segment", "payload by data segments")
    retransmits: int | None = _from("result.retransmits", "segments sent again")
    cpu_sender_s: float | None = _from("result.cpu_sender_ns", "CPU time of the sender", _NS)
    cpu_receiver_s: float | None = _from("result.cpu_receiver_ns", "CPU time of the receiver", _NS)


COLUMNS: Final = tuple(column.name for column in dataclasses.fields(Row))


def rows(trials: Sequence[Trial]) -> list[Row]:
    """One row a trial, in the order of the trials; failed ones too, with what is known of them."""
    return [row(trial) for trial in trials]


def row(trial: Trial) -> Row:
    """The row of one trial."""
    return Row(**{column.name: _read(trial, column) for column in dataclasses.fields(Row)})


def _read(trial: Trial, column: dataclasses.Field[Any]) -> Any:
    if "make" in column.metadata:
        return column.metadata["make"](trial)
    if "path" not in column.metadata:
        return getattr(trial, column.name)
    value = follow(trial.document, column.metadata["path"])
    if value is not None and column.metadata["divide"] is not None:
        return value / column.metadata["divide"]
    kind = _TYPES[column.name]
    return _text(value) if kind is str else value


def follow(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value that some keys lead to; None where one of them leads nowhere."""
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str | None:
    """The value of an option as the command line writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return None if value is None else str(value)


# int, float, bool or str: the type of each column's values beside None.
_TYPES: Final[Mapping[str, Any]] = {
    name: next((kind for kind in typing.get_args(hint) if kind is not NoneType), hint)
    for name, hint in typing.get_type_hints(Row).items()}


def write_tsv(path: Path, table: Sequence[Row], meta: Mapping[str, str]) -> None:
    """Writes rows as TSV: `#` lines (schema, then meta), a header row, one row a trial; empty cells are missing values.

    meta: at least experiment and version. The file appears whole or not at all. Raises OSError.
    """
    lines = [f"# {key} {value}" for key, value in {"schema": TAG, **meta}.items()]
    lines.append("\t".join(COLUMNS))
    lines += ["\t".join(_cell(getattr(one, name)) for name in COLUMNS) for one in table]
    whole = path.with_name(path.name + ".part")
    whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole.replace(path)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _value(column: str, cell: str) -> Any:
    """The value of a cell; raises ValueError when it is not of the column's type."""
    if not cell:
        return None
    kind = _TYPES[column]
    return ("false", "true").index(cell) == 1 if kind is bool else kind(cell)


def read_tsv(path: Path) -> list[Row]:
    """The rows that write_tsv wrote. Raises SummaryError when the file is of another kind or damaged."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != f"# schema {TAG}":
        raise SummaryError(f"{path} is not a summary of this version: its first line should be '# schema {TAG}'.")
    header, *body = [line.split("\t") for line in lines if not line.startswith("#")]
    if tuple(header) != COLUMNS:
        raise SummaryError(f"{path} has other columns than this version writes; write it anew from its run.")
    try:
        return [Row(**{name: _value(name, cell) for name, cell in zip(COLUMNS, cells, strict=True)}) for cells in body]
    except ValueError as error:
        raise SummaryError(f"{path} is damaged: {error}.") from None
