"""Charts of a run: each is a table (TSV) drawn by one gnuplot script of plots/, as SVG and as PNG.

A chart is a function of (data, output). KINDS is the one list of charts: name, what its table holds, which factors have
a place in it, and how it is read. A factor that has no place in a chart makes one chart a level; nothing is mixed.
Cells whose request led to the same effective SO_SNDBUF are one cell in a chart. Every finished trial is drawn. Where
the trials of a cell fall into two modes, the cell is marked and no median is drawn.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

from harness.experiment import Experiment
from harness.schema import HarnessError
from harness.store import Trial
from harness.summary import Row

FORMAT: Final = "tinygram-chart/1"
ROOT: Final = Path(__file__).resolve().parent.parent
PLOTS: Final = ROOT / "plots"
MODE_GAP: Final = 3.0
FACETS_MAX: Final = 8
PANELS_MAX: Final = 48
CAPTION_WIDTH: Final = 150
GNUPLOT_TIMEOUT_S: Final = 60
PARALLEL: Final = 2

Cell = str | int | float | None


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
class Point:
    """One finished trial: its summary row, its levels, its place in the plan and the document it came from."""

    row: Row
    trial: Trial

    def level(self, factor: str) -> str | None:
        """Level of `factor` in this trial, None where the experiment does not vary it."""
        return self.trial.levels.get(factor)


Points = Sequence[Point]


@dataclass(frozen=True, slots=True)
class Table:
    """What a script draws: a header row and its rows; None is an empty cell; an empty row is a blank line.

    drawn are the trials that are in it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    drawn: tuple[Point, ...]


