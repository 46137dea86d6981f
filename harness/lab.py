"""The lab's page: what `tinygram lab --json` found out, as HTML for people who learn and as Markdown.

    python3 -m harness.lab [--results DIR] [--tool PATH] [--thorough] [--from LAB.json] [--servers RUN | --no-servers]

tries every statement, measures the three ways to serve many clients (crowd.py; harness/experiments/servers.toml; less
than a minute), and leaves lab.json, lab.html and lab.md with the charts in a new folder below results/lab. Exit status:
0 done, whatever the verdicts; 3 the system refused (no program, nothing to write to); 4 the program failed; 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from harness import chart, crowd, lab_charts, load, pair, process, store
from harness.chart import Chart
from harness.pages import cell, templates
from harness.schema import HarnessError

ROOT: Final = Path(__file__).resolve().parent.parent
FORMAT: Final = "tinygram-lab/1"
LIMIT_S: Final = 300.0
THOROUGH_LIMIT_S: Final = 1800.0
INTERRUPTED: Final = 130
SERVERS: Final = ROOT / "harness" / "experiments" / "servers.toml"
SERVERS_LIMIT_S: Final = 600.0
# What documents written before these fields existed say of them.
UNKNOWN: Final[Mapping[str, Any]] = {"remedy": None, "congestion": None, "mss": None, "sysctls": (), "series": ()}
VERDICTS: Final = ("holds", "does not hold", "holds only if", "not tried")


class LabError(HarnessError):
    """The lab could not be run, or said something else than its format."""

    status = 4


@dataclass(frozen=True, slots=True)
class Topic:
    """The entries of one topic, in the order of the table."""

    name: str
    anchor: str
    entries: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Served:
    """A way to serve, with so many connections: medians over its trials.

    trials: how many finished. latency_s, late_s: an exchange, median and 99th percentile; rate: exchanges a second;
    in_use: connections in use at once, on average. None where no trial finished.
    """

    way: str
    connections: int
    trials: int
    latency_s: float | None
    late_s: float | None
    rate: float | None
    in_use: float | None


@dataclass(frozen=True, slots=True)
class Servers:
    """What the experiment about the ways to serve has found. chart: its picture, without the end of the name."""

    question: str
    why: str
    how_to_read: str
    chart: Path | None
    rows: tuple[Served, ...]
    problems: tuple[str, ...]


def measure_servers(tool: Path, results: Path) -> Path:
    """Runs the experiment about the ways to serve; returns its folder. Raises LabError and KeyboardInterrupt."""
    command = [sys.executable, "-m", "harness", "run", str(SERVERS), "--results", str(results), "--tool", str(tool)]
    before = _runs(results)
    try:
        ended = subprocess.run(command, cwd=ROOT, timeout=SERVERS_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"{SERVERS.name} did not end in {SERVERS_LIMIT_S:g} s; --no-servers leaves it out.") from None
    if ended.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    new = sorted(_runs(results) - before)
    if not new:
        raise LabError(f"{SERVERS.name} could not be run; --no-servers leaves it out.")
    return new[-1]


def _runs(results: Path) -> set[Path]:
    return set((results / SERVERS.stem).glob("*-*"))


def read_servers(folder: Path) -> Servers:
    """What a run of the experiment found. Raises StoreError."""
    done = store.read(folder)
    picture = folder / "charts" / "servers.svg"
    cells: dict[tuple[int, str], list[store.Trial]] = {}
    for trial in done.trials:
        asked = dict(done.experiment.options(tuple(trial.levels.items())))
        cells.setdefault((int(asked["connections"]), asked["concurrency"]), []).append(trial)
    rows = tuple(_served(*key, [trial for trial in cells[key] if not trial.failed]) for key in sorted(cells))
    return Servers(done.experiment.question, done.experiment.why, chart.KINDS["servers"].how_to_read,
                   picture.with_suffix("") if picture.exists() else None, rows,
                   tuple(text for key in sorted(cells) for text in _failed(*key, cells[key])))


def _failed(connections: int, way: str, trials: Sequence[store.Trial]) -> tuple[str, ...]:
    """Why trials of one cell have failed, each reason once."""
    reasons = [trial.problem.split(": ", 2)[-1] for trial in trials if trial.failed]
    return tuple(f"{way} with {connections} connections, {reasons.count(each)} of {len(trials)} trials: {each}"
                 for each in dict.fromkeys(reasons))


def _served(connections: int, way: str, trials: Sequence[store.Trial]) -> Served:
    found = [[measure.compute(trial.document) for trial in trials] for measure in load.SERVERS]
    known = [[value for value in values if value is not None] for values in found]
    latency, late, rate, in_use = (median(values) if values else None for values in known)
    return Served(way, connections, len(trials), latency, late, rate, in_use)


def measure_crowd(tool: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The document with the entry that crowd.py draws tried again, with all that it can measure."""
    if not any(entry["name"] == crowd.ENTRY for entry in document["entries"]):
        return document
    more = run(tool, True, [crowd.ENTRY])["entries"]
    return {**document, "entries": [more[0] if entry["name"] == crowd.ENTRY else entry
                                    for entry in document["entries"]]}


