"""The charts of two runs: every trial of both, one scale, no mean of two modes; golden tables and pictures.

UPDATE_GOLDEN=1 writes the golden files of tests/golden/plots anew; look at them before keeping them.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import invented
import pytest
import synthetic
import two_runs
from test_chart import compare_with_golden, table

from harness import overlay, pairing
from harness.chart import Chart
from harness.pairing import Pairing


def paired(base: Path, new: Path) -> Pairing:
    return pairing.pair(*(pairing.cleaned(run)[0] for run in two_runs.read(base, new)))


def drawn(found: Pairing, out: Path, base: Path) -> dict[str, Chart]:
    (run,) = two_runs.read(base)
    return {one.name: one for one in overlay.draw(found, run.experiment, 0, out)}


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    """All charts of two runs of transfers, of which one cell has two modes."""
    folder = tmp_path_factory.mktemp("runs")
    runs = two_runs.both(folder, two_runs.transfers(blocks=6), seed=2)
    return drawn(paired(*runs), folder / "out", runs[0])


@pytest.mark.parametrize(("name", "golden"), [("forest_goodput", "forest"), ("trials", "compare_trials"),
                                              ("goodput_sndbuf", "compare_goodput_sndbuf"),
                                              ("percentiles", "compare_percentiles")])
def test_golden(charts: dict[str, Chart], name: str, golden: str) -> None:
    compare_with_golden(charts[name], golden)


def test_a_comparison_has_these_charts(charts: dict[str, Chart]) -> None:
    assert list(charts) == ["forest_goodput", "forest_latency_p50", "forest_latency_p99", "trials", "percentiles",
                            "goodput_sndbuf"]
    for chart in charts.values():
        assert chart.svg.stat().st_size and chart.png.stat().st_size
        assert "48 trials of base and 48 trials of new (6 a cell)" in chart.caption
        assert chart.how_to_read


def test_the_forest_is_sorted_and_not_judged(charts: dict[str, Chart]) -> None:
    rows = table(charts["forest_goodput"].tsv)
    ratios = [float(row["ratio"]) for row in rows if row["ratio"]]
    assert ratios == sorted(ratios, reverse=True) and len(rows) == 8
    assert {row["kind"] for row in rows} == {"drawn"}
    for row in rows:
        assert float(row["low"]) <= float(row["ratio"] or row["high"]) <= float(row["high"])
    without = [index for index, row in enumerate(rows) if not row["ratio"]]
    assert without == list(range(len(ratios), 8)) != [], "two modes have no ratio, and stand last"


def test_the_forest_tells_ranges_from_intervals(charts: dict[str, Chart]) -> None:
    svg = charts["forest_goodput"].svg.read_text()
    assert "not judged" in svg and "stroke-dasharray" in svg
    assert "regression" not in svg


@pytest.mark.parametrize("name", ["trials", "goodput_sndbuf"])
def test_every_trial_of_both_runs_is_drawn_once_a_panel(charts: dict[str, Chart], name: str) -> None:
    rows = [row for row in table(charts[name].tsv) if row["kind"] == "trial"]
    sides: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        run = row["run"] if "run" in row else row["nodelay"].split()[0]
        where = row["panel"] if name == "trials" else "all"
        sides.setdefault((run, where), []).append(row["trial"])
    assert {run for run, _ in sides} == {"base", "new"}
    for found in sides.values():
        assert len(found) == len(set(found)) == 48


@pytest.mark.parametrize("name", ["trials", "goodput_sndbuf"])
def test_two_modes_have_no_median(charts: dict[str, Chart], name: str) -> None:
    medians = [row for row in table(charts[name].tsv) if row["kind"] == "median"]
    assert [row for row in medians if row["modes"] == "2"]
    assert all(row["low"] and row["high"] for row in medians if row["modes"] == "2")
    assert "two modes" in charts[name].svg.read_text()


def test_one_panel_holds_both_runs(charts: dict[str, Chart]) -> None:
    """Common axes: in each panel of the experiment's own chart both runs stand, in both settings of NODELAY."""
    panels: dict[str, set[str]] = {}
    for row in table(charts["goodput_sndbuf"].tsv):
        panels.setdefault(row["panel"], set()).add(row["nodelay"])
    assert set(map(frozenset, panels.values())) == {frozenset({"base on", "base off", "new on", "new off"})}
    svg = charts["goodput_sndbuf"].svg.read_text()
    for words in ("base, NODELAY off", "base, NODELAY on", "new, NODELAY off", "new, NODELAY on"):
        assert words in svg
    assert charts["goodput_sndbuf"].title == "Goodput against SO_SNDBUF, both runs"


