"""Exact counters: how often something happened, which is one number however often it is tried. No statistics.

Each declared counter of the new arm must be what the committed file of expectations says. Whoever changes one on
purpose has it rewritten, and a reviewer sees the change as a line of the diff.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import pair
from harness.arms import SPIN, Arm, Contest, Values, command_line
from harness.experiment import ROOT
from harness.pair import ToolError
from harness.schema import HarnessError
from harness.verdict import Counted

TAG: Final = "tinygram-counters/1"
EXPECTATIONS: Final = ROOT / "results" / "baseline" / "counters.json"
REPEATS: Final = 3
ANY: Final = "any machine"
_COUNT: Final = "40"      # exchanges, where the declaration gives no number; with a stall in each it takes 2 s
_TIMEOUT: Final = "20s"
_WHY: Final = ("What each exact counter of the gate's measurements must be. Written by `python3 -m harness gate "
               "--accept-counters`; a change here is a change of behaviour: say in its commit why.")

Document = Mapping[str, Any]
Runner = Callable[[Contest, Arm, Values], Document]


class CountersError(HarnessError):
    """A file of expectations that cannot be used."""

    status = 2


@dataclass(frozen=True, slots=True)
class Counter:
    """One exact counter. read: from a result document, None where it is not there. more, fewer: what a change means.

    least: of several repeats the least counts: chance (a busy machine) can only add to it.
    """

    name: str
    meaning: str
    read: Callable[[Document], int | None]
    more: str
    fewer: str
    least: bool = False


def _at(*path: str) -> Callable[[Document], int | None]:
    def read(document: Document) -> int | None:
        value: Any = document
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return int(value) if isinstance(value, int) else None
    return read


def nagle_stalls(document: Document) -> int | None:
    """Stalls that Nagle's algorithm and a delayed ACK made, and no others.

    With kernel timestamps of every write a stall of unknown mechanism is one that the sending kernel held although
    neither a cork nor the window did: it counts too, so that a program that says NODELAY is on does not hide it. Stalls
    of a receiver that got no CPU, of a full buffer and of lost segments do not count: those are the machine's.
    """
    by_mechanism, split = _at("result", "stalls", "by_mechanism", "nagle_delayed_ack"), document["result"].get("split")
    held = by_mechanism(document)
    if held is None or not split or split.get("without_stamps") != 0:
        return held
    return held + (_at("result", "stalls", "by_mechanism", "unknown")(document) or 0)


def first_segments(document: Document) -> int | None:
    """TCP segments with payload, without those that were sent again.

    On a busy machine the kernel's tail loss probe sends a last segment again, whose ACK was only late: once in some
    hundred trials, so that all segments together are not exact.
    """
    sent, again = _at("result", "data_segments")(document), _at("result", "retransmits")(document)
    return None if sent is None else sent - (again or 0)


LOST: Final = "TCP_NODELAY was lost"
COUNTERS: Final[Mapping[str, Counter]] = {counter.name: counter for counter in (
    Counter("writes", "calls that sent", _at("result", "writes"),
            "the same bytes go to the kernel in more calls", "the same bytes go to the kernel in fewer calls"),
    Counter("reply_writes", "calls with which the receiver replied", _at("result", "reply_writes"),
            "the reply takes more calls", "the reply takes fewer calls"),
    Counter("bytes", "payload bytes that arrived", _at("result", "bytes"),
            "more is sent than was", "less is sent than was"),
    Counter("messages", "exchanges, messages or chunks", _at("result", "messages"),
            "more is done than was", "less is done than was"),
    Counter("data_segments", "TCP segments with payload, but those sent again", first_segments,
            "the kernel sends what was one segment as several: what gathered the writes was lost",
            "the kernel gathers what were several segments into one"),
    Counter("stalls", "stalls held by Nagle until a delayed ACK", nagle_stalls,
            "held by Nagle until a delayed ACK", "no longer held by Nagle until a delayed ACK", least=True),
    Counter("sndbuf", "effective SO_SNDBUF in bytes", _at("setting", "effective", "sender", "end", "sndbuf"),
            "SO_SNDBUF has a larger effect", "SO_SNDBUF has a smaller effect"),
    Counter("rcvbuf", "effective SO_RCVBUF in bytes", _at("setting", "effective", "receiver", "end", "rcvbuf"),
            "SO_RCVBUF has a larger effect", "SO_RCVBUF has a smaller effect"),
)}

# What an expectation may depend on beside the program.
FACTS: Final[Mapping[str, Callable[[Document], object]]] = {
    "kernel": lambda document: ".".join(re.findall(r"\d+", document["machine"].get("kernel") or "")[:2]) or None,
    "mss": lambda document: (document["tcp_info"].get("sender") or {}).get("snd_mss"),
    "congestion": lambda document: (document["machine"]).get("congestion_default"),
    "wmem_max": lambda document: document["machine"].get("wmem_max"),
    "rmem_max": lambda document: document["machine"].get("rmem_max"),
}


@dataclass(frozen=True, slots=True)
class Exact:
    """What is exact in one measurement. counters: names of COUNTERS. depends: names of FACTS."""

    contest: Contest
    counters: tuple[str, ...]
    depends: tuple[str, ...] = ()

    @property
    def options(self) -> Values:
        """The options of the trials in which it is counted, without those of an arm."""
        options = dict(self.contest.pair_options(Arm()))
        if "pattern" in options:
            options = {"count": _COUNT, **options}
            if "stalls" in self.counters:
                options = {"stamps": "on", **options}
        return tuple({**options, "timeout": _TIMEOUT}.items())


# ---------------------------------------------------------------------------------------------------------------------
# Expectations


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one measurement. options: with which it was counted. counters: name -> key -> value, where
    a key says on what it depends, such as `kernel=6.1 mss=1448`."""

    options: str
    counters: Mapping[str, Mapping[str, int]]


