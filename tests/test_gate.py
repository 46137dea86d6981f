"""The gate: what it says of scripted worlds, its one exit status, and every way in which a job can go wrong."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import counters, declaration, fitness, gate, gate_command, job as jobs, looks, stats
from harness.arms import SPIN, Arm, Contest, Invocation
from harness.builds import Forge
from harness.declaration import Declaration, DeclarationError
from harness.fitness import Conditions
from harness.gate import GateError, Request, World
from harness.looks import Rules
from harness.stats import Looks
from harness.verdict import Build, Counted, Job, Status, Verdict

ROOT = Path(__file__).resolve().parent.parent
FAKE = Path(__file__).resolve().parent / "fake_slices.py"

DECLARED = '''question = "Is it slower?"

[setting]
congestion = "cubic"

[[measurement]]
name = "ping"
question = "What does an exchange cost?"
pattern = "w64,r64"
canary = true

[[measurement]]
name = "bulk"
question = "What does a byte cost?"
bytes = "1M"
write-size = "64K"

[[measurement]]
name = "two_writes"
question = "Does it stall?"
pattern = "w100,w400,r1"
nodelay = "on"
exact = ["writes", "stalls"]
'''

BASE = Build("base", "main", "a" * 40, False, "/base/tinygram", "0.1.0", "gcc 12", "-O2")
NEW = Build("new", None, "b" * 40, False, "/new/tinygram", "0.1.0", "gcc 12", "-O2")
CALM = Conditions("boot", (0, 1), "0-1", "tsc", 1000.0, 0.0)


@pytest.fixture
def declared(tmp_path: Path) -> Declaration:
    """Three measurements, one of them a canary, one with exact counters."""
    path = tmp_path / "gate.toml"
    path.write_text(DECLARED, encoding="utf-8")
    return declaration.load(path)


class Script:
    """Plays `tinygram slices`: for each contest a ratio and a spread, or a sentence of failure."""

    def __init__(self, ratios: Mapping[str, float] | None = None, spread: float = 0.003,
                 failing: Mapping[str, Callable[[int], str | None]] | None = None, at_fault: bool = False) -> None:
        self.ratios, self.spread, self.failing, self.at_fault = ratios or {}, spread, failing or {}, at_fault
        self.started: list[tuple[str, int, int | None]] = []

    def __call__(self, contest: Contest, seed: int, units: int | None) -> Invocation:
        number = sum(name == contest.key for name, _, _ in self.started)
        self.started.append((contest.key, seed, units))
        problem = self.failing.get(contest.key, lambda number: None)(number)
        if problem:
            return Invocation(contest.key, "slices", seed, "now", 0.2, None, None, None, units, problem, None,
                              self.at_fault)
        value = math.log(self.ratios.get(contest.key, 1.0)) + random.Random(seed).gauss(0, self.spread)
        return Invocation(contest.key, "slices", seed, "now", 0.2, value, 100.0, 100.0 * math.exp(value),
                          units or 40, None, {"schema": "tinygram-slices/1"})

    def count(self, name: str) -> int:
        """Invocations of a contest."""
        return sum(key == name for key, _, _ in self.started)


def document(writes: int = 80, stalls: int = 0) -> dict[str, Any]:
    """What is counted."""
    return {"status": 0, "error": None, "machine": {}, "tcp_info": {}, "result": {
        "writes": writes, "split": None, "stalls": {"by_mechanism": {"nagle_delayed_ack": stalls}}}}


def counting(new: dict[str, Any] | None = None) -> counters.Runner:
    """A runner for counters; new: what the new arm gives."""
    return lambda contest, arm, options: (new or document()) if arm.program == Path("/new/tinygram") else document()


def play(declared: Declaration, script: Script, tmp_path: Path, folder: Path | None = None, new_counts:
         dict[str, Any] | None = None, conditions: list[Conditions] | None = None, refused: str | None = None,
         looks_: Looks = stats.LOOKS, **others: Any) -> Job:
    """One job in a scripted world."""
    expectations = tmp_path / "counters.json"
    (one,) = declared.exact(Arm(), Arm())
    counters.save(expectations, {"two_writes": counters.Expected(counters.options_text(one), {
        "writes": {counters.ANY: 80}, "stalls": {counters.ANY: 0}})})
    seen = iter(conditions or [CALM, CALM])
    request = Request(declared, BASE, NEW, 7, looks_, expectations=expectations, **others)
    return gate.run_job(request, folder, World(script, counting(new_counts), lambda: next(seen), lambda: refused))


# ---------------------------------------------------------------------------------------------------------------------
# Verdicts and the status


def test_nothing_changed(declared: Declaration, tmp_path: Path) -> None:
    """12 invocations of everything, and a pass. The job can be read back."""
    script = Script()
    job = play(declared, script, tmp_path)
    assert (job.status, job.sentence) == (Status.PASS, "Nothing is slower.")
    assert [one.verdict for one in job.judged] == [Verdict.PASS] * 3
    assert {script.count(name) for name in ("ping", "bulk", "two_writes", "ping (canary)")} == {12}
    assert [one.name for one in job.canaries] == ["ping"] and job.canaries[0].canary
    assert jobs.problems(json.loads(jobs.to_text(job))) == []


@pytest.mark.parametrize("ratio, status, verdict", [
    (1.05, Status.REGRESSION, Verdict.REGRESSION), (0.9, Status.PASS, Verdict.IMPROVEMENT),
    (1.01, Status.PASS, Verdict.PASS)])
def test_one_measurement_changed(declared: Declaration, tmp_path: Path, ratio: float, status: Status,
                                 verdict: Verdict) -> None:
    """Slower by 5 % is found and estimated; faster is told; 1 % is below what counts."""
    job = play(declared, Script({"bulk": ratio}), tmp_path)
    assert (job.status, job.judged[1].verdict) == (status, verdict)
    assert job.judged[1].ratio == pytest.approx(ratio, abs=0.005)
    assert [one.verdict for one in (job.judged[0], job.judged[2])] == [Verdict.PASS] * 2
    if status is Status.REGRESSION:
        assert job.sentence.startswith("Slower: bulk by ")


def test_thresholds_of_a_measurement_are_its_own(declared: Declaration, tmp_path: Path) -> None:
    """What is a regression at 2 % is none where 10 % are allowed for."""
    path = tmp_path / "wide.toml"
    path.write_text(DECLARED.replace('bytes = "1M"', 'bytes = "1M"\neffect = 0.1\ntolerance = 0.2'), encoding="utf-8")
    job = play(declaration.load(path), Script({"bulk": 1.05}), tmp_path)
    assert (job.status, job.judged[1].verdict) == (Status.PASS, Verdict.PASS)


def test_only_what_is_undecided_goes_on(declared: Declaration, tmp_path: Path) -> None:
    """The noisy one has 24 or 48 invocations, the others 12."""
    class Noisy(Script):
        def __call__(self, contest: Contest, seed: int, units: int | None) -> Invocation:
            self.spread = 0.06 if contest.key == "bulk" else 0.002
            return super().__call__(contest, seed, units)
    script = Noisy()
    job = play(declared, script, tmp_path)
    assert script.count("ping") == script.count("two_writes") == script.count("ping (canary)") == 12
    assert script.count("bulk") > 12
    assert job.judged[1].look > 1 and job.judged[0].look == 1


def test_a_noisy_machine_is_unfit(declared: Declaration, tmp_path: Path) -> None:
    """Where 5 % might not be found there is no pass, and the effect that would be found is told."""
    job = play(declared, Script(spread=0.3), tmp_path)
    assert job.status is Status.UNFIT
    assert any("5% must be found" in sentence for sentence in job.unfit)
    assert all(one.detectable is not None and one.detectable > 0.05 for one in job.judged
               if one.verdict is Verdict.INCONCLUSIVE)


def test_between_pass_and_regression_is_inconclusive(declared: Declaration, tmp_path: Path) -> None:
    """Some 3 % slower, neither certain nor ruled out, on a machine that finds 5 %: status 3 and the reason."""
    class Between(Script):
        deviations = [stats.normal_quantile((k + 0.5) / 48) for k in range(48)]

        def __call__(self, contest: Contest, seed: int, units: int | None) -> Invocation:
            found = super().__call__(contest, seed, units)
            if contest.key != "bulk":
                return found
            order = random.Random(1).sample(self.deviations, 48)
            return replace(found, value=0.0265 + 0.065 * order[self.count("bulk") - 1])
    job = play(declared, Between(), tmp_path)
    assert (job.status, job.sentence) == (Status.INCONCLUSIVE, "Inconclusive: bulk."), job.judged[1]
    assert job.judged[1].invocations == 48 and "rule out neither" in str(job.judged[1].reason)


def test_a_canary_that_fires_makes_the_machine_unfit(declared: Declaration, tmp_path: Path) -> None:
    """Base against itself seems slower: then no regression is believed either."""
    job = play(declared, Script({"ping (canary)": 1.04, "bulk": 1.2}), tmp_path)
    assert job.status is Status.UNFIT
    assert "the canary ping fired: base against itself seems" in job.unfit[0]
    assert job.judged[1].verdict is Verdict.REGRESSION


def test_the_canary_plays_base_against_itself(declared: Declaration, tmp_path: Path) -> None:
    """Both arms are the base's program, also where new is slowed on purpose."""
    request = Request(declared, BASE, NEW, 1, spin=50)
    base, new = request.arms
    (canary,) = declared.canaries(base)
    assert canary.base == canary.new == Arm(program=Path("/base/tinygram"))
    assert new.setting == ((SPIN, "50"),) and new.program == Path("/new/tinygram")


