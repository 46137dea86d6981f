"""Distributions of latency, a curve a trial: chunks of a transfer by size and buffer, exchanges and messages by setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.panels import Cell, Points, Table, buffer_factors, latency_curves
from harness.parts import Line, lines, row_factors
from harness.pattern import mss_text, pattern_of, remedies, request_text

PANELS_MOST: Final = 12


def curve_factors(factors: Sequence[str]) -> Sequence[str]:
    """Those of `factors` that have a place in a chart of curves."""
    return [factor for factor in factors if factor in {*row_factors(factors), *buffer_factors(factors)}]


def _is_transfer(points: Points) -> bool:
    return all(point.trial.document["workload"]["name"] == "transfer" for point in points)


def _title(line: Line, several_mss: bool) -> str:
    document = line.points[0].trial.document
    request, _, _ = request_text(document).partition(", reply")
    outstanding = pattern_of(document)
    return ", ".join(filter(None, (
        ": ".join(filter(None, (request, remedies(document, nodelay=False)))),
        f"{outstanding.outstanding} at once" if outstanding is not None and outstanding.outstanding > 1 else "",
        mss_text(document) if several_mss else "")))


def _curves(points: Points, whole: bool) -> Table | None:
    """A panel a setting but for NODELAY, which is the colour. whole: with the latest of all, the quantile 1."""
    found = lines(points)
    several = len({mss_text(line.points[0].trial.document) for line in found}) > 1
    titles = list(dict.fromkeys(_title(line, several) for line in found))[:PANELS_MOST]
    rows: list[tuple[Cell, ...]] = []
    drawn = []
    for line in sorted(found, key=lambda line: str(line.points[0].row.nodelay)):
        title = _title(line, several)
        for point in line.points:
            latency = point.trial.document["result"]["latency_ns"]
            if title not in titles or latency is None or not latency["curve"]:
                continue
            rows += [(titles.index(title) + 1, title, point.row.nodelay or "none", quantile, ns / 1e9, point.row.trial)
                     for quantile, ns in latency["curve"] if whole or quantile < 1.0]
            rows.append(())
            drawn.append(point)
    columns = ("panel", "panel_title", "nodelay", "quantile", "latency_s", "trial")
    return Table(columns, tuple(rows), tuple(drawn)) if drawn else None


def percentiles(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/latency_percentiles.gp."""
    return latency_curves(points, factors) if _is_transfer(points) else _curves(points, whole=False)


def cdf(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/latency_cdf.gp."""
    return latency_curves(points, factors) if _is_transfer(points) else _curves(points, whole=True)
