"""From trials to rows: one row a trial, the columns that charts and statistics read, in SI base units.

A pure function of the raw records. The class Row is the one table of columns: name, type, where the value stands in
the result document, its scale and its meaning. A value that is missing is None here and an empty cell in summary.tsv.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. Durations in seconds, sizes in bytes, rates in bytes a second; None where there is no value."""

    trial: str = _trial("name of the trial: block and cell")
    block: int = _trial("block, from 0")
    cell: int = _trial("cell, from 0")
    id: str = _trial("the levels of the cell")
    status: int = _from("status", "exit status of the tool; 0 is done")
    nodelay: str | None = _from("setting.effective.sender.end.nodelay", "TCP_NODELAY of the sender, on or off")
    sndbuf_requested_bytes: str | None = _from("setting.requested.sender.sndbuf", "SO_SNDBUF asked for, or auto")
    sndbuf_effective_bytes: int | None = _from("setting.effective.sender.end.sndbuf", "SO_SNDBUF at the end")
    rcvbuf_effective_bytes: int | None = _from("setting.effective.receiver.end.rcvbuf", "SO_RCVBUF at the end")
    mss_bytes: int | None = _from("tcp_info.sender.snd_mss", "largest segment of the sender at the end")
    congestion: str | None = _from("setting.effective.sender.end.congestion", "congestion control of the sender")
    family: str | None = _from("setting.family", "address family")
    write_size_bytes: int | None = _from("workload.write_size", "bytes a write()")
    send_with: str | None = _from("workload.send_with", "the call that sends")
    connections: int | None = _from("workload.connections", "data connections")
    cpus: str | None = _from("setting.cpus", "placement that was asked for")
    wait: str | None = _from("setting.wait", "how the ends wait")
    concurrency: str | None = _from("setting.concurrency", "how the receiver serves")
    bytes: int | None = _from("result.bytes", "payload bytes that arrived")
    elapsed_s: float | None = _from("result.elapsed_ns", "first write() to last read()", _NS)
    goodput_bytes_per_s: float | None = _from("result.goodput_bytes_per_s", "payload by elapsed time")
    start_goodput_bytes_per_s: float | None = _from("result.start.goodput_bytes_per_s", "goodput of the first tenth")
    rest_goodput_bytes_per_s: float | None = _from("result.rest.goodput_bytes_per_s", "goodput after the first tenth")
    verified: bool | None = _from("result.verified", "the content arrived as it was sent")
    latency_p50_s: float | None = _from("result.latency_ns.p50", "median latency of a chunk", _NS)
    latency_p90_s: float | None = _from("result.latency_ns.p90", "90 % of the chunks are at most as late", _NS)
    latency_p99_s: float | None = _from("result.latency_ns.p99", "99 % of the chunks are at most as late", _NS)
    latency_max_s: float | None = _from("result.latency_ns.max", "latency of the latest chunk", _NS)
    in_write_p50_s: float | None = _from("result.in_write_ns.p50", "median time of a chunk inside write()", _NS)
    in_flight_p50_s: float | None = _from("result.in_flight_ns.p50", "median time from write() to read()", _NS)
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
    if "path" not in column.metadata:
        return getattr(trial, column.name)
    value = _follow(trial.document, column.metadata["path"])
    if value is not None and column.metadata["divide"] is not None:
        return value / column.metadata["divide"]
    kind = _TYPES[column.name]
    return _text(value) if kind is str else value


def _follow(document: Mapping[str, Any], path: Sequence[str]) -> Any:
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
