"""Charts of a run: each is a table (TSV) drawn by one gnuplot script of plots/, as SVG and as PNG.

A chart is a function of (data, output). KINDS is the one list of charts: name, what its table holds, which factors have
a place in it, and how it is read. A factor that has no place in a chart makes one chart a level; nothing is mixed.
Cells whose request led to the same effective SO_SNDBUF are one cell in a chart. Every finished trial is drawn. Where
the trials of a cell fall into two modes, the cell is marked and no median is drawn.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.curves import cdf, curve_factors, percentiles
from harness.experiment import ChartSpec, Experiment
from harness.load import (hold_factors, hold_write_size, pipeline, pipeline_factors, queue_factors,
                          queue_latency, server_factors, servers)
from harness.panels import (FLIGHT, GOODPUT, LATENCIES, PLACEMENTS, SEGMENT, Build, Cell, Point, Points, Table,
                            against_sndbuf, against_write_size, buffer_factors, factor_text, level_factors, levels,
                            ratios)
from harness.observer import observer, observer_factors
from harness.parts import row_factors, split_bars
from harness.remedy import remedies
from harness.schema import HarnessError
from harness.store import Trial
from harness.summary import Row
from harness.timeline import all_factors, timeline

FORMAT: Final = "tinygram-chart/1"
ROOT: Final = Path(__file__).resolve().parent.parent
PLOTS: Final = ROOT / "plots"
FACETS_MAX: Final = 8
CAPTION_WIDTH: Final = 140
GNUPLOT_TIMEOUT_S: Final = 60
PARALLEL: Final = 2


class ChartError(HarnessError):
    """A chart that cannot be drawn: the text says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawn chart.

    name is the file name without its end, title is the heading, caption says what the picture rests on (n, kernel,
    congestion control, MSS, placement), how_to_read is for a reader who sees such a chart for the first time.
    """

    name: str
    title: str
    svg: Path
    png: Path
    tsv: Path
    caption: str
    how_to_read: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chart: its builder makes the table of plots/<script>.gp; None is: nothing to draw.

    places gives, of the factors that an experiment varies, those that have a place in it.
    """

    build: Build
    places: Callable[[Sequence[str]], Sequence[str]]
    how_to_read: str


# ---------------------------------------------------------------------------------------------------------------------
# The list of charts

_MODES: Final = ("Where the trials of a cell fall into two modes there is no median, and a dotted bar joins the two.")
_POINTS: Final = "Each point is one trial, the line joins the medians. " + _MODES
_BUFFER: Final = ("To the right the send buffer grows: the effective SO_SNDBUF, which is twice what was asked for. "
                  "At auto, right of the bar, none was set and the kernel tunes it. ")
_WRITE: Final = "To the right each write() hands over more bytes. "

