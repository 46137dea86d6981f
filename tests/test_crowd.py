"""The chart of short and long connections: what the lab's entry measured, every attempt of it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running import PROGRAM
from test_chart import table
from test_exchange_charts import compare_with_golden
from test_lab import DOCUMENT, ENTRY

from harness import crowd, lab


def entry(kinds: tuple[str, ...] = ("short", "long")) -> dict[str, Any]:
    """The entry as it could have been measured: three ways, 1 and 100 connections, three attempts."""
    evidence = []
    for kind in kinds:
        for at_once in (1, 100):
            for index, way in enumerate(("fork", "thread", "poll")):
                base = at_once * (200 - 80 * index if kind == "short" else 15 + index)
                for figure, unit, values in (("median", "us", [base, base + 1, base + 2]),
                                             ("99 %", "us", [2 * base, 3 * base, 2 * base]),
                                             ("rate", "/s", [10 ** 6 * at_once // base] * 3)):
                    evidence.append({"name": f"{way}, {at_once} {kind}: {figure}", "value": values[0], "unit": unit,
                                     "attempts": values})
    evidence.append({"name": "something else", "value": "x", "unit": None, "attempts": ["x"]})
    return {**ENTRY, "name": crowd.ENTRY, "topic": "Servers", "evidence": evidence}


def test_what_was_measured_is_read() -> None:
    found = crowd.cells(entry())
    assert [(one.kind, one.at_once, one.way) for one in found[:4]] == [
        ("short", 1, "fork"), ("short", 1, "poll"), ("short", 1, "thread"), ("short", 100, "fork")]
    assert len(found) == 12 and all(one.attempts == 3 for one in found)
    assert found[0].median("median") == pytest.approx(201e-6) and found[0].median("rate") == 5000
    assert found[0].median("99 %") == pytest.approx(400e-6)
    lacking = entry()
    for fact in lacking["evidence"]:
        fact["attempts"] = [None, None]
    assert crowd.cells(lacking)[0].median("rate") is None and crowd.table(crowd.cells(lacking)) is None


def test_golden(tmp_path: Path) -> None:
    """The same attempts make the same table and the same picture."""
    made = crowd.draw({**DOCUMENT, "entries": [entry()]}, crowd.cells(entry()), tmp_path)
    assert made is not None and "n = 3 attempts a cell" in made.caption and "kernel 6.1" in made.caption
    compare_with_golden(made, crowd.NAME)
    rows = table(made.tsv)
    assert sum(row["kind"] == "trial" for row in rows) == 2 * 2 * 3 * 3 * 3, "every attempt is drawn"


def test_without_long_ones_their_panels_are_left_out(tmp_path: Path) -> None:
    made = crowd.draw(DOCUMENT, crowd.cells(entry(("short",))), tmp_path)
    assert made is not None and {row["panel"] for row in table(made.tsv)} == {"1", "2", "3"}
    assert crowd.draw(DOCUMENT, (), tmp_path / "none") is None


def test_the_page_shows_it(tmp_path: Path) -> None:
    page = lab.write({**DOCUMENT, "entries": [entry()]}, tmp_path)
    text = (page.parent / "lab.md").read_text(encoding="utf-8")
    assert 'src="crowd.svg"' in page.read_text(encoding="utf-8") and (page.parent / "crowd.svg").exists()
    assert "| short | 1 | fork | 3 | 201 us | 400 us | 5,000 |" in text and "(crowd.png)" in text


def test_the_entry_is_tried_again_with_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def run(*arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        return {**DOCUMENT, "entries": [entry()]}
    monkeypatch.setattr(lab, "run", run)
    document = lab.measure_crowd(Path("tool"), {**DOCUMENT, "entries": [ENTRY, entry(("short",))]})
    assert [one["name"] for one in document["entries"]] == [ENTRY["name"], crowd.ENTRY]
    assert len(crowd.cells(document["entries"][1])) == 12 and asked == [(Path("tool"), True, [crowd.ENTRY])]
    assert lab.measure_crowd(Path("tool"), DOCUMENT) == DOCUMENT


def test_the_program_names_its_figures_so() -> None:
    """What the program calls its evidence is what is read here."""
    ended = subprocess.run([PROGRAM, "lab", crowd.ENTRY, "--json"], capture_output=True, text=True, timeout=120,
                           check=True)
    (tried,) = json.loads(ended.stdout)["entries"]
    if tried["verdict"] == "not tried":
        pytest.skip(tried["reason"])
    found = crowd.cells(tried)
    assert {(one.kind, one.at_once, one.way) for one in found} == {
        ("short", at_once, way) for at_once in (1, 10, 100) for way in ("fork", "thread", "poll")}
    assert all(set(one.figures) == set(crowd.FIGURES) for one in found)
    assert re.search("1000 connections", tried["skipped"])
