"""Charts: what is drawn, what is refused, and that equal data make equal tables and pictures.

UPDATE_GOLDEN=1 writes the golden files of tests/golden/plots anew; look at them before keeping them.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from harness import chart, panels, stats, summary
from harness.chart import Chart, ChartError
from harness.experiment import Experiment
from harness.panels import PanelError
from harness.store import Trial

GOLDEN = Path(__file__).parent / "golden" / "plots"
BUFFERS = {"sndbuf": ["1", "2304", "16K", "auto"], "nodelay": ["on", "off"], "write-size": ["100", "64K"]}
SIZES = {"write-size": ["100", "1448", "16K"], "nodelay": ["on", "off"]}
CALLS = {"send-with": ["write", "sendfile"], "write-size": ["16K", "64K"]}

# Each golden chart: its kind, and the factors of the experiment that it is drawn from.
GOLDEN_CHARTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "goodput_sndbuf": BUFFERS, "latency_sndbuf": BUFFERS, "in_write_in_flight": BUFFERS, "ratio_heatmap": BUFFERS,
    "goodput_write_size": SIZES, "bytes_per_segment_write_size": SIZES, "latency_percentiles": SIZES,
    "goodput_levels": CALLS,
}


def drawn(folder: Path, factors: Mapping[str, Sequence[str]], *kinds: str, model: synthetic.Model = synthetic.goodput,
          titles: Mapping[str, str] | None = None, blocks: int = 3) -> list[Chart]:
    """Charts of an invented experiment."""
    made = synthetic.experiment(factors, titles or {kind: f"Chart {kind}" for kind in kinds}, blocks=blocks)
    return draw(made, synthetic.trials(made, model=model), folder)


def draw(made: Experiment, trials: Sequence[Trial], folder: Path) -> list[Chart]:
    return chart.draw(made, summary.rows(trials), trials, folder)


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a chart's table, by column."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]]


def normal(svg: str) -> str:
    """A picture without what another patch level of gnuplot writes differently."""
    return re.sub(r"GNUPLOT [\d.]+ patchlevel \w+", "GNUPLOT", svg)


def points(svg: Path) -> int:
    """Number of point symbols in a picture, the legend's included."""
    return len(re.findall(r"<use xlink:href='#gpPt\d+' transform='translate", svg.read_text()))


# ---------------------------------------------------------------------------------------------------------------------
# Golden files


@pytest.mark.parametrize("kind", GOLDEN_CHARTS)
def test_golden(kind: str, tmp_path: Path) -> None:
    """The same trials make the same table and the same picture."""
    (made,) = drawn(tmp_path, GOLDEN_CHARTS[kind], kind)
    compare_with_golden(made, kind)


