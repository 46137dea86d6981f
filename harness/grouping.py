"""The trials of a run by what was set in them: groups, and the names of groups in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.panels import Point, Points, factor_text, size_text, sndbuf_level, sndbuf_places


def split(points: Points, key: Callable[[Point], str | None]) -> dict[str, list[Point]]:
    """The points by key, in order of appearance; those without a key are left out."""
    found: dict[str, list[Point]] = {}
    for point in points:
        name = key(point)
        if name is not None:
            found.setdefault(name, []).append(point)
    return found


def by_nodelay(points: Points) -> tuple[list[Point], list[Point]]:
    """The points with NODELAY on, and those with it off."""
    found = split(points, lambda point: point.row.nodelay)
    return found.get("on", []), found.get("off", [])


def by_size(points: Points) -> list[tuple[str, list[Point]]]:
    """The points by write size, ascending."""
    known = [point for point in points if point.row.write_size_bytes is not None]
    found = split(sorted(known, key=lambda point: point.row.write_size_bytes or 0),
                  lambda point: size_text(point.row.write_size_bytes or 0))
    return list(found.items())


def by_buffer(points: Points) -> list[tuple[str, list[Point]]]:
    """The points by effective SO_SNDBUF, ascending; auto is the last."""
    places = sndbuf_places(points)
    found = split(points, lambda point: (sndbuf_level(point) or (None,))[0])
    return sorted(found.items(), key=lambda item: places[item[0]])


def level_text(point: Point, factor: str) -> str:
    """The level of a factor in a trial: the effective size for SO_SNDBUF, bytes for the write size."""
    level = sndbuf_level(point)
    if factor in ("sndbuf", "send-sndbuf") and level is not None:
        return level[0]
    if factor == "write-size" and point.row.write_size_bytes is not None:
        return size_text(point.row.write_size_bytes)
    return point.trial.levels[factor]


def cell_name(point: Point, factors: Sequence[str]) -> str:
    """The levels of a trial as words."""
    words = []
    for factor in factors:
        level = level_text(point, factor)
        words.append(factor_text(factor, level))
    return ", ".join(words) or "the only cell"


def buffer_context(point: Point) -> str:
    """The effective SO_SNDBUF of a trial, where what is compared depends on it."""
    return f"SO_SNDBUF {(sndbuf_level(point) or ('unknown',))[0]}"