COUNTER = Counted("a", "writes", 1, 1, 2, "changed", "a: writes 1 -> 2.")


@pytest.mark.parametrize("changed, unfit, verdicts, missing, weak, status", [
    ([COUNTER], ["boot"], [Verdict.REGRESSION], ["m"], ["w"], Status.COUNTER),
    ([replace(COUNTER, verdict="varies")], [], [], [], [], Status.COUNTER),
    ([], ["boot"], [Verdict.REGRESSION], ["m"], ["w"], Status.UNFIT),
    ([], [], [Verdict.REGRESSION, Verdict.INCONCLUSIVE], ["m"], ["w"], Status.REGRESSION),
    ([], [], [Verdict.INCONCLUSIVE], ["m"], ["w"], Status.MISSING),
    ([], [], [Verdict.INCONCLUSIVE], [], ["w"], Status.UNFIT),
    ([], [], [Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT], [], [], Status.INCONCLUSIVE),
    ([replace(COUNTER, verdict="same")], [], [Verdict.PASS, Verdict.IMPROVEMENT], [], [], Status.PASS)])
def test_which_status_wins(declared: Declaration, tmp_path: Path, changed: list[Counted], unfit: list[str],
                           verdicts: list[Verdict], missing: list[str], weak: list[str], status: Status) -> None:
    """The order that stands at the top of gate.py."""
    (judged, *_) = play(declared, Script(), tmp_path).judged
    found = [replace(judged, verdict=verdict) for verdict in verdicts]
    assert gate.status_of(changed, unfit, found, missing, weak) is status
    assert gate.sentence_of(status, changed, found, missing, [*unfit, *weak])