def compare_with_golden(made: Chart, name: str) -> None:
    """The table and the SVG are those of tests/golden/plots; the PNG is one."""
    golden = GOLDEN / name
    found = made.tsv.read_text(), normal(made.svg.read_text())
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        golden.with_suffix(".tsv").write_text(found[0])
        golden.with_suffix(".svg").write_text(found[1])
    assert found[0] == golden.with_suffix(".tsv").read_text(), "run again with UPDATE_GOLDEN=1 if this is meant"
    version = subprocess.run(["gnuplot", "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("gnuplot 5.4"):
        pytest.skip(f"the pictures were drawn by gnuplot 5.4; {version.strip()} places things a little differently")
    assert found[1] == golden.with_suffix(".svg").read_text(), "run again with UPDATE_GOLDEN=1 if this is meant"
    assert made.png.read_bytes().startswith(b"\x89PNG")


def test_every_kind_has_a_golden_file_and_a_script() -> None:
    scripts = {path.stem for path in chart.PLOTS.glob("*.gp")} - {"style"}
    others = {"cliff_map", "crowd", "forest", "compare_trials", "trend",
              *(name for name in scripts if name.startswith("lab_"))}
    assert scripts - others == set(chart.KINDS)
    both = {"compare_goodput_sndbuf", "compare_percentiles"}  # scripts that draw two runs as well
    assert scripts | both == {path.stem for path in GOLDEN.glob("*.svg")} == {
        path.stem for path in GOLDEN.glob("*.tsv")}


def test_invented_documents_are_sound() -> None:
    """What the tests draw could have come from the tool."""
    from harness import schema
    cases: list[dict[str, str]] = [{}, {"sndbuf": "16K", "nodelay": "on"}, {"family": "unix"}]
    for levels in cases:
        made = synthetic.experiment({name: [level] for name, level in levels.items()}, {})
        assert [schema.problems(trial.document) for trial in synthetic.trials(made)] == [[]] * 3


# ---------------------------------------------------------------------------------------------------------------------
# Scripts


@pytest.mark.parametrize("script", sorted(chart.PLOTS.glob("*.gp")), ids=lambda path: path.stem)
def test_script_opens_with_its_question(script: Path) -> None:
    first, second, *rest = script.read_text().splitlines()
    assert first.startswith("# ") and "?" in first
    if script.stem != "style":
        assert second.startswith("# columns: ")
        assert chart.needed_columns(script)
        assert any(line.startswith('call "plots/style.gp"') for line in rest)
    text = "\n".join(rest)
    assert not re.search(r"\bsystem\b|\bpause\b|^\s*!|\bshell\b|'<|\"<|`", text, re.MULTILINE)
    assert not re.search(r"^\s*#\s*(set|plot|unset) ", text, re.MULTILINE), "no commented-out settings"


def test_script_is_run_as_documented(tmp_path: Path) -> None:
    """gnuplot -c plots/X.gp DATA.tsv OUT.svg, without a title and a caption, from the top level."""
    (made,) = drawn(tmp_path, SIZES, "goodput_write_size")
    out = tmp_path / "by hand.svg"
    done = subprocess.run(["gnuplot", "-c", "plots/goodput_write_size.gp", made.tsv, out], cwd=chart.ROOT,
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert points(out) == points(made.svg)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


def broken_script(folder: Path, body: str) -> Path:
    script = folder / "broken.gp"
    script.write_text(f"# Is it?\n# columns: place\n{body}\n")
    return script


def small_table(folder: Path) -> Path:
    tsv = folder / "small.tsv"
    tsv.write_text("# schema invented\nplace\tvalue\n1\t2\n")
    return tsv


@pytest.mark.parametrize(("body", "said"), [
    ("this is not gnuplot", "invalid command"),
    ('set term svg; set output ARG2; plot "nowhere.tsv"', "nowhere.tsv"),
    ('set term svg; set output ARG2; set datafile columnheaders; plot ARG1 using (column("none"))', "none"),
    ('set term svg; set output ARG2; plot x; print "a word on standard error"', "a word on standard error"),
])
def test_whatever_gnuplot_says_is_a_failure(body: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=rf"gnuplot could not draw .*small\.tsv with broken\.gp .*{said}") as error:
        chart.plot(broken_script(tmp_path, body), small_table(tmp_path), tmp_path / "out.svg", "", "")
    assert str(error.value).endswith(".")


def test_a_missing_picture_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "out.svg").write_text("an old picture")
    with pytest.raises(ChartError, match="is empty"):
        chart.plot(broken_script(tmp_path, "x = 1"), small_table(tmp_path), tmp_path / "out.svg", "", "")


def test_a_missing_column_is_a_failure(tmp_path: Path) -> None:
    script = broken_script(tmp_path, "")
    script.write_text("# Is it?\n# columns: place height\n")
    with pytest.raises(ChartError, match=r"lacks the column height that broken\.gp draws; it has place, value\."):
        chart.plot(script, small_table(tmp_path), tmp_path / "out.svg", "", "")


def test_a_script_must_name_its_columns(tmp_path: Path) -> None:
    script = broken_script(tmp_path, "")
    script.write_text("# Is it?\n")
    with pytest.raises(ChartError, match="no line that starts with `# columns:`"):
        chart.needed_columns(script)
    with pytest.raises(ChartError, match="cannot be read"):
        chart.needed_columns(tmp_path / "none.gp")


def test_gnuplot_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChartError, match="apt-get install gnuplot-nox"):
        chart.plot(broken_script(tmp_path, ""), small_table(tmp_path), tmp_path / "out.svg", "", "")


def test_unknown_chart(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="there is no chart 'goodput_sndbuff'; there are goodput_sndbuf, "):
        drawn(tmp_path, SIZES, "goodput_sndbuff")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChartError, match="no chart can be written below"):
        drawn(tmp_path / "file" / "charts", SIZES, "goodput_write_size")