KINDS: Final[Mapping[str, Kind]] = {
    "goodput_sndbuf": Kind(
        against_sndbuf((GOODPUT,), "goodput_bytes_per_s"), buffer_factors,
        f"{_BUFFER}Higher is faster. Each panel is one write size and has its own scale. {_POINTS}"),
    "latency_sndbuf": Kind(
        against_sndbuf(LATENCIES, "latency_s"), buffer_factors,
        f"{_BUFFER}Lower is sooner. Left is the latency of the median chunk, right the one that 99 of 100 chunks stay "
        f"below; the two have one scale. {_POINTS}"),
    "in_write_in_flight": Kind(
        against_sndbuf(FLIGHT, "time_s"), buffer_factors,
        f"{_BUFFER}Where the median chunk spends its time: left inside write(), being copied and waiting for room in "
        f"the buffer; right in flight, after write() and until the read() that had its last byte. 0 is: read() "
        f"had it before write() returned. {_POINTS}"),
    "goodput_write_size": Kind(
        against_write_size((GOODPUT,), "goodput_bytes_per_s"), buffer_factors,
        f"{_WRITE}Higher is faster. {_POINTS}"),
    "bytes_per_segment_write_size": Kind(
        against_write_size((SEGMENT,), "bytes_per_segment"), buffer_factors,
        f"{_WRITE}Up is more bytes in each segment. On the grey diagonal one write is one segment; above it writes "
        f"were merged, below it they were cut. {_POINTS}"),
    "latency_percentiles": Kind(
        percentiles, curve_factors,
        "Each curve is one trial. To the right come the slower and rarer ones: at 99 only one of a hundred (chunks, "
        "exchanges or messages) took longer than the curve shows. A flat curve is an even trial; a step up is a wait "
        "that only some of them meet. A curve ends at the highest percentile that its trial can tell: of ten exchanges "
        "the slowest stands at 90."),
    "latency_cdf": Kind(
        cdf, curve_factors,
        "Each curve is one trial. At a latency on the lower axis it stands as high as the share of exchanges that took "
        "at most so long: further left is sooner. A steep rise is a group of exchanges that take equally long, and a "
        "flat stretch a range of times that hardly any exchange takes."),
    "remedies": Kind(
        remedies, row_factors,
        "Each row is one way to send the same bytes, each panel what an exchange costs then; further left is less. "
        "Calls are the sends, reads and changes of socket options of both ends, CPU time is that of both ends. Each "
        "circle is one trial, each bar a median. " + _MODES),
    "observer": Kind(
        observer, observer_factors,
        "Each circle is a trial with kernel timestamps, divided by the trial without them in the same block; each bar "
        "is the median. At 1, the dotted line, the timestamps change nothing; right of it they cost time."),
    "pipeline": Kind(
        pipeline, pipeline_factors,
        "To the right more exchanges are under way at once. With each step the connection has more to do, so the rate "
        "rises until something is busy all the time; from there on only the latency rises. " + _POINTS),
    "hold_write_size": Kind(
        hold_write_size, hold_factors,
        f"{_WRITE}Up is a longer hold: the time from the return of write() until TCP sends the last byte. At 0 TCP "
        f"sent it at once. {_POINTS}"),
    "queue_latency": Kind(
        queue_latency, queue_factors,
        "To the right more messages are planned each second; lower is sooner. Left and middle count from the time at "
        "which a message was planned, so that a sender that is blocked cannot hide its queue; right counts from its "
        "write() only. Where the lines at the left climb and those at the right do not, messages wait before write(). "
        + _POINTS),
    "servers": Kind(
        servers, server_factors,
        "To the right there are more connections. The latency is that of an exchange, median and 99th percentile: "
        "lower is sooner. The rate is that of all together: higher is more. The last panel tells how many connections "
        "were in use at once, on average: fewer than there are where the sender had not yet started the last when the "
        "first ended. " + _POINTS),
    "ratio_heatmap": Kind(
        ratios, buffer_factors,
        "Each number is the median goodput with NODELAY on, divided by that with NODELAY off: 1 is no difference, 2 is "
        "twice as fast with NODELAY, 0.5 half as fast. Where it says 2 modes, the trials of one side fall into two "
        "groups far apart, and no single ratio is true."),
    "goodput_levels": Kind(
        levels, level_factors,
        "Each column is one level of the factor. Higher is faster. Each point is one trial, each bar a median. "
        + _MODES),
    "timeline": Kind(
        timeline, all_factors,
        "Time runs to the right, and the bytes of one connection are counted upwards: each line climbs when the "
        "program writes, TCP sends, the other host receives, its program reads, or the ACK comes back. Where the "
        "lines lie on each other nothing waits. A red arrow is a wait: the bytes are written, but TCP does not send "
        "them. Above is Nagle's algorithm, below NODELAY, on the same axes; at the right both from their beginning, "
        "enlarged."),
    "split_bars": Kind(
        split_bars, row_factors,
        "Each bar is the way of a typical write, from before write() at the left to after the read() that had its "
        "last byte; each colour is one part of that way. All parts of a bar belong to the same writes: the middle "
        "fifth, by latency, of the middle trial. Where only some of the writes of an exchange were held back for more "
        "than 5 us, those have a bar of their own. At the right the same bars are enlarged, so that what lasts "
        "microseconds can be seen beside a hold of milliseconds. Each circle is one trial."),
}


