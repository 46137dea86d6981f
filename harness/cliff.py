"""The map of a search for cliffs: what `tinygram cliff --json` found, as a table, a chart and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from harness.chart import CAPTION_WIDTH, FORMAT, PLOTS, Chart, ChartError, plot, write_table
from harness.panels import Cell, Table, size_text

AXES: Final = {"sndbuf": "SO_SNDBUF that was asked for", "rcvbuf": "SO_RCVBUF that was asked for",
               "write-size": "bytes in each write()", "rate": "messages a second"}
REMEDIES: Final = {"quickack": "TCP_QUICKACK at the receiver", "mss": "MSS 1460", "nodelay": "TCP_NODELAY",
                   "early_rcvbuf": "SO_RCVBUF before listen()"}
COLUMNS: Final = ("kind", "number", "value", "speed", "low", "high", "stalls", "words", "axis", "unit")
HOW_TO_READ: Final = (
    "To the right the factor grows; each point is the median of the trials at one value, and the bar behind it reaches "
    "from the slowest trial to the fastest. A red point had stalls. At each number two neighbouring values differ more "
    "than threefold; the search halved the distance between them until it was 1 %. The other symbols show what the "
    "slow side reaches with one remedy: where one lies at the level of the fast side, it removes the cliff.")


def read(path: Path) -> dict[str, Any]:
    """The document of a search. Raises ChartError where the file is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != "cliff" or not document["points"]:
            raise ValueError("it has no points")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChartError(f"{path} is no map of cliffs ({error}): write one with "
                         f"`tinygram cliff --factor sndbuf --json {path.name}`.") from None
    return dict(document)


def is_latency(document: Mapping[str, Any]) -> bool:
    """True where the speed is the inverse of a latency."""
    return "latency" in document["speed"]


def _value(document: Mapping[str, Any], value: float) -> str:
    return f"{value:g}" if document["factor"] == "rate" else size_text(value)


def sentences(document: Mapping[str, Any]) -> list[str]:
    """One sentence a cliff: where, how high, why, and what removes it; one that says so where there is none."""
    found = []
    for number, cliff in enumerate(document["cliffs"], 1):
        removed = [REMEDIES.get(each["name"], each["name"]) for each in cliff["remedies"] if each["removes"]]
        kept = [REMEDIES.get(each["name"], each["name"]) for each in cliff["remedies"] if not each["removes"]]
        found.append(
            f"{number}: {cliff['slow']} is {cliff['factor']:.3g} times slower than {cliff['fast']}: "
            f"{cliff['mechanism']}. "
            + (f"Removed by {', '.join(removed)}" if removed else "Removed by none of those tried")
            + (f"; not by {', '.join(kept)}." if kept else "."))
    return found or ["No cliff: no two neighbours differ by more than a factor of three."]


def table(document: Mapping[str, Any]) -> Table:
    """The table of plots/cliff_map.gp: goodput in bytes a second, or latency in seconds."""
    def shown(speed: float) -> float:
        return 1 / speed if is_latency(document) and speed else speed
    rows: list[tuple[Cell, ...]] = []
    end = AXES.get(document["factor"], document["factor"]), "s" if is_latency(document) else "B/s"
    speeds = {}
    for point in document["points"]:
        ends = sorted((shown(point["slowest"]), shown(point["fastest"])))
        rows.append(("point", None, point["value"], shown(point["speed"]), *ends, point["stalls"], None, *end))
        speeds[point["value"]] = shown(point["speed"])
    for number, cliff in enumerate(document["cliffs"], 1):
        low, high = sorted((speeds[cliff["slow"]], speeds[cliff["fast"]]))
        rows.append(("cliff", number, (cliff["slow"] * cliff["fast"]) ** 0.5, None, low, high, None, None, *end))
        rows += [("remedy", number, cliff["slow"], shown(each["speed"]), None, None, None, each["name"], *end)
                 for each in cliff["remedies"]]
    near = [value for cliff in document["cliffs"] for value in (cliff["slow"], cliff["fast"])]
    if near and max(near) / min(near) < (document["points"][-1]["value"] / document["points"][0]["value"]) ** 0.25:
        rows.append(("near", None, min(near) / 1.02, None, min(near) / 1.02, max(near) * 1.02, None, None, *end))
    for number, line in enumerate(_wrapped(sentences(document)), 1):
        rows.append(("line", number, None, None, None, None, None, line, *end))
    return Table(COLUMNS, tuple(rows), ())


def _wrapped(found: Sequence[str]) -> list[str]:
    return [line for sentence in found for line in wrap(sentence, CAPTION_WIDTH - 14, subsequent_indent="    ")]


def caption(document: Mapping[str, Any]) -> str:
    """What the map rests on, as far as the search tells."""
    machine = document["machine"]
    n = len(document["points"])
    first, last = (_value(document, document["points"][end]["value"]) for end in (0, -1))
    return "\n".join(wrap(
        f"n = {n * document['trials']} trials ({document['trials']} at each of {n} values); "
        f"kernel {machine['kernel']}; congestion control of the machine {machine['congestion_default']}; "
        f"HZ={machine['hz'] or 'unknown'}; "
        f"from {first} to {last}",
        CAPTION_WIDTH))


def draw(path: Path, out_dir: Path) -> Chart:
    """Draw the map of the search in `path` into `out_dir`: cliff_map-FACTOR.tsv, .svg and .png. Raises ChartError."""
    document = read(path)
    name = f"cliff_map-{document['factor']}"
    what = "latency" if is_latency(document) else "goodput"
    axis = AXES.get(document["factor"], document["factor"])
    made = Chart(name, f"Where does {what} jump as {axis.split(' that')[0]} changes?", out_dir / f"{name}.svg",
                 out_dir / f"{name}.png", out_dir / f"{name}.tsv", caption(document), HOW_TO_READ)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        write_table(made.tsv, table(document), {"schema": FORMAT, "chart": name, "version": document["version"]})
    except OSError as error:
        raise ChartError(f"no chart can be written below {out_dir}: {error.strerror}.") from None
    for out in (made.svg, made.png):
        plot(PLOTS / "cliff_map.gp", made.tsv, out, made.title, made.caption)
    return made
