"""Charts of exchanges and streams: what is drawn, what is left out, and that equal data make equal pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import invented
import pytest
from test_chart import compare_with_golden, table

from harness import chart, parts, pattern, schema, summary, timeline
from harness.chart import Chart
from harness.experiment import Experiment
from harness.panels import PanelError
from harness.store import Trial

STALL: Mapping[str, Any] = {"factors": {"body": ["400", "4000"], "mss": ["auto", "1448"]},
                            "variants": ["Nagle", "NODELAY", "CORK", "writev", "QUICKACK"],
                            "fixed": {"count": "100"}}
NODELAY: Mapping[str, Any] = {"factors": {"stamps": ["on"], "pattern": ["w100,w400,r1"], "nodelay": ["off", "on"]}}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "timeline": NODELAY, "remedies": STALL, "latency_cdf": STALL,
    "split_bars": {**STALL, "factors": {**STALL["factors"], "stamps": ["on"]}},
    "pipeline": {"factors": {"outstanding": ["1", "4", "32"], "nodelay": ["off", "on"]},
                 "fixed": {"pattern": "k{outstanding}(w100,r100)", "count": "100"}},
    "hold_write_size": {"workload": "stream", "fixed": {"stream": "{size}@{rate}", "count": "100"},
                        "factors": {"size": ["100", "1448", "16384"], "rate": ["1000", "9000"], "mss": ["1448"],
                                    "nodelay": ["off", "on"], "stamps": ["on"]}},
    "queue_latency": {"workload": "stream", "fixed": {"stream": "1000@{rate}", "count": "100"},
                      "factors": {"rate": ["5000", "9000", "12000"], "sndbuf": ["16K", "auto"],
                                  "notsent-lowat": ["auto", "16K"]}},
    "servers": {"factors": {"concurrency": ["fork", "poll", "thread"], "connections": ["1", "100"],
                            "count": ["20", "60"]}, "fixed": {"pattern": "w100,r100"}},
    "observer": {"factors": {"stamps": ["off", "on"], "pattern": ["w64,r64", "w100,w400,r1"], "nodelay": ["on"]}},
}


def drawn(folder: Path, kind: str, made: Experiment | None = None, trials: Sequence[Trial] | None = None,
          stamps: bool = True) -> list[Chart]:
    """The charts of one kind of an invented experiment, whose first block keeps its events."""
    made = made or invented.experiment(charts=[kind], **KINDS[kind])
    trials = invented.trials(made) if trials is None else trials
    events = invented.keep_events(folder / "events", trials, stamps)
    return chart.draw(made, summary.rows(trials), trials, folder, events)


@pytest.mark.parametrize("kind", KINDS)
def test_golden(kind: str, tmp_path: Path) -> None:
    """The same trials make the same table and the same picture."""
    (made,) = drawn(tmp_path, kind)
    compare_with_golden(made, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_invented_documents_are_sound(kind: str) -> None:
    for trial in invented.trials(invented.experiment(**KINDS[kind])):
        assert schema.problems(trial.document) == []


@pytest.mark.parametrize("kind", set(KINDS) - {"timeline", "observer"})
def test_every_trial_is_drawn(kind: str, tmp_path: Path) -> None:
    made = invented.experiment(charts=[kind], **KINDS[kind])
    trials = invented.trials(made)
    (one,) = drawn(tmp_path, kind, made, trials)
    assert {row["trial"] for row in table(one.tsv)} - {""} == {trial.trial for trial in trials}
    assert f"n = {len(trials)} trials" in one.caption


@pytest.mark.parametrize("kind", KINDS)
def test_caption_tells_the_timer(kind: str, tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, kind)
    assert "HZ=250" in made.caption and "kernel 6.18.0" in made.caption and "MSS " in made.caption


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_drawn_where_every_trial_failed(kind: str, tmp_path: Path) -> None:
    import synthetic
    made = invented.experiment(charts=[kind], **KINDS[kind])
    trials = [synthetic.failed(trial, "No.") for trial in invented.trials(made)]
    assert chart.draw(made, summary.rows(trials), trials, tmp_path) == []


# ---------------------------------------------------------------------------------------------------------------------
# The timeline


def test_the_stall_is_labelled_with_its_length_and_mechanism(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "timeline")
    holds = [row for row in table(made.tsv) if row["kind"] == "hold"]
    assert [(row["panel"], row["words"], row["more_words"]) for row in holds] == [
        ("1", "held 43.9 ms by Nagle", "until a delayed ACK")] * 2
    for row in holds:
        assert float(row["end_s"]) - float(row["time_s"]) == pytest.approx(0.0439, abs=1e-4)
    assert "held 43.9 ms by Nagle" in made.svg.read_text()


def test_both_sides_have_the_same_axes(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "timeline")
    reach = {row["panel"]: (row["end_s"], row["bytes"], row["nodelay"]) for row in table(made.tsv)
             if row["kind"] == "panel"}
    assert reach["1"][:2] == reach["3"][:2] and reach["2"][:2] == reach["4"][:2]
    assert [reach[panel][2] for panel in "1234"] == ["off", "off", "on", "on"]


def test_without_stamps_the_timeline_says_so(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "timeline", stamps=False)
    kinds = {row["kind"] for row in table(made.tsv)}
    assert kinds & {"written", "left", "arrived", "read", "acked"} == {"written", "read"}
    assert timeline.NO_STAMPS in made.svg.read_text()


def test_without_events_there_is_no_timeline(tmp_path: Path) -> None:
    made = invented.experiment(charts=["timeline"], **NODELAY)
    trials = invented.trials(made)
    assert chart.draw(made, summary.rows(trials), trials, tmp_path, tmp_path / "events") == []
    assert chart.draw(made, summary.rows(trials), trials, tmp_path) == []


def test_the_timeline_shows_the_setting_that_stalls_most(tmp_path: Path) -> None:
    made = invented.experiment({"pattern": ["v100+400,r1", "w100,w400,r1"], "nodelay": ["off", "on"]}, ["timeline"])
    trials = invented.trials(made)
    (one,) = drawn(tmp_path, "timeline", made, trials)
    assert {row["nodelay"] for row in table(one.tsv)} == {"off", "on"}
    assert any(row["kind"] == "hold" for row in table(one.tsv))


@pytest.mark.parametrize("text", ["", "end\tkind\n", invented.HEAD + "sender\t0\twrite\tx\t\t5\n"])
def test_a_damaged_event_log_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "b0-c0.tsv"
    path.write_text(text)
    with pytest.raises(PanelError, match=r"b0-c0\.tsv is no event log of tinygram"):
        timeline.read_events(path)


def test_events_are_those_of_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(invented.HEAD + "sender\t0\twrite\t5\t9\t100\nsender\t1\twrite\t1\t2\t50\n"
                    "receiver\t0\tread\t4\t\t60\n")
    assert timeline.read_events(path) == [timeline.Event("read", 4, 4, 60), timeline.Event("write", 5, 9, 100)]


# ---------------------------------------------------------------------------------------------------------------------
# The split


def test_held_and_other_writes_have_a_bar_each(tmp_path: Path) -> None:
    """Half of the writes are held: 44 ms and microseconds are never one number."""
    (made,) = drawn(tmp_path, "split_bars")
    labels = [row["label"] for row in table(made.tsv) if row["kind"] == "row"]
    assert labels[:3] == ["Nagle: held, 48 % of writes", "Nagle: not held, 52 % of writes", "NODELAY"]
    ends = [float(row["end_s"]) for row in table(made.tsv) if row["kind"] == "trial"]
    assert all(end < 1e-4 or end > 0.04 for end in ends)


def test_the_parts_follow_each_other(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "split_bars")
    pieces = [row for row in table(made.tsv) if row["kind"] == "part"]
    for before, after in zip(pieces, pieces[1:]):
        start = 0.0 if after["part"] == "1" else float(before["end_s"])
        assert float(after["start_s"]) == pytest.approx(start)


def test_a_long_hold_is_shown_beside_what_lasts_microseconds(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "split_bars")
    whole, near = (float(row["end_s"]) for row in table(made.tsv) if row["kind"] == "reach")
    assert whole > 0.04 and near < 1e-4
    quick = invented.experiment({"pattern": ["v100+400,r1"], "stamps": ["on"]}, ["split_bars"])
    (other,) = drawn(tmp_path / "quick", "split_bars", quick)
    assert len([row for row in table(other.tsv) if row["kind"] == "reach"]) == 1


def test_without_stamps_there_is_no_split(tmp_path: Path) -> None:
    made = invented.experiment(charts=["split_bars"], **STALL)
    assert drawn(tmp_path, "split_bars", made) == []


def test_bars_of_one_trial() -> None:
    assert parts.bars(None) == []
    (none,) = parts.bars(invented.split(invented.flat(0.0)))
    assert (none.held, none.share, sum(none.parts)) == (False, 1.0, pytest.approx(9700))
    (always,) = parts.bars(invented.split(invented.flat(2e6)))
    assert (always.held, always.parts[1]) == (True, 2e6)
    held, free = parts.bars(invented.split(invented.half(44e6)))
    assert (held.held, held.parts[1], free.held, free.parts[1]) == (True, 44e6, False, 0.0)
    assert held.share + free.share == pytest.approx(1) and held.share == pytest.approx(0.475)


def test_the_parts_of_a_bar_belong_to_the_same_writes() -> None:
    """A bar is one trial's: parts of different trials never stand on each other, and none is made of two modes."""
    three = [parts.Bar(True, 1.0, sizes) for sizes in ((9.0, 1.0), (1.0, 30.0), (5.0, 6.0))]
    assert parts.middle_bar(three).parts == (5.0, 6.0)
    assert parts.middle_bar(three[:2]).parts == (9.0, 1.0), "of two the lower one"
    few = invented.split(invented.half(44e6))
    few["typical_held"]["writes"], few["typical_not_held"]["writes"] = 9, 191
    assert [bar.held for bar in parts.bars(few)] == [False], "a twentieth is no mode of its own"
    few["typical_held"] = few["typical_not_held"] = None
    assert parts.bars(few) == []


