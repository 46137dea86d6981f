"""The report: report.html, which needs nothing else, and report.md with its pictures beside it.

Everything that a report concludes comes from harness/advice.py, which knows every answer; this module gathers it with
the charts, the tables, the machine and the commands that repeat it, and hands it to the templates. What is always
true (the words, the method and its limits) stands in the templates.
"""

from __future__ import annotations

import base64
import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import quote

from harness import advice, chart, cliff, load, remedy, store, summary
from harness.buffers import blocked_share
from harness.chart import Chart
from harness.effect import CHANCE, EFFECT, values
from harness.grouping import cell_name, level_text, split
from harness.pages import templates, write_pages
from harness.panels import GOODPUT, SEGMENT, Measure, Point, Points, factor_head, size_text
from harness.phrases import bytes_text, count_text, path_text, percent_text, rate_text, time_text
from harness.schema import HarnessError
from harness.sentences import LATE, LATENCY, Answer
from harness.stalls import stall_share
from harness.stats import MODE_GAP, modes
from harness.store import Run

EXPERIMENTS: Final = "harness/experiments"
FAILURES_SHOWN: Final = 10
UNEVEN: Final = 2.0
OPENING: Final = ("sndbuf", "send-sndbuf")

SEGMENTS: Final = Measure("data_segments")
FIRST: Final = Measure("first_exchange_s")
PLANNED: Final = Measure("latency_planned_p50_s")
PLANNED_LATE: Final = Measure("latency_planned_p99_s")

# What a report shows of machine.json: its key and how it is called. Sizes and lists are worded by `machine_value`.
MACHINE: Final = (
    ("kernel", "kernel"), ("system", "system"), ("architecture", "architecture"), ("cpu_model", "CPU"),
    ("cpus_online", "CPUs online"), ("cpus_allowed", "CPUs allowed"), ("threads_per_core", "threads a core"),
    ("governor", "frequency governor"), ("virtualisation", "virtualisation"), ("container", "container"),
    ("memory_bytes", "memory"), ("cgroup_cpu_limit", "CPU limit of the control group"),
    ("cgroup_memory_limit_bytes", "memory limit of the control group"), ("clocksource", "clock source"),
    ("hz", "timer frequency (HZ)"), ("load_1m", "load at the start"), ("loopback_mtu", "MTU of lo"),
    ("loopback_offloads", "offloads of lo"), ("congestion_default", "default congestion control"),
    ("congestion_available", "congestion controls"), ("version", "tinygram"), ("git_commit", "commit"),
    ("compiler", "compiler"), ("compiler_flags", "compiler flags"), ("python", "Python"))
SYSCTLS: Final = ("net.core.wmem_max", "net.core.rmem_max", "net.ipv4.tcp_wmem", "net.ipv4.tcp_rmem",
                  "net.ipv4.tcp_autocorking", "net.ipv4.tcp_limit_output_bytes", "net.core.default_qdisc")


class ReportError(HarnessError):
    """A report that cannot be written."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart as a report shows it. data is the SVG as a data URI; svg and png are links from the report's folder."""

    title: str
    how_to_read: str
    caption: str
    data: str
    svg: str
    png: str