# ---------------------------------------------------------------------------------------------------------------------
# Drawing


def _listed(items: Iterable[object], most: int = 6) -> str:
    """Distinct items in order of appearance, joined; long lists by their number."""
    found = [str(item) for item in dict.fromkeys(items) if item is not None]
    return "unknown" if not found else ", ".join(found) if len(found) <= most else f"{len(found)} different"


def _range_text(values: Iterable[int | None]) -> str:
    found = sorted({value for value in values if value is not None})
    if not found:
        return "unknown"
    return f"{found[0]} B" if len(found) == 1 else f"{found[0]} to {found[-1]} B"


def caption(points: Points, failed: int, experiment: Experiment) -> str:
    """What a chart rests on: n, kernel, congestion control, MSS and placement, in lines that fit below it."""
    cells: dict[tuple[str, int], int] = {}
    runs: dict[str, int] = {}
    for point in points:
        cells[point.run, point.row.cell] = cells.get((point.run, point.row.cell), 0) + 1
        runs[point.run] = runs.get(point.run, 0) + 1
    few, many = min(cells.values()), max(cells.values())
    told = f"{len(points)} trials" if "" in runs else " and ".join(f"{n} trials of {run}" for run, n in runs.items())
    parts = [
        f"experiment {experiment.name}: n = {told} ({few if few == many else f'{few} to {many}'} a cell)",
        f"{failed} failed and not drawn" if failed else "",
        "kernel " + _listed(point.trial.document["machine"]["kernel"] for point in points),
        "congestion control " + _listed(point.row.congestion or "none (unix)" for point in points),
        "MSS " + _range_text(point.row.mss_bytes for point in points),
        "placement: " + _listed(PLACEMENTS.get(str(point.row.cpus), f"CPUs {point.row.cpus}") for point in points),
        "HZ=" + _listed(point.trial.document["machine"]["hz"] for point in points),
    ]
    return "\n".join(_balanced("; ".join(filter(None, parts))))


