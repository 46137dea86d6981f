"""What a trial of an exchange, a stream or a transfer asked for, in words: read from its result document.

The items of a pattern are those of the program's --pattern: wN, mN, vN+N, c, u, pT, rN, q and kN(...).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.panels import size_text

_ITEM: Final = re.compile(r"([wmr])(\d+[KMG]?)|v([\dKMG+]+)|(c|u|q)|p(\d+(?:ns|us|ms|s))")
_SCALE: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

NOTHING: Final = "nothing set (Nagle)"


def _size(text: str) -> int:
    return int(text[:-1]) * _SCALE[text[-1]] if text[-1] in _SCALE else int(text)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One exchange: bytes of each write in order (the parts of a writev apart), what is set around them, the reply.

    marks: of the letters m, v, c, q and p, those that occur. options: how often a socket option is set in it.
    """

    writes: tuple[int, ...]
    replies: tuple[int, ...]
    marks: frozenset[str]
    outstanding: int
    options: int


def parse(text: str) -> Pattern:
    """The pattern that the program was given; parts that are not known are passed over."""
    several = re.match(r"\s*k(\d+)\(", text)
    writes: list[int] = []
    replies: list[int] = []
    marks = set()
    for kind, size, parts, mark, pause in _ITEM.findall(text):
        if kind == "r":
            replies.append(_size(size))
        elif kind:
            writes.append(_size(size))
            marks |= {kind} - {"w"}
        elif parts:
            writes += [_size(part) for part in parts.split("+") if part]
            marks.add("v")
        else:
            marks.add("p" if pause else mark)
    return Pattern(tuple(writes), tuple(replies), frozenset(marks - {"u"}), int(several[1]) if several else 1,
                   len(re.findall(r"[cuq]", text)))


def pattern_of(document: Mapping[str, Any]) -> Pattern | None:
    """The pattern of an exchange; None for other workloads."""
    text = document["workload"].get("pattern")
    return None if text is None else parse(text)


def _sizes(sizes: tuple[int, ...]) -> str:
    """100 + 400 B; ten writes of one size as 10 x 100 B."""
    if len(sizes) > 2 and len(set(sizes)) == 1:
        return f"{len(sizes)} x {size_text(sizes[0])}"
    return " + ".join([*(str(size) for size in sizes[:-1]), size_text(sizes[-1])]) if sizes else "nothing"


def request_text(document: Mapping[str, Any]) -> str:
    """What is sent, whatever calls it takes: `100 + 400 B, reply 1 B`, `messages of 200 B`, `writes of 64 KiB`."""
    workload, pattern = document["workload"], pattern_of(document)
    if pattern is not None:
        told = f"{_sizes(pattern.writes)}, reply {_sizes(pattern.replies)}"
        return told + (f", {pattern.outstanding} outstanding" if pattern.outstanding > 1 else "")
    if workload.get("message_size") is not None:
        return f"messages of {size_text(workload['message_size'])}"
    size = workload.get("write_size")
    return "writes of unknown size" if size is None else f"writes of {size_text(size)}"


def interval(document: Mapping[str, Any]) -> tuple[float, str]:
    """Mean seconds between the beginnings of two messages, and in words; 0 where one follows the other at once.

    Of exchanges alike, where they begin on a schedule.
    """
    workload = document["workload"]
    each, burst = workload.get("rate_per_s"), workload.get("burst")
    if not each:
        return 0.0, "one write after the other"
    gap = (burst or 1) / each
    every = f"{gap * 1e3:g} ms" if gap >= 1e-3 else f"{gap * 1e6:g} us"
    return 1 / each, f"{burst} at once every {every}" if burst else f"one every {every}"


def mss_text(document: Mapping[str, Any]) -> str:
    """The MSS that was asked for; "" where there is no TCP."""
    if document["setting"].get("family") == "unix":
        return ""
    asked = ((document["setting"].get("requested") or {}).get("sender") or {}).get("mss")
    return f"MSS {size_text(asked)}" if isinstance(asked, int) else "MSS not set"


def remedies(document: Mapping[str, Any], nodelay: bool = True) -> str:
    """What this setting does against small segments and stalls, in words: `NODELAY`, `one writev`, ...

    Read from the effective options, the pattern and the receiver's way to read; NOTHING where Nagle has its way.
    nodelay: False where NODELAY is told elsewhere, such as by a colour; nothing is "" then.
    """
    setting, pattern = document["setting"], pattern_of(document)
    sender = ((setting.get("effective") or {}).get("sender") or {}).get("end") or {}
    found = []
    if setting.get("family") == "unix":
        found.append("unix socket")
    if sender.get("nodelay") and nodelay:
        found.append("NODELAY")
    marks = pattern.marks if pattern is not None else frozenset()
    if "c" in marks or sender.get("cork") and pattern is None:
        found.append("CORK")
    if "m" in marks:
        found.append("MSG_MORE")
    if "v" in marks:
        found.append("one writev")
    if pattern is not None and len(pattern.writes) == 1 and not marks & {"m", "c"}:
        found.append("one write")
    if "q" in marks or setting.get("rearm_quickack"):
        found.append("QUICKACK")
    return " + ".join(found) or (NOTHING if nodelay else "")
