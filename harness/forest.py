"""The forest plot of a job: a row a measurement, its ratio and its interval, drawn by plots/forest.gp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final

from harness import wording
from harness.chart import CAPTION_WIDTH, Chart, ChartError, draw_pictures, tabled
from harness.panels import Cell, Table
from harness.verdict import Job, Judged

COLUMNS: Final = ("name", "ratio", "low", "high", "kind")
ROWS_MAX: Final = 60
HOW_TO_READ: Final = (
    "Each row is one measurement. The point is the ratio of the time for the same work, new by base: right of 1 is "
    "slower, left of 1 faster. The bar is its interval; where it lies on both sides of 1, no direction is sure. Rows "
    "are sorted, the largest slowdown first; a measurement without a value has an empty row.")


def table(items: Sequence[Judged]) -> Table:
    """A row a measurement, the largest ratio first; those without a ratio last."""
    def key(item: Judged) -> float:
        ratio = wording.positive(item.ratio)
        return -ratio if ratio is not None else 0.0
    rows: list[tuple[Cell, ...]] = [
        (wording.shortened(wording.drawn(wording.name_of(item)), 60), wording.positive(item.ratio),
         wording.positive(item.low), wording.positive(item.high), item.verdict.value)
        for item in sorted(items, key=key)]
    return Table(COLUMNS, tuple(rows), ())


def caption(job: Job) -> str:
    """What the plot rests on, in lines that fit below it."""
    span = wording.span(item.invocations for item in job.judged)
    parts = (f"{job.status.name}: {wording.tally(job)}", f"K = {span} invocations",
             f"{wording.percent(job.judged[0].confidence, 0)} intervals", wording.machine_line(job))
    return "\n".join(wrap("; ".join(parts), CAPTION_WIDTH)[:3])


def draw(job: Job, out_dir: Path) -> Chart | None:
    """Draw the ratios of a job into `out_dir`: forest.tsv, .svg and .png; None where no measurement was judged.

    Raises ChartError where gnuplot fails, or there are more than 60 measurements.
    """
    if not any(wording.positive(item.ratio) for item in job.judged):
        return None
    if len(job.judged) > ROWS_MAX:
        raise ChartError(f"a forest plot of {len(job.judged)} measurements cannot be read (at most {ROWS_MAX}).")
    title = f"Is {wording.ref_of(job.new)} slower than {wording.ref_of(job.base)}?"
    made = tabled(out_dir, ("forest", title, caption(job), HOW_TO_READ), table(job.judged),
                  {"job": wording.visible(job.id), "chart": "forest"})
    draw_pictures([("forest", made)])
    return made


def beside(job: Job, folder: Path) -> tuple[str | None, str]:
    """Draw the plot into charts/ of a job's folder, where there is anything to draw.

    A verdict does not depend on a picture, so nothing is raised. Returns the link for outputs.write (None: no picture),
    and a sentence about why there is none, or ''.
    """
    try:
        made = draw(job, folder / "charts")
    except ChartError as error:
        return None, f"no forest plot: {error}"
    return (f"charts/{made.svg.name}", "") if made is not None else (None, "")
