"""What is kept of a comparison of two arms: its invocations, its answer, and its charts, in a folder of its own.

    raw.jsonl   every invocation as the program wrote it, with each slice
    arms.json   the answer (tinygram-arms/1): `judged` has the fields of a measurement of a job of the gate
    arms.md     the same for a person, with the charts
    charts/     the ratio with its interval; every invocation of both arms; the slices of both by percentile
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from textwrap import wrap
from typing import Any, Final

from harness import chart, overlay, wording
from harness.arms import Contest
from harness.chart import CAPTION_WIDTH, Chart, ChartError
from harness.gate import RAW
from harness.job import to_json
from harness.panels import CURVES, Table
from harness.panels import Cell as Text
from harness.schema import HarnessError
from harness.stats import modes, quantile
from harness.verdict import Judged

TAG: Final = "tinygram-arms/1"
FILE: Final = "arms.json"
QUANTILES: Final = (0.0, *(step / 20 for step in range(1, 20)), 0.98, 0.99)

_ARMS: Final = "A is base, grey and hollow; B is new, purple and full or dashed. "
HOW_FOREST: Final = ("The point is the time of B for the same work by that of A: right of 1 B is slower, left of it "
                     "faster. The bar is the interval; where it lies on both sides of 1, no direction is sure.")
HOW_INVOCATIONS: Final = (_ARMS + "Each symbol is one invocation, fresh processes of both arms, and its median slice; "
                          "each bar is the median of an arm. The two arms of one invocation ran turn by turn, so the "
                          "ratio is surer than the distance of the two clouds looks.")
HOW_SLICES: Final = (_ARMS + "Each curve is one invocation: its slices, each the mean of some exchanges or bytes. To "
                     "the right come the slower and rarer ones. Lower is sooner.")


class KeepError(HarnessError):
    """A comparison that cannot be kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a comparison of two arms has to say. names: of A and B, as asked for; notes: sentences."""

    contest: Contest
    names: tuple[str, str]
    seed: int
    judged: Judged
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    machine: dict[str, Any]


def keep(answer: Answer, folder: Path) -> list[Chart]:
    """Writes arms.json, arms.md and charts/ into a folder that has raw.jsonl. Raises KeepError and ChartError."""
    try:
        charts = _drawn(answer, folder / "charts", list(_slices(folder / RAW)))
        (folder / "arms.md").write_text(_page(answer, charts), encoding="utf-8")
        (folder / FILE).write_text(to_json(_document(answer)), encoding="utf-8")
    except OSError as error:
        raise KeepError(f"the comparison cannot be kept in {folder}: {error.strerror}. Name another folder with "
                        "--results DIR.") from None
    return charts


def _document(answer: Answer) -> dict[str, Any]:
    return {"schema": TAG, "a": answer.names[0], "b": answer.names[1], "options": dict(answer.contest.options),
            "seed": answer.seed, "judged": {**asdict(answer.judged), "verdict": answer.judged.verdict.value},
            "notes": list(answer.notes), "machine": answer.machine}


def _page(answer: Answer, charts: Sequence[Chart]) -> str:
    parts = ["# Two arms, turn by turn", "```\n" + "\n".join(answer.lines) + "\n```",
             *(f"- {note}" for note in answer.notes)]
    for one in charts:
        parts += [f"## {one.title}", f"![{one.title}](charts/{one.svg.name})", one.how_to_read, one.caption]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# Charts


def _slices(raw: Path) -> Iterator[tuple[list[float], list[float]]]:
    """Seconds per unit of work of each slice of base and of new, an invocation at a time."""
    lines = raw.read_text(encoding="utf-8").splitlines() if raw.exists() else []
    for line in lines:
        invocation = json.loads(line)
        slices = (invocation["document"] or {}).get("slices") if invocation["value"] is not None else None
        if slices:
            work = 1e9 * slices["units"] * slices["work_each"]
            yield [ns / work for ns in slices["base_ns"]], [ns / work for ns in slices["new_ns"]]


def _drawn(answer: Answer, out_dir: Path, slices: Sequence[tuple[list[float], list[float]]]) -> list[Chart]:
    judged, unit = answer.judged, "an exchange" if answer.judged.work == "exchange" else "a byte"
    machine = answer.machine
    text = (f"A (base) is {answer.names[0]}; B (new) is {answer.names[1]}; {answer.lines[0].partition(':')[0]}; K = "
            f"{judged.invocations} invocations; kernel {machine.get('kernel') or 'unknown'}; "
            f"{machine.get('cpu_model') or 'unknown CPU'}")
    caption = "\n".join(wrap(wording.drawn(text), CAPTION_WIDTH)[:4])
    sheets = [("forest", "forest", f"Time {unit}: B against A", HOW_FOREST, _forest(judged)),
              ("compare_trials", "invocations", f"Time {unit}, every invocation", HOW_INVOCATIONS,
               _invocations(judged, unit)),
              ("latency_percentiles", "slices", f"Time {unit} by percentile of the slices", HOW_SLICES,
               _percentiles(slices, unit))]
    try:
        out_dir.mkdir(exist_ok=True)
        made = [(script, chart.tabled(out_dir, (name, title, caption, how), table,
                                      chart.of_trials("arms", name, table)))
                for script, name, title, how, table in sheets if table is not None]
    except OSError as error:
        raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None
    chart.draw_pictures(made)
    return [one for _, one in made]


def _forest(judged: Judged) -> Table | None:
    ratio = wording.positive(judged.ratio)
    row = ("B / A", ratio, wording.positive(judged.low), wording.positive(judged.high), judged.verdict.value)
    return Table(overlay.FOREST, (row,), ()) if ratio is not None else None


def _invocations(judged: Judged, unit: str) -> Table | None:
    rows: list[tuple[Text, ...]] = [("panel", 1, None, f"time {unit}", "s", *[None] * 6),
                                    ("row", None, 1, "both arms", *[None] * 7)]
    for run, each in (("base", judged.base_each_ns), ("new", judged.new_each_ns)):
        seconds = [ns / 1e9 for ns in each]
        split = modes(seconds) if seconds else []
        low, high = (median(split[0]), median(split[1])) if len(split) == 2 else (None, None)
        rows += [("trial", 1, 1, None, None, len(split), None, None, value, f"{number}", run)
                 for number, value in enumerate(seconds, 1)]
        rows += [("median", 1, 1, None, None, len(split), low, high, median(seconds), None, run)] if seconds else []
    return Table(overlay.TRIALS, tuple(rows), ()) if len(rows) > 2 else None


def _percentiles(slices: Sequence[tuple[list[float], list[float]]], unit: str) -> Table | None:
    rows: list[tuple[Text, ...]] = []
    for number, both in enumerate(slices, 1):
        for run, seconds in zip(("base", "new"), both, strict=True):
            shown = [share for share in QUANTILES if share <= 1 - 1 / len(seconds)]
            rows += [(1, f"time {unit}, mean of a slice", run, share, quantile(seconds, share), f"{number}")
                     for share in shown]
            rows += [()]
    return Table(CURVES, tuple(rows), ()) if rows else None
