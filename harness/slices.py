"""One invocation by `tinygram slices`: fresh processes for both arms, which take turns slice by slice.

Whatever goes wrong has its own sentence and makes the invocation invalid; nothing is guessed from half a document.
"""

from __future__ import annotations

import json
import math
import re
import signal
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from harness import process, serving
from harness.arms import Arm, Contest, Invocation, command_line

TAG: Final = "tinygram-slices/1"
METHOD: Final = "slices"
TIMEOUT_S: Final = 20     # the program's own limit of one invocation
MARGIN_S: Final = 5.0     # beyond it, before the program itself is ended
LEAST_SLICES: Final = 12  # pairs of slices that an invocation must have
_REFUSED: Final = 3


class Invalid(Exception):
    """Why an invocation gives no value, a sentence."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The times of all slices. base_ns, new_ns: ns of each slice, in the order of time; units: of work in a slice;
    work_each: exchanges or bytes of a unit."""

    units: int
    work_each: int
    base_ns: tuple[float, ...]
    new_ns: tuple[float, ...]

    @property
    def value(self) -> float:
        """d: the median over pairs of slices of ln(new / base)."""
        return statistics.median(math.log(new / base) for base, new in zip(self.base_ns, self.new_ns, strict=True))

    def per_work(self, times: Sequence[float]) -> float:
        """Median time of one exchange or one byte in ns."""
        return statistics.median(times) / self.units / self.work_each


def command(driver: Path, contest: Contest, seed: int, units: int | None) -> list[str]:
    """The command line of one invocation. driver: a program that has `slices`. units: None lets the program choose."""
    words = [str(driver), "slices", *command_line(contest.slice_options())]
    for name, arm in (("base", contest.base), ("new", contest.new)):
        words += [f"--{name}", arm.setting_text] if arm.setting_text else []
        words += [f"--{name}-program", str(arm.program)] if arm.program is not None else []
        words += [f"--{name}-prefix", " ".join(arm.launcher)] if arm.launcher else []
    words += ["--units", str(units)] if units is not None else []
    return words + ["--seed", str(seed), "--timeout", f"{TIMEOUT_S}s", "--json", "-"]


def invoke(driver: Path, contest: Contest, seed: int, units: int | None) -> Invocation:
    """One invocation. seed: of the order of the arms. units: of a slice, as the first invocations chose them, or None.

    Raises nothing but KeyboardInterrupt: what went wrong is the `problem` of the invocation.
    """
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document: dict[str, Any] | None = None
    began, at_fault = time.monotonic(), False
    try:
        with serving.serving(contest) as (ready, servers):
            try:
                ended = _call(command(driver, ready, seed, units), driver)
                document = parse(ended)
                at_fault = ended.status == _REFUSED and _about_the_machine(document)
                turns = read(document, ended.status, ready, units)
            except Invalid as problem:
                raise Invalid(f"{problem}{servers.told()}") from None
        wall_s = time.monotonic() - began
    except (Invalid, serving.ServerError) as problem:
        wall_s = time.monotonic() - began
        return Invocation(contest.key, METHOD, seed, started_at, wall_s, None, None, None, units, str(problem),
                          document, at_fault)
    return Invocation(contest.key, METHOD, seed, started_at, wall_s, turns.value, turns.per_work(turns.base_ns),
                      turns.per_work(turns.new_ns), turns.units, None, document, False, _counters(document))


def _call(words: Sequence[str], driver: Path) -> process.Ended:
    """The program, run to its end. Raises Invalid."""
    try:
        ended = process.call(words, TIMEOUT_S + MARGIN_S)
    except OSError as error:
        raise Invalid(f"{driver} cannot be started: {error.strerror}.") from None
    if ended.late:
        raise Invalid(f"the invocation was not over after {ended.wall_s:.0f} s and was ended: a worker hangs."
                      + _said(ended.complaints))
    return ended


# ---------------------------------------------------------------------------------------------------------------------
# The document, checked


def parse(ended: process.Ended) -> dict[str, Any]:
    """The one JSON document in what the program printed. Raises Invalid."""
    if ended.status < 0:
        raise Invalid(f"the program was ended by {_signal_name(-ended.status)}.{_said(ended.complaints)}")
    text = ended.output.decode("utf-8", "replace").strip()
    if not text:
        raise Invalid(f"the program ended with status {ended.status} and printed nothing.{_said(ended.complaints)}")
    try:
        document = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        if text.startswith("{") and (not text.endswith("}") or error.pos == len(text)):
            raise Invalid(f"the program's document is cut off after {len(text)} characters.") from None
        raise Invalid(f"the program printed rubbish in place of one JSON document: {text[:60]!r}.") from None
    if not isinstance(document, dict):
        raise Invalid(f"the program printed {text[:60]!r} in place of a JSON object.")
    return document


