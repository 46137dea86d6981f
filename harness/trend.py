"""The trend: how each commit does against the anchor release, as a table, a chart and the command that draws it.

Ratios of different CPU models are drawn in different colours and never joined by a line: how much a change matters
differs from machine to machine. Commits stand in the order of their dates.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from harness import history as histories, job as jobs
from harness.chart import CAPTION_WIDTH, Chart, ChartError, draw_pictures, tabled
from harness.experiment import ROOT
from harness.history import Entry, History, HistoryError
from harness.panels import Cell, Table
from harness.wording import count, drawn, plural, positive, span, visible

COLUMNS: Final = ("kind", "panel", "place", "model", "ratio", "low", "high", "spread", "tolerance", "verdict", "label")
MODELS_MAX: Final = 6
PANELS_MAX: Final = 40
COMMITS_SHOWN: Final = 60
UNKNOWN: Final = "unknown CPU"
HOW_TO_READ: Final = (
    "Each point is one job: the time that a commit takes for the same work, against the anchor release that was built "
    "and run in the same job. Up is slower. The bar is the interval of that ratio. To the right come later commits. "
    "Each colour is one CPU model, and lines join only jobs on the same one. The shaded band is the slowdown a PASS "
    "excludes, and as much to the other side: where a bar ends below its upper edge, nothing got slower by that much. "
    "A ring marks what the gate called a regression or an improvement.")


def model_of(entry: Entry) -> str:
    """The CPU model of an entry."""
    return visible(entry.cpu_model or "") or UNKNOWN


def shown(entries: Sequence[Entry], last: int = COMMITS_SHOWN) -> list[Entry]:
    """What is drawn: the last commits by date, on the CPU models that have most jobs of them."""
    ordered = histories.in_order(entries)
    commits = list(dict.fromkeys(entry.commit for entry in ordered))[-last:]
    ordered = [entry for entry in ordered if entry.commit in commits]
    models = _models(ordered)
    return [entry for entry in ordered if model_of(entry) in models]


def _models(entries: Sequence[Entry]) -> list[str]:
    """The models that have a colour, by name, so that a new job does not change the others' colours without need."""
    jobs_of: dict[str, int] = {}
    for entry in entries:
        jobs_of[model_of(entry)] = jobs_of.get(model_of(entry), 0) + 1
    return sorted(sorted(jobs_of, key=lambda model: -jobs_of[model])[:MODELS_MAX])


def table(entries: Sequence[Entry]) -> Table:
    """The table of plots/trend.gp, of what `shown` gave.

    Rows: a panel (a measurement, its tolerance), a model, a commit (its place), and a point a job and measurement.
    Points of one panel and model follow each other; one without a ratio has empty cells and breaks the line.
    """
    models = _models(entries)
    commits = list(dict.fromkeys(entry.commit for entry in entries))
    names = list(dict.fromkeys(name for entry in reversed(entries) for name in entry.measurements))
    if len(names) > PANELS_MAX:
        raise ChartError(f"the history has {len(names)} measurements, and a chart of at most {PANELS_MAX} can be read: "
                         "keep a history for each declaration (--history FILE).")
    rows = [_row("model", model=number, label=drawn(model)) for number, model in enumerate(models, 1)]
    for place, commit in enumerate(commits, 1):
        date = next((entry.commit_date for entry in entries if entry.commit == commit), None)
        rows.append(_row("commit", place=place, label=" ".join(filter(None, ((date or "")[:10], commit[:7])))))
    for panel, name in enumerate(names, 1):
        own = [entry for entry in entries if name in entry.measurements]
        tolerances = [entry.measurements[name].tolerance for entry in own]
        rows.append(_row("panel", panel=panel, tolerance=tolerances[-1], label=drawn(name) or "(no name)"))
        for number, model in enumerate(models, 1):
            of_model = [entry for entry in entries if model_of(entry) == model]
            for index, entry in enumerate(of_model):
                found = entry.measurements.get(name)
                again = [each for each in of_model if each.commit == entry.commit]
                rows.append(_row(
                    "point", panel=panel, place=commits.index(entry.commit) + 1, model=number,
                    spread=0.0 if len(again) == 1 else 2 * again.index(entry) / (len(again) - 1) - 1,
                    ratio=positive(found.ratio if found else None), low=positive(found.low if found else None),
                    high=positive(found.high if found else None), verdict=found.verdict if found else None))
    return Table(COLUMNS, tuple(rows), ())


def _row(kind: str, **cells: Cell) -> tuple[Cell, ...]:
    return (kind, *(cells.get(column) for column in COLUMNS[1:]))


