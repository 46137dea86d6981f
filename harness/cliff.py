"""The map of a search for cliffs: what `tinygram cliff --json` found, as a table, a chart and sentences."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from harness import cliff_schema
from harness.chart import CAPTION_WIDTH, Chart, ChartError, draw_pictures, tabled
from harness.panels import Cell, Table, size_text
from harness.phrases import joined

AXES: Final = {"sndbuf": "SO_SNDBUF that was asked for", "rcvbuf": "SO_RCVBUF that was asked for",
               "write-size": "bytes in each write()", "rate": "messages a second"}
NAMES: Final = {"sndbuf": "SO_SNDBUF", "rcvbuf": "SO_RCVBUF", "write-size": "the size of a write()",
                "rate": "the rate of messages"}
REMEDIES: Final = {"quickack": "TCP_QUICKACK at the receiver", "mss": "MSS 1460", "nodelay": "TCP_NODELAY",
                   "early_rcvbuf": "SO_RCVBUF before listen()", "sndbuf": "8 times the SO_SNDBUF",
                   "rcvbuf": "8 times the SO_RCVBUF"}
COLUMNS: Final = ("kind", "number", "value", "speed", "low", "high", "stalls", "words", "axis", "unit")
HOW_TO_READ: Final = (
    "To the right the factor grows; each circle is one trial, a red one stood still on a timer of the kernel, and the"
    " line joins the medians. At each number two neighbouring values differ more than threefold; the search halved "
    "the distance between them until it was 1 %, or only bistable values lay between. A yellow bar joins the two "
    "modes of a value whose trials fall into two groups: there no median is true, and it is no cliff. The full "
    "symbols show what the slow side reaches with one remedy: where one lies at the level of the fast side, it "
    "removes the cliff.")

# What the standard report searches, and how long the search may take at most, in seconds. Congestion control and
# placement are those of sndbuf.toml: with others the jump hides among values that have two modes.
STANDARD: Final = ("--factor", "sndbuf", "--from", "8K", "--to", "256K", "--trials", "3", "--duration", "40ms",
                   "--congestion", "cubic", "--cpus", "same", "--budget", "6s")
STANDARD_LIMIT_S: Final = 60.0


def measure(tool: Path, out: Path, arguments: Sequence[str] = STANDARD) -> Path:
    """Run a search, its document into `out`. Returns the path. Raises ChartError where the search fails."""
    command = [str(tool), "cliff", *arguments, "--json", str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=STANDARD_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChartError(f"`{shlex.join(command)}` did not run: {error}.") from None
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode != 0:
        raise ChartError(f"`{shlex.join(command)}` failed: {done.stderr.strip() or f'status {done.returncode}'}.")
    return out


def read(path: Path) -> dict[str, Any]:
    """The document of a search. Raises ChartError where the file is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = cliff_schema.problems(document)
        if found:
            raise ValueError(found[0])
        if not any(_judged(point) for point in document["points"]):
            raise ValueError("no trial of it finished")
    except (OSError, ValueError) as error:
        raise ChartError(f"{path} is no map of cliffs ({error}): write one with "
                         f"`tinygram cliff --factor sndbuf --json {path.name}`.") from None
    return dict(document)


def is_latency(document: Mapping[str, Any]) -> bool:
    """True where the speed is the inverse of a latency."""
    return bool(document["search"]["speed"] == "latency")


