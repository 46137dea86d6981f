"""Three ways to serve many clients, by short and by long connections: the chart of the lab's entry process-for-each.

The entry measures with servers of a few lines (its C is shown on the lab's page) and one client that keeps all of its
connections at work at once. harness/experiments/servers.toml measures the program's own receiver in the same three
ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from harness import chart
from harness.panels import Cell, Table
from harness.stats import modes

ENTRY: Final = "process-for-each"
NAME: Final = "crowd"
TITLE: Final = "Three ways to serve short and long connections, against their number"
HOW_TO_READ: Final = (
    "To the right more connections are open at once. Above are short ones: each is connected, carries one exchange of "
    "100 bytes there and 100 back, and is closed; its time is all of that, and what starts a process or a thread is "
    "in it. Below are long ones, all connected and served before the clock starts; a time is that of one exchange. "
    "Left and middle are times, median and 99th percentile: lower is sooner. Right is how many a second: higher is "
    "more. With all connections at work, a time is about their number divided by the rate: at 1 it is that of a lone "
    "client, beyond it mostly the time for which the others are served. Each point is one attempt, the line joins the "
    "medians. Where the attempts of a cell fall into two modes there is no median, and a dotted bar joins the two.")
FIGURES: Final = {"median": (", median", "s", 1e-6), "99 %": (", 99 %", "s", 1e-6), "rate": ("s a second", "k", 1.0)}
KINDS: Final = {"short": "short: connection", "long": "long: exchange"}
_FACT: Final = re.compile(r"(\w+), (\d+) (short|long): (.+)")


@dataclass(frozen=True, slots=True)
class Served:
    """One way to serve, with so many connections of a kind at once: what every attempt measured, s and per second."""

    kind: str
    at_once: int
    way: str
    figures: Mapping[str, tuple[float, ...]]

    def median(self, figure: str) -> float | None:
        """The median over the attempts, None where nothing was measured."""
        values = self.figures.get(figure)
        return median(values) if values else None

    @property
    def attempts(self) -> int:
        """How many attempts there are."""
        return max((len(values) for values in self.figures.values()), default=0)


def cells(entry: Mapping[str, Any]) -> tuple[Served, ...]:
    """What the entry measured, from `tinygram lab process-for-each --json`: by kind, connections, way."""
    found: dict[tuple[str, int, str], dict[str, tuple[float, ...]]] = {}
    for fact in entry["evidence"]:
        named = _FACT.fullmatch(fact["name"])
        if named is not None and named[4] in FIGURES:
            scale = FIGURES[named[4]][2]
            found.setdefault((named[3], int(named[2]), named[1]), {})[named[4]] = tuple(
                each * scale for each in fact["attempts"] if isinstance(each, int))
    kinds = list(KINDS)
    return tuple(Served(*key, found[key]) for key in sorted(found, key=lambda key: (kinds.index(key[0]), *key[1:])))


def table(measured: tuple[Served, ...]) -> Table | None:
    """The table of plots/crowd.gp: a row an attempt, then a row a cell with its median; None where there is nothing."""
    columns = ("kind", "panel", "panel_title", "series", "level", "place", "spread", "modes", "low", "high", "value",
               "trial", "unit")
    attempts: list[tuple[Cell, ...]] = []
    medians: list[tuple[Cell, ...]] = []
    present = [kind for kind in KINDS if any(cell.kind == kind for cell in measured)]
    for number, (kind, figure) in enumerate(((kind, figure) for kind in present for figure in FIGURES), 1):
        words, unit, _ = FIGURES[figure]
        for cell in sorted(measured, key=lambda cell: (cell.way, cell.at_once)):  # a line must not be interrupted
            values = cell.figures.get(figure, ())
            if cell.kind != kind or not values:
                continue
            head = (number, KINDS[kind] + words, cell.way, str(cell.at_once), float(cell.at_once))
            found = modes(values)
            low, high = (median(found[0]), median(found[1])) if len(found) == 2 else (None, None)
            for index, value in enumerate(values):
                spread = round((2 * index + 1) / len(values) - 1, 4)
                attempts.append(("trial", *head, spread, len(found), None, None, value, f"attempt {index + 1}", unit))
            medians.append(("median", *head, 0, len(found), low, high, median(values), None, unit))
    return Table(columns, tuple(attempts + medians), ()) if attempts else None


def caption(document: Mapping[str, Any], measured: tuple[Served, ...]) -> str:
    """What the picture rests on."""
    machine = document["machine"]
    counts = sorted({cell.attempts for cell in measured})
    spread = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (f"tinygram lab {ENTRY}: n = {spread} attempts a cell; kernel {machine['kernel']}; congestion control "
            f"{machine['congestion_default'] or 'unknown'};\nMSS {machine['loopback_mss']} B; HZ={machine['hz']}; one "
            "client process, placed by the kernel as the servers are: they share the CPUs")


def draw(document: Mapping[str, Any], measured: tuple[Served, ...], folder: Path) -> chart.Chart | None:
    """Draws the chart into `folder`: crowd.tsv, crowd.svg and crowd.png. None where nothing was measured.

    document: of the lab. Raises ChartError, OSError.
    """
    rows = table(measured)
    if rows is None:
        return None
    made = chart.Chart(NAME, TITLE, folder / f"{NAME}.svg", folder / f"{NAME}.png", folder / f"{NAME}.tsv",
                       caption(document, measured), HOW_TO_READ)
    chart.write_table(made.tsv, rows, {"schema": chart.FORMAT, "entry": ENTRY, "chart": NAME,
                                       "version": str(document["version"])})
    chart.draw_pictures([(NAME, made)])
    return made
