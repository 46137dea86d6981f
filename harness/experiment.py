"""Reads an experiment: a TOML file with a question, a workload, a setting, factors, variants, repeats and charts.

A factor is an option of the program. Where one level has to set several options at once, each `[[variant]]` is such a
level: a name, and options that win over those of [workload] and [setting]; together they are the factor `variant`.
Where a level is only a part of a value, the value has a placeholder: `pattern = "w100,w{body},r1"` makes `body` a
factor too.

Everything that is not known is an error that names the file, the line, the key and the nearest valid key, so that a
typing mistake never becomes an experiment that silently varies nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.schema import (DEFINED_BY, OPTIONS, RESERVED_OPTIONS, WORKLOADS, HarnessError, Option, nearest,
                            parse_value)

ROOT: Final = Path(__file__).resolve().parent.parent
EXPERIMENTS: Final = ROOT / "harness" / "experiments"
DEFAULT_FILES: Final = (Path("/usr/bin/python3"), Path(sys.executable), Path("/bin/sh"))
EVENTS: Final = ("none", "first", "all")
RESERVED_NAMES: Final = ("latest", "baseline", "reports", "compare", "gate", "trend")

VARIANT: Final = "variant"  # the factor whose levels are the [[variant]] tables

_TOP: Final = ("question", "report", "events", "workload", "setting", "factors", "variant", "repeat", "chart")
_REPEAT: Final = ("blocks", "seed")
_CHART: Final = ("name", "title")
_PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_-]*)\}")

Values = tuple[tuple[str, str], ...]


class ExperimentError(HarnessError):
    """An experiment that cannot be used as it is written."""

    status = 2


@dataclass(frozen=True, slots=True)
class Factor:
    """What the experiment varies, and its levels as the file writes them.

    name: an option; or `variant`; or the name of a placeholder.
    """

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A named level that sets several options at once; options are names with values as written."""

    name: str
    options: Values


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A chart that the experiment asks for: the script's name in plots/, and the title."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment as its file describes it.

    text is the whole file, why its opening comment. workload and setting are options with their values as written, in
    the order of the file. The variants are the levels of the first factor, if there are any. report: place in
    `make report`, None when it is left out. events: which trials keep their event log (none, first block, all).
    workload_name: transfer, exchange or stream. parameters: the factors whose levels fill places in values.
    """

    name: str
    path: Path
    text: str
    why: str
    question: str
    workload: Values
    setting: Values
    factors: tuple[Factor, ...]
    blocks: int
    seed: int
    charts: tuple[ChartSpec, ...]
    report: int | None = None
    events: str = "none"
    workload_name: str = "transfer"
    variants: tuple[Variant, ...] = ()
    parameters: tuple[str, ...] = ()

    def varies_option(self, name: str) -> bool:
        """True when the factor `name` is an option of the program that takes its levels as they are."""
        return name != VARIANT and name not in self.parameters

    def options(self, levels: Values) -> Values:
        """The options of the program that make the cell with these levels, in the order of the file.

        levels: name and level of each factor. A variant wins over [workload] and [setting]; placeholders are filled.
        """
        chosen = dict(levels)
        variant = {variant.name: variant.options for variant in self.variants}.get(chosen.get(VARIANT, ""), ())
        fixed = {**dict(self.workload), **dict(self.setting), **dict(variant)}
        filled = {name: fill(value, chosen) for name, value in fixed.items()}
        return (*filled.items(), *((name, level) for name, level in levels if self.varies_option(name)))

    @property
    def cells(self) -> int:
        """Number of combinations of levels."""
        count = 1
        for factor in self.factors:
            count *= len(factor.levels)
        return count


def fill(value: str, levels: Mapping[str, str]) -> str:
    """A value with each `{name}` replaced by the level of the factor `name`; others stay."""
    return _PLACEHOLDER.sub(lambda match: levels.get(match.group(1), match.group()), value)


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
        self.workload_name = "transfer"
        self.parameters: dict[str, tuple[str, ...]] = {}  # factors that fill placeholders, with their levels
        self.table_number = 1  # which of several tables of one name is being read

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
        self.workload_name = self.name_of_workload(self.table(top, "workload"))
        self.parameters = self.find_parameters(top)
        workload = self.options({key: value for key, value in self.table(top, "workload").items() if key != "name"},
                                "workload")
        setting = self.options(self.table(top, "setting"), "setting")
        variants = self.variants(top)
        factors = self.factors(self.table(top, "factors"))
        self.each_option_once(workload, setting, factors, variants)
        self.nothing_missing(workload, factors, variants)
        self.parameters_are_used((*workload, *setting), variants)
        repeat = self.table(top, "repeat")
        self.known_keys(repeat, "repeat", _REPEAT)
        return Experiment(
            name=self.path.stem, path=self.path, text=self.text, why=_opening_comment(self.text),
            question=self.question(top), workload=workload, setting=setting,
            factors=(*((Factor(VARIANT, tuple(variant.name for variant in variants)),) if variants else ()), *factors),
            blocks=self.number(repeat, "repeat", "blocks", 5, minimum=1),
            seed=self.number(repeat, "repeat", "seed", 1, minimum=0),
            charts=self.chart_specs(top),
            report=self.number(top, "", "report", 0, minimum=1) if "report" in top else None,
            events=self.events(top), workload_name=self.workload_name, variants=variants,
            parameters=tuple(self.parameters))

    def error(self, section: str, key: str | None, problem: str) -> ExperimentError:
        line = _line_of(self.text, section, key, self.table_number) if key is not None else None
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

    def name_of_workload(self, table: Mapping[str, Any]) -> str:
        name = table.get("name", "transfer")
        if name not in WORKLOADS:
            raise self.error("workload", "name", f"unknown workload {name!r}; "
                             f"the nearest valid one is {nearest(str(name), WORKLOADS)!r}")
        return str(name)

    def find_parameters(self, top: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """The factors whose name stands as a placeholder in a value, with their levels."""
        tables = [self.table(top, "workload"), self.table(top, "setting"), *self.tables(top, "variant")]
        named = {name for table in tables for value in table.values() if isinstance(value, str)
                 for name in _PLACEHOLDER.findall(value)}
        return {name: self.parameter(name, levels) for name, levels in self.table(top, "factors").items()
                if name in named and not self.is_option(name)}

    def is_option(self, name: str) -> bool:
        """True when the name is an option of this workload."""
        return name in RESERVED_OPTIONS or (name in OPTIONS and self.workload_name in OPTIONS[name].workloads)

    def parameter(self, name: str, levels: object) -> tuple[str, ...]:
        """The levels of a factor that fills placeholders; what they may be shows when they are in their place."""
        if name == VARIANT:
            raise self.error("factors", name, f"{name!r} cannot be in [factors]: each [[variant]] table is a level")
        texts = [self.text_of("factors", name, level) for level in self.levels(name, levels)]
        for text in texts:
            if texts.count(text) > 1:
                raise self.error("factors", name, f"level {text!r} of {name!r} stands there twice; remove one of them")
        return tuple(texts)

    def parameters_are_used(self, fixed: Values, variants: Sequence[Variant]) -> None:
        """Each combination of levels makes a trial of its own."""
        for number, options in enumerate([variant.options for variant in variants] or [()], 1):
            self.table_number = number
            used = {name for value in {**dict(fixed), **dict(options)}.values() for name in _PLACEHOLDER.findall(value)}
            for name in self.parameters:
                if name not in used:
                    which = variants[number - 1].name
                    raise self.error("[variant]", "name", f"variant {which!r} has no place for the factor {name!r}: "
                                     f"write {{{name}}} in one of its values")
        self.table_number = 1

    def tables(self, top: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        tables = top.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.error("", name, f"{name!r} must be a list of tables: write [[{name}]] above the keys of each")
        return tables

    def variants(self, top: Mapping[str, Any]) -> tuple[Variant, ...]:
        variants: dict[str, Variant] = {}
        for self.table_number, table in enumerate(self.tables(top, "variant"), 1):
            name = table.get("name")
            if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name) is None:
                raise self.error("[variant]", "name", "a [[variant]] needs the key 'name': a word of letters, digits, "
                                 f"_ . + and -, not {name!r}")
            if name in variants:
                raise self.error("[variant]", "name", f"there are two variants {name!r}; rename one of them")
            options = self.options({key: value for key, value in table.items() if key != "name"}, "[variant]")
            for other in variants.values():
                if dict(other.options) == dict(options):
                    raise self.error("[variant]", "name", f"variant {name!r} says the same as {other.name!r}; "
                                     "remove one of them")
            variants[name] = Variant(name, options)
        self.table_number = 1
        return tuple(variants.values())

    def options(self, table: Mapping[str, Any], section: str) -> Values:
        return tuple((key, self.value(section, key, value)[0]) for key, value in table.items())

    def option(self, section: str, key: str) -> Option:
        """The option that a key names; in [workload] only the options of the workload."""
        valid = [name for name, option in OPTIONS.items() if section != "workload" or option.group == "workload"]
        where = f"[{section}]"
        if key in RESERVED_OPTIONS:
            raise self.error(section, key, f"{key!r} in {where} is set by the harness for every trial; remove it"
                             + (" and write events = \"first\" or \"all\" at the top of the file"
                                if key == "events" else ""))
        if key not in valid:
            if key in OPTIONS:
                raise self.error(section, key, f"{key!r} is not about the workload; move it to [setting]")
            raise self.error(section, key, f"unknown key {key!r} in {where}; "
                             f"the nearest valid key is {nearest(key, valid)!r}"
                             + (f" (a factor that is no option has its place {{{key}}} in a value)"
                                if section == "factors" else ""))
        if self.workload_name not in OPTIONS[key].workloads:
            raise self.error(section, key, f"{key!r} in {where} belongs to the workload "
                             f"{' or '.join(OPTIONS[key].workloads)}, and this one is {self.workload_name!r}; "
                             "remove it, or name the other workload")
        if key == "file" and section == "[variant]":
            raise self.error(section, key, "'file' cannot be in a [[variant]]; move it to [workload] or [factors]")
        return OPTIONS[key]

    def value(self, section: str, key: str, value: object) -> tuple[str, str | int]:
        """An option's value as text, and its meaning (with placeholders: that of its first level)."""
        option = self.option(section, key)
        text = self.text_of(section, key, value)
        placeholders = [] if section == "factors" else list(dict.fromkeys(_PLACEHOLDER.findall(text)))
        for name in placeholders:
            if name not in self.parameters:
                near = f"; the nearest is {nearest(name, self.parameters)!r}" if self.parameters else ""
                raise self.error(section, key, f"{{{name}}} in the value of {key!r} is no factor that fills a place: "
                                 f"write {name} = [\"...\", \"...\"] in [factors], for a name that is no option{near}")
        meanings = [self.meaning(section, option, fill(text, dict(zip(placeholders, levels))))
                    for levels in itertools.product(*(self.parameters[name] for name in placeholders))]
        return text, meanings[0]

    def text_of(self, section: str, key: str, value: object) -> str:
        if isinstance(value, bool):
            return "on" if value else "off"
        if not isinstance(value, int | str):
            raise self.error(section, key, f"{value!r} is no value for {key!r} in [{section}]: write one text or number"
                             + (", or move the list to [factors]" if isinstance(value, list) else ""))
        if any(ord(character) < 32 for character in str(value)):
            raise self.error(section, key, f"{value!r} holds a control character; {key!r} cannot be that")
        return str(value)

    def meaning(self, section: str, option: Option, text: str) -> str | int:
        try:
            return parse_value(option, text)
        except ValueError as error:
            what = "level" if section == "factors" else "value"
            raise self.error(section, option.name, f"unknown {what} of {option.name!r} in [{section}]: {error}") \
                from None

    def factors(self, table: Mapping[str, Any]) -> tuple[Factor, ...]:
        return tuple(Factor(name, self.parameters[name]) if name in self.parameters else self.factor(name, levels)
                     for name, levels in table.items())

    def levels(self, name: str, levels: object) -> list[object]:
        if not isinstance(levels, list) or not levels:
            raise self.error("factors", name, f"{name!r} in [factors] needs a list of levels, "
                             f"such as {name} = [\"...\", \"...\"]; a single value belongs in [setting]")
        return levels

    def factor(self, name: str, levels: object) -> Factor:
        self.option("factors", name)
        seen: dict[str | int, str] = {}
        for level in self.levels(name, levels):
            text, meaning = self.value("factors", name, level)
            if meaning in seen:
                raise self.error("factors", name, f"level {text!r} of {name!r} says the same as {seen[meaning]!r}; "
                                 "remove one of them")
            seen[meaning] = text
        return Factor(name, tuple(seen.values()))

    def each_option_once(self, workload: Values, setting: Values, factors: Iterable[Factor],
                         variants: Iterable[Variant]) -> None:
        places: dict[str, str] = {}
        named = [*(("workload", name) for name, _ in workload), *(("setting", name) for name, _ in setting),
                 *(("factors", factor.name) for factor in factors)]
        for section, name in named:
            if name in places:
                raise self.error(section, name, f"{name!r} stands in [{places[name]}] and in [{section}]; "
                                 "keep one of them")
            places[name] = section
        for self.table_number, variant in enumerate(variants, 1):
            for name, _ in variant.options:
                if places.get(name) == "factors":
                    raise self.error("[variant]", name, f"{name!r} stands in [factors] and in the variant "
                                     f"{variant.name!r}; keep one of them")
            self.exclusive({**places, **dict.fromkeys(dict(variant.options), "[variant]")})
        self.table_number = 1
        self.exclusive(places)

    def exclusive(self, places: Mapping[str, str]) -> None:
        """places: the options of one trial, and the section of each."""
        for one, other in (("file", "bytes"), ("repeat", "duration"), ("rate", "think")):
            if one in places and other in places:
                raise self.error(places[other], other, f"{one!r} and {other!r} exclude each other; keep one of them")

    def nothing_missing(self, workload: Values, factors: Iterable[Factor], variants: Sequence[Variant]) -> None:
        """Every trial has something to do."""
        everywhere = {*dict(workload), *(factor.name for factor in factors)}
        defined_by = DEFINED_BY.get(self.workload_name)
        for self.table_number, variant in enumerate(variants or (Variant("", ()),), 1):
            there = everywhere | set(dict(variant.options))
            where = f"variant {variant.name!r} or to [workload]" if variant.name else "[workload]"
            if defined_by is None and not {"file", "bytes"} & there:
                raise self.error("workload", None, "nothing to send: add file = \"default\", a path, "
                                 f"or bytes = \"64M\" to {where}")
            if defined_by is not None and defined_by not in there:
                example = {"pattern": "w100,w400,r1", "stream": "200@5000"}[defined_by]
                raise self.error("workload", "name", f"the workload {self.workload_name!r} needs the key "
                                 f"{defined_by!r}: add {defined_by} = \"{example}\" to {where}")
            if self.workload_name == "stream" and not {"count", "duration"} & there:
                raise self.error("workload", "name", "a stream needs an end: add duration = \"100ms\" or count = "
                                 f"\"1000\" to {where}")
        self.table_number = 1

    def chart_specs(self, top: Mapping[str, Any]) -> tuple[ChartSpec, ...]:
        return tuple(self.chart_spec(table) for table in self.tables(top, "chart"))

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


def _line_of(text: str, section: str, key: str, nth: int = 1) -> int | None:
    """The first line (from 1) that defines `key` in `section`; None when it is written in another way.

    nth: which table, where several have the name of the section.
    """
    current = ""
    headers = 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[(\[?[^\[\]]+\]?)\]\s*(#.*)?$", line)
        if header is not None:
            current = header.group(1)
            headers += current == section
            if not section and current.strip("[]") == key:
                return number
        elif (current == section and (headers == nth or not section.startswith("["))
              and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line)):
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