# ---------------------------------------------------------------------------------------------------------------------
# Side by side


def test_a_request_is_one_group_whatever_calls_it_takes(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "remedies")
    headings = [row["label"] for row in table(made.tsv) if row["kind"] == "heading"]
    assert sorted(headings) == ["100 + 400 B, reply 1 B, MSS 1448 B", "100 + 400 B, reply 1 B, MSS not set",
                                "100 + 4000 B, reply 1 B, MSS 1448 B", "100 + 4000 B, reply 1 B, MSS not set"]
    assert [row["label"] for row in table(made.tsv) if row["kind"] == "row"][:5] == STALL["variants"]


def test_remedies_count_every_call(tmp_path: Path) -> None:
    """A cork is two more calls, a writev one less than two writes, QUICKACK one more a read."""
    (made,) = drawn(tmp_path, "remedies")
    rows = table(made.tsv)
    place = {row["label"]: row["place"] for row in rows if row["kind"] == "row" and float(row["place"]) < 7}
    calls = {row["place"]: float(row["value"]) for row in rows if row["kind"] == "median" and row["panel"] == "3"}
    assert {name: calls[at] for name, at in place.items()} == {
        "Nagle": 5, "NODELAY": 5, "CORK": 6, "writev": 4, "QUICKACK": 6}