def _balanced(text: str) -> list[str]:
    """Lines of at most CAPTION_WIDTH characters, as few as possible and then as even as possible."""
    lines = len(textwrap.wrap(text, CAPTION_WIDTH))
    widths = (width for width in range(CAPTION_WIDTH // 2, CAPTION_WIDTH) if len(textwrap.wrap(text, width)) == lines)
    return textwrap.wrap(text, next(widths, CAPTION_WIDTH) if lines > 1 else CAPTION_WIDTH)


# What would end a cell: a tab, the end of a line, and for gnuplot a quotation mark.
_UNFIT: Final = {9: " ", 10: " ", 13: " ", 34: "\u201d"}


def write_table(path: Path, table: Table, heading: Mapping[str, str]) -> None:
    """Write `table` as TSV: `# key value` lines, one header row, empty cells for None, a blank line for an empty row.

    Numbers keep nine significant digits, so that equal data make equal files.
    """
    def text(cell: Cell) -> str:
        if cell is None:
            return ""
        return f"{cell:.9g}" if isinstance(cell, float) else str(cell).translate(_UNFIT)
    lines = [f"# {key} {value}" for key, value in heading.items()]
    lines.append("\t".join(table.columns))
    lines += ["\t".join(map(text, row)) for row in table.rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def needed_columns(script: Path) -> tuple[str, ...]:
    """The columns that a script of plots/ names in its line `# columns: ...`.

    Raises ChartError where the script cannot be read or has no such line.
    """
    try:
        lines = script.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ChartError(f"{script} cannot be read ({error.strerror}): a chart needs plots/<its name>.gp.") from error
    for line in lines:
        if line.startswith("# columns:"):
            return tuple(line.removeprefix("# columns:").split())
    raise ChartError(f"{script} has no line that starts with `# columns:`: name there the columns that it reads.")


def check_columns(script: Path, tsv: Path) -> None:
    """Raise ChartError where the table lacks a column that the script needs."""
    rows = (line for line in tsv.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    header = next(rows, "").split("\t")
    missing = [column for column in needed_columns(script) if column not in header]
    if missing:
        raise ChartError(f"{tsv} lacks the column {', '.join(missing)} that {script.name} draws; "
                         f"it has {', '.join(header)}.")


def plot(script: Path, tsv: Path, out: Path, title: str, text: str, cache: Path | None = None) -> None:
    """Draw `tsv` with a script of plots/ to `out` (.svg or .png), with a title and a caption.

    Raises ChartError where a column is missing, gnuplot is missing, fails, takes over a minute, or says anything on its
    standard error (gnuplot ends with 0 when a column or a file is missing), or leaves no picture.
    cache is a folder that fontconfig may write to.
    """
    check_columns(script, tsv)
    command = ["gnuplot", "-d", "-c", str(script), str(tsv.resolve()), str(out.resolve()), title, text]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if cache is not None:
        environment["XDG_CACHE_HOME"] = str(cache)
    out.unlink(missing_ok=True)
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=GNUPLOT_TIMEOUT_S)
    except FileNotFoundError as error:
        raise ChartError("gnuplot is not there: install it with `apt-get install gnuplot-nox`.") from error
    except subprocess.TimeoutExpired as error:
        raise ChartError(f"gnuplot took more than {GNUPLOT_TIMEOUT_S} s for {script.name} and {tsv}; "
                         "is the machine overloaded?") from error
    said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip(" ^\t"))
    if said or done.returncode != 0:
        raise ChartError(f"gnuplot could not draw {tsv} with {script.name} (status {done.returncode}): "
                         f"{said[:500] or 'it said nothing'}.")
    if not out.is_file() or out.stat().st_size == 0:
        raise ChartError(f"gnuplot drew {tsv} with {script.name} without complaint, but {out} is empty.")


def _facets(points: Points, unused: Sequence[str]) -> list[tuple[Mapping[str, str], list[Point]]]:
    """The points apart by the levels of the factors that have no place in a chart, in plan order of the cells."""
    found: dict[tuple[str, ...], list[Point]] = {}
    for point in sorted(points, key=lambda point: point.row.cell):
        found.setdefault(tuple(point.trial.levels[factor] for factor in unused), []).append(point)
    return [(dict(zip(unused, key)), sorted(group, key=lambda p: (p.row.block, p.row.cell)))
            for key, group in found.items()]


def check(experiment: Experiment) -> None:
    """Raise ChartError where the experiment asks for a chart that does not exist; to be called before the trials."""
    for request in experiment.charts:
        if request.name not in KINDS:
            raise ChartError(f"{experiment.path}: there is no chart {request.name!r}; there are {', '.join(KINDS)}.")


def draw(experiment: Experiment, rows: Sequence[Row], trials: Sequence[Trial], out_dir: Path,
         events_dir: Path | None = None) -> list[Chart]:
    """Draw the charts that `experiment` asks for into `out_dir`: NAME.tsv, NAME.svg and NAME.png each.

    rows and trials are those of one run, joined by the name of the trial; events_dir holds the event logs that were
    kept, TRIAL.tsv each. A chart for which no trial has a value (all
    failed, or a count that a unix socket does not have) is left out. A factor without a place in a chart makes one
    chart a level, NAME-FACTOR=LEVEL. Raises ChartError.
    """
    charts = tables(experiment, rows, trials, out_dir, events_dir)
    draw_pictures([(kind_of(chart), chart) for chart in charts])
    return charts


def tables(experiment: Experiment, rows: Sequence[Row], trials: Sequence[Trial], out_dir: Path,
           events_dir: Path | None = None) -> list[Chart]:
    """The same, but that the pictures are still to be drawn (draw_pictures)."""
    check(experiment)
    named = {trial.trial: trial for trial in trials}
    points = [Point(row, named[row.trial], events_dir / f"{row.trial}.tsv" if events_dir is not None else None)
              for row in rows if row.status == 0 and row.goodput_bytes_per_s is not None]
    return _tables_of(experiment, experiment.charts, points, len(rows) - len(points), out_dir)


def draw_points(experiment: Experiment, requests: Sequence[ChartSpec], points: Points, failed: int,
                out_dir: Path) -> list[Chart]:
    """Draw some of the charts, of trials that are at hand. failed: trials that are not drawn."""
    charts = _tables_of(experiment, requests, points, failed, out_dir)
    draw_pictures([(kind_of(chart), chart) for chart in charts])
    return charts


def _tables_of(experiment: Experiment, requests: Sequence[ChartSpec], points: Points, failed: int,
               out_dir: Path) -> list[Chart]:
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        return [chart for request in requests for chart in _tables(experiment, request, points, failed, out_dir)]
    except OSError as error:
        raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None


def draw_pictures(charts: Iterable[tuple[str, Chart]]) -> None:
    """Draw the tables of charts, each with its script of plots/ (given by its name), as SVG and PNG. Raises ChartError.
    """
    with tempfile.TemporaryDirectory(prefix="tinygram-") as cache, ThreadPoolExecutor(PARALLEL) as pool:
        done = [pool.submit(plot, PLOTS / f"{script}.gp", chart.tsv, out, chart.title, chart.caption, Path(cache))
                for script, chart in charts for out in (chart.svg, chart.png)]
        for each in done:
            each.result()


def tabled(out_dir: Path, words: tuple[str, str, str, str], table: Table, heading: Mapping[str, str]) -> Chart:
    """A chart whose table has been written into `out_dir`, and whose pictures are still to be drawn.

    words: name, title, caption and how it is read. heading: what the first lines of the table say. Raises ChartError.
    """
    name, title, text, how_to_read = words
    made = Chart(name, title, out_dir / f"{name}.svg", out_dir / f"{name}.png", out_dir / f"{name}.tsv", text,
                 how_to_read)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        write_table(made.tsv, table, {"schema": FORMAT, **heading})
    except OSError as error:
        raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None
    return made


def of_trials(experiment: str, chart: str, table: Table) -> dict[str, str]:
    """What the first lines of a table of trials say."""
    return {"experiment": experiment, "chart": chart,
            "version": _listed(point.trial.document["version"] for point in table.drawn)}


def kind_of(chart: Chart) -> str:
    """The name of a chart's kind: its own without the levels that stand behind it."""
    return chart.name.partition("-")[0]


def _tables(experiment: Experiment, request: ChartSpec, points: Points, failed: int, out_dir: Path) -> list[Chart]:
    """Writes the tables of one chart that an experiment asks for, one a facet; the pictures are still to be drawn."""
    kind = KINDS[request.name]
    factors = [factor.name for factor in experiment.factors if len({p.level(factor.name) for p in points}) > 1]
    placed = kind.places(factors)
    unused = [factor for factor in factors if factor not in placed]
    facets = _facets(points, unused)
    if len(facets) > FACETS_MAX:
        raise ChartError(f"{experiment.path}: chart {request.name} has no place for {', '.join(unused)} and would "
                         f"become {len(facets)} charts (at most {FACETS_MAX}): take the chart or a factor out.")
    charts = []
    for chosen, group in facets:
        table = kind.build(group, placed)
        if table is None:
            continue
        name = request.name + "".join(f"-{factor}={level}" for factor, level in chosen.items()).replace("/", "_")
        title = ", ".join([request.title, *(factor_text(*item) for item in chosen.items())])
        charts.append(tabled(out_dir, (name, title, caption(table.drawn, failed, experiment), kind.how_to_read), table,
                             of_trials(experiment.name, name, table)))
    return charts
