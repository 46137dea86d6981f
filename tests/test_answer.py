"""Answers: what they say follows from the trials, and turns round when the trials do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import synthetic

from harness import answer, summary
from harness.panels import Point
from harness.sentences import Answer
from harness.store import Trial

BUFFERS = {"sndbuf": ["2304", "16K", "128K", "1M", "auto"], "nodelay": ["on", "off"], "write-size": ["100", "64K"]}
SIZES = {"write-size": ["100", "1448", "16K", "64K"], "nodelay": ["on", "off"]}
FLAT = 1e9

Levels = Mapping[str, str]
Change = Callable[[Levels, dict[str, Any]], None]


def ask(factors: Mapping[str, Sequence[str]], model: Callable[[Levels], float] = lambda levels: FLAT,
        change: Change | None = None, blocks: int = 5, noise: float = 0.03) -> Answer:
    """The answer of an invented run. model: goodput by levels; change: what else its results are.

    The goodput of the trials of a cell lies within `noise` per cent, in an order that depends on nothing.
    """
    made = synthetic.experiment(factors, {}, blocks=blocks)
    rng = random.Random(7)
    trials = synthetic.trials(made)
    for trial in trials:
        result = trial.document["result"]
        result["goodput_bytes_per_s"] = model(trial.levels) * (1 + rng.uniform(-noise, noise) / 100)
        if change is not None:
            change(trial.levels, result)
    return answer.answer(made, points(trials))


def points(trials: Sequence[Trial]) -> list[Point]:
    return [Point(row, trial) for row, trial in zip(summary.rows(trials), trials, strict=True) if row.status == 0]


def everything(found: Answer) -> str:
    return "\n".join(found.headline + found.reasons + found.details)


def effective(levels: Levels) -> float:
    return 4194304 if levels["sndbuf"] == "auto" else max(4608, 2 * synthetic.size(levels["sndbuf"]))


def on(levels: Levels) -> bool:
    return levels["nodelay"] == "on"


# ---------------------------------------------------------------------------------------------------------------------
# SO_SNDBUF


def test_a_small_buffer_slows() -> None:
    """Only writes of 64 KiB suffer: a thousandth at the floor, a tenth at 32 KiB."""
    def model(levels: Levels) -> float:
        small = {4608: 0.001, 32768: 0.1}.get(int(effective(levels)), 1.0)
        return FLAT * (small if levels["write-size"] == "64K" else 1)
    found = ask(BUFFERS, model)
    assert found.headline[0].startswith(
        "A send buffer that is too small slows the sender: with writes of 64 KiB and NODELAY off goodput rises from 1 "
        "MB/s at an effective SO_SNDBUF of 4.5 KiB to 1 GB/s at ")
    assert "and from 256 KiB on it stays within 20 % of that best." in found.headline[0]
    assert "With writes of 100 B SO_SNDBUF makes no clear difference to goodput." in found.headline[0]


def test_the_buffer_makes_no_difference() -> None:
    found = ask(BUFFERS)
    assert found.headline[0] == "With writes of 100 B and 64 KiB SO_SNDBUF makes no clear difference to goodput."
    assert "slows" not in everything(found)


def test_a_small_buffer_that_is_fastest_slows_nothing() -> None:
    found = ask(BUFFERS, lambda levels: FLAT / effective(levels))
    assert "slows" not in everything(found)


@pytest.mark.parametrize(("auto", "said"), [
    (1.0, "Left to the kernel (auto), goodput is as high as with the best size tried (1.0 times)."),
    (0.5, "Left to the kernel (auto), goodput is 0.5 to 1.0 times what the best size tried gives, lowest with writes "
          "of 64 KiB."),
])
def test_what_the_kernel_chooses(auto: float, said: str) -> None:
    def model(levels: Levels) -> float:
        return FLAT * (auto if levels["sndbuf"] == "auto" and levels["write-size"] == "64K" else 1)
    assert said in ask(BUFFERS, model).headline
    assert "auto" not in everything(ask({**BUFFERS, "sndbuf": ["4K", "16K"]}, model))


@pytest.mark.parametrize(("blocked", "said"), [
    (lambda levels: 0.9 if effective(levels) == 4608 else 0.1, True),
    (lambda levels: 0.5, False),
])
def test_the_time_asleep_is_told_where_it_explains(blocked: Callable[[Levels], float], said: bool) -> None:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        result["write_blocked_ns"] = int(blocked(levels) * result["elapsed_ns"])
    found = ask(BUFFERS, lambda levels: FLAT * effective(levels), change)
    assert ("The time inside write() shows it: the sender is asleep there for 90 % of the transfer at 4.5 KiB, and for "
            "10 % at " in everything(found)) == said


# ---------------------------------------------------------------------------------------------------------------------
# NODELAY


@pytest.mark.parametrize(("ratio", "said"), [
    (0.25, "NODELAY on (Nagle off) lowers goodput with writes of 100 B to 64 KiB (0.25 times that with NODELAY off)."),
    (4.0, "NODELAY on (Nagle off) raises goodput with writes of 100 B to 64 KiB (4.0 times that with NODELAY off)."),
    (1.0, "NODELAY on (Nagle off) makes no clear difference to goodput with writes of 100 B to 64 KiB (1.0 times that "
          "with NODELAY off)."),
    (1.05, "NODELAY on (Nagle off) makes no clear difference to goodput with writes of 100 B to 64 KiB (1.0 times that "
           "with NODELAY off)."),
])
@pytest.mark.parametrize("factors", [BUFFERS, SIZES], ids=["buffers", "sizes"])
def test_nodelay_by_what_it_does(ratio: float, said: str, factors: Mapping[str, Sequence[str]]) -> None:
    assert said in ask(factors, lambda levels: FLAT * (ratio if on(levels) else 1)).headline


def test_nodelay_is_told_by_write_size() -> None:
    def model(levels: Levels) -> float:
        ratios = {"100": 0.25, "1448": 0.5, "16K": 1.0, "64K": 3.0}
        return FLAT * synthetic.size(levels["write-size"]) * (ratios[levels["write-size"]] if on(levels) else 1)
    assert ("NODELAY on (Nagle off) lowers goodput with writes of 100 B to 1448 B (0.25 to 0.5 times what it is with "
            "NODELAY off); it raises goodput with writes of 64 KiB (3.0 times); it makes no clear difference to "
            "goodput with writes of 16 KiB (1.0 times).") in ask(SIZES, model).headline


def test_nodelay_may_do_both() -> None:
    """Below one MSS of buffer Nagle's algorithm stalls, above it NODELAY costs."""
    def model(levels: Levels) -> float:
        return FLAT * ((200 if effective(levels) == 4608 else 0.25) if on(levels) else 1)
    found = ask({**BUFFERS, "sndbuf": ["2304", "16K"]}, model)
    assert ("NODELAY on (Nagle off) does both to goodput, depending on SO_SNDBUF, with writes of 100 B (0.25 times at "
            "SO_SNDBUF 32 KiB, 200 times at SO_SNDBUF 4.5 KiB)") in everything(found)


