"""All charts of two runs, side by side: each drawn anew, paired by name, and marked where the runs differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import chart, pairing, report, scale, summary
from harness.chart import Chart
from harness.comparison import NAMED, Comparison
from harness.differences import NOTHING
from harness.pairing import SIDES
from harness.report import Picture
from harness.store import Run


@dataclass(frozen=True, slots=True)
class Pair:
    """One chart of both runs, side by side; None: that run lacks it, and `lacks` says so. one_scale: both have it."""

    title: str
    base: Picture | None
    new: Picture | None
    lacks: str
    one_scale: bool


def marker(found: Comparison) -> tuple[str, ...]:
    """What a reader of two pictures must know: the groups that differ, each with what differs in it."""
    groups: dict[str, list[str]] = {}
    for one in found.differences:
        if one.group != "job" and (one.forbids != NOTHING or one.group == "build"):
            groups.setdefault(one.group, []).append(one.name)
    return tuple(f"{group}: {', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''}"
                 for group, names in groups.items())


def _own_tables(run: Run, side: str, out_dir: Path) -> dict[str, Chart]:
    """The charts of one run by name, below `out_dir`; their pictures are still to be drawn."""
    trials = sorted(run.trials, key=lambda trial: trial.position)
    found = chart.tables(run.experiment, summary.rows(trials), trials, out_dir / "charts" / side, run.folder / "events")
    return {one.name: one for one in found}


def side_by_side(found: Comparison, out_dir: Path) -> tuple[Pair, ...]:
    """All charts of both runs, drawn and paired by name; two of one name have one scale. Raises ChartError."""
    runs = dict(zip(SIDES, (found.base, found.new), strict=True))
    charts = {side: _own_tables(run, side, out_dir) for side, run in runs.items()}
    base, new = (charts[side] for side in SIDES)
    shared = {name for name, one in base.items()
              if name in new and scale.share(chart.kind_of(one), one.tsv, new[name].tsv)}
    chart.draw_pictures([(chart.kind_of(one), one) for own in charts.values() for one in own.values()])
    pairs = []
    for name in dict.fromkeys([*base, *new]):
        pictures = {side: report.picture(own[name], out_dir / "charts" / side, out_dir) if name in own else None
                    for side, own in charts.items()}
        lacks = next((side for side in SIDES if pictures[side] is None), "")
        title = next(own[name].title for own in charts.values() if name in own)
        pairs.append(Pair(title, pictures["base"], pictures["new"], f"{lacks} lacks this chart: {_why_no(runs[lacks])}"
                          if lacks else "", name in shared))
    return tuple(pairs)


def _why_no(run: Run) -> str:
    return ("it has no finished trial." if not any(map(pairing.finished, run.trials)) else
            "its experiment does not ask for it, or no trial of it has a value.")
