"""What reads the outputs of a job elsewhere, written down again from the consumers' own rules, to check each file.

Every reader raises AssertionError or ValueError where its consumer would refuse the text or misunderstand it.
"""

from __future__ import annotations

import html
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat


def strict_json(text: str) -> Any:
    """RFC 8259: no NaN, no infinity, no name twice, no half of a surrogate pair."""
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a name stands twice in one object"
        return dict(pairs)
    read = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    json.dumps(read, ensure_ascii=False).encode("utf-8")
    return read


def well_formed_xml(text: str) -> None:
    """Reads XML with expat, which checks every character; no document type and no entity of its own."""
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise AssertionError("a document type declaration")
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(text.encode("utf-8"), True)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the runner makes of one line."""

    kind: str
    title: str
    message: str


def annotations(text: str) -> list[Annotation]:
    """actions/runner, ActionCommand.TryParseV2: the properties end at the second `::`, and `,` and `=` divide them."""
    found = []
    for line in text.split("\n")[:-1]:
        assert line.startswith("::") and "\r" not in line
        info, separator, data = line[2:].partition("::")
        assert separator
        kind, _, properties = info.partition(" ")
        pairs = [pair.split("=", 1) for pair in properties.strip().split(",") if pair]
        (key, title), = pairs
        assert key == "title" and kind in ("error", "warning", "notice")
        found.append(Annotation(kind, _unescape(title, {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}),
                                _unescape(data, {"%0D": "\r", "%0A": "\n", "%25": "%"})))
    return found


def _unescape(text: str, mapping: Mapping[str, str]) -> str:
    for token, char in mapping.items():  # in the order of the runner, % last
        text = text.replace(token, char)
    return text


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a Markdown page (GFM, "Tables (extension)"): a line a row, cells divided by unescaped pipes.

    Every row must have as many cells as the header; cells come back as the text that a reader sees.
    """
    found: list[list[list[str]]] = []
    inside = False
    for line in page.split("\n"):
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in _cells(line)][1:-1]
        if not inside:
            found.append([])
            inside = True
        assert not found[-1] or len(cells) == len(found[-1][0]), line
        found[-1].append([seen(cell) for cell in cells])
    for table in found:
        assert all(re.fullmatch(r":?-+:?", cell) for cell in table[1])
        del table[1]
    return found


def _cells(line: str) -> list[str]:
    """cmark-gfm: a backslash and the punctuation after it belong together, every other pipe divides."""
    cells, cell, at = [], "", 0
    while at < len(line):
        if line[at] == "\\" and re.match(r"[!-/:-@\[-`{-~]", line[at + 1:at + 2]):
            cell, at = cell + line[at:at + 2], at + 2
        elif line[at] == "|":
            cells, cell, at = [*cells, cell], "", at + 1
        else:
            cell, at = cell + line[at], at + 1
    return [*cells, cell]


def seen(markdown: str) -> str:
    """Words as they are shown: no markup may be left in them."""
    plain = re.sub(r"<!-- -->", "", markdown)
    assert not re.search(r"[<>]", plain), "HTML in words"
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]~$]", re.sub(r"\\\\", "", plain)), f"markup in words: {plain}"
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain))


@dataclass(frozen=True, slots=True)
class GoResult:
    """One line of Go benchmark text."""

    name: str
    procs: str
    iterations: int
    values: Mapping[str, float]


def go_benchmarks(text: str) -> tuple[dict[str, str], list[GoResult]]:
    """golang.org/x/perf/benchfmt, Reader: configuration and results. What is neither must be a comment.

    As strict as extractGoResult of github-action-benchmark, too, which takes no exponents.
    """
    head, results = {}, []
    for line in text.split("\n")[:-1]:
        if line.startswith("Benchmark"):
            name, iterations, *rest = line.split()
            assert len(rest) % 2 == 0 and rest
            values = {unit: float(value) for value, unit in zip(rest[::2], rest[1::2])}
            assert all(math.isfinite(value) for value in values.values())
            action = re.fullmatch(r"(Benchmark\w+)(-\d+)?\s+(\d+)\s+([0-9.]+)\s+(.+)", line, re.ASCII)
            assert action, line
            assert name[len("Benchmark")].isupper()
            results.append(GoResult(action[1], (action[2] or "")[1:], int(iterations), values))
        elif not line.startswith("#"):
            key, colon, value = line.partition(": ")
            assert colon and key == key.lower() and not re.search(r"\s", key) and value.strip()
            head[key] = value
    return head, results


def plain_lines(text: str) -> None:
    """Text for a terminal: nothing that steers it, hides or turns the direction; it ends with one line feed."""
    assert text.endswith("\n") and not text.endswith("\n\n")
    hidden = [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
              or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
    assert hidden == []


BMF_SCHEMA: Mapping[str, Any] = {  # bencher.dev/bmf.json, closed
    "type": "object", "additionalProperties": {
        "type": "object", "minProperties": 1, "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": False, "properties": {
                "value": {"type": "number"}, "lower_value": {"type": "number"}, "upper_value": {"type": "number"}}}}}
ACTION_SCHEMA: Mapping[str, Any] = {  # BenchmarkResult in src/extract.ts of github-action-benchmark, closed
    "type": "array", "items": {
        "type": "object", "required": ["name", "unit", "value"], "additionalProperties": False, "properties": {
            "name": {"type": "string", "minLength": 1}, "unit": {"type": "string", "minLength": 1},
            "value": {"type": "number"}, "range": {"type": "string"}, "extra": {"type": "string"}}}}
