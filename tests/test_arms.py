"""Arms, contests and invocations: what is asked of the program, and every fault of its answer in a sentence."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from harness import apart, pair, slices
from harness.arms import Arm, ArmError, Contest, checked, parse_setting
from harness.pair import Outcome

FAKE = Path(__file__).resolve().parent / "fake_slices.py"
EXCHANGE = (("pattern", "w64,r64"), ("congestion", "cubic"), ("count", "40"))


def contest(base: Arm = Arm(), new: Arm = Arm(), canary: bool = False) -> Contest:
    """A contest of 64 byte exchanges."""
    return Contest("ping", "How long?", EXCHANGE, base, new, canary=canary)


# ---------------------------------------------------------------------------------------------------------------------
# What an arm is


def test_an_arm_combines_setting_program_and_environment() -> None:
    """All three at once; the outer one wins where two disagree, and prefixes add up."""
    inner = Arm((("nodelay", "off"), ("sndbuf", "64K")), Path("/a"), ("nice",), (("A", "1"),))
    outer = Arm((("nodelay", "on"),), Path("/b"), ("chrt", "-b", "0"), (("B", "2"),))
    both = outer.over(inner)
    assert both == Arm((("nodelay", "on"), ("sndbuf", "64K")), Path("/b"), ("nice", "chrt", "-b", "0"),
                       (("A", "1"), ("B", "2")))
    assert both.launcher == ("env", "A=1", "B=2", "nice", "chrt", "-b", "0")
    assert both.setting_text == "nodelay=on sndbuf=64K"
    assert Arm().setting_text is None and Arm().launcher == ()
    assert Arm().over(inner) == inner and inner.over(Arm()) == inner


def test_labels_name_what_differs() -> None:
    """A setting where there is one, else the command."""
    assert Arm((("nodelay", "on"),)).label == "nodelay=on"
    assert Arm(program=Path("/opt/tinygram-old"), prefix=("nice",)).label == "nice tinygram-old"
    assert Arm().with_setting("inject-spin", "50").setting == (("inject-spin", "50"),)


@pytest.mark.parametrize("text, said", [
    ("nodelay", "NAME=VALUE"), ("nodelai=on", "nearest is 'nodelay'"), ("nodelay=maybe", "none of on, off"),
    ("nodelay=on nodelay=off", "twice"), ("sndbuf=12Q", "not a size"), ("inject-spin=x", "not a whole number")])
def test_a_setting_with_a_mistake(text: str, said: str) -> None:
    """Each mistake has a sentence and status 2."""
    with pytest.raises(ArmError, match=said) as caught:
        parse_setting(text)
    assert caught.value.status == 2


def test_values_as_a_declaration_writes_them() -> None:
    """true, numbers and texts; nothing else."""
    assert checked("nodelay", True, "here") == "on"
    assert checked("mss", 1460, "here") == "1460"
    assert parse_setting("nodelay=on sndbuf=64K inject-spin=50") == (
        ("nodelay", "on"), ("sndbuf", "64K"), ("inject-spin", "50"))
    with pytest.raises(ArmError, match="write text or a whole number"):
        checked("mss", 1.5, "here")


def test_the_amount_of_work_is_the_invocations_own() -> None:
    """A slice has its units; a count is for trials in which something is counted."""
    assert contest().slice_options() == (("pattern", "w64,r64"), ("congestion", "cubic"))
    assert dict(contest().pair_options(Arm((("nodelay", "on"),)))) == {
        "cpus": "same", "pattern": "w64,r64", "congestion": "cubic", "count": "40", "nodelay": "on"}
    assert contest().work == "exchange"
    assert Contest("bulk", "?", (("bytes", "1M"),), Arm(), Arm()).work == "byte"
    assert contest(canary=True).key == "ping (canary)"


# ---------------------------------------------------------------------------------------------------------------------
# tinygram slices


def test_the_command_line_of_an_invocation() -> None:
    """Both arms, the seed, the units once they are known."""
    new = Arm(prefix=("nice", "-n", "5"), environment=(("A", "1"),))
    both = contest(Arm((("nodelay", "on"),), Path("/a/tinygram")), new)
    words = slices.command(Path("/d/tinygram"), both, 7, None)
    assert words == ["/d/tinygram", "slices", "--pattern", "w64,r64", "--congestion", "cubic", "--base", "nodelay=on",
                     "--base-program", "/a/tinygram", "--new-prefix", "env A=1 nice -n 5", "--seed", "7", "--timeout",
                     "20s", "--json", "-"]
    assert slices.command(Path("/d/tinygram"), both, 7, 40)[-8:-6] == ["--units", "40"]


@pytest.mark.parametrize("ratio", [1.0, 1.05, 0.8])
def test_an_invocation_measures_the_ratio(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    """d is the median of ln(new / base); times are told for one unit of work."""
    monkeypatch.setenv("FAKE_SLICES", str(ratio))
    found = slices.invoke(FAKE, contest(new=Arm((("nodelay", "on"),), FAKE)), 3, None)
    assert found.problem is None
    assert found.value == pytest.approx(math.log(ratio), abs=1e-3)
    assert found.base_ns == pytest.approx(12500, rel=0.02)
    assert found.new_ns == pytest.approx(12500 * ratio, rel=0.02)
    assert (found.units, found.method, found.seed) == (40, "slices", 3)
    assert found.counters is not None and found.counters[0]["messages"] == 960
    assert json.loads(json.dumps(found.to_json()))["document"]["slices"]["count"] == 24


def test_swapped_arms_mirror_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same slices with the arms exchanged give the value with the other sign."""
    times = slices.Turns(10, 1, (100.0, 200.0, 400.0), (110.0, 210.0, 500.0))
    other = slices.Turns(10, 1, times.new_ns, times.base_ns)
    assert times.value == pytest.approx(-other.value)
    assert times.per_work(times.base_ns) == 20.0


