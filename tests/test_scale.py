"""One scale for two pictures: the axes are the same, and nothing is drawn that was not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import invented
import pytest
import synthetic
import two_runs
from test_chart import points, table

from harness import chart, scale
from harness.chart import Chart
from harness.experiment import Experiment
from harness.summary import rows


def slower(levels: Any, result: dict[str, Any]) -> None:
    result["latency_ns"] = invented.flat(30 * result["latency_ns"]["p50"])


def both(made: Experiment, folder: Path, change: Any = None, other: Experiment | None = None) -> tuple[Chart, Chart]:
    """The first chart of an experiment, of two runs; its tables are written, and nothing is drawn yet."""
    found = []
    for name, of, trials in (("base", made, two_runs.trials(made)),
                             ("new", other or made, two_runs.trials(other or made, 7, change))):
        found.append(chart.tables(of, rows(trials), trials, folder / name)[0])
    return found[0], found[1]


def shared(pair: tuple[Chart, Chart]) -> tuple[Chart, Chart]:
    assert scale.share(chart.kind_of(pair[0]), pair[0].tsv, pair[1].tsv)
    chart.draw_pictures([(chart.kind_of(one), one) for one in pair])
    return pair


def ticks(made: Chart) -> list[tuple[str, str]]:
    """The words at the axes of a picture (they alone are grey), each with where it stands."""
    return re.findall(r'translate\(([\d.,]+)\)" stroke="none" fill="rgb\(102,102,102\)"[^>]*>\s*<text>([^<]+)<',
                      made.svg.read_text())


def ends(made: Chart, value: str, rooms: bool) -> dict[str, tuple[float, float]]:
    """The least and the largest value of each panel; rooms: with the rows that make room."""
    found: dict[str, list[float]] = {}
    for row in table(made.tsv):
        is_room = row.get("kind") == scale.KIND or row.get("series") == ""
        if row.get("kind", "trial") in ("trial", scale.KIND) and (rooms or not is_room):
            found.setdefault(row["panel"], []).append(float(row[value]))
    return {panel: (min(values), max(values)) for panel, values in found.items()}


def test_panels_reach_as_far_in_both(tmp_path: Path) -> None:
    """Goodput, a scale a panel: each reaches from the least of both runs to the largest of both."""
    made = two_runs.transfers()
    pair = both(made, tmp_path, other=synthetic.experiment(two_runs.BUFFERS, {"goodput_sndbuf": "G"}, "other", 9))
    before = [ends(one, "goodput_bytes_per_s", False) for one in pair]
    shared(pair)
    after = [ends(one, "goodput_bytes_per_s", True) for one in pair]
    assert before[0] != before[1] and after[0] == after[1]
    assert [text for _, text in ticks(pair[0])] == [text for _, text in ticks(pair[1])]
    for panel, (low, high) in after[0].items():
        assert (low, high) == (min(each[panel][0] for each in before), max(each[panel][1] for each in before))


@pytest.mark.parametrize("kind", ["latency_cdf", "latency_percentiles", "remedies"])
def test_curves_and_rows_reach_as_far_in_both(tmp_path: Path, kind: str) -> None:
    """A run that is 30 times slower stretches the axis of the other."""
    made = invented.experiment({"body": ("400",)}, (kind,), variants=("Nagle", "NODELAY"), blocks=3)
    apart, alike = both(made, tmp_path / "apart", slower), shared(both(made, tmp_path / "alike", slower))
    chart.draw_pictures([(chart.kind_of(one), one) for one in apart])
    assert ticks(apart[0]) != ticks(apart[1]), "the test shows something"
    assert ticks(alike[0]) == ticks(alike[1]) != []


def test_bars_reach_as_far_in_both(tmp_path: Path) -> None:
    """Where the time of a write goes: a run with longer holds stretches both panels of the other."""
    tables = []
    for name, whole, enlarged in (("one", "0.045", "5e-05"), ("other", "0.09", "4e-05")):
        tables.append(tmp_path / f"{name}.tsv")
        tables[-1].write_text("# schema x\nkind\tplace\tlabel\tpart\tstart_s\tend_s\ttrial\n"
                              f"reach\t1\t\t\t0\t{whole}\t\nreach\t2\t\t\t0\t{enlarged}\t\n")
    assert scale.share("split_bars", *tables)
    last = [{row["place"]: row["end_s"] for row in table(path)} for path in tables]
    assert last[0] == last[1] == {"1": "0.09", "2": "5e-05"}
    tables[1].write_text(tables[1].read_text().replace("reach\t2", "row\t2"))
    before = tables[0].read_text()
    assert not scale.share("split_bars", *tables) and tables[0].read_text() == before


def test_room_is_not_drawn(tmp_path: Path) -> None:
    made = two_runs.transfers()
    alone, pair = both(made, tmp_path / "alone"), shared(both(made, tmp_path / "pair"))
    chart.draw_pictures([(chart.kind_of(one), one) for one in alone])
    for one, other in zip(alone, pair, strict=True):
        assert points(one.svg) == points(other.svg)
        assert len(table(other.tsv)) > len(table(one.tsv))


def test_what_one_run_lacks_makes_no_room(tmp_path: Path) -> None:
    """A level, and so a place on the axis, that the other run does not have."""
    more = synthetic.experiment({**two_runs.BUFFERS, "sndbuf": ["16K", "1M", "auto"]}, {"goodput_sndbuf": "G"}, "more")
    one, other = shared(both(two_runs.transfers(), tmp_path, other=more))
    own = {row["place"] for row in table(one.tsv) if row["kind"] == "trial"}
    assert {row["place"] for row in table(one.tsv) if row["kind"] == scale.KIND} <= own
    assert len({row["place"] for row in table(other.tsv) if row["kind"] == "trial"}) == 3


def test_a_line_that_one_run_lacks_stays_out_of_the_legend(tmp_path: Path) -> None:
    fewer = synthetic.experiment({**two_runs.BUFFERS, "nodelay": ["on"]}, {"goodput_sndbuf": "G"}, "fewer")
    one, other = shared(both(fewer, tmp_path, other=two_runs.transfers()))
    assert "Nagle may hold" not in one.svg.read_text() and "Nagle may hold" in other.svg.read_text()


def test_some_kinds_keep_a_scale_of_their_own(tmp_path: Path) -> None:
    made = synthetic.experiment(two_runs.BUFFERS, {"ratio_heatmap": "On by off"}, "map")
    one, other = both(made, tmp_path)
    before = one.tsv.read_text()
    assert not scale.share("ratio_heatmap", one.tsv, other.tsv) and one.tsv.read_text() == before