# ---------------------------------------------------------------------------------------------------------------------
# Order, seeds, units, time


def test_invocations_are_interleaved_and_shuffled(declared: Declaration, tmp_path: Path) -> None:
    """Every round has each contest once, rounds differ in order, and the seed gives the same again."""
    script, again = Script(), Script()
    play(declared, script, tmp_path)
    play(declared, again, tmp_path)
    names = [name for name, _, _ in script.started]
    rounds = [tuple(names[at:at + 4]) for at in range(0, len(names), 4)]
    assert all(len(set(one)) == 4 for one in rounds) and len(set(rounds)) > 4
    assert script.started == again.started
    assert len({seed for _, seed, _ in script.started}) == len(script.started)


def test_units_are_fixed_by_the_first_invocations(declared: Declaration, tmp_path: Path) -> None:
    """All later invocations of a measurement do the same work; one that was disturbed does not decide it."""
    class Disturbed(Script):
        def __call__(self, contest: Contest, seed: int, units: int | None) -> Invocation:
            found = super().__call__(contest, seed, units)
            return replace(found, units=1) if self.count(contest.key) == 1 else found
    script = Disturbed()
    play(declared, script, tmp_path)
    assert [units for name, _, units in script.started if name == "ping"] == [None] * 3 + [40] * 9


def test_no_look_begins_that_would_end_too_late(declared: Declaration, tmp_path: Path) -> None:
    """The first look is always had; then what is undecided stays so, and says why."""
    script = Script(spread=0.06)
    job = play(replace(declared, limit_s=1.0), script, tmp_path)
    assert script.count("bulk") == 12
    assert any("the next look would take" in str(one.reason) for one in job.judged)


def test_fewer_looks(declared: Declaration, tmp_path: Path) -> None:
    """--looks 12: inconclusive comes early."""
    script = Script(spread=0.06)
    play(declared, script, tmp_path, looks_=Looks((12,), (0.003,)))
    assert script.count("bulk") == 12


# ---------------------------------------------------------------------------------------------------------------------
# Workers that fail


def test_some_invalid_invocations_are_made_up_for(declared: Declaration, tmp_path: Path) -> None:
    """Two of fourteen died: there are twelve values, and the report says that some are missing and how."""
    job = play(declared, Script(failing={"bulk": lambda number: "it died." if number in (2, 7) else None}), tmp_path)
    assert job.status is Status.PASS
    assert (job.judged[1].invocations, job.judged[1].invalid) == (12, 2)
    assert "2 invocations gave no value, the first: it died." in str(job.judged[1].reason)