Expectations = Mapping[str, Expected]


def load(path: Path) -> dict[str, Expected]:
    """The expectations in a file; none where there is no file. Raises CountersError when it is not to be used."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CountersError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        top = json.loads(text)
        if top["schema"] != TAG:
            raise CountersError(f"{path}: its schema is {top['schema']!r} and this harness reads {TAG!r}; use the "
                                "harness that wrote it, or write it anew with --accept-counters.")
        return {name: Expected(str(entry["options"]), {
            counter: {key: int(value) for key, value in values.items()}
            for counter, values in entry["expected"].items()}) for name, entry in top["measurements"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CountersError(f"{path} is damaged ({error!r}); restore it from git, or write it anew with "
                            "--accept-counters.") from None


def save(path: Path, expectations: Expectations) -> None:
    """Writes the file of expectations in one step. Raises CountersError."""
    top = {"schema": TAG, "why": _WHY, "measurements": {
        name: {"options": expected.options,
               "expected": {counter: dict(values) for counter, values in sorted(expected.counters.items())}}
        for name, expected in sorted(expectations.items())}}
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(top, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise CountersError(f"{path} cannot be written: {error.strerror}.") from None


# ---------------------------------------------------------------------------------------------------------------------
# Counting


@dataclass(frozen=True, slots=True)
class Seen:
    """What one arm gave in all repeats: the documents, or a sentence about why there are none."""

    documents: tuple[Document, ...]
    problem: str | None = None

    def values(self, counter: Counter) -> tuple[int | None, ...]:
        """The different values of a counter, ascending; None first where it was missing."""
        found = {counter.read(document) for document in self.documents}
        if counter.least and found and None not in found:
            found = {min(value for value in found if value is not None)}
        return tuple(sorted(found, key=lambda value: -1 if value is None else value))


def run_pair(driver: Path) -> Runner:
    """A runner that starts `tinygram pair`; the driver is the program of an arm that names none."""
    def run(contest: Contest, arm: Arm, options: Values) -> Document:
        return pair.run(arm.program or driver, command_line(options), launcher=arm.launcher).document
    return run


def observe(exact: Exact, arm: Arm, run: Runner, repeats: int = REPEATS) -> Seen:
    """Runs an arm's trial a few times; ends at the first that fails."""
    # an injected slowness counts nothing, and an ordinary trial knows no such option
    own = {name: value for name, value in arm.setting if name != SPIN}
    options = tuple({**dict(exact.options), **own}.items())
    documents = []
    for _ in range(repeats):
        try:
            document = run(exact.contest, arm, options)
        except ToolError as error:
            return Seen((), str(error))
        if document["status"] != 0:
            return Seen((), f"{document['error'] or 'it failed and gave no reason.'} (status {document['status']})")
        documents.append(document)
    return Seen(tuple(documents))


def check(exacts: Sequence[Exact], expectations: Expectations, run: Runner, repeats: int = REPEATS) -> list[Counted]:
    """Counts both arms of every measurement and compares the new one with what is expected."""
    found = []
    for exact in exacts:
        base, new = (observe(exact, arm, run, repeats) for arm in (exact.contest.base, exact.contest.new))
        found += [_counted(exact, COUNTERS[name], expectations.get(exact.contest.name), base, new)
                  for name in exact.counters]
    return found