def read(document: Mapping[str, Any], status: int, contest: Contest, units: int | None) -> Turns:
    """The times of the slices in a document, everything checked. Raises Invalid."""
    _check_schema(document.get("schema"))
    if document.get("status") != status:
        raise Invalid(f"the program ended with status {status}, and its document says {document.get('status')}.")
    if status != 0:
        raise Invalid(f"{document.get('error') or 'the program gave no reason.'} (status {status})")
    _check_arms(document.get("arms"), contest)
    slices = document.get("slices")
    if not isinstance(slices, Mapping):
        raise Invalid("the document has no slices although the program succeeded.")
    turns = Turns(_whole(slices, "units"), _whole(slices, "work_each"), _times(slices, "base_ns"),
                  _times(slices, "new_ns"))
    if not len(turns.base_ns) == len(turns.new_ns) == _whole(slices, "count"):
        raise Invalid(f"base has {len(turns.base_ns)} slices, new has {len(turns.new_ns)}, and the document says "
                      f"{slices['count']}: unequal counts cannot be paired.")
    if len(turns.base_ns) < LEAST_SLICES:
        raise Invalid(f"there are {len(turns.base_ns)} pairs of slices; an invocation needs {LEAST_SLICES}.")
    if slices.get("work") != contest.work:
        raise Invalid(f"the slices time each {slices.get('work')!r}, and {contest.work!r} was asked for.")
    if units is not None and turns.units != units:
        raise Invalid(f"a slice has {turns.units} units, and all others of this measurement have {units}.")
    _check_order(slices.get("new_first"), len(turns.base_ns))
    return turns


def _check_schema(tag: object) -> None:
    if tag == TAG:
        return
    if isinstance(tag, str) and re.fullmatch(r"tinygram-slices/\d+", tag):
        raise Invalid(f"this harness reads {TAG}, and the document is {tag}: use a program and a harness of one "
                      "version.")
    raise Invalid(f"the document's schema is {tag!r} and should be {TAG!r}. Is the program really tinygram?")


def _check_arms(arms: object, contest: Contest) -> None:
    """Each arm of the document is what was asked for; the two swapped would turn every verdict round."""
    if not isinstance(arms, Mapping) or not all(isinstance(arms.get(name), Mapping) for name in ("base", "new")):
        raise Invalid("the document does not say what its arms were.")
    asked = {"base": _asked(contest.base), "new": _asked(contest.new)}
    told = {name: _told(arms[name], contest.base if name == "base" else contest.new) for name in asked}
    if asked == told:
        return
    if asked["base"] == _told(arms["new"], contest.base) and asked["new"] == _told(arms["base"], contest.new):
        raise Invalid("the document has the arms swapped: its base is what was asked for as new.")
    name = "base" if asked["base"] != told["base"] else "new"
    raise Invalid(f"arm {name} was {told[name]}, and {asked[name]} was asked for.")


def _asked(arm: Arm) -> dict[str, str | None]:
    program = {"program": str(arm.program.resolve())} if arm.program is not None else {}
    return {"setting": arm.setting_text, "prefix": " ".join(arm.launcher) or None, **program}


def _told(arm: Mapping[str, Any], like: Arm) -> dict[str, str | None]:
    program = {"program": str(Path(str(arm.get("program"))).resolve())} if like.program is not None else {}
    return {"setting": arm.get("setting") or None, "prefix": arm.get("prefix") or None, **program}


def _check_order(new_first: object, count: int) -> None:
    """Second place in a pair is slower, so the order must be balanced."""
    if not isinstance(new_first, list) or len(new_first) != count or any(first not in (0, 1) for first in new_first):
        raise Invalid("the document does not say, for each pair of slices, which arm went first.")
    if abs(2 * sum(new_first) - count) > max(1, count // 5):
        raise Invalid(f"new went first in {sum(new_first)} of {count} pairs of slices; the order is not balanced.")


def _whole(slices: Mapping[str, Any], name: str) -> int:
    value = slices.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Invalid(f"slices.{name} is {value!r} and must be a whole number from 1.")
    return value


def _times(slices: Mapping[str, Any], name: str) -> tuple[float, ...]:
    values = slices.get(name)
    if not isinstance(values, list):
        raise Invalid(f"slices.{name} is {values!r:.40} and must be a list of times.")
    for number, value in enumerate(values, 1):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise Invalid(f"slices.{name}: slice {number} is {value!r:.40}, which is no time.")
        if value <= 0:
            raise Invalid(f"slices.{name}: slice {number} took {value} ns; nothing takes no time, or less.")
    return tuple(float(value) for value in values)


def _counters(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """`result` of the document of either arm; None where one is missing: the times stand without them."""
    base, new = ((document["arms"][name].get("document") or {}).get("result") for name in ("base", "new"))
    return (base, new) if isinstance(base, Mapping) and isinstance(new, Mapping) else None


def _about_the_machine(document: Mapping[str, Any]) -> bool:
    """Whether what was refused is a CPU to be pinned to, which no invocation can do without."""
    return re.search(r"\bpin|affinity|\bCPUs?\b", str(document.get("error"))) is not None


def _no_number(word: str) -> NoReturn:
    raise Invalid(f"the document holds {word}, which no clock gives.")


def _said(complaints: bytes) -> str:
    said = " ".join(complaints.decode("utf-8", "replace").split())
    return f" It said: {said[-300:]}" if said else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
