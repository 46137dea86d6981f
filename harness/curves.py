"""Distributions of latency, a curve a trial: of chunks by size and buffer, of exchanges and messages by setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.panels import CURVES, PANELS_MAX, Cell, PanelError, Points, Table, buffer_factors, latency_curves
from harness.parts import Line, lines, row_factors
from harness.pattern import mss_text, remedies

SERIES_MOST: Final = 8


def curve_factors(factors: Sequence[str]) -> Sequence[str]:
    """Those of `factors` that have a place in a chart of curves."""
    return [factor for factor in factors if factor in {*row_factors(factors), *buffer_factors(factors)}]


def _is_transfer(points: Points) -> bool:
    return all(point.trial.document["workload"]["name"] == "transfer" for point in points)


def _panel(line: Line) -> str:
    return line.heading.replace(", reply", "; reply").partition(";")[0] + (
        f", {mss}" if (mss := mss_text(line.points[0].trial.document)) else "")


def _alone(line: Line) -> str:
    """The title of a line that has a panel for itself and for what differs from it in NODELAY alone."""
    told = remedies(line.points[0].trial.document, nodelay=False)
    return f"{_panel(line)}: {told}" if told else _panel(line)


def _curves(points: Points, whole: bool) -> Table | None:
    """A panel a request with a colour a setting; where there are too many colours, a panel a setting, as NODELAY is on
    and off. whole: with the latest of all, the quantile 1."""
    found = lines(points)
    together = len({line.label for line in found}) <= SERIES_MOST
    titles = list(dict.fromkeys(map(_panel if together else _alone, found)))
    if len(titles) > PANELS_MAX:
        raise PanelError(f"a chart of {len(titles)} panels cannot be read: give the experiment fewer levels.")
    rows: list[tuple[Cell, ...]] = []
    drawn = []
    for line in found:
        title = _panel(line) if together else _alone(line)
        for point in line.points:
            latency = point.trial.document["result"]["latency_ns"]
            if latency is None or not latency["curve"]:
                continue
            series = line.label if together else point.row.nodelay or "none"
            rows += [(titles.index(title) + 1, title, series, quantile, ns / 1e9, point.row.trial)
                     for quantile, ns in latency["curve"] if whole or quantile < 1.0]
            rows.append(())
            drawn.append(point)
    return Table(CURVES, tuple(rows), tuple(drawn)) if drawn else None


def percentiles(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/latency_percentiles.gp."""
    return latency_curves(points, factors) if _is_transfer(points) else _curves(points, whole=False)


def cdf(points: Points, factors: Sequence[str]) -> Table | None:
    """The table of plots/latency_cdf.gp."""
    return latency_curves(points, factors) if _is_transfer(points) else _curves(points, whole=True)
