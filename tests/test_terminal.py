"""The table for a person: what stands in it, in which order, and that it stays readable."""

from __future__ import annotations

from dataclasses import replace

import jobs

from harness import terminal, wording
from harness.verdict import Status


def test_one_line_a_measurement() -> None:
    header, *rows = terminal.text(jobs.PASSED).split("\n\n")[0].splitlines()
    assert header.split() == ["measurement", "change", "interval", "verdict", "K", "detectable", "why"]
    assert [row.split()[0] for row in rows] == [item.name for item in jobs.PASSED.judged]
    assert rows[0] == "exchange-small  +0.1 %  -0.2 % to +0.4 %  PASS     12       1.2 %"


def test_columns_stand_below_their_heads() -> None:
    lines = terminal.text(jobs.EVERY).splitlines()
    start = lines[0].index("verdict")
    found = [line[start:].split()[0] for line in lines[1:lines.index("")] if not line.startswith(" ")]
    assert found == [item.verdict.value for item in jobs.EVERY.judged]


def test_the_order_is_the_same_every_time() -> None:
    text = terminal.text(jobs.EVERY)
    places = [text.index(words) for words in (
        "measurement  ", "\nexact counters: 1 of 5", "\nmissing\n", "\ncanary (base", "\nbase v0.1.0", "\nnew HEAD",
        "\nmachine: Invented", "\nThis machine can detect", "\njob 2026", "\nnotes\n", "\nMISSING: 1 measurement")]
    assert places == sorted(places)
    assert text.endswith("\nMISSING: 1 measurement is missing, 3 counters changed, 1 measurement got slower.\n")


def test_why_stands_below_its_row_where_it_does_not_fit() -> None:
    lines = terminal.text(jobs.EVERY).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("request-reply"))
    assert lines[at + 1] == "    3 invocations failed: the receiver died of signal 9; run it alone"
    assert all(wording.width(line) <= terminal.WRAP for line in lines)


def test_an_unfit_machine_says_why() -> None:
    text = terminal.text(jobs.UNFIT)
    assert "\nmachine unfit\n  the canary fired: base against itself differs by 4.0 %;" in text
    assert "FIRED" in text and text.endswith("UNFIT: This machine cannot judge now: the canary fired.\n")
    assert "machine: unknown, unknown CPUs, kernel unknown" in text


def test_a_job_with_nothing_in_it() -> None:
    empty = replace(jobs.PASSED, judged=(), canaries=(), counted=(), machine={}, status=Status.USAGE, sentence="No.")
    text = terminal.text(empty)
    assert text.startswith("No measurement was judged.\n") and "canary: none was run" in text
    assert text.endswith("\nUSAGE: No.\n")