@pytest.mark.parametrize("kind", ["goodput_levels", "ratio_heatmap"])
def test_more_levels_than_can_be_read(kind: str, tmp_path: Path) -> None:
    sizes = [str(4096 + i) for i in range(61)]
    with pytest.raises(PanelError, match=r"a chart with 61 levels cannot be read \(at most 60\)"):
        drawn(tmp_path, {"write-size": sizes, "nodelay": ["on", "off"]}, kind, blocks=1)
    assert len(drawn(tmp_path, {"write-size": sizes[:60], "nodelay": ["on", "off"]}, kind, blocks=1)) == 1


def test_more_panels_than_can_be_read(tmp_path: Path) -> None:
    levels = {"write-size": [str(100 + i) for i in range(25)], "sndbuf": ["16K", "32K"]}
    with pytest.raises(PanelError, match="a chart with 50 panels cannot be read"):
        drawn(tmp_path, levels, "latency_sndbuf", blocks=1)


def test_too_many_charts_in_one(tmp_path: Path) -> None:
    levels = {"rcvbuf": [str(4096 * (i + 1)) for i in range(9)], "nodelay": ["on", "off"], "write-size": ["100"]}
    with pytest.raises(ChartError, match="no place for rcvbuf and would become 9 charts"):
        drawn(tmp_path, levels, "goodput_write_size")


# ---------------------------------------------------------------------------------------------------------------------
# What is drawn


def test_every_trial_is_drawn(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, BUFFERS, "goodput_sndbuf")
    rows = table(made.tsv)
    trials = [row["trial"] for row in rows if row["kind"] == "trial"]
    assert len(trials) == len(set(trials)) == 4 * 2 * 2 * 3
    assert points(made.svg) == 4 * 2 * 2 * 3 + 2


def test_requests_with_one_effective_size_are_one_cell(tmp_path: Path) -> None:
    """Requests of 1 and 2304 bytes both give 4608: one place, one median, six trials."""
    (made,) = drawn(tmp_path, BUFFERS, "goodput_sndbuf")
    rows = [row for row in table(made.tsv) if row["nodelay"] == "on" and row["panel"] == "1"]
    assert [row["level"] for row in rows if row["kind"] == "median"] == ["4.5 KiB", "32 KiB", "auto"]
    floor = [row for row in rows if row["kind"] == "trial" and row["level"] == "4.5 KiB"]
    assert len(floor) == 6
    assert [float(row["spread"]) for row in floor] == sorted(float(row["spread"]) for row in floor)


def test_auto_stands_apart_at_the_right(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, BUFFERS, "goodput_sndbuf")
    places = {row["level"]: float(row["place"]) for row in table(made.tsv)}
    assert places["auto"] >= 4 * max(place for level, place in places.items() if level != "auto")


def test_only_auto_can_be_drawn(tmp_path: Path) -> None:
    made = drawn(tmp_path, {"sndbuf": ["auto"], "nodelay": ["on", "off"]}, *(
        kind for kind in chart.KINDS if kind.endswith("sndbuf") or kind == "ratio_heatmap"))
    assert len(made) == 3