@pytest.mark.parametrize("failing", [lambda number: "it died.", lambda number: "it died." if number % 3 else None])
def test_fewer_than_twelve_values_are_missing(declared: Declaration, tmp_path: Path,
                                              failing: Callable[[int], str | None]) -> None:
    """A worker that always dies is given up soon; one that dies often has no verdict. Nothing is silently absent."""
    script = Script({"ping": 1.0}, failing={"bulk": failing})
    job = play(declared, script, tmp_path)
    assert job.status is Status.MISSING
    assert "bulk: " in job.missing[0] and "The first said: it died." in job.missing[0]
    assert [one.name for one in job.judged] == ["ping", "bulk", "two_writes"]
    assert job.judged[1].verdict is Verdict.INCONCLUSIVE and script.count("bulk") <= 7


def test_pinning_refused_by_the_program_ends_the_job(declared: Declaration, tmp_path: Path) -> None:
    """What the machine refuses to one it refuses to all: nothing more is started."""
    script = Script(failing={name: lambda number: "cannot pin to CPU 0." for name in (
        "ping", "bulk", "two_writes", "ping (canary)")}, at_fault=True)
    job = play(declared, script, tmp_path)
    assert (job.status, len(script.started)) == (Status.UNFIT, 1)
    assert job.unfit[0] == "cannot pin to CPU 0." and job.missing == ()


