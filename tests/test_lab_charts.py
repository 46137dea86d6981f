"""The lab's pictures: what is drawn of which numbers, what is left out, and that the program measures them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from running import PROGRAM, SANITIZED, run
from test_chart import compare_with_golden, normal, table

from harness import chart, lab_charts
from harness.chart import Chart, ChartError

SCRIPTS = ("lab_stall", "lab_segments", "lab_sizes", "lab_slow_reader", "lab_stops", "lab_timers")


def entry(name: str, series: dict[str, list[tuple[int | None, int | None]]] | None = None,
          evidence: dict[str, tuple[list[int | None], str]] | None = None, **changes: Any) -> dict[str, Any]:
    """An entry of the lab, of which only what pictures need is told."""
    return {"name": name, "verdict": "holds", "congestion": "reno", "mss": None, "sysctls": [],
            "series": [{"name": each, "x_unit": "us", "y_unit": "bytes", "points": [list(point) for point in points]}
                       for each, points in (series or {}).items()],
            "evidence": [{"name": fact, "value": values[0], "unit": unit, "attempts": values}
                         for fact, (values, unit) in (evidence or {}).items()]} | changes


TIMES = [0, 10000, 20000, 30000, 60000, 70000, 80000]
DOCUMENT: dict[str, Any] = {
    "schema": "tinygram-lab/1", "version": "0.1.0", "twisted": False, "thorough": False,
    "machine": {"kernel": "6.1", "hz": 250, "congestion_default": "cubic", "loopback_mss": 65483,
                "sysctl": {"net.core.wmem_max": "4194304"}},
    "entries": [
        entry("window", {
            "receive buffer": [(0, 40000)], "MSS": [(0, 1448)],
            "taken from the writer": list(zip(TIMES, [0, 20000, 40000, 60000, 60000, 60000, 60000])),
            "sent": list(zip(TIMES, [0, 20000, 30000, 30000, 30000, 30000, 60000])),
            "read": list(zip(TIMES, [0, 0, 0, 0, 0, 15000, 30000])),
            "window": list(zip(TIMES, [18824, 10000, 0, 0, 0, 0, 28960]))},
            sysctls=[{"name": "net.core.rmem_max", "value": "4194304", "set_to": None},
                     {"name": "net.ipv4.tcp_young", "value": None, "set_to": None}]),
        entry("ten-letters", {
            "Nagle, slow acknowledger": [*((n, min(n, 1)) for n in range(11)), (10, 2)],
            "Nagle, fast acknowledger": [(n, n) for n in range(11)],
            "NODELAY, slow acknowledger": [(n, n) for n in range(11)]}, mss=1448),
        entry("nodelay-write-is-segment", {
            "NODELAY, fast acknowledger": [(n, n) for n in range(26)],
            "NODELAY, slow acknowledger": [*((n, min(n, 10)) for n in range(26)), (25, 12)]}, mss=1448),
        entry("sndbuf-exact", {"SO_SNDBUF": [(1 << b, min(max(2 << b, 4608), 8 << 20)) for b in range(8, 27)]},
              {"net.core.wmem_max": ([4194304], "bytes")}, congestion=None),
        entry("rcvbuf-exact", {"SO_RCVBUF": [(1 << b, min(max(2 << b, 2304), 8 << 20)) for b in range(8, 27)]},
              {"net.core.rmem_max": ([4194304], "bytes")}, congestion=None),
        entry("slow-reader", {
            "UDP, sent": [(0, 0), (5000, 2000000), (10000, 4000000), (12000, 4000000)],
            "UDP, read": [(0, 0), (5000, 150000), (10000, 250000), (12000, 300000)],
            "TCP, sent": [(0, 0), (40000, 1500000), (90000, 3100000), (140000, 4000000)],
            "TCP, read": [(0, 0), (40000, 1200000), (90000, 2800000), (140000, 4000000)]}),
        entry("bigger-is-better", None, {
            "SO_SNDBUF 1048576": ([9, 9, 8], "stops"), "SO_SNDBUF 2097152": ([4, 4, 4], "stops"),
            "SO_SNDBUF 4194304": ([2, 2, 2], "stops"), "SO_SNDBUF 8388608": ([2, None, 2], "stops"),
            "attempts of another kind": ([7], "stops")}, mss=1448),
        entry("write-write-read", None, {"shortest hold": ([43965, 44024], "us")}),
        entry("delayed-ack-limit", None, {"acknowledged after": ([46178, 42916], "us")}),
        entry("cork-ceiling", None, {"held by TCP_CORK": ([203, 201], "ms"), "held by MSG_MORE": ([207, 206], "ms")}),
        entry("minimum-rto", None, {"sent again after": ([208, 205], "ms")}),
        entry("time-wait-fin-timeout", None, {"time left": ([59900, 59970], "ms")}),
    ]}


def without(*names: str) -> dict[str, Any]:
    """The document, with entries of these names not tried."""
    document = copy.deepcopy(DOCUMENT)
    for each in document["entries"]:
        if each["name"] in names:
            each["verdict"] = "not tried"
    return document


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    return lab_charts.draw(DOCUMENT, tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_golden(script: str, drawn: dict[str, Chart]) -> None:
    """The same numbers make the same table and the same picture."""
    name = next(picture.entry for picture in lab_charts.PICTURES if picture.script == script)
    compare_with_golden(drawn[name], script)


def test_every_picture_is_drawn_and_explained(drawn: dict[str, Chart]) -> None:
    """Title, axes with units, a caption with the kernel, and words for who sees such a picture for the first time."""
    assert set(drawn) == {picture.entry for picture in lab_charts.PICTURES} and len(drawn) >= 4
    assert {picture.script for picture in lab_charts.PICTURES} == set(SCRIPTS)
    for made in drawn.values():
        svg = made.svg.read_text(encoding="utf-8")
        assert made.title.replace("'", "&apos;") in svg.replace("&#39;", "&apos;").replace("'", "&apos;")
        assert "kernel 6.1; HZ 250; congestion control" in svg and len(made.how_to_read) > 200
        assert made.png.read_bytes().startswith(b"\x89PNG")


def test_the_caption_tells_what_the_picture_rests_on(drawn: dict[str, Chart]) -> None:
    """The MSS of the picture's own connection, of the entry's, or of loopback; and the sysctls that the kernel has."""
    assert drawn["window"].caption == ("tinygram lab window; kernel 6.1; HZ 250; congestion control reno; MSS 1448; "
                                       "net.core.rmem_max=4194304")
    assert "MSS 1448" in drawn["ten-letters"].caption
    assert "tinygram lab sndbuf-exact rcvbuf-exact" in drawn["sndbuf-exact"].caption
    assert "congestion control cubic; MSS 65483" in drawn["sndbuf-exact"].caption


def test_the_stalled_reader(drawn: dict[str, Chart]) -> None:
    """The time without a window is measured from the looks that saw it; areas lie between the three lines."""
    svg = drawn["window"].svg.read_text(encoding="utf-8")
    assert "window of 0 for 60 ms" in svg and "the program reads" in svg and "40000 bytes" in svg
    rows = table(drawn["window"].tsv)
    assert [row["time_s"] for row in rows][:2] == ["0", "0.01"]
    assert rows[3] == {"time_s": "0.03", "taken_bytes": "60000", "sent_bytes": "30000", "read_bytes": "0",
                       "window_bytes": "0", "buffer_bytes": "40000"}


def test_a_reader_whose_window_never_closed(tmp_path: Path) -> None:
    """Nothing is said of a time that was not seen."""
    document = copy.deepcopy(DOCUMENT)
    series = document["entries"][0]["series"]
    next(each for each in series if each["name"] == "window")["points"] = [[at, 20000] for at in TIMES]
    assert "window of 0" not in lab_charts.draw(document, tmp_path)["window"].svg.read_text(encoding="utf-8")


def test_lost_or_all_arrived(drawn: dict[str, Chart]) -> None:
    svg = drawn["slow-reader"].svg.read_text(encoding="utf-8")
    assert "lost: 3.70 of 4.00 MB" in svg and "all 4.00 MB arrived" in svg


def test_floor_and_ceiling_are_named(drawn: dict[str, Chart]) -> None:
    svg = drawn["sndbuf-exact"].svg.read_text(encoding="utf-8")
    for words in ("floor: 4.5 KiB", "floor: 2304 B", "ceiling: 8 MiB", "net.core.wmem_max: 4 MiB",
                  "net.core.rmem_max: 4 MiB"):
        assert words in svg


def test_segments_are_counted_to_the_end(drawn: dict[str, Chart]) -> None:
    assert "2 segments" in (svg := drawn["ten-letters"].svg.read_text(encoding="utf-8")) and "10 segments" in svg
    assert "NODELAY on (Nagle off)" in svg and "NODELAY off (Nagle may hold)" in svg
    svg = drawn["nodelay-write-is-segment"].svg.read_text(encoding="utf-8")
    assert "12 segments" in svg and "25 segments" in svg and "NODELAY off" not in svg


def test_every_attempt_is_a_point(drawn: dict[str, Chart]) -> None:
    """What an attempt could not have is left out; facts of another name are."""
    assert [(row["asked_bytes"], row["stops"]) for row in table(drawn["bigger-is-better"].tsv)] == [
        ("1048576", "8"), ("1048576", "9"), ("1048576", "9"), ("2097152", "4"), ("2097152", "4"), ("2097152", "4"),
        ("4194304", "2"), ("4194304", "2"), ("4194304", "2"), ("8388608", "2"), ("8388608", "2")]
    rows = table(drawn["time-wait-fin-timeout"].tsv)
    assert [(row["kind"], row["value_s"]) for row in rows if row["name"] == "TIME_WAIT lasts"] == [
        ("told", "240"), ("seen", "59.9"), ("seen", "59.97")]


@pytest.mark.parametrize(("missing", "left"), [
    (("window",), {"ten-letters", "nodelay-write-is-segment", "sndbuf-exact", "bigger-is-better", "slow-reader",
                   "time-wait-fin-timeout"}),
    (tuple(each["name"] for each in DOCUMENT["entries"]), set()),
    (("rcvbuf-exact", "minimum-rto"), {picture.entry for picture in lab_charts.PICTURES})])
def test_what_was_not_tried_is_not_drawn(missing: tuple[str, ...], left: set[str], tmp_path: Path) -> None:
    made = lab_charts.draw(without(*missing), tmp_path)
    assert set(made) == left
    if "rcvbuf-exact" in missing and left:
        assert {row["option"] for row in table(made["sndbuf-exact"].tsv)} == {"SO_SNDBUF"}
        assert "data are sent again" not in made["time-wait-fin-timeout"].svg.read_text(encoding="utf-8")


def test_a_machine_without_a_limit(tmp_path: Path) -> None:
    """No bar where /proc/sys did not tell where it stands."""
    document = copy.deepcopy(DOCUMENT)
    document["machine"]["sysctl"] = {}
    for each in document["entries"]:
        each["evidence"] = [fact for fact in each["evidence"] if not fact["name"].startswith("net.")]
    made = lab_charts.draw(document, tmp_path)
    assert "net.core" not in normal(made["bigger-is-better"].svg.read_text(encoding="utf-8"))
    assert "wmem_max" not in made["sndbuf-exact"].svg.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="no chart can be written below"):
        lab_charts.draw(DOCUMENT, tmp_path / "missing")


def test_scripts_complain_of_a_missing_column(tmp_path: Path) -> None:
    for script in SCRIPTS:
        (tmp_path / "small.tsv").write_text("place\n1\n", encoding="utf-8")
        with pytest.raises(ChartError, match="lacks the column"):
            chart.plot(chart.PLOTS / f"{script}.gp", tmp_path / "small.tsv", tmp_path / "out.svg", "", "")


@pytest.mark.skipif(SANITIZED or not PROGRAM.exists(), reason="the same numbers as of the program itself")
def test_the_program_measures_what_is_drawn(tmp_path: Path) -> None:
    """Every number that a picture needs comes from the program, under the name that the picture knows."""
    names = sorted({name for picture in lab_charts.PICTURES for name in (picture.entry, *picture.also)})
    document = json.loads(run("lab", *names, "--attempts", 1, "--json").out)
    tried = {each["name"] for each in document["entries"] if each["verdict"] != "not tried"}
    made = lab_charts.draw(document, tmp_path)
    assert set(made) == {picture.entry for picture in lab_charts.PICTURES} & tried
    if "window" in made:
        rows = table(made["window"].tsv)
        assert int(rows[-1]["read_bytes"]) == int(rows[-1]["taken_bytes"]) > 40000
        assert "0" in {row["window_bytes"] for row in rows}
        assert all(int(row["read_bytes"]) <= int(row["sent_bytes"]) <= int(row["taken_bytes"]) for row in rows)
    if "ten-letters" in made:
        last = {(row["nodelay"], row["acknowledger"]): row["segments"] for row in table(made["ten-letters"].tsv)}
        assert last == {("off", "slow"): "2", ("off", "fast"): "10", ("on", "slow"): "10"}
    if "slow-reader" in made:
        last = {row["transport"]: int(row["sent_bytes"]) - int(row["read_bytes"])
                for row in table(made["slow-reader"].tsv)}
        assert last["TCP"] == 0 < last["UDP"]
    assert {row["option"] for row in table(made["sndbuf-exact"].tsv)} == {"SO_SNDBUF", "SO_RCVBUF"}
    timers = {timer.name for timer in lab_charts.TIMERS if timer.entry in tried}
    assert {row["name"] for row in table(made["time-wait-fin-timeout"].tsv)} == timers


@pytest.mark.skipif(SANITIZED or not PROGRAM.exists(), reason="the same as of the program itself")
def test_a_picture_is_of_the_first_attempt_and_of_no_twist() -> None:
    plain = run("lab", "ten-letters", "half-close", "--json").document["entries"]
    assert [len(each["points"]) for each in plain[0]["series"]] == [12, 11, 12] and plain[1]["series"] == []
    assert run("lab", "ten-letters", "--twist", "--json").document["entries"][0]["series"] == []