def test_two_modes_have_no_median(tmp_path: Path) -> None:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        change.count += 1  # type: ignore[attr-defined]
        result["latency_ns"] = invented.flat(25e3 if change.count % 2 else 44e6)  # type: ignore[attr-defined]
    change.count = 0  # type: ignore[attr-defined]
    made = invented.experiment({"pattern": ["w100,w400,r1"]}, ["remedies"], blocks=6)
    (one,) = drawn(tmp_path, "remedies", made, invented.trials(made, change))
    (middle,) = [row for row in table(one.tsv) if row["kind"] == "median" and row["panel"] == "1"]
    assert middle["modes"] == "2" and float(middle["high"]) > 100 * float(middle["low"])
    assert "two modes: no median" in one.svg.read_text()


def test_the_observer_is_a_ratio_within_each_block(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "observer")
    ratios = [float(row["value"]) for row in table(made.tsv) if row["kind"] == "trial" and row["panel"] == "1"]
    assert len(ratios) == 2 * 3 and all(1.05 < ratio < 1.16 for ratio in ratios)
    assert made.caption.startswith("experiment invented: n = 12 trials")


def test_a_request_has_one_panel_of_curves(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "latency_cdf")
    assert len({row["panel_title"] for row in table(made.tsv)}) == 4
    assert {row["series"] for row in table(made.tsv)} == set(STALL["variants"])