def test_too_few_trials_tell_nothing() -> None:
    found = ask(SIZES, lambda levels: FLAT * (0.1 if on(levels) else 1), blocks=3)
    assert "NODELAY on (Nagle off) was tried too few times to tell about goodput" in everything(found)


@pytest.mark.parametrize(("carried", "said"), [
    ((100.0, 1200.0), "The segments show it: with writes of 100 B a segment carries 100 B with NODELAY on and 1200 B "
                      "with it off, so the same bytes take 12 times as many segments."),
    ((20480.0, 1024.0), "with writes of 100 B a segment carries 20 KiB with NODELAY on and 1024 B with it off, so the "
                        "same bytes take 0.05 times as many segments."),
    ((1000.0, 1000.0), ""),
])
def test_segments_are_told_where_they_differ(carried: tuple[float, float], said: str) -> None:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        result["bytes_per_segment"] = carried[1 - on(levels)] if levels["write-size"] == "100" else 60000.0
    found = "\n".join(ask(BUFFERS, lambda levels: FLAT * (0.25 if on(levels) else 1), change).reasons)
    assert said in found if said else "segment" not in found


def test_segments_that_explain_nothing_are_told_so() -> None:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        result["bytes_per_segment"] = 100.0 if on(levels) else 1000.0
    assert "The segments differ, though: " in everything(ask(SIZES, change=change))