def test_two_modes_have_no_median(tmp_path: Path) -> None:
    """Half of the trials at 32 KiB are a hundred times slower: both groups are kept, joined, and no line is drawn."""
    def model(levels: synthetic.Levels, draw: float) -> float:
        return 1e9 * (0.01 if levels["sndbuf"] == "16K" and draw < 0.5 else 1)
    (made, heat) = drawn(tmp_path, {**BUFFERS, "write-size": ["64K"]}, "goodput_sndbuf", "ratio_heatmap", model=model,
                         blocks=8)
    medians = {(row["nodelay"], row["level"]): row for row in table(made.tsv) if row["kind"] == "median"}
    assert {key for key, row in medians.items() if row["modes"] == "2"} == {("on", "32 KiB"), ("off", "32 KiB")}
    assert float(medians["on", "32 KiB"]["high"]) > 50 * float(medians["on", "32 KiB"]["low"])
    assert "two modes in a cell: no median" in made.svg.read_text()
    cell = next(row for row in table(heat.tsv) if row["sndbuf"] == "32 KiB")
    assert (cell["ratio"], cell["modes"]) == ("", "2")
    assert "2 modes" in heat.svg.read_text()


def test_one_mode_has_a_median(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, {**BUFFERS, "write-size": ["64K"]}, "goodput_sndbuf", model=lambda levels, draw: 1e9)
    assert {row["modes"] for row in table(made.tsv)} == {"1"}
    assert "two modes" not in made.svg.read_text()


def test_a_ratio_is_on_by_off(tmp_path: Path) -> None:
    def model(levels: synthetic.Levels, draw: float) -> float:
        return 4e9 if levels["nodelay"] == "on" else 1e9
    (made,) = drawn(tmp_path, BUFFERS, "ratio_heatmap", model=model)
    assert all(3 < float(row["ratio"]) < 5 for row in table(made.tsv))


def test_a_factor_without_a_place_makes_more_charts(tmp_path: Path) -> None:
    made = drawn(tmp_path, {"congestion": ["cubic", "bbr"], **SIZES}, "goodput_write_size", "goodput_levels")
    assert [(each.name, each.title) for each in made] == [
        ("goodput_write_size-congestion=cubic", "Chart goodput_write_size, congestion control cubic"),
        ("goodput_write_size-congestion=bbr", "Chart goodput_write_size, congestion control bbr"),
        ("goodput_levels", "Chart goodput_levels")]
    assert "congestion control bbr;" in made[1].caption
    assert len(table(made[2].tsv)) == 36 + 12


def test_levels_keep_the_order_of_the_experiment(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, {"send-with": ["writev", "sendfile", "sendmsg"]}, "goodput_levels")
    order = {float(row["place"]): row["level"] for row in table(made.tsv)}
    assert [order[place] for place in sorted(order)] == ["writev", "sendfile", "sendmsg"]


def test_a_socket_without_tcp_is_drawn_and_has_no_segments(tmp_path: Path) -> None:
    made = drawn(tmp_path, {"family": ["unix"], "write-size": ["100", "64K"]}, "goodput_levels",
                 "bytes_per_segment_write_size")
    assert [each.name for each in made] == ["goodput_levels"]
    assert {row["nodelay"] for row in table(made[0].tsv)} == {"none"}
    assert "without TCP" in made[0].svg.read_text()
    assert "congestion control none (unix); MSS unknown" in made[0].caption.replace("\n", " ")


def test_failed_trials_are_counted_not_drawn(tmp_path: Path) -> None:
    made = synthetic.experiment(SIZES, {"goodput_write_size": "Goodput"})
    trials = synthetic.trials(made)
    trials[3] = synthetic.failed(trials[3], "SO_SNDBUF did not take effect.")
    (one,) = draw(made, trials, tmp_path)
    assert one.caption.replace("\n", " ").startswith(
        "experiment invented: n = 17 trials (2 to 3 a cell); 1 failed and not drawn; kernel 6.18.0;")
    assert sum(row["kind"] == "trial" for row in table(one.tsv)) == 17


def test_nothing_is_drawn_where_every_trial_failed(tmp_path: Path) -> None:
    made = synthetic.experiment(BUFFERS, {kind: kind for kind in chart.KINDS})
    assert draw(made, [synthetic.failed(trial, "No.") for trial in synthetic.trials(made)], tmp_path) == []
    assert draw(made, [], tmp_path) == []