def test_many_settings_have_a_panel_each(tmp_path: Path) -> None:
    patterns = [f"{mark}w100,w400,r1" for mark in ("", "q,", "c,", "p1ms,", "c,q,")]
    made = invented.experiment({"pattern": patterns, "nodelay": ["off", "on"]}, ["latency_cdf"])
    (one,) = drawn(tmp_path, "latency_cdf", made)
    assert {row["series"] for row in table(one.tsv)} == {"off", "on"}
    assert len({row["trial"] for row in table(one.tsv)}) == 30


def test_latency_from_the_plan_stands_beside_that_from_write(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, "queue_latency")
    rows = [row for row in table(made.tsv) if row["kind"] == "median" and row["level"] == "12000"]
    plan = [float(row["latency_s"]) for row in rows if "from the plan" in row["panel_title"]]
    wrote = [float(row["latency_s"]) for row in rows if "from write()" in row["panel_title"]]
    assert min(plan) > 2 * max(wrote)
    assert {row["series"] for row in rows} == {"NOTSENT_LOWAT 16K", "NOTSENT_LOWAT auto"}


# ---------------------------------------------------------------------------------------------------------------------
# Patterns


@pytest.mark.parametrize(("text", "writes", "replies", "marks", "outstanding"), [
    ("w100,w400,r1", (100, 400), (1,), "", 1), ("v100+400,r1", (100, 400), (1,), "v", 1),
    ("c,w1K,u,r1", (1024,), (1,), "c", 1), ("k8(m10,w20,q,r5)", (10, 20), (5,), "mq", 8),
    ("w1,p5ms,w1,r1,r2", (1, 1), (1, 2), "p", 1)])
def test_patterns_are_read(text: str, writes: tuple[int, ...], replies: tuple[int, ...], marks: str,
                           outstanding: int) -> None:
    found = pattern.parse(text)
    assert (found.writes, found.replies, found.outstanding) == (writes, replies, outstanding)
    assert found.marks == frozenset(marks)


@pytest.mark.parametrize(("options", "told"), [
    ({"pattern": "w100,w400,r1"}, "nothing set (Nagle)"), ({"pattern": "w100,w400,r1", "nodelay": "on"}, "NODELAY"),
    ({"pattern": "c,w100,w400,u,r1", "nodelay": "on"}, "NODELAY + CORK"), ({"pattern": "v1+2,r1"}, "one writev"),
    ({"pattern": "m100,w400,r1"}, "MSG_MORE"), ({"pattern": "w500,r1"}, "one write"),
    ({"pattern": "w100,w400,r1", "rearm-quickack": "on"}, "QUICKACK"), ({"pattern": "q,w1,w1,r1"}, "QUICKACK")])
def test_remedies_in_words(options: dict[str, str], told: str) -> None:
    import random
    assert pattern.remedies(invented.document(options, random.Random(1))) == told


def test_no_word_of_the_document_is_none(tmp_path: Path) -> None:
    for kind in KINDS:
        for each in drawn(tmp_path / kind, kind):
            assert not re.search(r"\bNone\b|\bnan\b", each.svg.read_text() + each.caption + each.how_to_read)


def test_times_below_a_narrow_panel_are_few_enough_to_be_read(tmp_path: Path) -> None:
    """`20 us` at 20, 40, 60 and 80 us would be one smear in a quarter of the page."""
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["cpu_sender_ns"] = 40000 * result["messages"]
        result["cpu_receiver_ns"] = 38000 * result["messages"]
    made = invented.experiment(charts=["remedies"], **KINDS["remedies"])
    (one,) = drawn(tmp_path, "remedies", made, invented.trials(made, change))
    words = re.findall(r">([\d.]+ us)<", one.svg.read_text())
    assert "50 us" in words and not {"20 us", "40 us", "60 us", "80 us"} & set(words)