# ---------------------------------------------------------------------------------------------------------------------
# Latency


def late(nanoseconds: Callable[[Levels], float], in_flight: float = 0.9) -> Change:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        result["latency_ns"] |= {"p50": nanoseconds(levels), "p99": 2 * nanoseconds(levels)}
        result["in_flight_ns"]["p50"] = in_flight * nanoseconds(levels)
    return change


def test_a_large_buffer_costs_latency() -> None:
    found = ask(BUFFERS, change=late(lambda levels: 10000 + effective(levels) / 10))
    assert found.headline[-1].startswith(
        "A large buffer has its price in latency: with writes of 100 B and NODELAY off the median chunk takes "
        "10.5 us at 4.5 KiB and 220 us at 2 MiB (21 times), 198 us of it in flight")
    found = ask(BUFFERS, change=late(lambda levels: 10000 + effective(levels) / 10, in_flight=0.1))
    assert "in flight" not in found.headline[-1]


def test_a_large_buffer_may_cost_no_latency() -> None:
    assert ask(BUFFERS, change=late(lambda levels: 1e12 / effective(levels))).headline[-1].startswith(
        "A larger buffer does not cost latency here: ")
    assert ask(BUFFERS, change=late(lambda levels: 20000)).headline[-1] == (
        "The latency of the median chunk shows no clear change between the smallest and the largest SO_SNDBUF.")


@pytest.mark.parametrize(("p99_ms", "said"), [(44, True), (20, False), (80, False)])
def test_delayed_acks_are_told_by_their_length(p99_ms: float, said: bool) -> None:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        slow = levels["write-size"] == "64K" and effective(levels) < 1e5
        result["latency_ns"]["p99"] = 1e6 * (p99_ms if slow else 1)
    assert ("about as long as Linux may hold back an ACK (40 ms) with writes of 64 KiB (at 2 sizes of SO_SNDBUF, 4.5 "
            "KiB to 32 KiB: 44 ms)" in everything(ask(BUFFERS, change=change))) == said


def test_nodelay_and_latency() -> None:
    found = ask(SIZES, change=late(lambda levels: 10000 if on(levels) else 50000))
    assert ("NODELAY on (Nagle off) lowers the latency of the median chunk with writes of 100 B to 64 KiB (0.2 times "
            "that with NODELAY off).") in found.headline


# ---------------------------------------------------------------------------------------------------------------------
# Write sizes, levels, two modes


def test_goodput_grows_with_the_write_size_or_not() -> None:
    assert ask(SIZES, lambda levels: min(1e9, 1e5 * synthetic.size(levels["write-size"]))).headline[0].startswith(
        "Goodput grows with the write size, from 10 MB/s with writes of 100 B to 1 GB/s with writes of ")
    assert ask(SIZES).headline[0].startswith("The write size makes no clear difference to goodput: 1 GB/s with writes")


@pytest.mark.parametrize(("fast", "slow"), [("cubic", "bbr"), ("bbr", "cubic")])
def test_the_fastest_level(fast: str, slow: str) -> None:
    found = ask({"congestion": ["cubic", "bbr"]}, lambda levels: FLAT * (2 if levels["congestion"] == fast else 1))
    assert found.headline[0] == (f"Congestion control: most often the fastest is {fast} (2 GB/s). Against it, {slow} "
                                 "gives less goodput (0.5 times).")


