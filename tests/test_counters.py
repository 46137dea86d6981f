"""Exact counters: what is expected, what changed and why, and who may change an expectation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import counters, mechanism
from harness.arms import SPIN, Arm, Contest, Values
from harness.counters import COUNTERS, CountersError, Exact, Expected
from harness.pair import ToolError

BASE, NEW = Arm(program=Path("/base")), Arm(program=Path("/new"))
OPTIONS = (("pattern", "w100,w400,r1"), ("nodelay", "on"))


def exact(*names: str, depends: tuple[str, ...] = ()) -> Exact:
    """A measurement whose counters `names` are exact."""
    return Exact(Contest("two_writes", "?", OPTIONS, BASE, NEW), names, depends)


def document(writes: int = 80, stalls: int = 0, unknown: int = 0, **others: Any) -> dict[str, Any]:
    """The parts of a result document that are counted."""
    by_mechanism = {"nagle_delayed_ack": stalls, "unknown": unknown, "reader_late": 3}
    return {"status": 0, "error": None, "machine": {"kernel": "6.1.0-18-amd64"},
            "tcp_info": {"sender": {"snd_mss": 1448}},
            "setting": {"effective": {"sender": {"end": {"sndbuf": 131072}}}},
            "result": {"writes": writes, "split": {"without_stamps": 0},
                       "stalls": {"count": stalls + unknown + 3, "by_mechanism": by_mechanism}}, **others}


Play = Callable[[Contest, Arm, Values], Mapping[str, Any]]


def play(base: list[dict[str, Any]], new: list[dict[str, Any]]) -> Play:
    """A runner that plays these documents in turn, for each arm."""
    left = {"base": base * 3, "new": new * 3}

    def run(contest: Contest, arm: Arm, options: Values) -> Mapping[str, Any]:
        assert arm.program is not None
        return left[arm.program.name].pop(0)
    return run


def expect(one: Exact, **values: int) -> dict[str, Expected]:
    """Expectations that hold on any machine."""
    return {"two_writes": Expected(counters.options_text(one), {
        name: {counters.ANY: value} for name, value in values.items()})}


def test_as_expected() -> None:
    """Nothing to say."""
    one = exact("writes", "stalls")
    found = counters.check([one], expect(one, writes=80, stalls=0), play([document()], [document()]))
    assert [(each.counter, each.verdict, each.expected, each.base, each.new) for each in found] == [
        ("writes", "same", 80, 80, 80), ("stalls", "same", 0, 0, 0)]


def test_nodelay_lost_is_found_by_its_stalls() -> None:
    """The sentence says what happened, and why."""
    one = exact("stalls")
    (found,) = counters.check([one], expect(one, stalls=0), play([document()], [document(stalls=39)]))
    assert found.verdict == "changed"
    assert found.sentence == "two_writes: stalls 0 -> 39"
    assert counters.told(found) == ("two_writes: stalls 0 -> 39: held by Nagle until a delayed ACK: TCP_NODELAY was "
                                    "lost.")
    assert found.mechanism == "held by Nagle until a delayed ACK: TCP_NODELAY was lost"


def test_a_program_that_claims_nodelay_cannot_hide() -> None:
    """With a stamp for every write, a hold of unknown mechanism is Nagle's; without stamps it is not told."""
    assert counters.nagle_stalls(document(unknown=39)) == 39
    plain = document(unknown=39)
    plain["result"]["split"] = None
    assert counters.nagle_stalls(plain) == 0
    plain["result"]["split"] = {"without_stamps": 5}
    assert counters.nagle_stalls(plain) == 0


def test_a_busy_machine_makes_no_segments() -> None:
    """A tail loss probe sends a segment again; what is missing is not 0."""
    assert counters.first_segments({"result": {"data_segments": 81, "retransmits": 1}}) == 80
    assert counters.first_segments({"result": {"data_segments": 80, "retransmits": None}}) == 80
    assert counters.first_segments({"result": {"data_segments": None, "retransmits": 0}}) is None


def test_a_busy_machine_makes_no_stalls() -> None:
    """Stalls of a reader that came late do not count, nor a stall that chance made in one of several repeats."""
    one = exact("stalls")
    busy = [document(), document(unknown=1), document(unknown=2)]
    (found,) = counters.check([one], expect(one, stalls=0), play(busy, busy))
    assert (found.verdict, found.new) == ("same", 0)


