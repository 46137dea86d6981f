"""Advice: what it says follows from the trials, and turns round when the trials do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import re
import invented
import pytest
from scipy.stats import binomtest

from harness import advice, stats, summary
from harness.panels import Point
from harness.sentences import Answer

STALL = {"body": ["400", "4000"], "mss": ["auto", "1448"], "stamps": ["on"]}
BOTH = ["Nagle", "NODELAY"]
ALL = ["Nagle", "NODELAY", "CORK", "writev", "QUICKACK"]


def ask(factors: Mapping[str, Sequence[str]], change: invented.Change | None = None, **options: Any) -> Answer:
    """The answer of an invented run. change: what else its results are."""
    made = invented.experiment(factors, **{"blocks": 5, **options})
    trials = invented.trials(made, change)
    rows = summary.rows(trials)
    return advice.answer(made, [Point(row, trial) for row, trial in zip(rows, trials, strict=True)])


def everything(found: Answer) -> str:
    return "\n".join(found.headline + found.reasons + found.details)


def medians(found: Mapping[str, float]) -> invented.Change:
    """The latency of the median exchange in us, by variant; nothing stalls."""
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        noise = result["latency_ns"]["p50"] / invented.STALL_NS if result["stalls"]["count"] else \
            result["latency_ns"]["p50"] / invented.QUICK_NS
        result |= {"stalls": invented.stalls(0), "latency_ns": invented.flat(found[levels["variant"]] * 1e3 * noise)}
    return change


# ---------------------------------------------------------------------------------------------------------------------
# Should TCP_NODELAY be set?


def test_yes_where_nagle_stalls_and_why() -> None:
    found = ask(STALL, variants=BOTH)
    assert found.headline[0].startswith(
        "Yes, set TCP_NODELAY, or use another remedy, for requests of 100 + 400 B (reply 1 B, MSS not set), 100 + 400 "
        "B (reply 1 B, MSS 1448 B) and 100 + 4000 B (reply 1 B, MSS not set): it ends a stall in which Nagle's "
        "algorithm holds the later write until the earlier one is acknowledged, and the receiver delays that ACK. The "
        "median exchange takes 43")
    assert " ms with Nagle's algorithm and 2" in found.headline[0] and found.headline[0].endswith(" us with NODELAY.")
    assert found.headline[1].startswith("It does not matter for requests of 100 + 4000 B (reply 1 B, MSS 1448 B): no ")


def test_every_request_has_its_numbers() -> None:
    found = ask(STALL, variants=BOTH)
    assert len(found.details) == 4
    stalled = next(text for text in found.details if text.startswith("100 + 400 B, reply 1 B, MSS not set: "))
    assert "99 % of the exchanges of a trial stall with Nagle's algorithm" in stalled
    assert "with NODELAY none of them does" in stalled
    free = next(text for text in found.details if text.startswith("100 + 4000 B, reply 1 B, MSS 1448 B: "))
    assert free.endswith("(no clear difference), and nothing stalls.")


@pytest.mark.parametrize(("nagle", "nodelay", "said"), [
    (60, 25, "Yes, TCP_NODELAY shortens the exchange for requests of 100 + 400 B (reply 1 B, MSS not set) ("),
    (25, 60, "No, TCP_NODELAY lengthens the exchange for requests of 100 + 400 B (reply 1 B, MSS not set) ("),
    (25, 25, "It does not matter for requests of 100 + 400 B (reply 1 B, MSS not set): no clear difference between ")])
def test_the_answer_follows_the_latencies(nagle: float, nodelay: float, said: str) -> None:
    found = ask({"body": ["400"]}, medians({"Nagle": nagle, "NODELAY": nodelay}), variants=BOTH)
    assert found.headline[0].startswith(said) and len(found.headline) == 1


def test_few_trials_are_no_verdict() -> None:
    found = ask({"body": ["400"]}, medians({"Nagle": 60, "NODELAY": 25}), variants=BOTH, blocks=2)
    assert found.headline[0].startswith("For requests of 100 + 400 B (reply 1 B, MSS not set) there are too few trials")


def test_stalls_that_stay_are_no_yes() -> None:
    """Where NODELAY stalls as well, it is not said to end anything."""
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result |= {"stalls": invented.stalls(99), "latency_ns": invented.flat(44e6)}
    found = ask({"body": ["400"]}, change, variants=BOTH)
    assert found.headline[0].startswith("It does not matter")
    assert "; with NODELAY 99 % do." in found.details[0]


@pytest.mark.parametrize(("mechanism", "said"), [
    ("corked", "the cork holds the last segment"), ("reply_held", "the reply is held at the receiver"),
    ("send_buffer_full", "write() waits for room in the send buffer")])
def test_the_mechanism_is_the_one_that_was_counted(mechanism: str, said: str) -> None:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        if result["stalls"]["count"]:
            result["stalls"] = invented.stalls(99, mechanism)
    found = ask({"body": ["400"]}, change, variants=BOTH)
    assert said in found.headline[0] and "Nagle's algorithm holds" not in everything(found)


def test_two_modes_are_named() -> None:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        change.count += 1  # type: ignore[attr-defined]
        slow = levels["variant"] == "NODELAY" and change.count % 4 < 2  # type: ignore[attr-defined]
        result |= {"stalls": invented.stalls(0), "latency_ns": invented.flat(9e6 if slow else 25e3)}
    change.count = 0  # type: ignore[attr-defined]
    found = ask({"body": ["400"]}, change, variants=BOTH, blocks=8)
    assert "the trials fall into two modes" in found.headline[0]
    assert "25 us or 9 ms with NODELAY (two modes, so that they cannot be compared)" in found.details[0]


# ---------------------------------------------------------------------------------------------------------------------
# Remedies, split


def test_remedies_are_ranked_by_what_was_measured() -> None:
    found = ask({"body": ["400"]}, variants=ALL)
    (text,) = [text for text in found.reasons if text.startswith("100 + 400 B, reply 1 B, MSS not set: ")]
    assert "Nagle stalls; NODELAY, CORK, writev and QUICKACK do not." in text

    def slower(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        if levels["variant"] == "CORK":
            result["latency_ns"] = invented.flat(90e3)
        if levels["variant"] == "writev":
            result["latency_ns"] = invented.flat(9e3)
    (text,) = [text for text in ask({"body": ["400"]}, slower, variants=ALL).reasons if text.startswith("100 + 400 B")]
    assert "The fastest of these is writev (9 us, 1 segment, 4 calls, " in text
    assert "the slowest CORK (90 us, " in text

    def equal(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        if levels["variant"] != "Nagle":
            result["latency_ns"] = invented.flat(25e3)
    (text,) = [text for text in ask({"body": ["400"]}, equal, variants=ALL).reasons if text.startswith("100 + 400 B")]
    assert "Between these there is no clear difference in latency" in text and "fastest" not in text


def test_the_split_says_where_the_time_went() -> None:
    found = ask(STALL, variants=BOTH)
    assert any(text.startswith("The kernel's timestamps show where the time goes. 100 + 4") and ", Nagle: a write" in
               text and "nearly all of that (4" in text for text in found.reasons)
    quick = ask({"pattern": ["v100+400,r1"], "stamps": ["on"]})
    assert "The kernel's timestamps show no write that was held back." in quick.reasons


def test_missing_stamps_are_told() -> None:
    def none(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["split"] = None
    found = ask(STALL, none, variants=BOTH)
    assert "The kernel gave no timestamps in 40 of 40 trials: where their time went is not known." in found.reasons
    plain = ask({"body": ["400"]}, variants=BOTH)
    assert "No kernel timestamps were asked for, so the trials do not show where the time went." in plain.reasons


def test_a_short_trial_is_judged_by_its_first_exchanges() -> None:
    def short(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        slow = levels["variant"] == "Nagle"
        result |= {"latency_ns": {**invented.flat(0), **dict.fromkeys(
            ("min", "mean", "p50", "p90", "p99", "p999", "max", "curve"))}, "first_exchanges_ns": [30000, *(
                [44000000 if slow else 25000] * 9)]}
    found = ask({"body": ["400"]}, short, variants=BOTH)
    assert "The median exchange takes 44 ms with Nagle's algorithm and 25 us with NODELAY." in found.headline[0]


# ---------------------------------------------------------------------------------------------------------------------
# Pipelines, holds, queues, the observer

PIPELINE = {"outstanding": ["1", "32"], "nodelay": ["off", "on"]}
PATTERN = {"pattern": "k{outstanding}(w100,r100)", "count": "100"}


@pytest.mark.parametrize(("factor", "said"), [
    (0.5, "NODELAY lowers the exchanges a second with 32 outstanding (0.5 times"),
    (2.0, "NODELAY raises the exchanges a second with 32 outstanding (2.0 times"),
    (1.0, "NODELAY makes no clear difference to the exchanges a second with 1 and 32 outstanding")])
def test_a_pipeline_is_told_by_its_rate(factor: float, said: str) -> None:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["elapsed_ns"] = 2500000
        if levels["outstanding"] == "32" and levels["nodelay"] == "on":
            result["elapsed_ns"] = round(2500000 / factor)
    assert any(text.startswith(said) for text in ask(PIPELINE, change, fixed=PATTERN).headline)


def test_a_pipeline_saves_segments_and_its_last_replies_stall() -> None:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        if levels["outstanding"] == "32":
            result["segments_per_message"] = 1.0 if levels["nodelay"] == "on" else 0.5
            result["stalls"] = invented.stalls(2, "reply_held")
    found = ask(PIPELINE, change, fixed=PATTERN)
    assert ("Nagle's algorithm saves segments: with 32 outstanding an exchange takes 0.5 of them, with NODELAY 1."
            in found.headline)
    (late,) = found.reasons
    assert re.match(r"Exchanges stalled in (\d+) of \d+ trials: \d+ times the request arrives in time, and the "
                    r"reply is held at the receiver \(in \1 trials, always with .*32.*\)\.$", late), late


HOLD = {"size": ["100", "4096"], "rate": ["1000"], "mss": ["1448"], "nodelay": ["off", "on"], "stamps": ["on"]}
STREAM = {"stream": "{size}@{rate}", "count": "100"}


def test_the_longest_hold_is_named() -> None:
    found = ask(HOLD, workload="stream", fixed=STREAM)
    assert found.headline[0].startswith("The median message is held back in 1 of 4 cells, longest (")
    assert "messages of 100 B, one every 1 ms, MSS 1448 B, nothing set (Nagle)" in found.headline[0]

    def free(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["split"] = invented.split(invented.flat(0.0))
    assert ask(HOLD, free, workload="stream", fixed=STREAM).headline[0].startswith("None is held: in all 4 cells")

    def lost(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["split"] = None
    assert ask(HOLD, lost, workload="stream", fixed=STREAM).headline[0].startswith("The kernel gave no timestamps")


QUEUE = {"rate": ["5000", "12000"], "sndbuf": ["16K", "auto"], "notsent-lowat": ["auto", "16K"]}
MESSAGES = {"stream": "1000@{rate}", "count": "100"}


def test_the_longer_queue_is_that_of_the_larger_buffer_if_it_was_so() -> None:
    found = ask(QUEUE, workload="stream", fixed=MESSAGES)
    assert re.match(r"At 12000 messages a second, one in a hundred is read later than this after its "
                    r"write\(\): [\d.]+ ms with SO_SNDBUF auto and NOTSENT_LOWAT 16K, ", found.headline[0])
    assert "(clearly more)" in found.headline[0] and found.headline[0].endswith("(clearly less).")
    assert found.headline[1].startswith("At 12000 a second most trials did not keep their schedule")

    def equal(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        result["latency_ns"] = invented.flat(1e6)
        result["schedule"]["kept"] = True
    found = ask(QUEUE, equal, workload="stream", fixed=MESSAGES)
    assert "(clearly more)" not in found.headline[0] and found.headline[0].count("(no clear difference)") == 3
    assert len(found.headline) == 1


OBSERVER = {"stamps": ["off", "on"], "pattern": ["w100,w400,r1"], "nodelay": ["on"]}


def observed(factor: float, wobble: bool = False) -> str:
    def change(levels: Mapping[str, str], result: dict[str, Any]) -> None:
        change.count += 1  # type: ignore[attr-defined]
        up = 1 if not wobble or change.count % 4 < 2 else -1  # type: ignore[attr-defined]
        result["latency_ns"] = invented.flat(25e3 * (factor ** up if levels["stamps"] == "on" else 1))
    change.count = 0  # type: ignore[attr-defined]
    return ask(OBSERVER, change, blocks=12).headline[0]


def test_the_observers_effect_is_told_with_its_sign() -> None:
    start = "100 + 400 B, reply 1 B, MSS not set, NODELAY: kernel timestamps "
    what = "the latency of the median exchange"
    assert observed(1.3).startswith(f"{start}raise {what} by 30 % (1.30 to 1.30 times, 12 pairs)")
    assert observed(0.8).startswith(f"{start}lower {what} by 20 % (0.80 to 0.80 times, 12 pairs)")
    assert observed(1.0).startswith(f"{start}make no clear difference to the latency")
    assert observed(1.02, wobble=True).startswith(f"{start}make no clear difference to the latency")


@pytest.mark.parametrize("pairs", [1, 5, 12, 13])
def test_sign_chance(pairs: int) -> None:
    for ups in range(pairs + 1):
        assert stats.sign_chance(ups, pairs) == pytest.approx(binomtest(ups, pairs).pvalue)


def test_a_transfer_is_answered_as_before() -> None:
    import synthetic

    from harness import answer
    made = synthetic.experiment({"write-size": ["100", "64K"], "nodelay": ["on", "off"]}, {}, blocks=5)
    trials = synthetic.trials(made)
    points = [Point(row, trial) for row, trial in zip(summary.rows(trials), trials, strict=True)]
    assert advice.answer(made, points) == answer.answer(made, points)


def test_no_trial_no_answer() -> None:
    made = invented.experiment(STALL, variants=BOTH)
    assert advice.answer(made, []).headline == ("No trial finished, so there is no answer.",)
