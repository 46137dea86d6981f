"""Reads an experiment: a TOML file with a question, a workload, a setting, factors, repeats and charts.

Everything that is not known is an error that names the file, the line, the key and the nearest valid key, so that a
typing mistake never becomes an experiment that silently varies nothing.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.schema import OPTIONS, RESERVED_OPTIONS, WORKLOADS, HarnessError, Option, nearest, parse_value

ROOT: Final = Path(__file__).resolve().parent.parent
EXPERIMENTS: Final = ROOT / "harness" / "experiments"
DEFAULT_FILES: Final = (Path("/usr/bin/python3"), Path(sys.executable), Path("/bin/sh"))
EVENTS: Final = ("none", "first", "all")
RESERVED_NAMES: Final = ("latest", "baseline", "reports")

_TOP: Final = ("question", "report", "events", "workload", "setting", "factors", "repeat", "chart")
_REPEAT: Final = ("blocks", "seed")
_CHART: Final = ("name", "title")


class ExperimentError(HarnessError):
    """An experiment that cannot be used as it is written."""

    status = 2


@dataclass(frozen=True, slots=True)
class Factor:
    """An option that the experiment varies, and its levels as the file writes them."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A chart that the experiment asks for: the script's name in plots/, and the title."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment as its file describes it.

    text is the whole file, why its opening comment. workload and setting are options with their values as written, in
    the order of the file. report: place in `make report`, None when it is left out. events: which trials keep their
    event log (none, first block, all).
    """

    name: str
    path: Path
    text: str
    why: str
    question: str
    workload: tuple[tuple[str, str], ...]
    setting: tuple[tuple[str, str], ...]
    factors: tuple[Factor, ...]
    blocks: int
    seed: int
    charts: tuple[ChartSpec, ...]
    report: int | None = None
    events: str = "none"

    @property
    def cells(self) -> int:
        """Number of combinations of levels."""
        count = 1
        for factor in self.factors:
            count *= len(factor.levels)
        return count


def load(path: Path, charts: Iterable[str] | None = None) -> Experiment:
    """The experiment in a TOML file.

    path: the file. charts: valid names of charts (None: they are not checked). Raises ExperimentError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ExperimentError(f"{_shown(path)}: there is no such experiment{_similar(path)}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{_shown(path)}: cannot be read: {error}.") from None
    return parse(text, path, charts)


def parse(text: str, path: Path, charts: Iterable[str] | None = None) -> Experiment:
    """The experiment that `text` describes; `path` gives its name and stands in errors. Raises ExperimentError."""
    return _Reader(text, path, None if charts is None else frozenset(charts)).read()


