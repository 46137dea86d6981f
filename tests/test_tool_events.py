"""The events file: its form, and that every number of the result can be computed from it by another program."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import FAMILIES, Document, pair, run, says

COLUMNS = ["end", "connection", "kind", "time_ns", "end_ns", "offset_bytes"]


@dataclass(frozen=True, slots=True)
class Event:
    """One row of an events file."""

    end: str
    connection: int
    kind: str
    time_ns: int
    end_ns: int | None
    offset_bytes: int
    tcp_info: dict[str, int | None]


def read_events(text: str) -> list[Event]:
    """Every event of the file; its form is checked."""
    lines = text.splitlines()
    assert lines[0] == "# tinygram events 1"
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in lines if not line.startswith("#"))),
                               delimiter="\t", quoting=csv.QUOTE_NONE))
    header = [line for line in lines if not line.startswith("#")][0].split("\t")
    assert header[:6] == COLUMNS
    assert all(None not in row and None not in row.values() for row in rows)  # as many cells as columns, everywhere
    return [Event(row["end"], int(row["connection"]), row["kind"], int(row["time_ns"]),
                  int(row["end_ns"]) if row["end_ns"] else None, int(row["offset_bytes"]),
                  {name: int(row[name]) if row[name] else None for name in header[6:]}) for row in rows]


def transfer(tmp_path: Path, *arguments: object) -> tuple[Document, list[Event]]:
    """A pair with its events."""
    path = tmp_path / "events.tsv"
    document = pair(*arguments, "--events", path)
    return document, read_events(path.read_text())


def nearest_rank(values: list[int], quantile: float) -> int:
    """The quantile as the result defines it."""
    return sorted(values)[max(1, math.ceil(quantile * len(values) - 1e-9)) - 1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("connections", [1, 3])
def test_the_result_follows_from_the_events(connections: int, family: str, tmp_path: Path) -> None:
    """Counts, times and percentiles, recomputed here from the file alone."""
    document, events = transfer(tmp_path, "--bytes", "1000003", "--write-size", "7000", "--connections", connections,
                                "--family", family)
    result = document["result"]
    writes = [event for event in events if event.kind == "write"]
    reads = [event for event in events if event.kind == "read"]
    assert len(writes) + len(reads) == len(events)
    assert all(event.end == "sender" for event in writes) and all(event.end == "receiver" for event in reads)
    assert len(writes) == result["events"]["sender"]["recorded"] == 143 * connections
    assert len(reads) == result["events"]["receiver"]["recorded"] == result["reads"]
    assert min(event.time_ns for event in writes) == 0  # times count from the first write
    assert sum(event.end_ns - event.time_ns for event in writes if event.end_ns is not None) == result["write_ns"]
    assert max(event.time_ns for event in reads) == result["elapsed_ns"]

    latencies, in_write, in_flight = [], [], []
    for connection in range(connections):
        ours = [event for event in writes if event.connection == connection]
        theirs = [event for event in reads if event.connection == connection]
        assert [event.offset_bytes for event in ours] == [*range(7000, 1_000_003, 7000), 1_000_003]
        assert theirs[-1].offset_bytes == 1_000_003
        for earlier, later in zip(theirs, theirs[1:]):
            assert earlier.offset_bytes < later.offset_bytes and earlier.time_ns <= later.time_ns
        for earlier, later in zip(ours, ours[1:]):
            assert earlier.end_ns is not None and earlier.time_ns <= earlier.end_ns <= later.time_ns
        for write in ours:
            assert write.end_ns is not None
            read = next(event for event in theirs if event.offset_bytes >= write.offset_bytes)
            latencies.append(max(0, read.time_ns - write.time_ns))
            in_write.append(write.end_ns - write.time_ns)
            in_flight.append(max(0, read.time_ns - write.end_ns))
        assert document["connections"][connection]["reads"] == len(theirs)
    for name, values in (("latency_ns", latencies), ("in_write_ns", in_write), ("in_flight_ns", in_flight)):
        found = result[name]
        assert found["count"] == len(values) and found["exact"] is True
        assert found["min"] == min(values) and found["max"] == max(values)
        assert found["mean"] == pytest.approx(sum(values) / len(values), rel=1e-6)
        for quantile, key in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p999")):
            assert found[key] == nearest_rank(values, quantile), (name, key)
        assert found["curve"][0] == [0, min(values)] and found["curve"][-1] == [1, max(values)]
        for quantile, value in found["curve"]:
            assert value == nearest_rank(values, quantile)
    if connections == 1:
        tenth = next(event for event in reads if event.offset_bytes * 10 >= 1_000_003)
        assert result["start"]["bytes"] == tenth.offset_bytes and result["start"]["elapsed_ns"] == tenth.time_ns
        assert result["rest"]["bytes"] in (1_000_003 - tenth.offset_bytes, None)


def test_very_many_values_come_from_a_histogram() -> None:
    result = pair("--bytes", "4200K", "--write-size", "4", "--family", "unix", "--events-max", "2M")["result"]
    found = result["in_write_ns"]
    assert found["count"] == 1_075_200 and found["exact"] is False
    assert found["min"] <= found["p50"] <= found["p90"] <= found["p99"] <= found["p999"] <= found["max"]
    assert found["mean"] * found["count"] == pytest.approx(result["write_ns"], rel=1e-6)
    assert [value for _, value in found["curve"]] == sorted(value for _, value in found["curve"])


def test_samples_of_both_ends(tmp_path: Path) -> None:
    document, events = transfer(tmp_path, "--bytes", "100K", "--duration", "120ms", "--sample-every", "5ms")
    samples = [event for event in events if event.kind == "tcp_info"]
    for end in ("sender", "receiver"):
        ours = [event for event in samples if event.end == end]
        assert len(ours) == document["result"]["samples"][end] >= 3
        for earlier, later in zip(ours, ours[1:]):
            assert later.time_ns - earlier.time_ns >= 5_000_000
            assert later.offset_bytes > earlier.offset_bytes
        assert all(event.end_ns is None and event.tcp_info["state"] is not None for event in ours)
    # What the kernel says it sent or received cannot lag behind what the calls had taken.
    for event in samples:
        if event.end == "receiver":
            assert (event.tcp_info["bytes_received"] or 0) >= event.offset_bytes
        else:
            assert 0 <= (event.tcp_info["bytes_acked"] or 0) <= event.offset_bytes + 1
    assert set(document["tcp_info"]["sender"]) == set(samples[0].tcp_info)
    assert document["result"]["samples"]["dropped"] == 0


def test_unix_has_no_samples_worth_a_number(tmp_path: Path) -> None:
    document, events = transfer(tmp_path, "--bytes", "10M", "--family", "unix", "--sample-every", "1us")
    samples = [event for event in events if event.kind == "tcp_info"]
    assert all(value is None for event in samples for value in event.tcp_info.values())


def test_samples_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    document, events = transfer(tmp_path, "--bytes", "5M", "--write-size", "512", "--sample-every", "1ns")
    assert document["result"]["samples"]["sender"] == 4096
    assert document["result"]["samples"]["dropped"] >= 10_240 - 4096
    assert sum(event.kind == "tcp_info" and event.end == "sender" for event in events) == 4096


def test_events_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    """Of unknown number: the first are kept, the rest is counted; nothing is lost in silence."""
    document, events = transfer(tmp_path, "--bytes", "100K", "--duration", "60ms", "--write-size", "1K",
                                "--events-max", "100")
    result = document["result"]
    assert result["events"]["sender"]["recorded"] == 100 == sum(event.end == "sender" for event in events)
    assert result["events"]["sender"]["dropped"] > 0
    assert result["events"]["sender"]["recorded"] + result["events"]["sender"]["dropped"] <= result["writes"]
    receiver = result["events"]["receiver"]
    assert receiver["recorded"] + receiver["dropped"] == result["reads"]
    assert receiver["recorded"] == sum(event.end == "receiver" for event in events) <= 100
    assert 0 < result["latency_ns"]["count"] <= 100
    assert "did not fit into --events-max" in run("pair", "--bytes", "100K", "--duration", "60ms", "--write-size", "1K",
                                                  "--events-max", "100").out


def test_a_known_number_that_does_not_fit_is_thinned_out(tmp_path: Path) -> None:
    """Every stride-th write is kept, over the whole transfer."""
    document, events = transfer(tmp_path, "--bytes", "1000K", "--write-size", "1000", "--events-max", "100")
    sender = document["result"]["events"]["sender"]
    writes = [event for event in events if event.kind == "write"]
    assert sender["stride"] == 11 and sender["dropped"] == 0
    assert len(writes) == sender["recorded"] == math.ceil(1024 / 11)
    assert [event.offset_bytes for event in writes] == [1000 * (1 + 11 * i) for i in range(len(writes) - 0)]
    assert document["result"]["writes"] >= 1024


def test_without_a_log_there_are_no_durations(tmp_path: Path) -> None:
    document, events = transfer(tmp_path, "--bytes", "1M", "--log", "off")
    result = document["result"]
    assert events == []
    assert result["latency_ns"] is None and result["in_write_ns"] is None and result["write_ns"] is None
    assert result["events"]["sender"] == {"recorded": 0, "dropped": 0, "stride": 1}
    assert result["writes"] == 16 and result["reads"] > 0 and result["goodput_bytes_per_s"] > 0
    assert result["start"]["bytes"] is None


def test_events_on_standard_output(tmp_path: Path) -> None:
    ended = run("pair", "--bytes", "10000", "--write-size", "1000", "--events", "-", "--json", tmp_path / "r.json")
    assert ended.status == 0
    assert sum(event.kind == "write" for event in read_events(ended.out)) == 10


def test_two_outputs_need_two_places(tmp_path: Path) -> None:
    for where in ("-", tmp_path / "both"):
        says(run("pair", "--bytes", "1M", "--events", where, "--json", where), 2, "--json", "--events")
    assert list(tmp_path.iterdir()) == []


def test_memory_of_the_logs_is_bounded() -> None:
    says(run("pair", "--bytes", "1M", "--events-max", "16M", "--connections", "5"), 2, "lower --events-max")
    says(run("pair", "--bytes", "1M", "--events-max", "17M"), 2, "--events-max", "too large")
    says(run("pair", "--bytes", "1M", "--events-max", "0"), 2, "--events-max", "too small")
    assert run("pair", "--bytes", "1M", "--events-max", "1").status == 0
