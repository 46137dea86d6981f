"""JUnit XML: which verdict becomes which outcome, where the figures stand, and names that consumers can tell apart."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import consumers
import jobs
import pytest

from harness import feeds, junit, markdown
from harness.verdict import Job, Status, Verdict


def read(made: Job) -> ET.Element:
    return ET.fromstring(junit.text(made))


def outcome(made: Job, suite: str, place: int = 0) -> tuple[str, str]:
    """The outcome of a test case: its element's name (or passed) and its message."""
    case = next(each for each in read(made) if each.get("name") == suite).findall("testcase")[place]
    assert len(case) <= 1
    return (case[0].tag, case[0].get("message", "")) if len(case) else ("passed", "")


@pytest.mark.parametrize(("suite", "tag", "message"), [
    ("exchange-small", "failure", "REGRESSION: +5.2 % time per exchange, 99 % interval +4.9 % to +5.5 %, K = 12, "),
    ("exchange-large", "passed", ""), ("transfer-64k", "passed", ""),
    ("transfer-1k", "skipped", "INCONCLUSIVE: +3.1 % time per byte, "),
    ("request-reply", "skipped", "INCONCLUSIVE: no ratio, K = 0 and 3 without a value; 3 invocations failed: the rec"),
    ("canary exchange-large", "passed", ""), ("canary transfer-64k", "skipped", "transfer-64k: no answer (K = 0)"),
    ("exact counters", "error", "The result has no count of reads."), ("job", "passed", ""),
])
def test_an_outcome_of_each_verdict(suite: str, tag: str, message: str) -> None:
    found = outcome(jobs.EVERY, suite)
    assert found[0] == tag and found[1].startswith(message)


def test_counters_stand_with_their_measurement() -> None:
    assert [outcome(jobs.EVERY, "exchange-small", place)[0] for place in (1, 2)] == ["failure", "passed"]
    assert outcome(jobs.EVERY, "transfer-1k", 1) == (
        "failure", "Declared exact, but it differs between equal invocations.")


def test_what_is_missing_is_an_error() -> None:
    assert outcome(jobs.EVERY, "job", 1)[0] == "error"
    assert "measurement `idle` is declared" in outcome(jobs.EVERY, "job", 1)[1]
    assert outcome(jobs.PASSED, "job", 1) == ("passed", "")


def test_an_unfit_machine_judges_nothing() -> None:
    """Neither a pass nor a failure is reported for a time that the machine could not measure; counters are exact."""
    assert outcome(jobs.UNFIT, "job")[0] == "error"
    assert outcome(jobs.UNFIT, "canary exchange-large")[0] == "error"
    for name in ("exchange-small", "exchange-large", "transfer-64k"):
        tag, message = outcome(jobs.UNFIT, name)
        assert tag == "skipped" and message.startswith("not judged, because the machine is unfit; its figures would")
    counted = replace(jobs.UNFIT, counted=jobs.EVERY.counted[:1], status=Status.COUNTER)
    assert outcome(counted, "exchange-small", 1)[0] == "failure"


def test_a_weak_measurement_does_not_silence_the_others() -> None:
    """A sentence that opens with the name of a measurement without a verdict is about that one: what was found, is."""
    weak = "transfer-1k: 48 invocations find a slowdown of 9.0 % or more, and 5 % must be found."
    made = replace(jobs.EVERY, unfit=(weak,), status=Status.REGRESSION)
    assert outcome(made, "exchange-small")[0] == "failure"
    assert outcome(made, "exchange-large")[0] == "passed"
    assert outcome(made, "job") == ("error", weak)
    assert any(each.title == "REGRESSION exchange-small"
               for each in consumers.annotations(markdown.annotation_lines(made)))
    assert feeds.action_benchmark(made) == feeds.action_benchmark(jobs.EVERY)


def test_counts_are_those_of_the_cases() -> None:
    for made in jobs.JOBS.values():
        for suite in read(made):
            cases = suite.findall("testcase")
            assert int(suite.get("tests", "")) == len(cases)
            for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(suite.get(attribute, "")) == sum(case.find(tag) is not None for case in cases)


def test_the_figures_are_properties() -> None:
    (suite,) = (each for each in read(jobs.EVERY) if each.get("id") == "0")
    found = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert (found["verdict"], found["K"], found["threshold_effect"], found["threshold_tolerance"]) == (
        "REGRESSION", "12", "0.02", "0.05")
    assert {"ratio", "low", "high", "detectable", "p_slower", "p_faster"} <= set(found)
    assert float(found["ratio"] or "") == jobs.EVERY.judged[0].ratio
    (unknown,) = (each for each in read(jobs.EVERY) if each.get("name") == "half-known")
    names = {each.get("name") for each in unknown.iter("property")}
    assert "ratio" in names and not names & {"low", "high", "detectable", "p_slower"}


def test_no_two_cases_have_one_name() -> None:
    names = [(case.get("classname"), case.get("name")) for case in read(jobs.EVERY).iter("testcase")]
    assert len(set(names)) == len(names)
    assert ("tinygram.gate.measurement", "exchange-large (2)") in names


def test_what_cannot_be_seen_is_written_out() -> None:
    """A name that came with control characters can be found again, and none of them is in the file."""
    names = [str(suite.get("name")) for suite in read(jobs.EVERY)]
    assert any(r"\x1b[31m\x00 \u202e@team" in name and "\ufffd ]]> é 漢" in name for name in names)


@pytest.mark.parametrize(("started_at", "timestamp"), [
    ("2026-11-22T20:00:00Z", "2026-11-22T20:00:00"), ("2026-11-22T20:00:00.123+01:00", "2026-11-22T19:00:00"),
    ("2026-11-22T20:00:00", "2026-11-22T20:00:00"), ("yesterday", None), ("0001-01-01T00:00:00+14:00", None)])
def test_the_time_has_no_zone(started_at: str, timestamp: str | None) -> None:
    assert read(replace(jobs.PASSED, started_at=started_at))[0].get("timestamp") == timestamp


def test_every_verdict_has_an_outcome() -> None:
    tags = {verdict: outcome(replace(jobs.PASSED, judged=(jobs.judged("m", 1.0, verdict),)), "m")[0]
            for verdict in Verdict}
    assert tags == {Verdict.REGRESSION: "failure", Verdict.PASS: "passed", Verdict.IMPROVEMENT: "passed",
                    Verdict.INCONCLUSIVE: "skipped"}