def test_scaling_all_times_changes_nothing() -> None:
    """A machine that is twice as slow gives the same value."""
    times = slices.Turns(10, 1, (100.0, 200.0, 400.0), (110.0, 210.0, 500.0))
    slow = slices.Turns(10, 1, (200.0, 400.0, 800.0), (220.0, 420.0, 1000.0))
    assert times.value == pytest.approx(slow.value)


FAULTS = {
    "dies": "ended by SIGSEGV.*something broke", "worker": "arm new: the worker died.*status 4",
    "pinning": "cannot pin", "refused": "TCP_NODELAY: on was asked for", "silent": "status 4 and printed nothing",
    "rubbish": "rubbish.*goodput is great", "two": "rubbish", "list": "in place of a JSON object", "cut": "cut off",
    "cut2": "cut off", "nan": "holds NaN", "infinite": "holds Infinity", "null": "slice 4 is None",
    "zero": "slice 4 took 0 ns", "negative": "slice 4 took -5 ns", "unequal": "24 slices, new has 23.*unequal counts",
    "few": "6 pairs of slices; an invocation needs 12", "newer": "reads tinygram-slices/1.*tinygram-slices/2",
    "alien": "iperf3/1.*really tinygram", "swapped": "arms swapped", "stranger": "arm new was",
    "noslices": "no slices although", "noarms": "does not say what its arms were", "unbalanced": "not balanced",
    "noorder": "which arm went first", "otherwork": "'message', and 'exchange'", "otherunits": "7 units, and all",
    "nounits": "must be a whole number from 1", "nolist": "must be a list", "lie": "its document says 4"}


@pytest.mark.parametrize("world", FAULTS)
def test_every_fault_has_its_own_sentence(monkeypatch: pytest.MonkeyPatch, world: str) -> None:
    """What the program did wrong makes the invocation invalid, with a sentence; nothing is guessed."""
    monkeypatch.setenv("FAKE_SLICES", world)
    both = contest(Arm((("nodelay", "on"),), FAKE), Arm((("nodelay", "off"),), FAKE))
    found = slices.invoke(FAKE, both, 1, 40)
    assert found.value is None and found.base_ns is None
    assert found.problem is not None
    assert re.search(FAULTS[world], found.problem), found.problem
    assert found.machine_at_fault is (world == "pinning")


def test_sentences_of_faults_differ() -> None:
    """No two faults are told alike, but for what is rubbish or cut off in two ways."""
    assert len(set(FAULTS.values())) >= len(FAULTS) - 2


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own deadline holds where the program's does not."""
    monkeypatch.setenv("FAKE_SLICES", "hangs")
    monkeypatch.setattr(slices, "TIMEOUT_S", 0)
    monkeypatch.setattr(slices, "MARGIN_S", 0.5)
    found = slices.invoke(FAKE, contest(), 1, None)
    assert found.value is None and "hangs" in str(found.problem)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """No exception: an invalid invocation."""
    found = slices.invoke(tmp_path / "nothing", contest(), 1, None)
    assert "cannot be started" in str(found.problem)


# ---------------------------------------------------------------------------------------------------------------------
# Programs that cannot take turns


@pytest.mark.parametrize("world, turns", [("ok", True), ("old", False), ("mute", False)])
def test_who_can_take_turns(monkeypatch: pytest.MonkeyPatch, world: str, turns: bool) -> None:
    """A program says so itself; one that says nothing cannot."""
    monkeypatch.setenv("FAKE_SLICES", world)
    assert apart.takes_turns(FAKE) is turns
    assert apart.takes_turns(Path("/nonexistent")) is False


def test_short_processes_in_shuffled_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both arms equally often, in an order from the seed; the value is the median of the pairs."""
    started: list[str] = []

    def run(tool: Path, arguments: list[str], launcher: tuple[str, ...] = ()) -> Outcome:
        started.append(tool.name)
        spent = 1000 if tool.name == "old" else 1100
        return Outcome({"status": 0, "error": None, "result": {"messages": 10, "elapsed_ns": spent}}, 0.01)
    monkeypatch.setattr(pair, "run", run)
    found = apart.invoke(Path("/d"), contest(Arm(program=Path("/old")), Arm(program=Path("/new"))), 5)
    assert found.value == pytest.approx(math.log(1.1))
    assert (found.base_ns, found.new_ns, found.method) == (100.0, 110.0, "pairs")
    assert started.count("old") == started.count("new") == apart.PAIRS
    pairs = [tuple(started[at:at + 2]) for at in range(0, len(started), 2)]
    assert set(pairs) == {("old", "new"), ("new", "old")}


def test_a_short_process_that_fails_makes_the_invocation_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the arm."""
    monkeypatch.setattr(pair, "run", lambda *words, **named: Outcome(
        {"status": 4, "error": "it broke.", "result": {"messages": None, "elapsed_ns": None}}, 0.01))
    found = apart.invoke(Path("/d"), contest(), 5)
    assert found.value is None and found.problem in ("arm base: it broke.", "arm new: it broke.")


def test_short_processes_last_a_fixed_time() -> None:
    """No count, and a limit in time."""
    words = apart.arguments(contest(), Arm())
    assert "--count" not in words and words[-4:] == ["--duration", "15ms", "--timeout", "10s"]