@dataclass(frozen=True, slots=True)
class Table:
    """The table of a run, a row a cell: heads, and cells as words."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CliffMap:
    """What a report says of one search for cliffs."""

    anchor: str
    question: str
    sentences: tuple[str, ...]
    evidence: tuple[str, ...]
    picture: Picture
    document: str
    command: str


@dataclass(frozen=True, slots=True)
class Section:
    """What a report says of one run."""

    anchor: str
    name: str
    factors: tuple[str, ...]
    question: str
    why: str
    answer: Answer
    pictures: tuple[Picture, ...]
    missing_charts: tuple[str, ...]
    table: Table
    folder: str
    count: str
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    machine: tuple[tuple[str, str], ...]
    workload: str = "transfer"


# ---------------------------------------------------------------------------------------------------------------------
# The parts of a section


def table(points: Points, factors: Sequence[str]) -> Table:
    """One row a cell, in the order of the plan; requests with one effective SO_SNDBUF share a row."""
    if not _is_transfer(points):
        return _table_of_messages(points, factors)
    heads = (*map(factor_head, factors), "n", "goodput: median", "min", "max", "chunk latency: median", "99 %",
             "segments", "bytes per segment", "asleep in write()")
    rows = []
    for group in split(sorted(points, key=lambda point: point.row.cell),
                       lambda point: cell_name(point, factors)).values():
        goodput = values(group, GOODPUT)
        rows.append((
            *(level_text(group[0], factor) for factor in factors), str(len(group)), _modes_text(goodput),
            rate_text(min(goodput)), rate_text(max(goodput)),
            _median_text(group, LATENCY, time_text), _median_text(group, LATE, time_text),
            _median_text(group, SEGMENTS, lambda count: f"{count:.0f}"), _median_text(group, SEGMENT, bytes_text),
            _share_text(group)))
    return Table(heads, tuple(rows))


def _is_transfer(points: Points) -> bool:
    return all(point.row.workload in (None, "transfer") for point in points)


def _table_of_messages(points: Points, factors: Sequence[str]) -> Table:
    """The same for exchanges and for the messages of a stream."""
    streamed = all(point.row.workload == "stream" for point in points)
    heads = (*map(factor_head, factors), "n", "latency: median", "99 %",
             *(("from the plan: median", "99 %", "kept its schedule") if streamed else ("first exchange",)),
             "stalled", "held: median", "99 %", "segments", "calls", "CPU time")
    rows = []
    for group in split(sorted(points, key=lambda point: point.row.cell),
                       lambda point: cell_name(point, factors)).values():
        shares = [share for share in map(stall_share, group) if share is not None]
        kept = [point.row.kept_schedule for point in group if point.row.kept_schedule is not None]
        rows.append((
            *(level_text(group[0], factor) for factor in factors), str(len(group)),
            _modes_text(values(group, LATENCY), time_text), _median_text(group, LATE, time_text),
            *((_median_text(group, PLANNED, time_text), _median_text(group, PLANNED_LATE, time_text),
               f"{sum(kept)} of {len(kept)}" if kept else "") if streamed
              else (_median_text(group, FIRST, time_text),)),
            percent_text(median(shares)) if shares else "",
            _median_text(group, load.HOLD[0], time_text), _median_text(group, load.HOLD[1], time_text),
            _median_text(group, remedy.SEGMENTS, count_text),
            _median_text(group, remedy.CALLS, count_text),
            _median_text(group, remedy.CPU, time_text)))
    return Table(heads, tuple(rows))


def _modes_text(found: Sequence[float], text: Callable[[float], str] = rate_text) -> str:
    groups = modes(found)
    return "" if not groups else text(median(found)) if len(groups) == 1 else "two modes: " + " and ".join(
        f"{text(median(group))} ({len(group)})" for group in groups)


def _median_text(points: Points, measure: Measure, text: Any) -> str:
    found = values(points, measure)
    return str(text(median(found))) if found else ""


def _share_text(points: Points) -> str:
    share = blocked_share(points)
    return "" if share is None else percent_text(share)


def notes(run: Run, points: Points, factors: Sequence[str], first: bool = True) -> tuple[str, ...]:
    """What the run's own data say against it, each with its remedy; and what the plan had to change.

    first: no other run of the report came before it, so that a load at its start was not of our making.
    """
    found = [run.word.strip()] if run.word else []
    found += list(run.plan.notes)
    if run.left:
        found.append(f"{len(run.left)} of {len(run.plan.trials)} planned trials were not run. Continue with: "
                     f"`python3 -m harness run --continue {path_text(run.folder)}`")
    load, cpus = run.machine.get("load_1m"), run.machine.get("cpus_online")
    if isinstance(load, int | float) and isinstance(cpus, int) and first and load > 0.5 * cpus:
        found.append(f"The machine was busy when the run began (load {load:.1f} on {cpus} CPUs): other work slows "
                     "single trials. Run it again when the machine is quiet.")
    cells = split(points, lambda point: cell_name(point, factors)).values()
    uneven = [cell for cell in cells if _is_transfer(cell) and len(modes(values(cell, GOODPUT))) == 1 and
              max(values(cell, GOODPUT)) > UNEVEN * min(values(cell, GOODPUT))]
    if uneven:
        found.append(f"In {len(uneven)} of {len(cells)} cells the fastest trial is more than twice as fast as the "
                     "slowest. More blocks (`--blocks N`) make their medians firmer.")
    unverified = [point for point in points if point.row.verified is not True and _is_transfer([point])]
    if unverified:
        found.append(f"The content of {len(unverified)} trials was not verified.")
    sent_again = [point for point in points if point.row.retransmits]
    if sent_again:
        found.append(f"{len(sent_again)} of {len(points)} trials sent segments again, which loopback seldom needs.")
    unstamped = [point for point in points if point.row.stamps == "on"
                 and not point.trial.document["result"].get("split")]
    if unstamped:
        found.append(f"The kernel gave no timestamps in {len(unstamped)} of {len(points)} trials: where the time of "
                     "their writes went is not known, and their stalls are told from latencies alone.")
    behind = [point for point in points if point.row.kept_schedule is False]
    if behind:
        found.append(f"{len(behind)} of {len(points)} trials did not keep their schedule: their latency from write() "
                     "leaves out what waited before it.")
    events = [point.trial.document["result"]["events"] for point in points]
    if any((end or {}).get("dropped") for event in events for end in (event["sender"], event["receiver"])):
        found.append("Some event logs overflowed: the latencies of those trials are from a part of their chunks. "
                     "Shorten the trials or raise `events-max`.")
    return tuple(found)


def _failures(run: Run) -> tuple[str, ...]:
    failed = [trial.problem for trial in run.trials if trial.failed]
    more = len(failed) - FAILURES_SHOWN
    return (*failed[:FAILURES_SHOWN], *([f"and {more} more; trials.jsonl has them all."] if more > 0 else []))


def commands(run: Run) -> tuple[tuple[str, str], ...]:
    """What to type to repeat the run, and one of its trials: (purpose, command)."""
    experiment = f"{EXPERIMENTS}/{run.experiment.name}.toml"
    options = ["--seed", str(run.plan.seed), "--blocks", str(run.plan.blocks)]
    make = ["make", "run", f"EXPERIMENT={experiment}"]
    if run.plan.file is not None:
        options += ["--file", str(run.plan.file)]
        make.append(f"FILE={run.plan.file}")
    found = [("the experiment", shlex.join(make)),
             ("in exactly this order", shlex.join(["python3", "-m", "harness", "run", experiment, *options]))]
    if run.plan.trials:
        first = run.plan.trials[0]
        found.append((f"one trial of it ({first.id})", shlex.join(["build/tinygram", "pair", *first.arguments])))
    return tuple(found)


def machine_value(key: str, value: object) -> str:
    if value is None:
        return "unknown"
    if key.endswith("_bytes") and isinstance(value, int):
        return f"{value / 1024 ** 3:.3g} GiB"
    if key in ("load_1m", "cgroup_cpu_limit") and isinstance(value, int | float):
        return f"{value:.2f}"
    if isinstance(value, Mapping):
        on = [name for name, state in value.items() if state]
        return ", ".join(on) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def machine(described: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """machine.json as (name, value) in words; what could not be had is said to be unknown, limits that are none too."""
    rows = []
    for key, name in MACHINE:
        value = described.get(key)
        if key.startswith("cgroup") and value is None:
            rows.append((name, "none known"))
        else:
            rows.append((name, machine_value(key, value)))
    sysctl = described.get("sysctl") or {}
    rows += [(name, machine_value(name, sysctl.get(name))) for name in SYSCTLS]
    return tuple(rows)


def _count(run: Run, points: Points, factors: Sequence[str]) -> str:
    cells = len(split(points, lambda point: cell_name(point, factors)))
    failed = sum(trial.failed for trial in run.trials)
    told = (f"{len(points)} finished trials in {cells} cells, shuffled in {run.plan.blocks} blocks from seed "
            f"{run.plan.seed}")
    sent = f"{run.plan.file} ({size_text(run.plan.file_bytes or 0)})" if run.plan.file is not None else "from memory"
    return f"{told}; sent: {sent}" + (f"; {failed} trials failed" if failed else "")


# ---------------------------------------------------------------------------------------------------------------------
# Gathering and writing


def _data_uri(svg: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode("ascii")


def picture(drawn: Chart, folder: Path, out_dir: Path) -> Picture:
    """A chart as a page in `out_dir` shows it. folder: where its files are, for the links."""
    link = quote(os.path.relpath(folder / drawn.name, out_dir), safe="/=")
    return Picture(drawn.title, drawn.how_to_read, drawn.caption, _data_uri(drawn.svg), f"{link}.svg", f"{link}.png")


def section(run: Run, out_dir: Path, anchor: str, first: bool = True) -> Section:
    """Everything about one run; draws its charts into its own folder, and copies them where the report is another's.

    anchor: its name in the report, which is also that of the folder of copies. first: see notes. Raises ChartError and
    OSError.
    """
    trials = sorted(run.trials, key=lambda trial: trial.position)
    rows = summary.rows(trials)
    points = [Point(row, trial) for row, trial in zip(rows, trials, strict=True)
              if row.status == 0 and row.goodput_bytes_per_s is not None]
    factors = [factor.name for factor in run.experiment.factors if factor.name in run.plan.factors]
    charts = chart.draw(run.experiment, rows, trials, run.folder / "charts", run.folder / "events")
    folder = out_dir / "charts"
    if out_dir.resolve() != run.folder.resolve():
        folder = folder / anchor
        folder.mkdir(parents=True, exist_ok=True)
        for each in charts:
            for path in (each.svg, each.png, each.tsv):
                shutil.copyfile(path, folder / path.name)
    pictures = [picture(each, folder, out_dir) for each in charts]
    drawn = {chart.kind_of(each) for each in charts}
    return Section(
        anchor=anchor, name=run.experiment.name, factors=tuple(factors), question=run.experiment.question,
        why=run.experiment.why, answer=advice.answer(run.experiment, points), pictures=tuple(pictures),
        missing_charts=tuple(spec.title for spec in run.experiment.charts if spec.name not in drawn),
        table=table(points, factors), folder=quote(os.path.relpath(run.folder, out_dir)),
        count=_count(run, points, factors), notes=notes(run, points, factors, first), failures=_failures(run),
        commands=commands(run), machine=machine(run.machine), workload=run.experiment.workload_name)


def cliff_map(found: Path, out_dir: Path) -> CliffMap:
    """Everything about one search for cliffs, from its document in `found`; draws its map below `out_dir`.

    Raises ChartError.
    """
    document = cliff.read(found)
    drawn = cliff.draw(found, out_dir / "charts" / "cliffs")
    words = list(document["command"])
    return CliffMap(
        anchor=f"cliffs-{document['search']['factor']}", question=drawn.title,
        sentences=tuple(cliff.sentences(document)), evidence=tuple(cliff.evidence(document)),
        picture=picture(drawn, out_dir / "charts" / "cliffs", out_dir),
        document=quote(os.path.relpath(found, out_dir)),
        command=shlex.join(["build/tinygram", *words[1:words.index("--json")]]))


def render(sections: Sequence[Section], made_at: str, maps: Sequence[CliffMap] = ()) -> tuple[str, str]:
    """The report on some runs as HTML and as Markdown.

    sections: at least one. made_at: when, for the last line. maps: searches for cliffs, below the runs.
    """
    environment = templates()
    opening = next((one for one in sections if one.workload == "transfer"
                    and any(factor in OPENING for factor in one.factors)), sections[0])
    advised = next((one for one in sections if one.workload == "exchange" and one is not opening), None)
    machines = list(dict.fromkeys(one.machine for one in sections))
    known = {"sections": sections, "maps": maps, "opening": opening, "advised": advised,
             "exchanged": any(one.workload != "transfer" for one in sections), "made_at": made_at, "machines": machines,
             "chance": percent_text(CHANCE), "effect": percent_text(EFFECT - 1), "mode_gap": f"{MODE_GAP:.0f}"}
    return (environment.get_template("report.html").render(known),
            environment.get_template("report.md").render(known))


def report(run_dirs: Sequence[Path], out_dir: Path, maps: Sequence[Path] = ()) -> Path:
    """Write report.html and report.md over some runs into `out_dir`, with their charts. Returns the path of the former.

    run_dirs: folders of runs, in the order of the report. Charts are drawn into charts/ of each run, and copied below
    charts/ of `out_dir` where that is another folder. maps: documents of searches for cliffs. Raises HarnessError.
    """
    if not run_dirs:
        raise ReportError("there is nothing to report: name at least one run, such as results/sndbuf/<run>.")
    runs = [store.read(folder) for folder in run_dirs]
    names = [run.experiment.name for run in runs]
    anchors = [name if names.count(name) == 1 else f"{name}-{index}" for index, name in enumerate(names, 1)]
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        first = min(str(run.machine.get("captured_at")) for run in runs)
        sections = [section(run, out_dir, anchor, str(run.machine.get("captured_at")) == first)
                    for run, anchor in zip(runs, anchors, strict=True)]
        page, text = render(sections, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                            [cliff_map(found, out_dir) for found in maps])
        write_pages(out_dir, {"report.html": page, "report.md": text})
    except OSError as error:
        raise ReportError(f"no report can be written to {out_dir}: {error.strerror}: {error.filename}.") from None
    return out_dir / "report.html"