def run(tool: Path, thorough: bool = False, names: Sequence[str] = ()) -> dict[str, Any]:
    """Tries every statement, or those that are named; returns the document. Raises LabError, ToolError and
    KeyboardInterrupt."""
    command = [str(tool), "lab", *names, "--json", *(["--thorough"] if thorough else [])]
    try:
        ended = process.call(command, THOROUGH_LIMIT_S if thorough else LIMIT_S)
    except OSError as error:
        raise pair.ToolError(f"{tool} cannot be started: {error.strerror}; build it again with `make`.") from None
    if ended.status == INTERRUPTED:
        raise KeyboardInterrupt
    if ended.late or ended.status != 0:
        words = ended.complaints.decode(errors="replace").strip() or f"it ended with status {ended.status}"
        raise LabError(f"`{' '.join(command)}` {'did not end in time' if ended.late else f'failed: {words}'}.")
    return parse(ended.output.decode(errors="replace"), "what the program printed")


def parse(text: str, origin: str) -> dict[str, Any]:
    """The document of the lab. origin: where the text is from, for the error. Raises LabError."""
    try:
        document = json.loads(text)
        if document["schema"] != FORMAT or any(entry["verdict"] not in VERDICTS for entry in document["entries"]):
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"{origin} is no document of the lab ({error}); `tinygram lab --json` writes one.") from None
    return {**document, "entries": [{**UNKNOWN, **entry} for entry in document["entries"]]}


def topics(document: Mapping[str, Any]) -> tuple[Topic, ...]:
    """The entries by topic, both in the order of the document."""
    names = dict.fromkeys(entry["topic"] for entry in document["entries"])
    return tuple(Topic(name, name.lower(), tuple(entry for entry in document["entries"] if entry["topic"] == name))
                 for name in names)


def tally(document: Mapping[str, Any]) -> dict[str, int]:
    """How many statements came to each verdict."""
    return {verdict: sum(entry["verdict"] == verdict for entry in document["entries"]) for verdict in VERDICTS}


def line(entry: Mapping[str, Any]) -> str:
    """The evidence for an entry's verdict in one line."""
    if entry["verdict"] == "not tried":
        return str(entry["reason"])
    if entry["verdict"] == "holds only if":
        return f"{entry['condition']}; {entry['summary']}"
    return str(entry["summary"])


def value(fact: Mapping[str, Any]) -> str:
    """A piece of evidence in words: its value, and the range over all attempts where they differ."""
    if fact["value"] is None:
        return "unknown"
    unit = f" {fact['unit']}" if fact["unit"] else ""
    numbers = [each for each in fact["attempts"] if isinstance(each, int)]
    shown = f"{fact['value']}{unit}"
    if len(set(numbers)) > 1:
        shown += f" (attempts: {min(numbers)} to {max(numbers)})"
    return shown


def sysctl(found: Mapping[str, Any]) -> str:
    """A sysctl as sysctl(8) writes it, and what the attempt set it to."""
    if found["value"] is None:
        return f"no {found['name']} in this kernel"
    quote = '"' if " " in found["value"] else ""
    changed = f", here set to {found['set_to']}" if found["set_to"] else ""
    return f"{found['name']}={quote}{found['value']}{quote}{changed}"