def test_every_value_is_kept_as_it_comes(declared: Declaration, tmp_path: Path) -> None:
    """raw.jsonl has a line for each invocation, the invalid ones too."""
    folder = gate.new_folder(tmp_path / "jobs")
    job = play(declared, Script(failing={"bulk": lambda number: "it died." if number == 2 else None}), tmp_path, folder)
    lines = [json.loads(line) for line in (folder / "raw.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 49 and job.id == folder.name
    assert {line["schema"] for line in lines} == {"tinygram-invocation/1"}
    assert [line["problem"] for line in lines if line["value"] is None] == ["it died."]
    assert tuple(line["value"] for line in lines if line["contest"] == "ping") == job.judged[0].values


# ---------------------------------------------------------------------------------------------------------------------
# Exact counters


def test_nodelay_lost_is_found_by_the_stall_count_alone(declared: Declaration, tmp_path: Path) -> None:
    """Status 5, the mechanism, and no time is spent on stalls; all else is timed."""
    script = Script()
    job = play(declared, script, tmp_path, new_counts=document(stalls=39))
    assert job.status is Status.COUNTER
    assert "two_writes: stalls 0 -> 39: held by Nagle until a delayed ACK: TCP_NODELAY was lost" in job.sentence
    assert script.count("two_writes") == 0 and script.count("bulk") == 12
    assert [one.name for one in job.judged] == ["ping", "bulk", "two_writes"]
    assert "not timed, because its stalls changed" in str(job.judged[2].reason)


def test_nodelay_lost_is_found_on_an_unfit_machine_too(declared: Declaration, tmp_path: Path) -> None:
    """Counters do not depend on how busy the machine is."""
    job = play(declared, Script({"ping (canary)": 1.3}, spread=0.02), tmp_path, new_counts=document(stalls=39))
    assert job.status is Status.COUNTER and job.unfit


def test_another_counter_changed_and_the_rest_is_judged(declared: Declaration, tmp_path: Path) -> None:
    """More writes: status 5, and the measurement is timed all the same."""
    job = play(declared, Script({"bulk": 1.2}), tmp_path, new_counts=document(writes=160))
    assert job.status is Status.COUNTER and job.judged[2].invocations == 12
    assert "writes 80 -> 160" in job.sentence


def test_a_counter_without_expectation_is_missing(declared: Declaration, tmp_path: Path) -> None:
    """Declared and written down nowhere: status 6."""
    seen = iter([CALM, CALM])
    request = Request(declared, BASE, NEW, 7, expectations=tmp_path / "nothing.json")
    job = gate.run_job(request, None, World(Script(), counting(), lambda: next(seen), lambda: None))
    assert job.status is Status.MISSING and "--accept-counters" in job.missing[0]


# ---------------------------------------------------------------------------------------------------------------------
# The machine


@pytest.mark.parametrize("after, said", [
    (replace(CALM, boot_id="other"), "boot_id changed"), (replace(CALM, allowed=(1,)), "CPU 0 was taken away"),
    (replace(CALM, online="0"), "the CPUs online were 0-1 and are 0"),
    (replace(CALM, clocksource="hpet"), "left the clock source tsc for hpet"),
    (replace(CALM, wall_s=1003.0), "the clock was set by \\+3.00 s"),
    (replace(CALM, wall_s=1100.0, asleep_s=100.0), "suspended for 100.0 s")])
def test_a_machine_that_changed_during_the_job(declared: Declaration, tmp_path: Path, after: Conditions,
                                               said: str) -> None:
    """Each change has its own sentence; a regression is not believed then."""
    job = play(declared, Script({"bulk": 1.2}), tmp_path, conditions=[CALM, after])
    assert job.status is Status.UNFIT and len(job.unfit) == 1
    assert re.search(said, job.unfit[0])


def test_a_calm_machine() -> None:
    """Nothing changed, and what is slewed within the bound is no step."""
    assert fitness.changes(CALM, CALM) == []
    assert fitness.changes(CALM, replace(CALM, wall_s=1000.01, allowed=(0, 1, 2))) == []
    now = fitness.now()
    assert fitness.changes(now, fitness.now()) == [] and now.boot_id


def test_pinning_refused(declared: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured; every measurement is there and says why."""
    def refuse(process: int, cpus: object) -> None:
        raise PermissionError(1, "Operation not permitted")
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    sentence = fitness.pinning()
    assert sentence is not None and "no process can be pinned to a CPU here (Operation not permitted)" in sentence
    script = Script()
    job = play(declared, script, tmp_path, refused=sentence)
    assert job.status is Status.UNFIT and script.started == []
    assert [one.reason for one in job.judged] == [sentence] * 3 and job.missing == ()


def test_one_cpu_is_enough() -> None:
    """Both ends share it anyway; afterwards the affinity is as it was."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert fitness.pinning() is None
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)
    assert fitness.pinning() is None and os.sched_getaffinity(0) == before


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    """Before anything is measured: a sentence and status 4."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(GateError, match="no job can be stored in .*Not a directory.*--out") as caught:
        gate.new_folder(tmp_path / "file")
    assert caught.value.status == 4


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything is measured; no empty folder stays."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(GateError, match="1 MiB are free, and 64 are needed") as caught:
        gate.new_folder(tmp_path)
    assert caught.value.status == 4 and list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_during_the_job(declared: Declaration, tmp_path: Path) -> None:
    """The job ends with a sentence and status 4."""
    folder = gate.new_folder(tmp_path / "jobs")
    (folder / "raw.jsonl").symlink_to("/dev/full")
    with pytest.raises(GateError, match="No space left on device") as caught:
        play(declared, Script(), tmp_path, folder)
    assert caught.value.status == 4


# ---------------------------------------------------------------------------------------------------------------------
# The declaration


def test_the_default_declaration() -> None:
    """Twelve measurements: the first look can find a regression in each of them; two canaries; all kinds of work."""
    default = declaration.load()
    assert len(default.measurements) == 12
    assert stats.LOOKS.can_find(1, len(default.measurements))
    assert len(default.canaries(Arm())) == 2
    assert {contest.work for contest in default.contests(Arm(), Arm())} == {"exchange", "byte"}
    assert all(one.exact for one in default.measurements)
    assert "stalls" in next(one.exact for one in default.measurements if one.name == "two_writes_nodelay")


@pytest.mark.parametrize("old, new, said", [
    ("question = \"Is it", "qestion = \"Is it", "unknown key 'qestion'.*nearest valid key is 'question'"),
    ("[setting]", "[seting]", "unknown key 'seting'"),
    ("canary = true", "canary = 1", "write true or false"),
    ("canary = true", "", "no measurement is a canary"),
    ("name = \"bulk\"", "name = \"ping\"", "two measurements 'ping'"),
    ("name = \"bulk\"", "name = \"Bulk!\"", "measurement 2 needs the key 'name'"),
    ("question = \"What does a byte", "q = \"What does a byte", "measurement 'bulk': unknown key 'q'"),
    ("bytes = \"1M\"", "byts = \"1M\"", "nearest valid key is 'bytes'"),
    ("bytes = \"1M\"", "bytes = \"1Q\"", "measurement 'bulk': 'bytes': '1Q' is not a size"),
    ("bytes = \"1M\"", "", "name one workload"),
    ("bytes = \"1M\"", "bytes = \"1M\"\npattern = \"w1,r1\"", "name one workload"),
    ("bytes = \"1M\"", "bytes = \"1M\"\nrate = 5", "'rate' has no place in a gate"),
    ("bytes = \"1M\"", "bytes = \"1M\"\nthink = \"1ms\"", "'think' belongs to the workload exchange"),
    ("bytes = \"1M\"", "bytes = \"1M\"\neffect = 0.05", "'effect' must be below 'tolerance'"),
    ("bytes = \"1M\"", "bytes = \"1M\"\neffect = 2", "must be a fraction between 0 and 1"),
    ("\"stalls\"]", "\"stals\"]", "'exact' has 'stals', which is not known; the nearest is 'stalls'"),
    ("exact = [", "depends = [\"moon\"]\nexact = [", "'depends' has 'moon'"),
    ("exact = [", "without = [\"mss\"]\nexact = [", "'without' has 'mss'"),
    ("[setting]", "limit = \"long\"\n[setting]", "'limit': 'long' is not a time"),
    ("[setting]", "[arm.base]\nprefix = [\"a b\"]\n[setting]", "has a space, which a prefix cannot have"),
    ("[setting]", "[arm.bass]\n[setting]", "unknown key 'bass' in \\[arm\\]"),
    ("[setting]", "[arm.new]\nsetting = \"nodelai=on\"\n[setting]", "nearest is 'nodelay'"),
    ("[setting]", "[arm.new]\nenvironment = \"A=1\"\n[setting]", "write a table of texts"),
    ("[setting]", "[[", "this is not TOML")])
def test_a_declaration_with_a_mistake(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A sentence that names the file, the place and the nearest valid key; status 2."""
    path = tmp_path / "gate.toml"
    path.write_text(DECLARED.replace(old, new, 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != DECLARED
    with pytest.raises(DeclarationError, match=said) as caught:
        declaration.load(path)
    assert caught.value.status == 2 and str(caught.value).startswith(str(path))


def test_no_measurement_and_no_file(tmp_path: Path) -> None:
    """Both have a sentence."""
    (tmp_path / "empty.toml").write_text("question = \"?\"", encoding="utf-8")
    with pytest.raises(DeclarationError, match="declares no measurement"):
        declaration.load(tmp_path / "empty.toml")
    with pytest.raises(DeclarationError, match="no such declaration"):
        declaration.load(tmp_path / "nothing.toml")


def test_arms_of_a_declaration(tmp_path: Path) -> None:
    """A setting, a prefix, an environment and a program: what people gate that is not a commit."""
    path = tmp_path / "gate.toml"
    path.write_text('[arm.base]\nsetting = "nodelay=on"\n[arm.new]\nsetting = "nodelay=off"\nprefix = "nice -n 5"\n'
                    'environment = { A = "1" }\nprogram = "old/tinygram"\n'.join(["", ""]) + DECLARED.replace(
                        'question = "Is it slower?"\n', ""), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    path.write_text('question = "?"\n' + text, encoding="utf-8")
    found = declaration.load(path)
    assert found.base == Arm((("nodelay", "on"),))
    assert found.new == Arm((("nodelay", "off"),), tmp_path / "old" / "tinygram", ("nice", "-n", "5"), (("A", "1"),))


def test_an_option_that_one_measurement_does_without(declared: Declaration) -> None:
    """A socket of family unix has no congestion control."""
    unix = next(one for one in declaration.load().measurements if one.name == "bulk_unix")
    assert "congestion" not in dict(unix.options) and dict(unix.options)["family"] == "unix"
    assert dict(declared.measurements[0].options)["congestion"] == "cubic"


# ---------------------------------------------------------------------------------------------------------------------
# The command line


@pytest.fixture
def command(declared: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `gate` with the fake program as both builds, and what is kept below a folder of the test."""
    import argparse
    real = Forge.__init__

    def elsewhere(self: Forge, *words: Any, **named: Any) -> None:
        real(self, *words, **{**named, "kept": tmp_path / "kept"})
    monkeypatch.setattr(Forge, "__init__", elsewhere)

    def run(*words: str, script: Script | None = None, counts: dict[str, Any] | None = None) -> int:
        parser = argparse.ArgumentParser()
        gate_command.add_command(parser.add_subparsers())
        options = parser.parse_args(["gate", "--declaration", str(declared.path), "--expectations", str(
            tmp_path / "counters.json"), "--out", str(tmp_path / "jobs"), *words])
        return gate_command.run(options, World(script or Script(), lambda contest, arm, options: counts or document()))
    return run


def twin(tmp_path: Path) -> list[str]:
    """Options for two programs that differ."""
    other = tmp_path / "other_slices.py"
    other.write_text(FAKE.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")
    other.chmod(0o755)
    return ["--base-program", str(other), "--new-program", str(FAKE)]


def test_a_whole_job_from_the_command_line(command: Callable[..., int], tmp_path: Path,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    """Expectations are written down, then it passes; a slower build does not; the outputs are there."""
    assert command("--accept-counters", "--new-program", str(FAKE)) == 0
    assert "two_writes: stalls was not there -> 0" in capsys.readouterr().out
    assert command(*twin(tmp_path), "--seed", "5") == 0
    assert command(*twin(tmp_path), script=Script({"bulk": 1.05})) == 1
    assert "bulk" in capsys.readouterr().out
    assert command(*twin(tmp_path), counts=document(stalls=39)) == 5
    folders = sorted((tmp_path / "jobs").iterdir())
    assert len(folders) == 3
    assert {"job.json", "junit.xml", "summary.md", "raw.jsonl"} <= {path.name for path in folders[0].iterdir()}
    assert 5 in [jobs.read(folder / "job.json").seed for folder in folders]


def test_an_interrupted_job_tells_what_is_kept(command: Callable[..., int], tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    """The invocations so far stay; the interrupt goes on to whoever handles it."""
    def stop(number: int) -> str | None:
        if number == 3:
            raise KeyboardInterrupt
        return None
    command("--accept-counters", "--new-program", str(FAKE))
    with pytest.raises(KeyboardInterrupt):
        command(*twin(tmp_path), script=Script(failing={"bulk": stop}))
    folder, = (tmp_path / "jobs").iterdir()
    assert f"{folder / gate.RAW} keeps the invocations so far" in capsys.readouterr().err
    assert len((folder / gate.RAW).read_text(encoding="utf-8").splitlines()) >= 3


@pytest.mark.parametrize("words, status, said", [
    (["no-such-commit"], 2, "git knows no commit 'no-such-commit'"),
    ([], 2, "compare with what?"),
    (["HEAD", "--base-program", "/bin/true"], 2, "base is named twice"),
    (["--base-program", "/nonexistent"], 2, "there is no program at /nonexistent"),
    (["--base-program", str(FAKE), "--new-program", str(FAKE)], 2, "base and new are one and the same"),
    (["--base-program", "/bin/false", "--new-program", str(FAKE)], 6, "does not tell its version")])
def test_a_job_that_cannot_begin(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                 words: list[str], status: int, said: str) -> None:
    """A sentence, the status, and no folder stays behind."""
    if words[:1] == ["no-such-commit"] and not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    if "--new-program" not in words:
        words = [*words, "--new-program", str(FAKE)]
    assert command(*words) == status
    assert said in capsys.readouterr().err
    assert list(tmp_path.glob("jobs/*")) == []


def test_changes_that_are_in_no_commit(command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    """A dirty tree is judged on request alone; a commit or a program may be judged beside one."""
    monkeypatch.setattr(Forge, "has_git", lambda self: True)
    monkeypatch.setattr(Forge, "dirty", lambda self: True)
    monkeypatch.setattr(Forge, "resolve", lambda self, ref: "c" * 40)
    monkeypatch.setattr(Forge, "_make", lambda self, *words: None)
    monkeypatch.setattr(Forge, "_keep", lambda self, built: built if built.exists() else FAKE)
    script = Script()
    assert command(*twin(tmp_path)[:2], script=script) == 2
    assert "changes that are in no commit" in (said := capsys.readouterr().err) and "--dirty" in said
    assert script.started == [] and list(tmp_path.glob("jobs/*")) == []
    assert command("--accept-counters", "--new-program", str(FAKE)) == 0
    assert command(*twin(tmp_path)) == 0
    assert command(*twin(tmp_path)[:2], "--dirty") == 0
    notes = [jobs.read(folder / "job.json").notes for folder in sorted((tmp_path / "jobs").iterdir())]
    assert sum("changes that are in no commit" in " ".join(each) for each in notes) == 1


def test_one_cpu_only(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machine is unfit, unless that is accepted."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        script = Script()
        assert command(*twin(tmp_path), script=script) == 4
        assert f"one CPU only, number {min(before)}" in (said := capsys.readouterr().err) and "--one-cpu" in said
        assert script.started == [] and list(tmp_path.glob("jobs/*")) == []
        command("--accept-counters", "--new-program", str(FAKE))
        assert command(*twin(tmp_path), "--one-cpu") == 0
    finally:
        os.sched_setaffinity(0, before)


def test_twins_are_allowed_when_asked_for(command: Callable[..., int], tmp_path: Path) -> None:
    """A/A: the note says what its verdicts mean."""
    assert command("--accept-counters", "--new-program", str(FAKE)) == 0
    assert command("--base-program", str(FAKE), "--new-program", str(FAKE), "--twins") == 0
    (folder,) = (tmp_path / "jobs").iterdir()
    assert "every verdict but PASS is false" in jobs.read(folder / "job.json").notes[0]


def test_results_that_cannot_be_written_from_the_command_line(command: Callable[..., int], tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    """Status 4, and nothing was built or measured."""
    (tmp_path / "jobs").write_text("", encoding="utf-8")
    script = Script()
    assert command("HEAD~1", script=script) == 4
    assert "no job can be stored" in capsys.readouterr().err
    assert script.started == [] and not (tmp_path / "kept").exists()


@pytest.mark.parametrize("words", [["--seed", "x"], ["--looks", "24,12"], ["--looks", "1,2,3,4"], ["--looks", "a"]])
def test_bad_usage(command: Callable[..., int], words: list[str]) -> None:
    """argparse ends with status 2."""
    with pytest.raises(SystemExit) as caught:
        command(*words)
    assert caught.value.code == 2


def test_an_injected_slowdown_is_hidden_from_the_help() -> None:
    """It is for proofs."""
    said = subprocess.run([sys.executable, "-m", "harness", "gate", "--help"], cwd=ROOT, capture_output=True, text=True,
                          timeout=30, check=True).stdout
    assert "inject" not in said and "--accept-counters" in said


# ---------------------------------------------------------------------------------------------------------------------
# Programs that cannot take turns, and two arms


def test_an_older_build_is_compared_by_short_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job says that it finds only larger effects."""
    monkeypatch.setenv("FAKE_SLICES", "old")
    _, _, said = gate._players(Arm(program=FAKE), Arm(program=FAKE), World())
    assert len(said) == 1 and "the detectable effect is larger" in said[0]
    monkeypatch.setenv("FAKE_SLICES", "ok")
    assert gate._players(Arm(program=FAKE), Arm(program=FAKE), World())[2] == []


def test_short_processes_are_inconclusive_and_not_unfit(declared: Declaration, tmp_path: Path) -> None:
    """The method is what finds less, not the machine."""
    class Apart(Script):
        def __call__(self, contest: Contest, seed: int, units: int | None) -> Invocation:
            return replace(super().__call__(contest, seed, units), method="pairs")
    job = play(declared, Apart(spread=0.3), tmp_path)
    assert job.status is Status.INCONCLUSIVE and job.unfit == ()


def test_two_arms(tmp_path: Path) -> None:
    """compare A B: symmetric, explained, and without a canary."""
    contest = Contest("arms", "?", (("pattern", "w1,r1"),), Arm((("nodelay", "on"),)), Arm((("nodelay", "off"),)))
    world = World(Script({"arms": 0.5}))
    contest = replace(contest, base=replace(contest.base, program=FAKE))
    judged, played, notes = gate.compare_arms(contest, 3, None, world)
    assert judged.verdict is Verdict.IMPROVEMENT and judged.ratio == pytest.approx(0.5, rel=0.01)
    assert played.canaries == () and notes == []


def test_a_gate_passes_what_may_be_faster_and_a_comparison_does_not() -> None:
    """Values that rule out slower but not faster."""
    script = Script({"arms": 0.975}, spread=0.05)
    contest = Contest("arms", "?", (("pattern", "w1,r1"),), Arm(), Arm())
    one_sided = looks.play([contest], [], script, random.Random(3), Rules())
    both = looks.play([contest], [], Script({"arms": 0.975}, spread=0.05), random.Random(3), Rules(gate=False))
    assert one_sided.judged[0].invocations <= both.judged[0].invocations


# ---------------------------------------------------------------------------------------------------------------------
# The real thing


def test_the_gate_runs_the_program(program: Path, declared: Declaration, tmp_path: Path) -> None:
    """One short job with the real program: everything is counted and timed; its verdicts are the machine's business."""
    described = json.loads(subprocess.run([program, "version", "--json"], capture_output=True, check=True,
                                          timeout=10).stdout)
    if not described.get("turns"):
        pytest.skip("the program that is built has no `slices`")
    forge = Forge(ROOT, kept=tmp_path / "kept")
    request = gate.prepare(declared, gate.Sides(base_program=program, new_program=program), seed=1,
                           looks_=Looks((7,), (0.003,)), twins=True, forge=forge)
    (one, *_) = declared.exact(*request.arms)
    after, _ = counters.accept([one], {}, counters.run_pair(program))
    counters.save(tmp_path / "counters.json", after)
    folder = gate.new_folder(tmp_path / "jobs")
    began = time.monotonic()
    job = gate.run_job(replace(request, expectations=tmp_path / "counters.json"), folder)
    assert time.monotonic() - began < 120
    assert job.missing == () and [one.verdict for one in job.counted] == ["same", "same"], job.sentence
    assert [one.invocations for one in job.judged] == [7, 7, 7]
    assert all(one.ratio is not None and 0.2 < one.ratio < 5 for one in job.judged)
    assert all(one.base_ns is not None and one.base_ns > 0 for one in job.judged)
    assert len((folder / "raw.jsonl").read_text(encoding="utf-8").splitlines()) >= 28