def accept(exacts: Sequence[Exact], before: Expectations, run: Runner, repeats: int = REPEATS
           ) -> tuple[dict[str, Expected], list[str]]:
    """The expectations as the new arm counts now, and a sentence for each that changes.

    What was expected on other machines stays; what is no longer declared goes. Raises CountersError for a counter that
    varies or is missing: it cannot be expected.
    """
    after: dict[str, Expected] = {}
    declared = {exact.contest.name for exact in exacts}
    changed = [f"{name}: is no longer declared." for name in before if name not in declared]
    for exact in exacts:
        name, options = exact.contest.name, options_text(exact)
        seen = observe(exact, exact.contest.new, run, repeats)
        old = before.get(name)
        counters = dict(old.counters) if old is not None and old.options == options else {}
        kept: dict[str, Mapping[str, int]] = {}
        for counter in exact.counters:
            value = _only(seen, COUNTERS[counter], name)
            key = key_of(exact, seen)
            was = counters.get(counter, {}).get(key)
            kept[counter] = {**counters.get(counter, {}), key: value}
            if was != value:
                changed.append(f"{name}: {counter} {'was not there' if was is None else was} -> {value} ({key}).")
        after[name] = Expected(options, kept)
    return after, changed


def _only(seen: Seen, counter: Counter, name: str) -> int:
    if seen.problem:
        raise CountersError(f"{name}: nothing can be accepted: {seen.problem}")
    values = seen.values(counter)
    if len(values) != 1 or values[0] is None:
        raise CountersError(f"{name}: {counter.name} was {_listed(values)} in {len(seen.documents)} repeats; only what "
                            "does not vary can be expected. Take it out of `exact`.")
    return values[0]


def options_text(exact: Exact) -> str:
    """The options of the counted trial as they stand in the file of expectations."""
    return " ".join(command_line(exact.options))


def key_of(exact: Exact, seen: Seen) -> str:
    """`kernel=6.1 mss=1448`: what the expectations of this measurement depend on, as it is here."""
    facts = [f"{name}={FACTS[name](seen.documents[0])}" for name in exact.depends]
    return " ".join(facts) or ANY


def _counted(exact: Exact, counter: Counter, expected: Expected | None, base: Seen, new: Seen) -> Counted:
    name = exact.contest.name
    old, now = (seen.values(counter) for seen in (base, new))
    was, is_ = (values[0] if len(values) == 1 else None for values in (old, now))

    def made(verdict: str, sentence: str, wanted: int | None = None, mechanism: str | None = None) -> Counted:
        return Counted(name, counter.name, wanted, was, is_, verdict, sentence, mechanism)
    if new.problem:
        return made("missing", f"{counter.name} of {name} could not be counted in new: {new.problem}")
    if None in now:
        return made("missing", f"{counter.name} of {name} is not in new's result.")
    for label, seen, values in (("new", new, now), ("base", base, old)):
        if len(values) > 1:
            return made("varies", f"{counter.name} of {name} is declared exact and varies in {label}: "
                        f"{_listed(values)} in {len(seen.documents)} repeats. Take it out of `exact`, or find out why.")
    assert is_ is not None
    if expected is None or counter.name not in expected.counters:
        return made("missing", f"{counter.name} of {name} is {is_}, and the expectations have no value for it; look at "
                    "it and write it down with --accept-counters.")
    if expected.options != options_text(exact):
        return made("missing", f"{counter.name} of {name} is {is_}; the expectations were counted with other options "
                    f"({expected.options}); look at it and write it down with --accept-counters.")
    key = key_of(exact, new)
    wanted = expected.counters[counter.name].get(key)
    beside = f" (base: {base.problem})" if base.problem else ""
    if wanted is None:  # a machine that nobody has written down yet: the base is all there is to compare with
        if was is None or was == is_:
            return made("same", f"{counter.name} of {name} is {is_}; the expectations say nothing for {key}, "
                        + (f"and base has the same.{beside}" if was is not None else f"and base has no value.{beside}"))
        wanted = was
    if is_ == wanted:
        return made("same", f"{counter.name} of {name} is {is_}, as expected.{beside}", wanted)
    mechanism = explain(exact, counter, wanted, is_)
    return made("changed", f"{name}: {counter.name} {wanted} -> {is_}{beside}", wanted, mechanism)


def told(counted: Counted) -> str:
    """A counter in one sentence, with what its change means."""
    return f"{counted.sentence}: {counted.mechanism}." if counted.mechanism else counted.sentence


def explain(exact: Exact, counter: Counter, before: int, after: int) -> str:
    """What a change of a counter means, a clause."""
    said = counter.more if after > before else counter.fewer
    asked = dict(exact.options) | dict(exact.contest.new.setting)
    if counter.name == "stalls" and after > before and "on" in (asked.get("nodelay"), asked.get("send-nodelay")):
        said = f"{said}: {LOST}"
    return said


def _listed(values: Sequence[int | None]) -> str:
    return ", ".join("missing" if value is None else str(value) for value in values)