class _Reader:
    """One reading of one file: what the steps share is where they are, for the errors."""

    def __init__(self, text: str, path: Path, charts: frozenset[str] | None) -> None:
        self.text = text
        self.path = path
        self.charts = charts

    def read(self) -> Experiment:
        if re.fullmatch(r"[a-z0-9][a-z0-9_]*", self.path.stem) is None or self.path.stem in RESERVED_NAMES:
            raise self.error("", None, f"{self.path.stem!r} cannot be the name of an experiment, because its runs are "
                             "stored under that name: use small letters, digits and _, and not "
                             + ", ".join(RESERVED_NAMES))
        try:
            top = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ExperimentError(f"{_shown(self.path)}: this is not TOML: {error}.") from None
        self.known_keys(top, "", _TOP)
        workload = self.workload(self.table(top, "workload"))
        setting = self.options(self.table(top, "setting"), "setting")
        factors = self.factors(self.table(top, "factors"))
        self.each_option_once(workload, setting, factors)
        repeat = self.table(top, "repeat")
        self.known_keys(repeat, "repeat", _REPEAT)
        return Experiment(
            name=self.path.stem, path=self.path, text=self.text, why=_opening_comment(self.text),
            question=self.question(top), workload=workload, setting=setting, factors=factors,
            blocks=self.number(repeat, "repeat", "blocks", 5, minimum=1),
            seed=self.number(repeat, "repeat", "seed", 1, minimum=0),
            charts=self.chart_specs(top),
            report=self.number(top, "", "report", 0, minimum=1) if "report" in top else None,
            events=self.events(top))

    def error(self, section: str, key: str | None, problem: str) -> ExperimentError:
        line = _line_of(self.text, section, key) if key is not None else None
        place = f"{_shown(self.path)}, line {line}" if line is not None else _shown(self.path)
        return ExperimentError(f"{place}: {problem}.")

    def known_keys(self, table: Mapping[str, Any], section: str, valid: Iterable[str]) -> None:
        known = tuple(valid)
        for key in table:
            if key not in known:
                where = f"in [{section}]" if section else "at the top of the file"
                raise self.error(section, key, f"unknown key {key!r} {where}; "
                                 f"the nearest valid key is {nearest(key, known)!r}")

    def table(self, top: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = top.get(name, {})
        if not isinstance(table, dict):
            raise self.error("", name, f"{name!r} must be a table: write [{name}] above its keys")
        return table

    def number(self, table: Mapping[str, Any], section: str, key: str, default: int, minimum: int) -> int:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value < 2 ** 63:
            raise self.error(section, key, f"{key!r} is {value!r} and must be a whole number from {minimum}")
        return value

    def question(self, top: Mapping[str, Any]) -> str:
        question = top.get("question")
        if not isinstance(question, str) or not question.strip():
            raise self.error("", None, "the key 'question' is missing: say which question this experiment answers")
        return " ".join(question.split())

    def events(self, top: Mapping[str, Any]) -> str:
        value = top.get("events", "none")
        if value not in EVENTS:
            raise self.error("", "events", f"events {value!r} is none of {', '.join(EVENTS)}; "
                             f"the nearest is {nearest(str(value), EVENTS)!r}")
        return str(value)

    def workload(self, table: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        name = table.get("name", "transfer")
        if name not in WORKLOADS:
            raise self.error("workload", "name", f"unknown workload {name!r}; "
                             f"the nearest valid one is {nearest(str(name), WORKLOADS)!r}")
        return self.options({key: value for key, value in table.items() if key != "name"}, "workload")

    def options(self, table: Mapping[str, Any], section: str) -> tuple[tuple[str, str], ...]:
        return tuple((key, self.value(section, key, value)[0]) for key, value in table.items())

    def option(self, section: str, key: str) -> Option:
        """The option that a key names; in [workload] only the options of the workload."""
        valid = [name for name, option in OPTIONS.items() if section != "workload" or option.group == "workload"]
        if key in RESERVED_OPTIONS:
            raise self.error(section, key, f"{key!r} in [{section}] is set by the harness for every trial; remove it"
                             + (" and write events = \"first\" or \"all\" at the top of the file"
                                if key == "events" else ""))
        if key not in valid:
            if key in OPTIONS:
                raise self.error(section, key, f"{key!r} is not about the workload; move it to [setting]")
            raise self.error(section, key, f"unknown key {key!r} in [{section}]; "
                             f"the nearest valid key is {nearest(key, valid)!r}")
        return OPTIONS[key]

    def value(self, section: str, key: str, value: object) -> tuple[str, str | int]:
        """An option's value as text, and its meaning."""
        option = self.option(section, key)
        if isinstance(value, bool):
            text = "on" if value else "off"
        elif isinstance(value, int | str):
            text = str(value)
        else:
            raise self.error(section, key, f"{value!r} is no value for {key!r} in [{section}]: write one text or number"
                             + (", or move the list to [factors]" if isinstance(value, list) else ""))
        try:
            meaning = parse_value(option, text)
        except ValueError as error:
            what = "level" if section == "factors" else "value"
            raise self.error(section, key, f"unknown {what} of {key!r} in [{section}]: {error}") from None
        if any(ord(character) < 32 for character in text):
            raise self.error(section, key, f"{text!r} holds a control character; {key!r} cannot be that")
        return text, meaning

    def factors(self, table: Mapping[str, Any]) -> tuple[Factor, ...]:
        return tuple(self.factor(name, levels) for name, levels in table.items())

    def factor(self, name: str, levels: object) -> Factor:
        self.option("factors", name)
        if not isinstance(levels, list) or not levels:
            raise self.error("factors", name, f"{name!r} in [factors] needs a list of levels, "
                             f"such as {name} = [\"...\", \"...\"]; a single value belongs in [setting]")
        seen: dict[str | int, str] = {}
        for level in levels:
            text, meaning = self.value("factors", name, level)
            if meaning in seen:
                raise self.error("factors", name, f"level {text!r} of {name!r} says the same as {seen[meaning]!r}; "
                                 "remove one of them")
            seen[meaning] = text
        return Factor(name, tuple(seen.values()))

    def each_option_once(self, workload: Iterable[tuple[str, str]], setting: Iterable[tuple[str, str]],
                         factors: Iterable[Factor]) -> None:
        places: dict[str, str] = {}
        named = [*(("workload", name) for name, _ in workload), *(("setting", name) for name, _ in setting),
                 *(("factors", factor.name) for factor in factors)]
        for section, name in named:
            if name in places:
                raise self.error(section, name, f"{name!r} stands in [{places[name]}] and in [{section}]; "
                                 "keep one of them")
            places[name] = section
        for one, other in (("file", "bytes"), ("repeat", "duration")):
            if one in places and other in places:
                raise self.error(places[other], other, f"{one!r} and {other!r} exclude each other; keep one of them")
        if not {"file", "bytes"} & set(places):
            raise self.error("workload", None, "nothing to send: add file = \"default\", a path, "
                             "or bytes = \"64M\" to [workload]")

    def chart_specs(self, top: Mapping[str, Any]) -> tuple[ChartSpec, ...]:
        tables = top.get("chart", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.error("", "chart", "'chart' must be a list of tables: write [[chart]] above the keys of each")
        return tuple(self.chart_spec(table) for table in tables)

    def chart_spec(self, table: Mapping[str, Any]) -> ChartSpec:
        self.known_keys(table, "[chart]", _CHART)
        for key in _CHART:
            if not isinstance(table.get(key), str) or not table[key]:
                raise self.error("[chart]", None, f"a [[chart]] needs the key {key!r}, a text")
        if self.charts is not None and table["name"] not in self.charts:
            raise self.error("[chart]", "name", f"unknown chart {table['name']!r}; "
                             f"the nearest valid name is {nearest(table['name'], sorted(self.charts))!r}")
        return ChartSpec(table["name"], table["title"])


def _shown(path: Path) -> str:
    """The path as a person would type it from here."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


def _similar(path: Path) -> str:
    neighbours = sorted(other.name for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    return f"; the nearest in {_shown(path.parent)} is {nearest(path.name, neighbours)}" if neighbours else ""


def _line_of(text: str, section: str, key: str) -> int | None:
    """The first line (from 1) that defines `key` in `section`; None when it is written in another way."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[(\[?[^\[\]]+\]?)\]\s*(#.*)?$", line)
        if header is not None:
            current = header.group(1)
            if not section and current.strip("[]") == key:
                return number
        elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return None


def _opening_comment(text: str) -> str:
    words = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        words.append(line.lstrip("#").strip())
    return " ".join(words).strip()


def resolve_file(experiment: Experiment, override: str | None = None) -> Path | None:
    """The file that the experiment sends: its real path, or None when it sends memory or varies the file.

    override: a path from --file or FILE, which wins over the experiment's. `default` is Debian's python3 interpreter,
    and another real file of the machine where there is none. Raises ExperimentError when nothing can be read there.
    """
    written = dict(experiment.workload).get("file")
    if written is None:
        if override is not None:
            raise ExperimentError(f"{_shown(experiment.path)}: this experiment does not send one fixed file, so "
                                  f"--file {override} (or FILE) has no place in it; leave that out.")
        return None
    if override is None and written == "default":
        for candidate in DEFAULT_FILES:
            if candidate.is_file() and os.access(candidate, os.R_OK):
                return candidate.resolve()
        raise ExperimentError("there is none of the files that file = \"default\" stands for "
                              f"({', '.join(map(str, DEFAULT_FILES))}); name one with --file PATH.")
    path = Path(override) if override is not None else experiment.path.parent / written
    return readable_file(path)


def readable_file(path: Path) -> Path:
    """The real path of a regular, readable file with something in it. Raises ExperimentError."""
    try:
        status = path.stat()
    except OSError as error:
        raise ExperimentError(f"the file {path} cannot be sent: {error.strerror}; name another with --file PATH.") \
            from None
    if not stat.S_ISREG(status.st_mode):
        raise ExperimentError(f"{path} cannot be sent: it is not a regular file; name another with --file PATH.")
    if not os.access(path, os.R_OK):
        raise ExperimentError(f"{path} cannot be sent: you may not read it; name another with --file PATH.")
    if status.st_size == 0:
        raise ExperimentError(f"{path} cannot be sent: it is empty; name another with --file PATH.")
    return path.resolve()
