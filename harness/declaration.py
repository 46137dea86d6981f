"""What a gate measures: a TOML file of measurements, each a workload with its thresholds and its exact counters.

Whatever is not known is an error that names the file, the measurement, the key and the nearest valid key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.arms import Arm, ArmError, Contest, Server, Values, checked, parse_setting
from harness.counters import COUNTERS, FACTS, Exact
from harness.experiment import ROOT
from harness.schema import DEFINED_BY, OPTIONS, HarnessError, nearest, parse_time
from harness.verdict import Thresholds

DEFAULT: Final = ROOT / "harness" / "gate.toml"
LIMIT_S: Final = 180.0
_TOP: Final = ("question", "limit", "setting", "arm", "measurement")
_ARM: Final = ("setting", "program", "prefix", "environment", "server")
_OWN: Final = ("name", "question", "effect", "tolerance", "exact", "depends", "canary", "without")
_UNFIT_OPTIONS: Final = ("stream", "rate", "duration", "timeout", "seed")  # no lock-step, or set by the gate


class DeclarationError(HarnessError):
    """A declaration that cannot be used as it is written."""

    status = 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """One declared measurement. options: workload and setting as written. exact: counters; depends: on what their
    expectations depend beside the program. canary: base is also measured against itself."""

    name: str
    question: str
    options: Values
    thresholds: Thresholds
    exact: tuple[str, ...]
    depends: tuple[str, ...]
    canary: bool


@dataclass(frozen=True, slots=True)
class Declaration:
    """A gate's file. base, new: what the two arms have beside their builds. limit_s: no look begins that would end
    later."""

    path: Path
    question: str
    measurements: tuple[Measurement, ...]
    base: Arm
    new: Arm
    limit_s: float = LIMIT_S

    def contests(self, base: Arm, new: Arm) -> list[Contest]:
        """The measurements between two arms, in the order of the file."""
        return [Contest(one.name, one.question, one.options, base, new, one.thresholds) for one in self.measurements]

    def canaries(self, base: Arm) -> list[Contest]:
        """Base against itself in the measurements that ask for it."""
        return [Contest(one.name, one.question, one.options, base, base, one.thresholds, canary=True)
                for one in self.measurements if one.canary]

    def exact(self, base: Arm, new: Arm) -> list[Exact]:
        """What is counted, of those measurements that declare exact counters."""
        return [Exact(contest, one.exact, one.depends)
                for one, contest in zip(self.measurements, self.contests(base, new), strict=True) if one.exact]


def load(path: Path = DEFAULT) -> Declaration:
    """The declaration in a file. Raises DeclarationError."""
    try:
        top = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError(f"{path}: there is no such declaration.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{path}: this is not TOML: {error}.") from None
    try:
        return _read(top, path)
    except ArmError as error:
        raise DeclarationError(f"{path}: {error}") from None


def _read(top: Mapping[str, Any], path: Path) -> Declaration:
    _known(top, _TOP, "at the top of the file")
    tables = top.get("measurement", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ArmError("it declares no measurement: write [[measurement]] above the keys of each.")
    shared = _table(top, "setting")
    measurements = tuple(_measurement(table, shared, number) for number, table in enumerate(tables, 1))
    names = [one.name for one in measurements]
    for name in names:
        if names.count(name) > 1:
            raise ArmError(f"there are two measurements {name!r}; rename one of them.")
    if not any(one.canary for one in measurements):
        raise ArmError("no measurement is a canary: write canary = true in one or two, so that base is also measured "
                       "against itself.")
    arms = _table(top, "arm")
    _known(arms, ("base", "new"), "in [arm]")
    base, new = _arm(arms, "base", path), _arm(arms, "new", path)
    _check_servers(base, new, measurements)
    return Declaration(path, _text(top.get("question"), "question", "the file"), measurements, base, new, _limit(top))


def _measurement(table: Mapping[str, Any], shared: Mapping[str, Any], number: int) -> Measurement:
    name = table.get("name")
    if not isinstance(name, str) or re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) is None:
        raise ArmError(f"measurement {number} needs the key 'name': small letters, digits, _ and -, not {name!r}.")
    where = f"measurement {name!r}"
    for key in table:
        if key not in (*_OWN, *OPTIONS):
            raise ArmError(f"{where}: unknown key {key!r}; the nearest valid key is "
                           f"{nearest(key, (*_OWN, *OPTIONS))!r}.")
    without = _words(table, "without", where, shared)
    own = {key: value for key, value in table.items() if key not in _OWN}
    merged = {key: value for key, value in shared.items() if key not in without} | own
    options = tuple((key, checked(key, value, where)) for key, value in merged.items())
    _check_workload(dict(options), where)
    bounds = Thresholds(_fraction(table, "effect", Thresholds().effect, where),
                        _fraction(table, "tolerance", Thresholds().tolerance, where))
    if bounds.effect >= bounds.tolerance:
        raise ArmError(f"{where}: an effect of {bounds.effect:g} counts and {bounds.tolerance:g} is tolerated; "
                       "'effect' must be below 'tolerance'.")
    return Measurement(
        name, _text(table.get("question"), "question", where), options, bounds,
        _words(table, "exact", where, COUNTERS), _words(table, "depends", where, FACTS), _flag(table, "canary", where))


def _check_workload(options: Mapping[str, str], where: str) -> None:
    for key in _UNFIT_OPTIONS:
        if key in options:
            raise ArmError(f"{where}: {key!r} has no place in a gate, which times fixed work in turns; leave it out.")
    transfer = [key for key in ("bytes", "file") if key in options]
    if ("pattern" in options) + len(transfer) != 1:
        raise ArmError(f"{where}: name one workload: `pattern` for an exchange, or `bytes` or `file` for a transfer.")
    workload = "exchange" if "pattern" in options else "transfer"
    for key in options:
        if workload not in OPTIONS[key].workloads:
            raise ArmError(f"{where}: {key!r} belongs to the workload {' or '.join(OPTIONS[key].workloads)}"
                           f"{' (' + DEFINED_BY[workload] + ')' if workload in DEFINED_BY else ''}; leave it out.")


def _arm(arms: Mapping[str, Any], name: str, path: Path) -> Arm:
    table = _table(arms, name)
    where = f"[arm.{name}]"
    _known(table, _ARM, f"in {where}")
    prefix = table.get("prefix", [])
    words = prefix.split() if isinstance(prefix, str) else prefix
    environment = table.get("environment", {})
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ArmError(f"{where}: 'prefix' is {prefix!r}; write the words before the program as a list of texts.")
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        raise ArmError(f"{where}: 'environment' is {environment!r}; write a table of texts: {{ NAME = \"value\" }}.")
    for word in (*words, *(f"{key}={value}" for key, value in environment.items())):
        if not word or re.search(r"\s", word):
            raise ArmError(f"{where}: {word!r} is empty or has a space, which a prefix cannot have; put it into a "
                           "script and name that.")
    program = table.get("program")
    if program is not None and not isinstance(program, str):
        raise ArmError(f"{where}: 'program' is {program!r}; write a path.")
    return Arm(parse_setting(_text(table.get("setting", ""), "setting", where, empty=True)),
               (path.parent / program).resolve() if program is not None else None, tuple(words),
               tuple(environment.items()), _server(table, where, path))


def _server(table: Mapping[str, Any], where: str, path: Path) -> Server | None:
    """The server of an arm; relative names are as seen from the folder of the file."""
    if "server" not in table:
        return None
    words = table["server"]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise ArmError(f"{where}: 'server' is {words!r}; write its command line as a list of texts: "
                       '["./my-server", "{port}"].')
    if not any("{port}" in word for word in words):
        raise ArmError(f"{where}: 'server' has no {{port}}, so it cannot be told where to listen; write for example "
                       '["./my-server", "{port}"].')
    return Server(tuple(words), path.parent.resolve())


def _check_servers(base: Arm, new: Arm, measurements: Iterable[Measurement]) -> None:
    """What can be measured, and counted, where the other end belongs to somebody else."""
    if base.server is None and new.server is None:
        return
    if base.server is None or new.server is None:
        raise ArmError(f"[arm.{'base' if base.server is None else 'new'}] has no 'server' and the other arm has one; "
                       "name one in both, or the servers' difference is not what is measured.")
    for one in measurements:
        where, options = f"measurement {one.name!r}", dict(one.options)
        if "pattern" not in options:
            raise ArmError(f"{where}: a server of yours answers a `pattern`; it cannot tell when it has all of a "
                           "transfer.")
        if options.get("family") == "unix":
            raise ArmError(f"{where}: a server of yours listens at a port, and family unix has none.")
        if one.exact:
            raise ArmError(f"{where}: 'exact' counts with the program's own receiver and would not see your server; "
                           "leave it out.")
        if {**options, **dict(base.setting), **dict(new.setting)}.get("cpus", "same") != "same":
            raise ArmError(f"{where}: a server of yours runs on the CPU that the arms share; leave 'cpus' out.")


def _limit(top: Mapping[str, Any]) -> float:
    if "limit" not in top:
        return LIMIT_S
    try:
        return parse_time(_text(top["limit"], "limit", "the file")) / 1e9
    except ValueError as error:
        raise ArmError(f"'limit': {error}.") from None


def _known(table: Mapping[str, Any], valid: Iterable[str], where: str) -> None:
    names = tuple(valid)
    for key in table:
        if key not in names:
            raise ArmError(f"unknown key {key!r} {where}; the nearest valid key is {nearest(key, names)!r}.")


def _table(top: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = top.get(name, {})
    if not isinstance(table, dict):
        raise ArmError(f"{name!r} must be a table: write [{name}] above its keys.")
    return table


def _text(value: object, key: str, where: str, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value.strip() or empty):
        raise ArmError(f"{where}: the key {key!r} is missing or is no text.")
    return " ".join(value.split())


def _words(table: Mapping[str, Any], key: str, where: str, valid: Iterable[str]) -> tuple[str, ...]:
    """A list of names, each one of `valid`."""
    names, words = tuple(valid), table.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ArmError(f"{where}: {key!r} is {words!r}; write a list of names.")
    for word in words:
        if word not in names:
            near = f"; the nearest is {nearest(word, names)!r}" if names else ""
            raise ArmError(f"{where}: {key!r} has {word!r}, which is not known{near}.")
    return tuple(dict.fromkeys(words))


def _fraction(table: Mapping[str, Any], key: str, default: float, where: str) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ArmError(f"{where}: {key!r} is {value!r} and must be a fraction between 0 and 1 (0.02 is 2 %).")
    return float(value)


def _flag(table: Mapping[str, Any], key: str, where: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ArmError(f"{where}: {key!r} is {value!r}; write true or false.")
    return value