def test_levels_that_do_not_differ() -> None:
    found = ask({"send-with": ["write", "writev"], "write-size": ["16K", "64K"]})
    assert found.headline[0].startswith("Way of sending: no clear difference in goodput between write and writev (")


def test_levels_that_were_tried_too_few_times() -> None:
    found = ask({"family": ["inet", "unix"]}, lambda levels: FLAT * (2 if levels["family"] == "unix" else 1), blocks=3)
    assert found.headline[0].startswith("Family: too few trials to tell in goodput between inet and unix (")


def test_levels_are_compared_within_the_rest() -> None:
    """The levels differ in every context, although the contexts differ more."""
    def model(levels: Levels) -> float:
        return FLAT * (100 if levels["write-size"] == "64K" else 1) * (1.3 if levels["send-with"] == "writev" else 1)
    found = ask({"send-with": ["write", "writev"], "write-size": ["100", "64K"]}, model)
    assert ("most often the fastest is writev (1.3 GB/s to 130 GB/s). Against it, write gives less goodput (0.77 times"
            in found.headline[0])


@pytest.mark.parametrize("same", [True, False])
def test_what_nodelay_does_may_depend_on_the_mss(same: bool) -> None:
    def model(levels: Levels) -> float:
        costs = on(levels) and (same or levels["mss"] == "auto")
        return FLAT * (0.5 if costs else 1)
    found = everything(ask({"mss": ["auto", "1448"], "write-size": ["16K"], "nodelay": ["on", "off"]}, model))
    assert "MSS request auto: NODELAY on (Nagle off) lowers goodput with writes of 16 KiB (0.5 times" in found
    assert ("So what NODELAY does depends on the MSS request with writes of 16 KiB." in found) == (not same)
    assert ("MSS request 1448: NODELAY on (Nagle off) makes no clear difference" in found) == (not same)


def test_two_modes_are_named_and_compared_with_nothing() -> None:
    made = synthetic.experiment({**BUFFERS, "write-size": ["64K"]}, {}, blocks=6)
    trials = synthetic.trials(made)
    for trial in trials:
        slow = effective(trial.levels) == 32768 and on(trial.levels) and trial.block % 2
        trial.document["result"]["goodput_bytes_per_s"] = 12e6 if slow else 1e9
    found = everything(answer.answer(made, points(trials)))
    assert ("In 1 of 10 cells the trials fall into two modes, so that the setting alone does not decide: SO_SNDBUF 32 "
            "KiB, NODELAY on gave 12 MB/s in 3 trials and 1 GB/s in 3.") in found
    assert "NODELAY on (Nagle off) makes no clear difference" in found


def test_no_trial_no_answer() -> None:
    made = synthetic.experiment(BUFFERS, {})
    assert answer.answer(made, []).headline == ("No trial finished, so there is no answer.",)


def test_one_cell() -> None:
    found = ask({}, change=late(lambda levels: 20000))
    assert len(found.headline) == 1
    assert found.headline[0].startswith("5 trials: goodput ") and "the median chunk takes 20 us." in found.headline[0]


@pytest.mark.parametrize("drop", ["bytes_per_segment", "latency_ns", "in_flight_ns", "write_blocked_ns", "elapsed_ns"])
@pytest.mark.parametrize("factors", [BUFFERS, SIZES, {"family": ["inet", "unix"]}, {}],
                         ids=["buffers", "sizes", "levels", "none"])
def test_missing_values_are_left_out(drop: str, factors: Mapping[str, Sequence[str]]) -> None:
    def change(levels: Levels, result: dict[str, Any]) -> None:
        result[drop] = None
    found = ask(factors, change=change)
    assert found.headline and not [word for word in ("None", "nan", "inf ") if word in everything(found)]
