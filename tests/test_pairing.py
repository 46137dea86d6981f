"""Two runs cell by cell: what is paired, what a ratio is, which counters are judged; and the mirror of all that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import invented
import pytest
import synthetic
import two_runs
from hypothesis import given
from hypothesis import strategies as st

from harness import pairing, schema
from harness.pairing import Cell, Exact, Pairing, judge, without_nan

FIELDS = dict(schema.exact_fields())
STALLS = ("result", "stalls", "count")
SEGMENTS = ("result", "data_segments")
NODELAY = ("setting", "effective", "sender", "end", "nodelay")


def paired(base: Path, new: Path) -> Pairing:
    one, other = (pairing.cleaned(run)[0] for run in two_runs.read(base, new))
    return pairing.pair(one, other)


def named(found: Pairing, name: str) -> Cell:
    return next(cell for cell in found.cells if cell.name == name)


def verdict(path: tuple[str, ...], base: list[Any], new: list[Any]) -> Exact:
    return judge("cell", path, FIELDS[path], base, new)


# ---------------------------------------------------------------------------------------------------------------------
# Cells and timings


def test_cells_are_paired_by_their_levels_whatever_their_order(tmp_path: Path) -> None:
    made = two_runs.transfers()
    turned = synthetic.experiment({"write-size": ["64K", "100"], "nodelay": ["off", "on"], "sndbuf": ["auto", "16K"]},
                                  {}, "turned", 2)
    runs = [two_runs.stored(tmp_path / each.name, each, two_runs.trials(each)) for each in (made, turned)]
    found = paired(*runs)
    assert len(found.cells) == 8 and found.alone == ((), ())
    for cell in found.cells:
        levels = [frozenset(point.trial.levels.items()) for point in (*cell.base, *cell.new)]
        assert len(set(levels)) == 1 and (len(cell.base), len(cell.new)) == (3, 2)


def test_cells_of_one_run_alone_are_named(tmp_path: Path) -> None:
    more, fewer = two_runs.exchanges(bodies=("400", "4000")), two_runs.exchanges(bodies=("400",))
    runs = [two_runs.stored(tmp_path / str(number), made, two_runs.trials(made))
            for number, made in enumerate((more, fewer))]
    assert paired(*runs).alone == (("Nagle, body 4000", "NODELAY, body 4000"), ())
    assert paired(*reversed(runs)).alone == ((), ("Nagle, body 4000", "NODELAY, body 4000"))


def test_a_ratio_is_time_of_new_by_time_of_base(tmp_path: Path) -> None:
    def slower(levels: Any, result: dict[str, Any]) -> None:
        result["latency_ns"] = invented.flat(2 * result["latency_ns"]["p50"])
    for cell in paired(*two_runs.both(tmp_path, two_runs.exchanges(), slower)).cells:
        assert cell.timed[0].timing.key == "latency_p50"
        assert cell.timed[0].ratio == pytest.approx(2)


def test_twice_the_goodput_is_half_the_time(tmp_path: Path) -> None:
    made = synthetic.experiment({"write-size": ["64K"]}, {})
    base, new = (two_runs.stored(tmp_path / name, made, synthetic.trials(made, model=lambda levels, draw: rate))
                 for name, rate in (("base", 1e9), ("new", 2e9)))
    (cell,) = paired(base, new).cells
    one = cell.timed[0]
    assert one.timing.key == "goodput" and one.ratio == pytest.approx(0.5)
    assert one.low is not None and one.high is not None
    assert one.low == pytest.approx(min(one.base) / max(one.new)) and one.high == pytest.approx(
        max(one.base) / min(one.new))


def test_two_modes_have_no_ratio_and_keep_every_trial(tmp_path: Path) -> None:
    made = synthetic.experiment({"sndbuf": ["16K"], "nodelay": ["on"], "write-size": ["64K"]}, {}, blocks=12)
    (cell,) = paired(*two_runs.both(tmp_path, made, seed=2)).cells
    one = cell.timed[0]
    assert one.two_modes and one.ratio is None and len(one.base) == len(one.new) == 12
    assert one.low is not None and one.high is not None and one.low < 1 < one.high


def test_swapped_runs_are_the_mirror(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost)
    there, back = paired(base, new), paired(new, base)
    for one, other in zip(there.cells, back.cells, strict=True):
        for left, right in zip(one.timed, other.timed, strict=True):
            assert left.base == right.new and left.base_median == right.new_median
            for ratio, mirrored in ((left.ratio, right.ratio), (left.low, right.high), (left.high, right.low)):
                assert ratio is not None and mirrored is not None and ratio * mirrored == pytest.approx(1)
        for exact, mirror in zip(one.exact, other.exact, strict=True):
            assert (exact.verdict, exact.base, exact.new) == (mirror.verdict, mirror.new, mirror.base)
        assert len(one.mechanism) == len(other.mechanism)


# ---------------------------------------------------------------------------------------------------------------------
# Exact counters


@pytest.mark.parametrize(("path", "base", "new", "expected"), [
    (SEGMENTS, [200, 200], [200, 200, 200], "same"), (SEGMENTS, [200, 200], [400, 400], "changed"),
    (SEGMENTS, [200, 201], [200, 200], "varies"), (SEGMENTS, [200, 201], [400, 401], "changed"),
    (SEGMENTS, [200, 200], [None, 200], "missing"), (SEGMENTS, [200, 300], [250, 250], "varies"),
    (STALLS, [0, 0], [0, 1], "same"), (STALLS, [99, 100], [99, 99], "same"), (STALLS, [0, 0], [98, 99], "changed"),
    (STALLS, [0, 2], [1, 1], "varies"), (NODELAY, [True], [False], "changed"), (NODELAY, [True], [True], "same"),
    (NODELAY, [True, False], [True, True], "varies")])
def test_verdict_of_a_counter(path: tuple[str, ...], base: list[Any], new: list[Any], expected: str) -> None:
    assert verdict(path, base, new).verdict == expected
    assert verdict(path, new, base).verdict == expected


def test_a_changed_counter_has_both_values_and_what_it_means() -> None:
    one = verdict(SEGMENTS, [200, 200], [100, 100])
    assert one.sentence.startswith("cell: data segments but those sent again was 200 and is 100: ")
    assert one.mechanism and one.mechanism != verdict(SEGMENTS, [100], [200]).mechanism
    assert verdict(NODELAY, [True], [False]).sentence.startswith(
        "cell: nodelay of the sender, at the end was on and is off: TCP_NODELAY")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_a_change_means_that_no_trial_agrees(base: list[int], new: list[int]) -> None:
    found = verdict(SEGMENTS, base, new).verdict
    assert found != "changed" or not set(base) & set(new)
    assert (found == "same") == (len({*base, *new}) == 1)


def test_nodelay_that_is_lost_is_found_by_the_stalls(tmp_path: Path) -> None:
    found = paired(*two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost))
    changed = {(one.cell, one.counter): one for cell in found.cells for one in cell.exact if one.verdict != "same"}
    assert ("NODELAY, body 400", "stalls") in changed
    lost = changed["NODELAY, body 400", "stalls held by Nagle until a delayed ACK"]
    assert lost.mechanism == "TCP_NODELAY was lost" and lost.sentence.endswith("and is 99: TCP_NODELAY was lost.")
    mended = paired(*reversed(two_runs.both(tmp_path / "back", two_runs.exchanges(), two_runs.nodelay_lost)))
    assert not [one for cell in mended.cells for one in cell.exact if "lost" in one.mechanism]
    assert {cell for cell, _ in changed} == {"NODELAY, body 400"}
    (told,) = [text for text in named(found, "NODELAY, body 400").mechanism if "stall" in text]
    assert told == "more exchanges stall: 99 % of them in place of 0 %"


def test_a_segment_that_was_sent_again_changes_nothing(tmp_path: Path) -> None:
    """One retransmit in one trial, as the tail loss probe of a busy machine makes it, with the segments it adds."""
    base, new = two_runs.both(tmp_path, two_runs.exchanges())

    def again(record: dict[str, Any]) -> None:
        result = record["document"]["result"]
        result.update(data_segments=result["data_segments"] + 3, retransmits=3)
    for number in range(12):
        two_runs.edited_trial(new, number, again)
    found = paired(base, new)
    assert {one.verdict for cell in found.cells for one in cell.exact} == {"same"}
    assert any("data segments" in one.counter for cell in found.cells for one in cell.exact)


def test_segments_that_were_not_sent_again_are_still_found(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.exchanges())
    for number in range(12):
        two_runs.edited_trial(new, number, lambda record: record["document"]["result"].update(
            data_segments=record["document"]["result"]["data_segments"] + 4, retransmits=3))
    changed = {one.counter for cell in paired(base, new).cells for one in cell.exact if one.verdict == "changed"}
    assert changed == {"data segments but those sent again"}


@pytest.mark.parametrize(("mechanism", "expected"), [
    ("reader_late", set()), ("retransmission", set()),
    ("nagle_delayed_ack", {"stalls", "stalls held by Nagle until a delayed ACK"})])
def test_stalls_of_the_machine_are_no_change(tmp_path: Path, mechanism: str, expected: set[str]) -> None:
    """A receiver that got no CPU, or a lost segment, in every trial: nothing about the program changed."""
    def stalled(levels: Any, result: dict[str, Any]) -> None:
        if levels["variant"] == "NODELAY":
            result["stalls"] = invented.stalls(1, mechanism)
    found = paired(*two_runs.both(tmp_path, two_runs.exchanges(), stalled))
    changed = {one.counter for cell in found.cells for one in cell.exact if one.verdict == "changed"}
    assert changed == expected


def test_counters_of_a_cell_that_did_something_else_are_not_compared(tmp_path: Path) -> None:
    made = two_runs.exchanges()
    other = two_runs.exchanges(name="others")
    base = two_runs.stored(tmp_path, made, two_runs.trials(made))
    new = two_runs.stored(tmp_path, other, two_runs.trials(other))
    plan = (new / "plan.tsv").read_text()
    assert "--nodelay on" in plan
    (new / "plan.tsv").write_text(plan.replace("--nodelay on", "--nodelay off"))
    for cell in paired(base, new).cells:
        assert cell.unlike == (("nodelay",) if cell.name.startswith("NODELAY") else ())
        assert bool(cell.exact) == (not cell.unlike) and cell.timed


def test_a_transfer_by_time_has_no_exact_bytes(tmp_path: Path) -> None:
    for cell in paired(*two_runs.both(tmp_path, two_runs.transfers(), seed=5)).cells:
        assert {one.verdict for one in cell.exact} == {"same"}
        assert not {"bytes", "writes", "data segments"} & {one.counter for one in cell.exact}


# ---------------------------------------------------------------------------------------------------------------------
# What goes with a timing


def more_segments(levels: Any, result: dict[str, Any]) -> None:
    result["latency_ns"] = invented.flat(1.5 * result["latency_ns"]["p50"])
    result["data_segments"] *= 2


def test_segments_go_with_a_slower_run_and_not_with_a_faster_one(tmp_path: Path) -> None:
    def faster(levels: Any, result: dict[str, Any]) -> None:
        more_segments(levels, result)
        result["latency_ns"] = invented.flat(0.1 * result["latency_ns"]["p50"])
    told = named(paired(*two_runs.both(tmp_path / "a", two_runs.exchanges(), more_segments)), "NODELAY, body 400")
    assert "more segments: 4 an exchange in place of 2" in told.mechanism
    told = named(paired(*two_runs.both(tmp_path / "b", two_runs.exchanges(), faster)), "NODELAY, body 400")
    assert not [text for text in told.mechanism if "segments" in text]


def test_what_does_not_differ_has_no_mechanism(tmp_path: Path) -> None:
    assert not [cell for cell in paired(*two_runs.both(tmp_path, two_runs.exchanges())).cells if cell.mechanism]


# ---------------------------------------------------------------------------------------------------------------------
# NaN


@pytest.mark.parametrize(("value", "expected", "count"), [
    ({"a": math.nan, "b": [1.0, math.inf]}, {"a": None, "b": [1.0]}, 2),
    ({"curve": [[0.5, 1.0], [0.9, math.nan]]}, {"curve": [[0.5, 1.0]]}, 1), ("text", "text", 0)])
def test_what_is_no_number_is_missing(value: Any, expected: Any, count: int) -> None:
    assert without_nan(value) == (expected, count)