def test_percentiles_have_a_panel_a_cell_and_a_curve_a_trial(charts: dict[str, Chart]) -> None:
    curves = {(row["panel_title"], row["series"], row["trial"]) for row in table(charts["percentiles"].tsv)}
    assert len(curves) == 96 and {series for _, series, _ in curves} == {"base", "new"}
    assert len({title for title, _, _ in curves}) == 8


def test_exchanges_are_drawn_too(tmp_path: Path) -> None:
    runs = two_runs.both(tmp_path, two_runs.exchanges(), two_runs.nodelay_lost)
    made = drawn(paired(*runs), tmp_path / "out", runs[0])
    assert list(made) == ["forest_latency_p50", "forest_latency_p99", "trials", "percentiles"]
    first = table(made["forest_latency_p50"].tsv)[0]
    assert first["name"] == "NODELAY, body 400" and float(first["ratio"]) > 1000


def test_long_charts_go_on_in_a_second_picture(tmp_path: Path) -> None:
    made = synthetic.experiment({"sndbuf": [f"{size}K" for size in range(4, 58)], "write-size": ["64K"]}, {}, blocks=1)
    found = paired(*two_runs.both(tmp_path, made, seed=3))
    sheets = {sheet.name: sheet for sheet in overlay.sheets(found)}
    assert {"forest_goodput-1", "forest_goodput-2", "trials-1", "trials-2", "percentiles-1", "percentiles-5"} <= set(
        sheets)
    assert sheets["trials-2"].title == "Every trial of both runs (2 of 2)"
    for kind in ("forest_goodput", "trials"):
        names = [name for sheet in sheets.values() if re.fullmatch(rf"{kind}-\d", sheet.name)
                 for name in ([row[0] for row in sheet.table.rows] if kind == "forest_goodput" else
                              [row[3] for row in sheet.table.rows if row[0] == "row"])]
        assert len(names) == len(set(names)) == 54, "every cell is in one of the pictures"


def test_cells_that_lack_a_side_are_in_no_chart(tmp_path: Path) -> None:
    made = two_runs.exchanges()
    some = two_runs.trials(made)
    base = two_runs.stored(tmp_path / "base", made, some)
    new = two_runs.stored(tmp_path / "new", made, [trial for trial in some if trial.cell])
    names = {row[0] for sheet in overlay.sheets(paired(base, new)) if sheet.script == "forest"
             for row in sheet.table.rows}
    assert len(names) == 3 and "Nagle, body 400" not in names


def test_a_name_with_a_quotation_mark_can_be_drawn(tmp_path: Path) -> None:
    """gnuplot would end a cell there."""
    runs = two_runs.both(tmp_path, two_runs.exchanges())
    found = paired(*runs)
    cells = tuple(dataclasses.replace(cell, name=f'a "{cell.name}\t"') for cell in found.cells)
    made = drawn(Pairing(cells, found.alone), tmp_path / "out", runs[0])
    assert 'a "' not in made["forest_latency_p50"].tsv.read_text()


def test_lines_of_one_name_have_one_colour_in_both_runs(tmp_path: Path) -> None:
    """A chart whose lines have names tells the runs apart by thin and hollow against full, not by other colours."""
    made = invented.experiment({"rate": ["5000", "12000"], "notsent-lowat": ["auto", "16K"]}, ("queue_latency",),
                               "stream", {"stream": "1000@{rate}", "duration": "100ms"}, name="queues")
    runs = [two_runs.stored(tmp_path / side, made, invented.trials(made)) for side in ("base", "new")]
    chart = drawn(paired(*runs), tmp_path / "out", runs[0])["queue_latency"]
    assert {row["series"] for row in table(chart.tsv)} == {
        f"{run} NOTSENT_LOWAT {lowat}" for run in ("base", "new") for lowat in ("auto", "16K")}
    svg = chart.svg.read_text()
    assert "base, NOTSENT_LOWAT auto" in svg and "new, NOTSENT_LOWAT 16K" in svg
    colours = set(re.findall(r"stroke='rgb\(([\d, ]+)\)'", svg)) & {"204, 121, 167", "230, 159,   0", "230, 159, 0"}
    assert not colours, "two names need two colours"


def test_more_lines_than_can_be_told_apart_are_not_overlaid(tmp_path: Path) -> None:
    made = invented.experiment({"rate": ["5000"], "notsent-lowat": ["auto", "4K", "8K", "16K"]}, ("queue_latency",),
                               "stream", {"stream": "1000@{rate}", "duration": "100ms"}, name="queues")
    runs = [two_runs.stored(tmp_path / side, made, invented.trials(made)) for side in ("base", "new")]
    assert overlay.overlaid(paired(*runs), made) == []