def _judged(point: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the trials at a value showed, but for the probes."""
    return [trial["evidence"] for trial in point["trials"] if trial["evidence"] is not None and not trial["probe"]]


def _value(document: Mapping[str, Any], value: float) -> str:
    return f"{value:g}" if document["search"]["factor"] == "rate" else size_text(value)


def _speed(document: Mapping[str, Any], speed: float) -> str:
    """A goodput, or the latency behind its inverse, with three digits."""
    prefixes = ((1e9, "G"), (1e6, "M"), (1e3, "k")) if not is_latency(document) else (
        (1, ""), (1e-3, "m"), (1e-6, "\u00b5"))
    size = 1 / speed if is_latency(document) else speed
    unit = "s" if is_latency(document) else "B/s"
    factor, prefix = next(((factor, prefix) for factor, prefix in prefixes if size >= factor), (1.0, ""))
    number = size / factor
    return f"{number:.{max(0, 2 - math.floor(math.log10(number)))}f} {prefix}{unit}"


def _remedies(cliff: Mapping[str, Any]) -> str:
    tried = [each for each in cliff["remedies"] if each["not_tried"] is None and each["after"] is not None]
    removed = [REMEDIES[each["name"]] for each in tried if each["removes"]]
    helped = [REMEDIES[each["name"]] for each in tried if each["helps"] and not each["removes"]]
    kept = [REMEDIES[each["name"]] for each in tried if not each["helps"] and not each["removes"]]
    if not cliff["explained"]:
        return "The search ended before any remedy was tried."
    return " ".join(filter(None, (
        f"Removed by {joined(removed)}." if removed else "Removed by none of the remedies that were tried.",
        f"{joined(helped)} helped a part of the way." if helped else "",
        f"No remedy: {joined(kept)}." if kept else "")))


def sentences(document: Mapping[str, Any]) -> list[str]:
    """One sentence a cliff and a bistable range: where, how high, why, and what removes it; or that there is none."""
    factor = NAMES[document["search"]["factor"]]
    found = []
    for number, cliff in enumerate(document["cliffs"], 1):
        why = f" Why: {cliff['mechanism']['words']}." if cliff["explained"] else ""
        found.append(
            f"{number}: {factor} {cliff['slow']} gives {_speed(document, cliff['slow_speed'])}, {cliff['fast']} gives "
            f"{_speed(document, cliff['fast_speed'])}: {cliff['ratio']:.3g} times as fast.{why} {_remedies(cliff)}")
    for place in document["bistable"]:
        where = (f"at {place['from']}" if place["from"] == place["to"] else
                 f"between {place['from']} and {place['to']}")
        found.append(
            f"Bistable {where}: {place['slow_trials']} trials gave about {_speed(document, place['slow_speed'])}, "
            f"{place['fast_trials']} about {_speed(document, place['fast_speed'])}. In the slow ones: "
            f"{place['mechanism']['words']}.")
    if not document["cliffs"]:
        found.insert(0, "No cliff: no two neighbours with one mode each differ by more than a factor of three.")
    if document["interrupted"]:
        found.append("The search was interrupted: the map is a part.")
    elif document["search"]["truncated"]:
        found.append("The search stopped early: it had spent its budget, or tried as many values as it may.")
    return found


def evidence(document: Mapping[str, Any]) -> list[str]:
    """What speaks for the mechanism of the steepest cliff, a sentence each."""
    steepest = max(document["cliffs"], key=lambda cliff: float(cliff["ratio"]), default=None)
    return [f"{text[0].upper()}{text[1:]}." for text in steepest["mechanism"]["sentences"]] if steepest else []


def table(document: Mapping[str, Any]) -> Table:
    """The table of plots/cliff_map.gp: goodput in bytes a second, or latency in seconds."""
    end = AXES[document["search"]["factor"]], "s" if is_latency(document) else "B/s"
    rows = [(*row, *end) for row in _rows(document)]
    return Table(COLUMNS, tuple(rows), ())


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    def shown(speed: float) -> float:
        return 1 / speed if is_latency(document) else speed
    for point in document["points"]:
        for trial in _judged(point):
            yield "trial", None, point["value"], shown(trial["speed"]), None, None, trial["stalls"], None
    for point in document["points"]:
        value, modes = point["value"], point["modes"]
        if len(modes) == 2:
            low, high = sorted(shown(mode["speed"]) for mode in modes)
            yield "modes", None, value, None, low, high, None, None
        elif modes:
            yield "point", None, value, shown(modes[0]["speed"]), None, None, None, None
    for number, cliff in enumerate(document["cliffs"], 1):
        low, high = sorted((shown(cliff["slow_speed"]), shown(cliff["fast_speed"])))
        yield "cliff", number, (cliff["slow"] * cliff["fast"]) ** 0.5, None, low, high, None, None
        for each in cliff["remedies"]:
            if each["after"] is not None:
                yield "remedy", number, cliff["slow"], shown(each["after"]), None, None, None, each["name"]
    near = [value for cliff in document["cliffs"] for value in (cliff["slow"], cliff["fast"])]
    if near and max(near) / min(near) < (document["points"][-1]["value"] / document["points"][0]["value"]) ** 0.25:
        yield "near", None, min(near) / 1.02, None, min(near) / 1.02, max(near) * 1.02, None, None
    for number, line in enumerate(_wrapped(sentences(document)), 1):
        yield "line", number, None, None, None, None, None, line


def _wrapped(found: Sequence[str]) -> list[str]:
    return [line for sentence in found for line in wrap(sentence, CAPTION_WIDTH - 14, subsequent_indent="    ")]


def caption(document: Mapping[str, Any]) -> str:
    """What the map rests on, as far as the search tells."""
    machine = document["machine"]
    counts = [len(_judged(point)) for point in document["points"]]
    few, many = min(counts), max(counts)
    first, last = (_value(document, document["points"][end]["value"]) for end in (0, -1))
    mss = {trial["snd_mss_bytes"] for point in document["points"] for trial in _judged(point)} - {None}
    sizes = f"; MSS {max(mss)} B" if mss else ""
    return "\n".join(wrap(
        f"n = {sum(counts)} trials ({few if few == many else f'{few} to {many}'} at each of {len(counts)} values); "
        f"kernel {machine['kernel']}; congestion control {document['congestion'] or 'unknown'}{sizes}; placement: "
        f"{document['setting']['cpus']}; HZ={machine['hz'] or 'unknown'}; from {first} to {last}",
        CAPTION_WIDTH))


def draw(path: Path, out_dir: Path) -> Chart:
    """Draw the map of the search in `path` into `out_dir`: cliff_map-FACTOR.tsv, .svg and .png. Raises ChartError."""
    document = read(path)
    name = f"cliff_map-{document['search']['factor']}"
    what = "latency" if is_latency(document) else "goodput"
    title = f"Where does {what} jump as {NAMES[document['search']['factor']]} changes?"
    made = tabled(out_dir, (name, title, caption(document), HOW_TO_READ), table(document),
                  {"chart": name, "version": document["version"]})
    draw_pictures([("cliff_map", made)])
    return made