def dependence(entry: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What was in force at an entry's attempt: HZ, congestion control, MSS and the sysctls that matter."""
    described = document["machine"]
    control = entry["congestion"] or f"{described['congestion_default'] or 'unknown'} (the default)"
    segment = f"{entry['mss']} (limited with TCP_MAXSEG)" if entry["mss"] else \
        f"{described['loopback_mss']} (of loopback)"
    return "; ".join((f"HZ {described['hz']}", f"congestion control {control}", f"MSS {segment}",
                      *map(sysctl, entry["sysctls"])))


def machine(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the verdicts depend on, as (name, value)."""
    described = document["machine"]
    rows = [("kernel", described["kernel"]), ("timer ticks a second (HZ)", described["hz"]),
            ("default congestion control", described["congestion_default"]),
            ("MSS of loopback", described["loopback_mss"]), ("MTU of loopback", described["loopback_mtu"]),
            *described["sysctl"].items()]
    return tuple((name, "unknown" if found is None else str(found)) for name, found in rows)


def duration(seconds: float | None) -> str:
    """A latency in words."""
    if seconds is None:
        return "-"
    scale, unit = (1, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "us")
    return f"{seconds * scale:.3g} {unit}"


def count(value: float | None) -> str:
    """A rate in words."""
    return "-" if value is None else f"{value:,.0f}"


def _plain(text: str) -> str:
    """Text in Markdown that is no HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _cell(text: str) -> str:
    return cell(_plain(text))


def render(document: Mapping[str, Any], made_at: str, servers: Servers | None = None,
           charts: Mapping[str, Chart] | None = None) -> tuple[str, str]:
    """The page as HTML and as Markdown. made_at: when, for the last line. servers: None leaves that section out.
    charts: pictures by the entry that they belong to; they lie beside the page."""
    measured = [cell for entry in document["entries"] if entry["name"] == crowd.ENTRY for cell in crowd.cells(entry)]
    environment = templates()
    environment.filters |= {"cell": _cell, "plain": _plain, "line": line, "sysctl": sysctl, "dependence": dependence,
                            "value": value, "duration": duration, "count_text": count}
    known = {"document": document, "topics": topics(document), "tally": tally(document), "machine": machine(document),
             "made_at": made_at, "servers": servers, "charts": charts or {}, "crowd": measured,
             "crowd_how_to_read": crowd.HOW_TO_READ}
    return environment.get_template("lab.html").render(known), environment.get_template("lab.md").render(known)


def write(document: Mapping[str, Any], results: Path, servers: Servers | None = None) -> Path:
    """Keeps the document and its page in a new folder below `results`/lab. Returns the page.

    Raises StoreError, and ChartError where a picture cannot be drawn; the document is kept then.
    """
    now = datetime.now(UTC)
    try:
        folder = store.new_folder(results / "lab", now.strftime("%Y%m%dT%H%M%SZ"))
        store.write_json(folder / "lab.json", document)
        charts = lab_charts.draw(document, folder)
        page, text = render(document, now.strftime("%Y-%m-%d %H:%M UTC"), servers, charts)
        if servers is not None and servers.chart is not None:
            for end in (".svg", ".png", ".tsv"):
                shutil.copyfile(servers.chart.with_suffix(end), folder / f"servers{end}")
        for entry in document["entries"]:
            if entry["name"] == crowd.ENTRY:
                crowd.draw(document, crowd.cells(entry), folder)
        (folder / "lab.md").write_text(text, encoding="utf-8")
        (folder / "lab.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise store.StoreError(f"the lab's page cannot be kept below {results}: {error.strerror}.") from None
    return folder / "lab.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries every statement and writes the page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.lab", description="Textbook statements, tried.")
    parser.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="where the page goes")
    parser.add_argument("--tool", metavar="PATH", help="the program (default: TINYGRAM, or build/tinygram)")
    parser.add_argument("--thorough", action="store_true", help="also wait for what takes minutes")
    parser.add_argument("--from", dest="origin", type=Path, metavar="LAB.json", help="draw this, and try nothing")
    serving = parser.add_mutually_exclusive_group()
    serving.add_argument("--servers", type=Path, metavar="RUN", help="show this run of servers.toml; measure nothing")
    serving.add_argument("--no-servers", action="store_true", help="do not measure the ways to serve many clients")
    options = parser.parse_args(arguments)
    servers = None
    try:
        if options.origin is not None:
            document = parse(options.origin.read_text(encoding="utf-8"), str(options.origin))
        else:
            tool = pair.find_tool(options.tool)
            document = run(tool, options.thorough)
            if options.servers is None and not options.no_servers:
                document = measure_crowd(tool, document)
                servers = read_servers(measure_servers(tool, options.results))
        if options.servers is not None:
            servers = read_servers(options.servers)
        page = write(document, options.results, servers)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"error: {options.origin} cannot be read: {error.strerror}.", file=sys.stderr)
        return LabError.status
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        return INTERRUPTED
    counts = tally(document)
    print(f"{len(document['entries'])} statements: " + ", ".join(f"{each}: {counts[each]}" for each in VERDICTS) +
          f"\nlab: {os.path.relpath(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
