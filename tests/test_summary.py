"""Summaries: one row a trial, SI units, missing is empty, and the columns that charts and statistics rely on."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from pathlib import Path
from types import NoneType
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness import schema, summary
from harness.schema import DOCUMENT
from harness.store import Trial
from harness.summary import Row, SummaryError

PROMISED = """trial block cell id status workload variant pattern outstanding message_size_bytes rate_per_s schedule
    nodelay sndbuf_requested_bytes sndbuf_effective_bytes rcvbuf_effective_bytes notsent_lowat_effective_bytes
    mss_bytes congestion family write_size_bytes send_with connections cpus wait concurrency stamps bytes elapsed_s
    goodput_bytes_per_s start_goodput_bytes_per_s rest_goodput_bytes_per_s verified latency_p50_s latency_p90_s
    latency_p99_s latency_max_s first_exchange_s latency_planned_p50_s latency_planned_p99_s lateness_p99_s
    kept_schedule in_write_p50_s in_flight_p50_s
    split_in_write_p50_s split_in_write_mean_s split_hold_p50_s split_hold_mean_s split_to_device_p50_s
    split_to_device_mean_s split_to_kernel_p50_s split_to_kernel_mean_s split_wait_read_p50_s split_wait_read_mean_s
    split_until_ack_p50_s split_until_ack_mean_s split_writes merged messages segments_per_message stalls
    stall_mechanism stall_s write_s write_blocked_s writes reads data_segments
    bytes_per_segment retransmits cpu_sender_s cpu_receiver_s""".split()
FIXTURES = Path(__file__).resolve().parent / "fixtures"


def trial(document: dict[str, Any], block: int = 1) -> Trial:
    return Trial(f"b{block}-c2", block, 2, 5, "nodelay=on", {"nodelay": "on"}, 0.1, document)


def test_columns_are_the_promised_ones() -> None:
    assert list(summary.COLUMNS) == PROMISED


def test_every_column_has_a_meaning_and_a_place_in_the_document() -> None:
    for column in dataclasses.fields(Row):
        assert column.metadata["meaning"]
        field = DOCUMENT
        for key in column.metadata.get("path", ()):
            field = next((child for child in field.fields if child.name == key), schema.Field("", "", ""))
            assert field.name == key, f"{column.name} looks for {'.'.join(column.metadata['path'])}, which is no field"
        if field is not DOCUMENT and field.unit == "ns":
            assert column.name.endswith("_s") and column.metadata["divide"] == 1e9


def test_values_of_a_row(document: dict[str, Any]) -> None:
    document["setting"]["effective"]["sender"]["end"] |= {"nodelay": True, "sndbuf": 32768}
    document["setting"]["requested"]["sender"]["sndbuf"] = 16384
    row = summary.row(trial(document))
    assert (row.trial, row.block, row.cell, row.id, row.status) == ("b1-c2", 1, 2, "nodelay=on", 0)
    assert (row.nodelay, row.sndbuf_requested_bytes, row.sndbuf_effective_bytes) == ("on", "16384", 32768)
    assert row.mss_bytes == 65483
    assert row.elapsed_s == 0.002345678
    assert row.latency_p50_s == 4e-05
    assert row.goodput_bytes_per_s == document["result"]["goodput_bytes_per_s"]
    assert row.verified is True
    assert row.write_blocked_s is None, "null stays missing"
    document["setting"]["requested"]["sender"]["sndbuf"] = "auto"
    document["setting"]["effective"]["sender"]["end"]["nodelay"] = False
    assert summary.row(trial(document)).sndbuf_requested_bytes == "auto"
    assert summary.row(trial(document)).nodelay == "off"


def test_every_column_reads_what_it_is_named_after(document: dict[str, Any]) -> None:
    """Each number of the result is made another one, so that no two columns can be mixed up."""
    result = document["result"]
    for place, distribution in enumerate(("latency_ns", "in_write_ns", "in_flight_ns")):
        for step, quantile in enumerate(("p50", "p90", "p99", "max")):
            result[distribution][quantile] = (10 * place + step + 1) * 1_000_000_000
    numbers = ("bytes", "elapsed_ns", "write_ns", "write_blocked_ns", "writes", "reads", "data_segments",
               "retransmits", "cpu_sender_ns", "cpu_receiver_ns")
    for step, name in enumerate(numbers):
        result[name] = (100 + step) * (1_000_000_000 if name.endswith("_ns") else 1)
    result |= {"goodput_bytes_per_s": 1.5, "start": {"goodput_bytes_per_s": 2.5}, "rest": {"goodput_bytes_per_s": 3.5}}
    row = summary.row(trial(document))
    assert [row.latency_p50_s, row.latency_p90_s, row.latency_p99_s, row.latency_max_s] == [1, 2, 3, 4]
    assert [row.in_write_p50_s, row.in_flight_p50_s] == [11, 21]
    assert [getattr(row, name.replace("_ns", "_s")) for name in numbers] == list(range(100, 100 + len(numbers)))
    assert [row.goodput_bytes_per_s, row.start_goodput_bytes_per_s, row.rest_goodput_bytes_per_s] == [1.5, 2.5, 3.5]


def stored(name: str) -> dict[str, Any]:
    """A real document among the fixtures."""
    document: dict[str, Any] = json.loads((FIXTURES / f"document-{name}.json").read_text(encoding="utf-8"))
    return document


def test_the_row_of_an_exchange() -> None:
    document = stored("exchange")
    result = document["result"]
    row = summary.row(Trial("b0-c0", 0, 0, 0, "variant=Nagle", {"variant": "Nagle"}, 1.3, document))
    assert (row.workload, row.variant, row.pattern, row.outstanding) == ("exchange", "Nagle", "w100,w400,r1", 1)
    assert (row.messages, row.segments_per_message, row.stamps, row.nodelay) == (30, 2, "on", "off")
    assert (row.message_size_bytes, row.rate_per_s, row.schedule, row.write_size_bytes) == (None,) * 4
    assert row.first_exchange_s == result["first_exchanges_ns"][0] / 1e9 < 0.001, "the first one does not stall"
    assert row.latency_p50_s is not None and row.latency_p50_s > 0.03, "the others do"
    assert (row.stalls, row.stall_mechanism) == (29, "nagle_delayed_ack")
    assert row.stall_s == result["stalls"]["time_ns"] / 1e9
    assert (row.latency_planned_p50_s, row.lateness_p99_s, row.kept_schedule) == (None, None, None)


def test_the_row_of_a_stream() -> None:
    document = stored("stream")
    result = document["result"]
    row = summary.row(trial(document))
    assert (row.workload, row.message_size_bytes, row.rate_per_s, row.schedule) == ("stream", 200, 5000, "burst")
    assert (row.variant, row.pattern, row.outstanding, row.first_exchange_s) == (None,) * 4
    assert row.kept_schedule is result["schedule"]["kept"]
    assert row.latency_planned_p50_s == result["schedule"]["latency_planned_ns"]["p50"] / 1e9
    assert row.latency_planned_p99_s == result["schedule"]["latency_planned_ns"]["p99"] / 1e9
    assert row.lateness_p99_s == result["schedule"]["lateness_ns"]["p99"] / 1e9
    assert (row.merged, row.split_writes) == (result["split"]["merged"], result["split"]["writes"])
    assert (row.stalls, row.stall_mechanism, row.stall_s) == (0, None, 0.0), "no stall is 0, and has no mechanism"


def test_the_parts_of_the_split_are_those_of_the_document() -> None:
    """Each part is given its own numbers, so that no two can be mixed up; together they make the latency."""
    document = stored("exchange")
    parts = [*(name for name, _ in schema.SPLIT_PARTS), "until_ack"]
    for place, name in enumerate(parts, 1):
        document["result"]["split"][f"{name}_ns"] |= {"p50": place * 1e9, "mean": (place + 10) * 1e9}
    row = summary.row(trial(document))
    assert [getattr(row, f"split_{name}_p50_s") for name in parts] == [1, 2, 3, 4, 5, 6]
    assert [getattr(row, f"split_{name}_mean_s") for name in parts] == [11, 12, 13, 14, 15, 16]


def test_the_chief_mechanism_is_the_most_frequent(document: dict[str, Any]) -> None:
    counts = document["result"]["stalls"]["by_mechanism"]
    assert summary.row(trial(document)).stall_mechanism is None
    counts |= {"corked": 2, "reader_late": 3, "unknown": 1}
    assert summary.row(trial(document)).stall_mechanism == "reader_late"


def test_an_exchange_too_short_for_a_latency_has_none() -> None:
    document = stored("exchange")
    document["result"] |= {"latency_ns": None, "first_exchanges_ns": [], "split": None, "stalls": None}
    row = summary.row(trial(document))
    assert (row.latency_p50_s, row.first_exchange_s, row.split_hold_p50_s, row.merged, row.stalls, row.stall_mechanism,
            row.stall_s) == (None,) * 7


def test_a_zero_is_a_value_and_null_is_none(document: dict[str, Any]) -> None:
    assert summary.row(trial(document)).retransmits == 0
    document["result"]["retransmits"] = None
    assert summary.row(trial(document)).retransmits is None


def test_without_tcp_what_tcp_knows_is_missing(document: dict[str, Any]) -> None:
    document["tcp_info"] = {"sender": None, "receiver": None}
    document["result"] |= {"data_segments": None, "bytes_per_segment": None, "retransmits": None}
    row = summary.row(trial(document))
    assert (row.mss_bytes, row.data_segments, row.bytes_per_segment, row.retransmits) == (None,) * 4


def test_a_failed_trial_is_a_row_too() -> None:
    row = summary.row(trial(schema.empty_document(3, "no.", [])))
    assert (row.status, row.id) == (3, "nodelay=on")
    assert {name for name in PROMISED if getattr(row, name) is not None} == {"trial", "block", "cell", "id", "status"}


def test_the_order_is_that_of_the_trials(document: dict[str, Any]) -> None:
    assert [row.block for row in summary.rows([trial(document, block) for block in (2, 0, 1)])] == [2, 0, 1]


def test_the_file_of_a_summary(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "summary.tsv"
    summary.write_tsv(path, summary.rows([trial(document)]), {"experiment": "small", "version": "0.1.0"})
    lines = path.read_text().splitlines()
    assert lines[:3] == ["# schema tinygram-summary/1", "# experiment small", "# version 0.1.0"]
    assert lines[3].split("\t") == PROMISED
    cells = dict(zip(PROMISED, lines[4].split("\t"), strict=True))
    assert cells["write_blocked_s"] == ""
    assert cells["elapsed_s"] == "0.002345678"
    assert cells["verified"] == "true"
    assert list(tmp_path.iterdir()) == [path], "nothing but the file is left"


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, blacklist_characters="\x7f\x85"), min_size=1)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    NoneType: st.none(), int: st.integers(0, 2 ** 63), bool: st.booleans(),
    float: st.floats(0, allow_nan=False, allow_infinity=False), str: TEXT.filter(lambda text: not text.startswith("#"))}


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    hints = typing.get_type_hints(Row)

    def value(name: str) -> Any:
        kinds = typing.get_args(hints[name]) or (hints[name],)
        return draw(st.one_of(*(VALUES[kind] for kind in kinds)))
    return [Row(**{name: value(name) for name in PROMISED}) for _ in range(draw(st.integers(0, 3)))]


@given(tables())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, table: list[Row]) -> None:
    path = tmp_path_factory.mktemp("summary") / "summary.tsv"
    summary.write_tsv(path, table, {"experiment": "x", "version": "1"})
    assert summary.read_tsv(path) == table


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "summary.tsv"
    for text, said in (("", "not a summary"), ("# schema tinygram-summary/2\n", "not a summary"),
                       ("# schema tinygram-summary/1\ntrial\tblock\n", "other columns"),
                       ("# schema tinygram-summary/1\n" + "\t".join(PROMISED) + "\nb0-c0\n", "is damaged"),
                       ("# schema tinygram-summary/1\n" + "\t".join(PROMISED) + "\n"
                        + "x\t" * (len(PROMISED) - 1) + "x\n", "damaged")):
        path.write_text(text)
        with pytest.raises(SummaryError, match=said):
            summary.read_tsv(path)


def test_nanoseconds_become_seconds_without_noise(document: dict[str, Any]) -> None:
    """Dividing by 1e9 is correctly rounded: the shortest text of the result is the exact decimal."""
    for nanoseconds in (1, 999_999_999, 123_456_789, 2_345_678):
        document["result"]["elapsed_ns"] = nanoseconds
        elapsed = summary.row(trial(document)).elapsed_s
        assert elapsed is not None and math.isclose(elapsed * 1e9, nanoseconds, rel_tol=1e-15)
        assert round(float(str(elapsed)) * 1e9) == nanoseconds