def test_declared_exact_but_varying() -> None:
    """An error, in whichever arm it varies."""
    one = exact("writes")
    steady, moving = [document()], [document(80), document(81), document(80)]
    for base, new, where in ((steady, moving, "new"), (moving, steady, "base")):
        (found,) = counters.check([one], expect(one, writes=80), play(base, new))
        assert found.verdict == "varies"
        assert f"varies in {where}: 80, 81 in 3 repeats" in found.sentence


def test_what_cannot_be_counted_is_missing() -> None:
    """A trial that fails, a program that is gone, a counter that is not in the result, or in no expectation."""
    one = exact("writes")
    broken = {**document(), "status": 3, "error": "NODELAY did not take effect."}
    lacking = document()
    lacking["result"]["writes"] = None

    def gone(contest: Contest, arm: Arm, options: Values) -> Mapping[str, Any]:
        raise ToolError("it cannot be started.")
    for run, expected, said in (
            (play([document()], [broken]), expect(one, writes=80), "NODELAY did not take effect. (status 3)"),
            (gone, expect(one, writes=80), "it cannot be started."),
            (play([document()], [lacking]), expect(one, writes=80), "not in new's result"),
            (play([document()], [document()]), {}, "no value for it; look at it and write it down"),
            (play([document()], [document()]), {"two_writes": Expected("--other", {"writes": {"any": 80}})},
             "counted with other options (--other)")):
        (found,) = counters.check([one], expected, run)
        assert found.verdict == "missing" and said in found.sentence


def test_a_base_that_cannot_be_counted_is_told_and_no_more() -> None:
    """What is expected judges the new build; the base may be older than an option."""
    one = exact("writes", "stalls")
    broken = {**document(), "status": 2, "error": "there is no option --stamps."}
    found = counters.check([one], expect(one, writes=80, stalls=0), play([broken], [document()]))
    assert [each.verdict for each in found] == ["same", "same"]
    assert all("base: there is no option --stamps." in each.sentence for each in found)


def test_expectations_are_keyed_by_what_they_depend_on() -> None:
    """On a machine that nobody has written down the base is the measure, and that is said."""
    one = exact("writes", depends=("kernel", "mss"))
    options = counters.options_text(one)
    here = {"two_writes": Expected(options, {"writes": {"kernel=6.1 mss=1448": 81}})}
    there = {"two_writes": Expected(options, {"writes": {"kernel=5.4 mss=1448": 81}})}
    (found,) = counters.check([one], here, play([document()], [document()]))
    assert (found.verdict, found.expected) == ("changed", 81)
    (found,) = counters.check([one], there, play([document()], [document()]))
    assert found.verdict == "same" and "say nothing for kernel=6.1 mss=1448, and base has the same" in found.sentence
    (found,) = counters.check([one], there, play([document()], [document(90)]))
    assert (found.verdict, found.expected, found.new) == ("changed", 80, 90)


def test_accepting_writes_what_a_reviewer_sees(tmp_path: Path) -> None:
    """Every change has a sentence; other machines' values stay; what is no longer declared goes."""
    one = exact("writes", "stalls", depends=("kernel",))
    before = {"two_writes": Expected(counters.options_text(one), {"writes": {"kernel=6.1": 70, "kernel=5.4": 60}}),
              "gone": Expected("", {})}
    after, told = counters.accept([one], before, play([], [document()]))
    assert told == ["gone: is no longer declared.", "two_writes: writes 70 -> 80 (kernel=6.1).",
                    "two_writes: stalls was not there -> 0 (kernel=6.1)."]
    path = tmp_path / "baseline" / "counters.json"
    counters.save(path, after)
    assert counters.load(path) == after
    assert counters.load(path)["two_writes"].counters["writes"] == {"kernel=6.1": 80, "kernel=5.4": 60}
    assert counters.accept([one], after, play([], [document()]))[1] == []


