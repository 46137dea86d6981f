"""Every field of what `tinygram cliff --json` writes, declared once: the document tinygram-cliff/1.

The JSON Schema in tinygram-cliff-1.schema.json is made from the table: `python3 -m harness.cliff_schema >
harness/tinygram-cliff-1.schema.json`. What a trial's result has as well (workload, setting, machine) is taken from the
table of results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

from harness import schema
from harness.schema import STATUSES, Field

TAG: Final = "tinygram-cliff/1"
FACTORS: Final = ("sndbuf", "rcvbuf", "write-size", "rate")
MECHANISMS: Final = ("delayed_ack", "nagle_delayed_ack", "nagle", "rcvbuf_too_late", "window", "retransmission",
                     "standstill", "queue", "work", "unknown")
REMEDIES: Final = ("quickack", "nodelay", "mss", "sndbuf", "rcvbuf", "early_rcvbuf")


def _of_result(name: str) -> Field:
    return next(field for field in schema.DOCUMENT.fields if field.name == name)


def _count(name: str, meaning: str, unit: str | None = None, nullable: bool = False) -> Field:
    return Field(name, "integer", meaning, unit, nullable)


def _real(name: str, meaning: str, unit: str | None = None, nullable: bool = False) -> Field:
    return Field(name, "number", meaning, unit, nullable)


def _flag(name: str, meaning: str) -> Field:
    return Field(name, "boolean", meaning, nullable=False)


def _text(name: str, meaning: str, *choices: str, nullable: bool = False) -> Field:
    return Field(name, "string", meaning, nullable=nullable, choices=choices)


def _object(name: str, meaning: str, fields: Iterable[Field], nullable: bool = False) -> Field:
    return Field(name, "object", meaning, nullable=nullable, fields=tuple(fields))


def _array(name: str, meaning: str, items: Field) -> Field:
    return Field(name, "array", meaning, nullable=False, items=items)


def _evidence(name: str, meaning: str) -> Field:
    def known(name: str, meaning: str, unit: str | None = None) -> Field:
        return _count(name, meaning, unit, nullable=True)
    return _object(name, meaning, [
        _real("speed", "goodput in bytes a second, or 1 / the median latency in seconds: larger is faster"),
        known("bytes", "payload bytes that arrived", "bytes"),
        known("elapsed_ns", "from before the first write() to after the last read()", "ns"),
        known("latency_ns", "median latency of a chunk, an exchange or (from its planned time) a message", "ns"),
        known("late_ns", "median of how late a message's write() began; null without a rate", "ns"),
        known("standstills", "times of at least 30 ms in which bytes were written and none was read"),
        known("standstill_ns", "sum of them", "ns"),
        known("standstill_median_ns", "their median; null where there was none", "ns"),
        known("between_bytes", "median of the bytes read between two standstills; null with fewer than two", "bytes"),
        known("longest_hold_ns", "longest time until TCP sent what was written; null without kernel timestamps", "ns"),
        known("longest_ack_ns", "longest time until an ACK; null without kernel timestamps", "ns"),
        known("stalls", "chunks, messages or exchanges whose delay sits on a kernel timer"),
        _text("stall_mechanism", "what most of them waited for; null where there was none",
              *(name for name, _ in schema.MECHANISMS), nullable=True),
        known("data_segments", "TCP segments with payload"),
        _real("bytes_per_segment", "payload bytes a segment", nullable=True),
        known("retransmits", "segments sent again"),
        known("acks_received", "segments that the sender received"),
        known("snd_mss_bytes", "MSS of the sender at the end", "bytes"),
        known("rcv_mss_bytes", "the receiver's estimate of it", "bytes"),
        known("window_bytes", "window that the receiver offered last", "bytes"),
        known("window_limited_ns", "time in which that window was the limit (tcpi_rwnd_limited)", "ns"),
        known("write_blocked_ns", "time asleep in write()", "ns"),
        known("cpu_ns", "CPU time of both ends", "ns"),
        known("sndbuf_bytes", "effective SO_SNDBUF of the sender", "bytes"),
        known("rcvbuf_bytes", "effective SO_RCVBUF of the receiver", "bytes"),
    ], nullable=True)


_TRIAL: Final = _object("trial", "one trial", [
    _flag("probe", "true: it only told how long the others should be, and is judged nowhere"),
    Field("status", "integer", "exit status of the trial", nullable=False, choices=STATUSES),
    _text("error", "what went wrong, a sentence; null when nothing did", nullable=True),
    _evidence("evidence", "what it showed; null where it failed"),
])

_MODES: Final = _array("modes", "no trial: none; one; or two more than threefold apart, the slow one first", _object(
    "mode", "one mode", [_real("speed", "median of its trials"), _count("trials", "its trials")]))

_MECHANISM: Final = _object("mechanism", "why the slow side is slow", [
    _text("name", "the mechanism", *MECHANISMS),
    _text("words", "the same as a person reads it"),
    _array("sentences", "what speaks for it", _text("sentence", "a fact with its number")),
    _evidence("slow", "the slow trial on which it rests; null where the search ended before"),
    _evidence("fast", "a trial of the fast side"),
])

_REMEDY: Final = _object("remedy", "one change of the setting on the slow side", [
    _text("name", "the remedy", *REMEDIES),
    _text("words", "the same as a person reads it"),
    _text("not_tried", "why it was not tried; null: it was", nullable=True),
    _count("value", "new value of its option; null where it was not tried", nullable=True),
    _real("before", "median speed without it (slow mode); null: no such trial finished", nullable=True),
    _real("after", "median speed with it (slow mode); null where there is none", nullable=True),
    _flag("removes", "the slow side is then less than threefold slower than the fast one"),
    _flag("helps", "the slow side is then at least three times as fast"),
    _MODES,
    _array("trials", "the trials with it, in turns with those without", _TRIAL),
])

DOCUMENT: Final = _object("document", "One search for cliffs: where goodput or latency jumps as one option changes.", [
    _text("schema", "format and version of this document", TAG),
    _of_result("version"), _of_result("build"), _of_result("command"), _of_result("started_at"), _of_result("status"),
    _of_result("error"), _of_result("interrupted"),
    _object("search", "what was searched", [
        _text("factor", "the option that changed", *FACTORS),
        _text("speed", "what is compared", "goodput", "latency"),
        _count("from", "smallest value"), _count("to", "largest value"),
        _count("trials", "trials at each value that were asked for; fewer where they take long"),
        _real("ratio", "two speeds further apart than this make a cliff, or two modes"),
        _flag("truncated", "true: it stopped at the most values that one search tries, or at the end of its budget"),
    ]),
    _of_result("workload"), _of_result("setting"),
    _text("congestion", "congestion control in effect at the sender; null where no trial finished", nullable=True),
    _array("points", "every value that was tried, ascending", _object("point", "one value", [
        _count("value", "value of the factor"), _MODES,
        _count("rounds", "rounds of trials: more than one beside a cliff, or when one trial stood alone"),
        _array("trials", "every trial at this value, in the order of time", _TRIAL)])),
    _array("cliffs", "neighbours with one mode each that differ by more than the ratio", _object("cliff", "one cliff", [
        _count("slow", "value of the slow side"), _count("fast", "value of the fast side"),
        _real("slow_speed", "median speed there"), _real("fast_speed", "median speed there"),
        _real("ratio", "fast by slow"), _flag("explained", "false: the search ended before"),
        _MECHANISM,
        _array("examined", "longer trials of the slow side with kernel timestamps", _TRIAL),
        _array("before", "trials of the slow side in turns with those of the remedies", _TRIAL),
        _array("remedies", "each remedy", _REMEDY)])),
    _array("bistable", "ranges of values with two modes each", _object("range", "one range", [
        _count("from", "first value"), _count("to", "last value"),
        _real("slow_speed", "median of the slow mode"), _count("slow_trials", "its trials"),
        _real("fast_speed", "median of the fast mode"), _count("fast_trials", "its trials"),
        _MECHANISM])),
    _of_result("machine"),
])


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document, made from DOCUMENT."""
    return schema.json_schema(DOCUMENT, f"tinygram search document {TAG}")


def problems(document: object) -> list[str]:
    """What is wrong with a document, one sentence a problem; an empty list when it is sound."""
    return schema.problems(document, DOCUMENT)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
