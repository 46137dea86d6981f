"""One scale for two pictures of the same chart, so that what looks alike in two runs is alike.

Every script of plots/ takes its axes from its table. So each of two tables gets a few rows that nothing draws, with the
least and the largest values of the other: room for them. What only one of the two has (a panel, a level) stays out, and
the bodies of charts that have no such axes (a map of numbers, a timeline) keep a scale of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.chart import ChartError
from harness.overlay import OVERLAID

Row = Mapping[str, str]
Rows = Sequence[Row]

KIND: Final = "room"
_OF_A_GRID: Final = frozenset(("kind", "panel", "panel_title", "nodelay", "series", "level", "place", "spread", "modes",
                               "low", "high", "trial", "unit"))


def share(kind: str, one: Path, other: Path) -> bool:
    """Gives two tables of one kind of chart room for each other's values; False where that kind has scales of its own.

    Raises ChartError.
    """
    room = _ROOM.get(kind)
    if room is None:
        return False
    try:
        heads, (left, right) = _heads(one), (_rows(one), _rows(other))
        if heads != _heads(other):
            return False
        found = [(one, room(left, right)), (other, room(right, left))]
        if any(rows is None for _, rows in found):
            return False
        for path, rows in found:
            with path.open("a", encoding="utf-8") as file:
                file.writelines("\t".join(row.get(head, "") for head in heads) + "\n" for row in rows or ())
    except OSError as error:
        raise ChartError(f"no chart can be written to {error.filename}: {error.strerror}.") from None
    return True


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _heads(path: Path) -> list[str]:
    return _lines(path)[0].split("\t")


def _rows(path: Path) -> list[dict[str, str]]:
    heads, *lines = (line.split("\t") for line in _lines(path))
    return [dict(zip(heads, line)) for line in lines]


def _ends(rows: Rows, column: str) -> list[Row]:
    """Of the rows that have a value in a column those with the least, the least above 0, and the largest."""
    found = sorted((row for row in rows if row.get(column)), key=lambda row: float(row[column]))
    above = [row for row in found if float(row[column]) > 0]
    return [*found[:1], *above[:1], *found[-1:]]


def _grid(own: Rows, other: Rows) -> list[Row]:
    """Room in a grid of panels (plots/body/panels.gp): a scale a panel."""
    key = "series" if "series" in own[0] else "nodelay"
    (value,) = set(own[0]) - _OF_A_GRID
    panels = {row["panel_title"]: row["panel"] for row in own}
    names = list(dict.fromkeys(row[key] for row in own))
    places = {(row["panel_title"], row["level"], row["place"]) for row in own}
    found: list[Row] = []
    for title, number in panels.items():
        some = [row for row in other if row["kind"] == "trial" and row["panel_title"] == title
                and (title, row["level"], row["place"]) in places]
        found += [{**row, "kind": KIND, "panel": number, "modes": "1", "trial": "",
                   key: row[key] if row[key] in names else names[0]} for row in _ends(some, value)]
    return found


def _curves(own: Rows, other: Rows) -> list[Row]:
    """Room among curves: all panels of such a chart have one scale, and a curve without a name is not drawn."""
    rarest = sorted(other, key=lambda row: float(row["quantile"]))[-1:]
    return [{**row, "panel": own[0]["panel"], "panel_title": own[0]["panel_title"], "series": "", "trial": ""}
            for row in (*_ends(other, "latency_s"), *rarest)]


def _bars(own: Rows, other: Rows) -> list[Row]:
    """Room among rows (plots/body/rows.gp): a scale a panel."""
    panels, theirs = ({row["label"]: row["panel"] for row in rows if row["kind"] == "panel"} for rows in (own, other))
    found: list[Row] = []
    for title, number in panels.items():
        some = [row for row in other if row["kind"] == "trial" and row["panel"] == theirs.get(title)]
        found += [{"kind": KIND, "panel": number, "place": "1", "modes": "1", "value": row["value"]}
                  for row in _ends(some, "value")]
    return found


def _reach(own: Rows, other: Rows) -> list[Row] | None:
    """Room among bars whose table says how far each panel reaches: the last word on it counts. None: other panels."""
    mine, theirs = ({row["place"]: row for row in rows if row["kind"] == "reach"} for rows in (own, other))
    if set(mine) != set(theirs):
        return None
    return [row for place, row in theirs.items() if float(row["end_s"]) > float(mine[place]["end_s"])]


_ROOM: Final[Mapping[str, Callable[[Rows, Rows], list[Row] | None]]] = {
    **dict.fromkeys(OVERLAID, _grid), "latency_percentiles": _curves, "latency_cdf": _curves, "remedies": _bars,
    "observer": _bars, "split_bars": _reach}