def test_zero_is_drawn_below_the_rest(tmp_path: Path) -> None:
    """A chunk that was read before its write() returned was in flight for 0 s: log axes have no place for that."""
    made = synthetic.experiment({"sndbuf": ["16K", "auto"]}, {"in_write_in_flight": "Where"})
    trials = synthetic.trials(made)
    for trial in trials[:2]:
        trial.document["result"]["in_flight_ns"]["p50"] = 0
    (one,) = draw(made, trials, tmp_path)
    assert points(one.svg) == 2 * len(trials) + 1
    assert "<text>0</text>" in one.svg.read_text()


def test_titles_and_paths_are_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "it's a \"$(folder)\" `x` {1}"
    title = "SO_SNDBUF: it's \"100%\" $(nothing) `id` {/b} ^2"
    (made,) = drawn(folder, SIZES, titles={"goodput_write_size": title})
    assert "SO_SNDBUF: it's &quot;100%&quot; $(nothing) `id` {/b} ^2" in made.svg.read_text().replace('"', "&quot;")


def test_caption_says_what_it_rests_on(tmp_path: Path) -> None:
    (made,) = drawn(tmp_path, {"mss": ["auto", "1448"], "cpus": ["same", "0,1"]}, "goodput_levels")
    assert made.caption.replace("\n", " ") == (
        "experiment invented: n = 12 trials (3 a cell); kernel 6.18.0; congestion control cubic; MSS 1436 to 65483 B; "
        "placement: both ends on one CPU, CPUs 0,1; HZ=250")
    assert all(len(line) <= chart.CAPTION_WIDTH for line in made.caption.splitlines())


def test_percentiles_choose_few_panels_and_count_what_they_show(tmp_path: Path) -> None:
    sizes = [str(16 * 2 ** i) for i in range(12)]
    (made,) = drawn(tmp_path, {"write-size": sizes, "nodelay": ["on", "off"]}, "latency_percentiles")
    rows = table(made.tsv)
    assert len({row["panel"] for row in rows}) == 6
    assert made.caption.startswith("experiment invented: n = 36 trials")
    assert {"writes of 16 B", "writes of 32 KiB"} <= {row["panel_title"] for row in rows}
    assert all(float(row["quantile"]) < 1 for row in rows)


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


@pytest.mark.parametrize(("values", "groups"), [
    ([], []), ([5.0], [[5.0]]), ([1.0, 2.9], [[1.0, 2.9]]), ([1.0, 3.1], [[1.0], [3.1]]),
    ([12e6, 1090e6, 11e6, 980e6], [[11e6, 12e6], [980e6, 1090e6]]), ([0.0, 1.0, 2.0], [[0.0, 1.0, 2.0]]),
    ([1.0, 1.1, 1.2, 1.3, 9.0], [[1.0, 1.1, 1.2, 1.3, 9.0]]), ([1.0, 9.0, 9.1], [[1.0, 9.0, 9.1]]),
    ([99.0, 1.0, 1.1, 5.0, 5.2], [[1.0, 1.1], [5.0, 5.2, 99.0]]),
    ([0.0, 1.0, 9.0, 9.0], [[0.0, 1.0], [9.0, 9.0]]), ([0.0, 0.0], [[0.0, 0.0]]),
    ([1.0, 2.0, 4.0, 8.0, 16.0], [[1.0, 2.0, 4.0, 8.0, 16.0]]),
])
def test_modes(values: list[float], groups: list[list[float]]) -> None:
    assert stats.modes(values) == groups


@given(st.lists(st.floats(min_value=0, max_value=1e12, allow_nan=False), max_size=20))
def test_modes_lose_nothing(values: list[float]) -> None:
    found = stats.modes(values)
    assert sum(found, []) == sorted(values)
    assert len(found) <= 2 and all(found)


@pytest.mark.parametrize(("size", "text"), [
    (1, "1 B"), (100, "100 B"), (1448, "1448 B"), (4608, "4.5 KiB"), (9001, "9001 B"), (16384, "16 KiB"),
    (2304 * 1024, "2.25 MiB"), (4194304, "4 MiB"),
])
def test_size_text(size: int, text: str) -> None:
    assert panels.size_text(size) == text
