"""Words and numbers of a job: unknown is empty, never 0, and nothing that cannot be seen gets through."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace

import jobs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import wording
from harness.verdict import Build, Verdict


@given(st.text(st.characters()))
def test_what_is_visible_can_be_seen(text: str) -> None:
    shown = wording.visible(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert shown == shown.strip() and "  " not in shown.replace("\u00a0", "")
    assert wording.visible(shown) == shown


@given(st.lists(st.sampled_from(["a", "a (2)", "b", ""])))
def test_names_become_unlike(names: list[str]) -> None:
    found = wording.unlike(names)
    assert len(set(found)) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, found))


@pytest.mark.parametrize(("ratio", "text"), [
    (1.0, "+0.0 %"), (1.0123, "+1.2 %"), (0.98, "-2.0 %"), (0.9999, "+0.0 %"), (44.0, "+4300.0 %"), (0.0, "-100.0 %"),
    (None, ""), (math.nan, ""), (math.inf, ""), (1e308, "")])
def test_change(ratio: float | None, text: str) -> None:
    assert wording.change(ratio) == text


@pytest.mark.parametrize(("low", "high", "text"), [
    (0.99, 1.02, "-1.0 % to +2.0 %"), (None, 1.02, "? to +2.0 %"), (0.99, math.nan, "-1.0 % to ?"), (None, None, "")])
def test_interval(low: float | None, high: float | None, text: str) -> None:
    assert wording.interval(replace(jobs.PASSED.judged[0], low=low, high=high)) == text


@pytest.mark.parametrize(("ns", "text"), [
    (0.25, "0.25 ns"), (999.0, "999 ns"), (43000.0, "43 us"), (4.4e7, "44 ms"), (2e9, "2 s"), (None, ""),
    (math.nan, ""), (0.0, "0 ns")])
def test_duration(ns: float | None, text: str) -> None:
    assert wording.duration(ns) == text


@pytest.mark.parametrize(("build", "line"), [
    (jobs.BASE, "base v0.1.0 (3f2a91c00000), version 0.1.0, gcc 12.2.0, -O2 -g"),
    (jobs.NEW, "new HEAD (9bd8e1000000, with changes), gcc 12.2.0, -O2 -g"),
    (replace(jobs.NEW, ref=None, dirty=False), "new the working tree (9bd8e1000000), gcc 12.2.0, -O2 -g"),
    (replace(jobs.NEW, ref=jobs.NEW.commit), "new 9bd8e1000000 (with changes), gcc 12.2.0, -O2 -g"),
    (Build("base", None, None, None, "/usr/bin/x", None, None, None), "base /usr/bin/x")])
def test_build_line(build: Build, line: str) -> None:
    assert wording.build_line(build) == line


def test_what_can_be_detected_is_said_in_one_sentence() -> None:
    assert wording.detectable_line(jobs.PASSED) == (
        "This machine can detect a slowdown of 1.2 % (exchange-small) to 3.2 % (transfer-64k).")
    one = replace(jobs.PASSED, judged=jobs.PASSED.judged[:1])
    assert wording.detectable_line(one) == "This machine can detect a slowdown of 1.2 %."
    none = replace(jobs.PASSED, judged=(replace(jobs.PASSED.judged[0], detectable=math.inf),))
    assert wording.detectable_line(none).startswith("What this machine can detect is unknown")


def test_a_canary_that_fired_is_not_quiet() -> None:
    assert "quiet" in wording.canary_line(jobs.CANARY)
    for verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT):
        assert "FIRED" in wording.canary_line(replace(jobs.CANARY, verdict=verdict))


def test_which_sentences_silence_a_job() -> None:
    weak = "transfer-1k: too little can be found."
    assert wording.disbelieved(replace(jobs.EVERY, unfit=(weak, "the clock was set."))) == ("the clock was set.",)
    assert wording.disbelieved(replace(jobs.EVERY, unfit=("exchange-small: a verdict.",))) != ()
    assert wording.disbelieved(jobs.PASSED) == ()


@pytest.mark.parametrize(("text", "most", "short"), [
    ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字漢", 5, "漢字…"), ("", 1, "")])
def test_shortened(text: str, most: int, short: str) -> None:
    assert wording.shortened(text, most) == short and wording.width(short) <= most