def test_what_varies_or_fails_is_not_accepted() -> None:
    """A sentence, status 2, and nothing is written."""
    one = exact("writes")
    with pytest.raises(CountersError, match="was 80, 81 in 3 repeats") as caught:
        counters.accept([one], {}, play([], [document(80), document(81), document(80)]))
    assert caught.value.status == 2
    with pytest.raises(CountersError, match="nothing can be accepted: it broke"):
        counters.accept([one], {}, play([], [{**document(), "status": 4, "error": "it broke."}]))


@pytest.mark.parametrize("text, said", [
    ("{", "is damaged"), ('{"schema": "tinygram-counters/1"}', "is damaged"), ("[]", "is damaged"),
    ('{"schema": "tinygram-counters/2", "measurements": {}}', "its schema is 'tinygram-counters/2'")])
def test_a_damaged_file_of_expectations(tmp_path: Path, text: str, said: str) -> None:
    """A sentence and status 2."""
    path = tmp_path / "counters.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CountersError, match=said):
        counters.load(path)
    assert counters.load(tmp_path / "nothing.json") == {}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The file's folder is a file: a sentence."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CountersError, match="cannot be written"):
        counters.save(tmp_path / "file" / "counters.json", {})


def test_an_injected_slowness_is_not_counted() -> None:
    """A trial knows no such option."""
    asked: list[Values] = []

    def run(contest: Contest, arm: Arm, options: Values) -> Mapping[str, Any]:
        asked.append(options)
        return document()
    counters.observe(exact("stalls"), NEW.with_setting(SPIN, "50"), run, 1)
    assert dict(asked[0]) == {"cpus": "same", "stamps": "on", "count": "40", "pattern": "w100,w400,r1",
                              "nodelay": "on", "timeout": "20s"}


def test_every_counter_is_in_a_real_document(document: dict[str, Any]) -> None:
    """The table reads what the program writes."""
    missing = [counter.name for counter in COUNTERS.values() if counter.read(document) is None]
    assert missing in ([], ["reply_writes"])  # a transfer has no reply
    assert all(fact(document) is not None for fact in counters.FACTS.values())


# ---------------------------------------------------------------------------------------------------------------------
# Why one arm is slower


def result(messages: int = 10, **counts: Any) -> dict[str, Any]:
    """`result` of an arm."""
    return {"messages": messages, "elapsed_ns": 1000 * messages, "write_blocked_ns": 0, "writes": messages,
            "data_segments": messages, "cpu_sender_ns": 100 * messages, "cpu_receiver_ns": 100 * messages,
            "stalls": {"count": 0, "by_mechanism": {"nagle_delayed_ack": 0}}, **counts}


@pytest.mark.parametrize("new, said", [
    ({"data_segments": 20}, "1 -> 2 data segments an exchange"),
    ({"stalls": {"count": 9, "by_mechanism": {"nagle_delayed_ack": 9}}},
     "stalls in 0% -> 90% of the exchanges, held by Nagle until a delayed ACK"),
    ({"write_blocked_ns": 5000}, "0 -> 0.5 us blocked in write() an exchange"),
    ({"writes": 30}, "1 -> 3 writes an exchange"),
    ({"cpu_sender_ns": 1100}, "0.2 -> 0.21 us of CPU time an exchange"),
    ({"data_segments": 11}, "0.2 -> 0.2 us of CPU time an exchange")])
def test_what_the_counters_say(new: dict[str, Any], said: str) -> None:
    """Stalls, segments, calls and time blocked; the CPU time where nothing else differs."""
    assert mechanism.explain([(result(), result(**new))] * 2, "exchange") == said


def test_counters_that_are_not_there_say_nothing() -> None:
    """Missing is not 0."""
    assert mechanism.explain([(result(), {"messages": 10})], "exchange") is None
    assert mechanism.explain([], "byte") is None


def test_the_committed_expectations_are_those_of_the_gate() -> None:
    """Every exact counter that the gate declares has an expectation, with the options that it is counted with."""
    from harness import declaration
    declared = declaration.load().exact(BASE, NEW)
    expected = counters.load(counters.EXPECTATIONS)
    assert set(expected) == {one.contest.name for one in declared}
    for one in declared:
        assert expected[one.contest.name].options == counters.options_text(one)
        assert set(expected[one.contest.name].counters) == set(one.counters)
    assert json.loads(counters.EXPECTATIONS.read_text(encoding="utf-8"))["schema"] == counters.TAG