def caption(entries: Sequence[Entry], everything: Sequence[Entry]) -> str:
    """What the chart rests on, in lines that fit below it."""
    commits = {entry.commit for entry in entries}
    earlier = len({entry.commit for entry in everything} - commits)
    models = len({model_of(entry) for entry in everything if entry.commit in commits} - {*_models(entries)})
    kernels = sorted({entry.kernel or "unknown" for entry in entries})
    confidences = {found.confidence for entry in entries for found in entry.measurements.values()}
    ks = [found.invocations for entry in entries for found in entry.measurements.values()
          if found.ratio is not None]
    parts = [
        f"each point is one job, its time for the same work divided by that of {entries[0].anchor} "
        f"({entries[0].anchor_commit[:7]}) in the same job",
        f"{plural(len(entries), 'job')} on {plural(len(commits), 'commit')}"
        + (", which is no trend yet" if len(commits) == 1 else ""),
        f"{plural(earlier, 'commit')} not drawn" if earlier else "",
        f"{plural(models, 'CPU model')} with fewer jobs not drawn" if models else "",
        "bars are " + " or ".join(f"{value * 100:.3g} %" for value in sorted(filter(None, confidences))) + " intervals",
        f"K = {span(ks)} invocations" if ks else "",
        "kernel " + (", ".join(kernels) if len(kernels) <= 4 else f"{len(kernels)} different"),
        "CPUs " + ", ".join(sorted({count(entry.cpus) or "unknown" for entry in entries})),
    ]
    return "\n".join(wrap("; ".join(filter(None, parts)), CAPTION_WIDTH))


def draw(history: History, out_dir: Path, last: int = COMMITS_SHOWN) -> Chart:
    """Draw the history into `out_dir`: trend.tsv, .svg and .png. last: how many commits. Raises ChartError."""
    if not history.entries:
        raise ChartError("the history has no line yet: run make gate BASE=RELEASE (a tag, or a commit), and append its "
                         "job with `python3 -m harness trend --append JOB.json --anchor RELEASE`.")
    entries = shown(history.entries, last)
    if not any(found.ratio for entry in entries for found in entry.measurements.values()):
        raise ChartError("none of the jobs that would be drawn has a ratio: see why in their table.txt, and append "
                         "others.")
    anchor = visible(entries[0].anchor)
    made = tabled(out_dir, ("trend", f"Is any commit slower or faster than {anchor}?",
                            caption(entries, history.entries), HOW_TO_READ),
                  table(entries), {"chart": "trend", "anchor": anchor})
    draw_pictures([("trend", made)])
    return made


# ---------------------------------------------------------------------------------------------------------------------
# The command


def add_command(commands: Any) -> None:
    """Adds `trend` to the subcommands of an argparse parser; the namespace's `command` is then `run`."""
    parser = commands.add_parser(
        "trend", help="draw the ratios of all commits to the anchor release, or append a job to the history")
    parser.add_argument("--append", type=Path, metavar="JOB.json", help="a job of the gate against the anchor")
    parser.add_argument("--anchor", metavar="REF", help="the release that a new history is measured against")
    parser.add_argument("--history", type=Path, default=ROOT / "results" / histories.FILE, metavar="FILE",
                        help="the history (default: results/history.jsonl)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "trend", metavar="DIR",
                        help="where the chart goes (default: results/trend)")
    parser.add_argument("--last", type=int, default=COMMITS_SHOWN, metavar="N",
                        help=f"draw the last N commits (default: {COMMITS_SHOWN})")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Runs `trend`; returns 0. Raises HistoryError, JobError or ChartError with the status of the command."""
    if options.last < 1:
        raise HistoryError("--last: at least 1 commit has to be drawn.")
    if options.append is not None:
        made = jobs.read(options.append)
        date = histories.commit_date(ROOT, made.new.commit) if made.new.commit else None
        found = histories.entry(made, date)
        line = histories.lasting(ROOT, found)
        moves = options.anchor == found.anchor != line.anchor
        if moves and not found.anchor_commit.startswith(options.anchor):
            raise HistoryError(f"{options.anchor} is no tag and will be another commit one day: say --anchor "
                               f"{line.anchor}, which is the commit that this job was run against.")
        print(histories.append(options.history, line, options.anchor))
        return 0
    history = histories.read(options.history)
    if history.word:
        print(f"Note: {history.word}", file=sys.stderr)
    chart = draw(history, options.out, options.last)
    print(f"{chart.svg}\n{chart.caption}")
    return 0