Build = Callable[[Points, Sequence[str]], Table | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chart: its builder makes the table of plots/<script>.gp; None is: nothing to draw.

    places gives, of the factors that an experiment varies, those that have a place in it.
    """

    build: Build
    places: Callable[[Sequence[str]], Sequence[str]]
    how_to_read: str


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


def modes(values: Iterable[float]) -> list[list[float]]:
    """The values sorted, in two groups where they have two modes, else in one.

    Rule: two modes are told apart where the largest ratio of neighbours in the sorted values is above MODE_GAP (3), the
    largest gap of their logarithms. Zeros have no logarithm: they go with the lower group and make no gap themselves.
    """
    ordered = sorted(values)
    positive = [value for value in ordered if value > 0]
    gaps = [(high / low, high) for low, high in zip(positive, positive[1:])]
    widest, start = max(gaps, default=(1.0, 0.0))
    if widest <= MODE_GAP:
        return [ordered] if ordered else []
    return [[value for value in ordered if value < start], [value for value in ordered if value >= start]]


def size_text(size: float) -> str:
    """Bytes as people write sizes: 100 B, 1448 B, 4.5 KiB, 4 MiB."""
    if size < 10240 and size % 512:
        return f"{size:.0f} B"
    for unit, scale in (("MiB", 1024 ** 2), ("KiB", 1024)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:.0f} B"


# ---------------------------------------------------------------------------------------------------------------------
# Places of a trial in a chart


def sndbuf_level(point: Point) -> tuple[str, float | None] | None:
    """Name and bytes of the effective SO_SNDBUF; ("auto", None) where none was set; None where it is not known."""
    if point.row.sndbuf_requested_bytes == "auto":
        return "auto", None
    effective = point.row.sndbuf_effective_bytes
    return None if effective is None else (size_text(effective), float(effective))


def sndbuf_places(points: Points) -> dict[str, float]:
    """Place on the x axis, in bytes, of each level of SO_SNDBUF; `auto` stands apart, at the right."""
    levels = {level for level in map(sndbuf_level, points) if level is not None}
    sizes = {name: size for name, size in levels if size is not None}
    places = dict(sorted(sizes.items(), key=lambda item: item[1]))
    if ("auto", None) in levels:
        largest = max(sizes.values(), default=65536.0)
        places["auto"] = 8.0 * 2 ** math.ceil(math.log2(largest)) if sizes else largest
    return places


FACTOR_WORDS: Final = {"sndbuf": "SO_SNDBUF request", "rcvbuf": "SO_RCVBUF request", "mss": "MSS request",
                       "nodelay": "NODELAY", "congestion": "congestion control", "write-size": "writes of",
                       "send-with": "sent with"}


def factor_text(factor: str, level: str) -> str:
    """A level of a factor as it stands in a title."""
    return f"{FACTOR_WORDS.get(factor, factor)} {level}"


def _write_size_text(point: Point) -> str:
    size = point.row.write_size_bytes
    return "writes of unknown size" if size is None else f"writes of {size_text(size)}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One duration or count that a panel shows: a column of the summary and its name in a panel's title."""

    attribute: str
    title: str = ""

    def of(self, point: Point) -> float | None:
        """Its value in this trial, None where it is missing."""
        value = getattr(point.row, self.attribute)
        return None if value is None else float(value)


GOODPUT: Final = Measure("goodput_bytes_per_s")
SEGMENT: Final = Measure("bytes_per_segment")
LATENCIES: Final = (Measure("latency_p50_s", "median"), Measure("latency_p99_s", "99th percentile"))
PARTS: Final = (Measure("in_write_p50_s", "inside write()"), Measure("in_flight_p50_s", "in flight, after write()"))


def panels(points: Points, measures: Sequence[Measure], value: str, panel: Callable[[Point], tuple[float, str]],
           place: Callable[[Point], tuple[str, float] | None]) -> Table | None:
    """The table of plots/body/panels.gp: a row a trial, then a row a cell with its median.

    panel gives the order and the title of the panel of a trial, place its level and its place on the x axis. With
    several measures each panel of a row shows one of them. spread (-1 to 1) sets the trials of a cell side by side, in
    plan order. low and high are the medians of the two modes, empty where there is one.
    """
    order = sorted({panel(point) for point in points})
    if len(order) * len(measures) > PANELS_MAX:
        raise ChartError(f"a chart of {len(order) * len(measures)} panels cannot be read: give the experiment fewer "
                         f"levels (at most {PANELS_MAX} panels)")
    groups: dict[tuple[int, str, float, str], list[tuple[float, Point]]] = {}
    titles: dict[int, str] = {}
    for point in points:
        where = place(point)
        for index, measure in enumerate(measures):
            number = order.index(panel(point)) * len(measures) + index + 1
            titles[number] = ", ".join(filter(None, (panel(point)[1], measure.title)))
            size = measure.of(point)
            if where is not None and size is not None and point.row.nodelay is not None:
                key = (number, point.row.nodelay, where[1], where[0])
                groups.setdefault(key, []).append((size, point))
    columns = ("kind", "panel", "panel_title", "nodelay", "level", "place", "spread", "modes", "low", "high", value,
               "trial")
    trials: list[tuple[Cell, ...]] = []
    medians: list[tuple[Cell, ...]] = []
    for key in sorted(groups):
        number, nodelay, at, level = key
        found = modes(size for size, _ in groups[key])
        low, high = (median(found[0]), median(found[1])) if len(found) == 2 else (None, None)
        head = (number, titles[number], nodelay, level, at)
        n = len(groups[key])
        for index, (size, point) in enumerate(groups[key]):
            spread = round((2 * index + 1) / n - 1, 4)
            trials.append(("trial", *head, spread, len(found), None, None, size, point.row.trial))
        medians.append(("median", *head, 0, len(found), low, high, median(size for size, _ in groups[key]), None))
    drawn = {point.row.trial: point for group in groups.values() for _, point in group}
    return Table(columns, tuple(trials + medians), tuple(drawn.values())) if trials else None


def _by_write_size(point: Point) -> tuple[float, str]:
    return point.row.write_size_bytes or 0, _write_size_text(point)


def _against_sndbuf(measures: Sequence[Measure], value: str) -> Build:
    def build(points: Points, factors: Sequence[str]) -> Table | None:
        places = sndbuf_places(points)

        def place(point: Point) -> tuple[str, float] | None:
            level = sndbuf_level(point)
            return None if level is None else (level[0], places[level[0]])
        return panels(points, measures, value, _by_write_size, place)
    return build


def _against_write_size(measures: Sequence[Measure], value: str) -> Build:
    def build(points: Points, factors: Sequence[str]) -> Table | None:
        def panel(point: Point) -> tuple[float, str]:
            level = sndbuf_level(point)
            if "sndbuf" not in factors or level is None:
                return 0, ""
            return (math.inf if level[1] is None else level[1]), f"SO_SNDBUF {level[0]}"

        def place(point: Point) -> tuple[str, float] | None:
            size = point.row.write_size_bytes
            return None if size is None else (size_text(size), float(size))
        return panels(points, measures, value, panel, place)
    return build


def _level_places(factors: Sequence[str]) -> Sequence[str]:
    """The factor along x (neither NODELAY nor the write size, if there is another), that of the panels, and NODELAY."""
    named = [factor for factor in factors if factor not in ("nodelay", "write-size")]
    if "write-size" in factors:
        named.insert(1, "write-size")
    return [*named[:2], *(factor for factor in factors if factor == "nodelay")]


def _levels(points: Points, factors: Sequence[str]) -> Table | None:
    """Goodput by level of the first of `factors`, panels by the next, NODELAY by colour."""
    named = [factor for factor in factors if factor != "nodelay"] or list(factors)
    across = named[0] if named else None
    down = named[1] if len(named) > 1 else None

    def order(factor: str | None) -> list[str]:
        found = {point.trial.levels[factor]: point.row.cell for point in reversed(points)} if factor else {}
        return sorted(found, key=lambda level: found[level])

    columns, lines = order(across), order(down)

    def panel(point: Point) -> tuple[float, str]:
        if down is None:
            return 0, "" if "write-size" in factors else _write_size_text(point)
        if down == "write-size":
            return _by_write_size(point)
        return lines.index(point.trial.levels[down]), factor_text(down, point.trial.levels[down])

    def place(point: Point) -> tuple[str, float]:
        level = point.trial.levels[across] if across else "all"
        return level, float(columns.index(level) + 1 if across else 1)
    return panels(points, (GOODPUT,), "goodput_bytes_per_s", panel, place)


def _spread_out(items: Sequence[float], most: int) -> list[float]:
    """At most `most` of the sorted items: the first, the last and evenly chosen ones between them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _percentiles(points: Points, factors: Sequence[str]) -> Table | None:
    """The latency distribution, a curve a trial; panels: up to three write sizes, by up to three SO_SNDBUF."""
    places = sndbuf_places(points)
    buffers = _spread_out(sorted(places.values()), 3)
    sizes = _spread_out(sorted({float(p.row.write_size_bytes) for p in points if p.row.write_size_bytes is not None}),
                        3 if len(buffers) > 1 else 6)
    names = {at: name for name, at in places.items()}
    rows: list[tuple[Cell, ...]] = []
    drawn = []
    for number, (size, buffer) in enumerate(product(sizes, buffers), 1):
        title = f"writes of {size_text(size)}" + (f", SO_SNDBUF {names[buffer]}" if len(buffers) > 1 else "")
        for point in sorted(points, key=lambda p: str(p.row.nodelay)):
            level = sndbuf_level(point)
            latency = point.trial.document["result"]["latency_ns"]
            if point.row.write_size_bytes != size or level is None or places[level[0]] != buffer or latency is None:
                continue
            curve = [(q, ns) for q, ns in latency["curve"] if q < 1.0]
            rows += [(number, title, point.row.nodelay, q, ns / 1e9, point.row.trial) for q, ns in curve]
            rows.append(())
            drawn.append(point)
    columns = ("panel", "panel_title", "nodelay", "quantile", "latency_s", "trial")
    return Table(columns, tuple(rows), tuple(drawn)) if rows else None


def _ratios(points: Points, factors: Sequence[str]) -> Table | None:
    """Median goodput with NODELAY on by that with NODELAY off, a row a cell of write size and effective SO_SNDBUF.

    The ratio is missing where the trials of one side have two modes.
    """
    places = sndbuf_places(points)
    buffers = sorted(places, key=lambda name: places[name])
    groups: dict[tuple[int, str, str], list[tuple[float, Point]]] = {}
    for point in points:
        level, size, goodput = sndbuf_level(point), point.row.write_size_bytes, GOODPUT.of(point)
        if level is not None and size is not None and goodput is not None and point.row.nodelay is not None:
            groups.setdefault((size, level[0], point.row.nodelay), []).append((goodput, point))
    sizes = sorted({size for size, _, _ in groups})
    rows: list[tuple[Cell, ...]] = []
    drawn: list[Point] = []
    for (y, size), (x, buffer) in product(enumerate(sizes, 1), enumerate(buffers, 1)):
        both = [groups.get((size, buffer, nodelay), []) for nodelay in ("on", "off")]
        if all(both):
            on, off = ([goodput for goodput, _ in group] for group in both)
            found = max(len(modes(on)), len(modes(off)))
            rows.append((x, y, buffer, size_text(size), median(on) / median(off) if found == 1 else None, found,
                         median(on), median(off), len(on), len(off)))
            drawn += [point for group in both for _, point in group]
    columns = ("x", "y", "sndbuf", "write_size", "ratio", "modes", "goodput_on_bytes_per_s", "goodput_off_bytes_per_s",
               "n_on", "n_off")
    return Table(columns, tuple(rows), tuple(drawn)) if rows else None


# ---------------------------------------------------------------------------------------------------------------------
# The list of charts



def _buffer_places(factors: Sequence[str]) -> Sequence[str]:
    return [factor for factor in factors if factor in ("sndbuf", "send-sndbuf", "write-size", "nodelay", "send-nodelay")]


_POINTS: Final = ("Each point is one trial, the line goes through the medians; where the trials of a cell fall into two "
                  "modes, the line is broken and a dotted bar joins the two. ")
_X: Final = ("To the right the send buffer grows (the effective SO_SNDBUF, which is twice the request); auto, at its own "
             "place, is: not set, the kernel tunes it. ")

KINDS: Final[Mapping[str, Kind]] = {
    "goodput_sndbuf": Kind(_against_sndbuf((GOODPUT,), "goodput_bytes_per_s"), _buffer_places, _X +
                           "Higher is faster. Each panel is one write size and has its own scale. " + _POINTS),
    "latency_sndbuf": Kind(_against_sndbuf(LATENCIES, "latency_s"), _buffer_places, _X +
                           "Lower is sooner. Left the latency of the median chunk, right the one that 99 of 100 chunks "
                           "stay below; both panels of a row have one scale. " + _POINTS),
    "in_write_in_flight": Kind(_against_sndbuf(PARTS, "time_s"), _buffer_places, _X +
                               "Where the median chunk spends its time: left inside write() (copying, and waiting for "
                               "room in the buffer), right in flight (queued in the buffers, until the read that had "
                               "its last byte); both panels of a row have one scale. " + _POINTS),
    "goodput_write_size": Kind(_against_write_size((GOODPUT,), "goodput_bytes_per_s"), _buffer_places,
                               "To the right each write() hands over more bytes. Higher is faster. " + _POINTS),
    "bytes_per_segment_write_size": Kind(_against_write_size((SEGMENT,), "bytes_per_segment"), _buffer_places,
                                         "To the right each write() hands over more bytes; up is more bytes in each "
                                         "segment. On the diagonal one write is one segment; above it writes are "
                                         "merged, below it they are cut. " + _POINTS),
    "latency_percentiles": Kind(_percentiles, _buffer_places,
                                "Each curve is one trial. To the right come the slower and rarer chunks: at 99 % only "
                                "one chunk in a hundred took longer than the curve shows. A flat curve is an even "
                                "transfer; a step up is a wait that only some chunks meet."),
    "ratio_heatmap": Kind(_ratios, _buffer_places,
                          "The number is the median goodput with NODELAY on, divided by that with NODELAY off. 1 is: no "
                          "difference; 2 is: twice as fast with NODELAY; 0.5 is: half as fast. Where "
                          "\"2 modes\" stands, the trials of one side fall into two groups far apart, and no single "
                          "ratio is true."),
    "goodput_levels": Kind(_levels, _level_places, "Each column is one level of the factor. Higher is faster. " + _POINTS),
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


PLACEMENTS: Final = {"same": "both ends on one CPU", "split": "each end on its own CPU", "free": "placed by the kernel"}


def caption(points: Points, failed: int, experiment: Experiment) -> str:
    """What a chart rests on: n, kernel, congestion control, MSS and placement, in lines that fit below it."""
    cells: dict[int, int] = {}
    for point in points:
        cells[point.row.cell] = cells.get(point.row.cell, 0) + 1
    few, many = min(cells.values()), max(cells.values())
    parts = [
        f"n = {len(points)} trials ({few if few == many else f'{few} to {many}'} a cell)",
        f"{failed} failed and not drawn" if failed else "",
        "kernel " + _listed(point.trial.document["machine"]["kernel"] for point in points),
        "congestion control " + _listed(point.row.congestion or "none (unix)" for point in points),
        "MSS " + _range_text(point.row.mss_bytes for point in points),
        "placement: " + _listed(PLACEMENTS.get(str(point.row.cpus), f"CPUs {point.row.cpus}") for point in points),
        f"experiment {experiment.name}",
    ]
    return "\n".join(textwrap.wrap("; ".join(filter(None, parts)), CAPTION_WIDTH))


def write_table(path: Path, table: Table, heading: Mapping[str, str]) -> None:
    """Write `table` as TSV: `# key value` lines, one header row, empty cells for None, a blank line for an empty row.

    Numbers keep nine significant digits, so that equal data make equal files.
    """
    def text(cell: Cell) -> str:
        if cell is None:
            return ""
        return f"{cell:.9g}" if isinstance(cell, float) else str(cell).translate({9: " ", 10: " ", 13: " "})
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
        raise ChartError(f"{script} cannot be read ({error.strerror}): a chart needs plots/<its name>.gp") from error
    for line in lines:
        if line.startswith("# columns:"):
            return tuple(line.removeprefix("# columns:").split())
    raise ChartError(f"{script} has no line that starts with `# columns:`: name there the columns that it reads")


def check_columns(script: Path, tsv: Path) -> None:
    """Raise ChartError where the table lacks a column that the script needs."""
    rows = (line for line in tsv.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    header = next(rows, "").split("\t")
    missing = [column for column in needed_columns(script) if column not in header]
    if missing:
        raise ChartError(f"{tsv} lacks the column {', '.join(missing)} that {script.name} draws; "
                         f"it has {', '.join(header)}")


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
        raise ChartError("gnuplot is not there: install it with `apt-get install gnuplot-nox`") from error
    except subprocess.TimeoutExpired as error:
        raise ChartError(f"gnuplot took more than {GNUPLOT_TIMEOUT_S} s for {script.name} and {tsv}") from error
    said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip(" ^\t"))
    if said or done.returncode != 0:
        raise ChartError(f"gnuplot could not draw {tsv} with {script.name} (status {done.returncode}): "
                         f"{said[:500] or 'it said nothing'}")
    if not out.is_file() or out.stat().st_size == 0:
        raise ChartError(f"gnuplot drew {tsv} with {script.name} without complaint, but {out} is empty")


@dataclass(frozen=True, slots=True)
class _Job:
    chart: Chart
    script: Path


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
            raise ChartError(f"{experiment.path}: there is no chart {request.name!r}; there are {', '.join(KINDS)}")


def draw(experiment: Experiment, rows: Sequence[Row], trials: Sequence[Trial], out_dir: Path) -> list[Chart]:
    """Draw the charts that `experiment` asks for into `out_dir`: NAME.tsv, NAME.svg and NAME.png each.

    rows and trials are those of one run, joined by the name of the trial. A chart for which no trial has a value (all
    failed, or a count that a unix socket does not have) is left out. A factor without a place in a chart makes one
    chart a level, NAME-FACTOR=LEVEL. Raises ChartError.
    """
    check(experiment)
    out_dir.mkdir(parents=True, exist_ok=True)
    named = {trial.trial: trial for trial in trials}
    points = [Point(row, named[row.trial]) for row in rows if row.status == 0 and row.goodput_bytes_per_s is not None]
    factors = [factor.name for factor in experiment.factors if len({p.level(factor.name) for p in points}) > 1]
    jobs = []
    for request in experiment.charts:
        kind = KINDS[request.name]
        placed = kind.places(factors)
        unused = [factor for factor in factors if factor not in placed]
        facets = _facets(points, unused)
        if len(facets) > FACETS_MAX:
            raise ChartError(f"{experiment.path}: chart {request.name} has no place for {', '.join(unused)} and would "
                             f"become {len(facets)} charts (at most {FACETS_MAX}): take the chart or a factor out")
        for levels, group in facets:
            table = kind.build(group, placed)
            if table is None:
                continue
            ending = "".join(f"-{factor}={level}" for factor, level in levels.items()).replace("/", "_")
            title = ", ".join([request.title, *(factor_text(*item) for item in levels.items())])
            stem = out_dir / (request.name + ending)
            made = Chart(stem.name, title, *(stem.with_name(stem.name + end) for end in (".svg", ".png", ".tsv")),
                         caption(table.drawn, len(rows) - len(points), experiment), kind.how_to_read.strip())
            write_table(made.tsv, table, {"schema": FORMAT, "experiment": experiment.name, "chart": made.name,
                                          "version": _listed(point.trial.document["version"] for point in group)})
            jobs.append(_Job(made, PLOTS / f"{request.name}.gp"))
    with tempfile.TemporaryDirectory(prefix="tinygram-") as cache, ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda job: [plot(job.script, job.chart.tsv, out, job.chart.title, job.chart.caption, Path(cache))
                                   for out in (job.chart.svg, job.chart.png)], jobs))
    return [job.chart for job in jobs]
