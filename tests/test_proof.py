"""Sittings of a proof: every job is kept, nothing runs that was not asked for, the neighbour is busy and ends."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import proofs
import pytest

from harness import cli, declaration, evidence, ledger, proof
from harness.builds import Forge
from harness.evidence import KINDS
from harness.proof import Neighbour, Plan, ProofError, RealGate, World, sit
from harness.schema import HarnessError
from harness.verdict import Job, Status, Verdict

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Gate:
    """A gate that gives the right answer, and remembers what it was asked. fail: error of the next jobs."""

    asked: list[tuple[int, str, int]] = field(default_factory=list)
    fail: list[BaseException] = field(default_factory=list)
    change: Callable[[Job], Job] = lambda job: job

    def __call__(self, injected: int, kind: str, seed: int) -> Job:
        self.asked.append((injected, kind, seed))
        if self.fail:
            raise self.fail.pop(0)
        return self.change(proofs.job(injected, kind, seed))


class Beside(Neighbour):
    """A neighbour that is none."""

    def __init__(self, share: float | None = 0.97) -> None:
        super().__init__(0)
        self.given = share

    def __enter__(self) -> Neighbour:
        return self

    def __exit__(self, *error: object) -> None:
        self.share = self.given


@dataclass
class Said:
    """A world without a machine, in which each look at the clock takes half a minute."""

    lines: list[str] = field(default_factory=list)
    now: float = 0.0
    share: float | None = 0.97

    def clock(self) -> float:
        self.now += 30.0
        return self.now

    @property
    def world(self) -> World:
        return World(digest=lambda job: proofs.CODE, beside=lambda: Beside(self.share), clock=self.clock,
                     say=self.lines.append)


def plan(folder: Path, *kinds: str, jobs: int | None = None, minutes: float | None = None) -> Plan:
    """A plan with a ledger in a folder of the test."""
    return Plan(tuple(KINDS[name] for name in kinds or KINDS), folder / "proof.jsonl", jobs, minutes)


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fake neighbour needs a second CPU."""
    monkeypatch.setattr(proof, "neighbours_cpu", lambda: 0)


# ---------------------------------------------------------------------------------------------------------------------
# Sittings


def test_a_sitting_has_some_jobs_of_every_kind(tmp_path: Path) -> None:
    """Whenever it is stopped: the kind that lacks the largest share comes next. Seeds never come twice."""
    gate = Gate()
    assert sit(plan(tmp_path, jobs=60), gate, Said().world) == 0
    kinds = [kind for _, kind, _ in gate.asked]
    assert [kinds[:6].count(kind) for kind in KINDS] == [1] * 6
    assert {kind: kinds.count(kind) for kind in KINDS} == {
        "aa-idle": 19, "aa-busy": 19, "inject-50": 4, "inject-100": 4, "nodelay-lost": 7, "nodelay-lost-busy": 7}
    assert [seed for _, _, seed in gate.asked] == list(range(1, 61))
    assert all(injected == KINDS[kind].injected for injected, kind, _ in gate.asked)
    entries = ledger.read(tmp_path / "proof.jsonl").entries
    assert [(one.injected, one.kind, one.seed) for one in entries] == gate.asked
    assert all((one.neighbour == 0.97) == KINDS[one.kind].busy for one in entries)
    assert all(one.load is not None for one in entries)


def test_sittings_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Until all is shown that is asked for, and no job more; then every claim is shown."""
    gate, said = Gate(), Said()
    some = ("inject-50", "inject-100")
    assert sit(plan(tmp_path, *some, jobs=100), gate, said.world) == 0
    assert sit(plan(tmp_path, *some), gate, said.world) == 0
    assert len(gate.asked) == 59 + 59
    assert sit(plan(tmp_path, *some), gate, said.world) == 0
    assert len(gate.asked) == 59 + 59
    shown = [claim for claim in evidence.claims(ledger.read(tmp_path / "proof.jsonl").entries) if claim.shown]
    assert len(shown) == 2
    assert sit(plan(tmp_path, *some, jobs=3), gate, said.world) == 0  # asked for by number: even beyond
    assert len(gate.asked) == 59 + 59 + 3


def test_a_sitting_begins_no_job_after_its_time(tmp_path: Path) -> None:
    """Two minutes of half-minute looks at the clock: the job that runs is ended, the next is not begun."""
    gate = Gate()
    sit(plan(tmp_path, "aa-idle", minutes=2.0), gate, Said().world)
    assert len(gate.asked) == 3
    sit(plan(tmp_path, "aa-idle", jobs=5, minutes=1.0), gate, Said().world)
    assert len(gate.asked) == 4


def test_other_code_begins_anew(tmp_path: Path) -> None:
    """Jobs of an earlier group do not count towards what is asked for now."""
    with ledger.Writer(tmp_path / "proof.jsonl") as writer:
        for seed in range(1, 60):
            writer.append(proofs.made("inject-50", seed, code="old", at="2026-01-01T00:00:00Z"))
    gate = Gate()
    sit(plan(tmp_path, "inject-50", jobs=1), gate, Said().world)
    sit(plan(tmp_path, "inject-50"), gate, Said().world)
    assert len(gate.asked) == 59
    assert gate.asked[0][2] == 60


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupted_sitting_keeps_every_job_that_ended(end: BaseException, tmp_path: Path) -> None:
    """The job that ran is lost, and nothing else; the report is there."""
    gate = Gate()

    def run(injected: int, kind: str, seed: int) -> Job:
        if seed == 3:
            raise end
        return gate(injected, kind, seed)
    with pytest.raises(type(end)):
        sit(plan(tmp_path, "aa-idle"), run, Said().world)
    assert [one.seed for one in ledger.read(tmp_path / "proof.jsonl").entries] == [1, 2]
    assert "have 2" in (tmp_path / "proof.md").read_text(encoding="utf-8")


def test_a_line_that_a_kill_cut_off_is_told(tmp_path: Path) -> None:
    """And its job is run again."""
    path = tmp_path / "proof.jsonl"
    path.write_bytes(proofs.made(seed=1).line() + b"no job\n" + proofs.made(seed=2).line()[:-20])
    gate, said = Gate(), Said()
    sit(plan(tmp_path, "aa-idle", jobs=1), gate, said.world)
    assert gate.asked == [(0, "aa-idle", 2)]
    assert any("cut off" in line for line in said.lines) and any("line 2" in line for line in said.lines)
    assert [one.seed for one in ledger.read(path).entries] == [1, 2]
    assert "line 2 of proof.jsonl is skipped" in (tmp_path / "proof.md").read_text(encoding="utf-8")


def test_a_job_that_fails_is_kept_and_counts_nowhere(tmp_path: Path) -> None:
    """Its sentence is in the ledger; the sitting goes on; three in a row end it with status 4."""
    gate, said = Gate(fail=[HarnessError("no room."), HarnessError("no room.")]), Said()
    assert sit(plan(tmp_path, "aa-idle", jobs=4), gate, said.world) == 0
    entries = ledger.read(tmp_path / "proof.jsonl").entries
    assert [one.error for one in entries] == ["no room.", "no room.", None, None]
    assert [one.status for one in entries] == [None, None, 0, 0]
    assert evidence.claims(entries)[0].tried == 2
    gate.fail = [HarnessError("no room.")] * 9
    assert sit(plan(tmp_path, "aa-idle"), gate, said.world) == 4
    assert len(gate.fail) == 6 and "3 jobs in a row failed" in said.lines[-1]


def test_a_claim_that_is_missed_has_a_status_of_its_own(tmp_path: Path) -> None:
    """1 as soon as the newest jobs show the opposite of what is asked."""
    def wrong(job: Job) -> Job:
        return replace(job, status=Status.REGRESSION, judged=(proofs.measured("writev", 1.03, Verdict.REGRESSION),))
    assert sit(plan(tmp_path, "aa-idle", jobs=2), Gate(change=wrong), Said().world) == 1
    assert "**missed**" in (tmp_path / "proof.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("share", [None, 0.05])
def test_a_neighbour_that_was_not_busy_makes_no_busy_job(share: float | None, tmp_path: Path) -> None:
    """It ended early, or others had its CPU: the job counts as failed, not as one under load."""
    said = Said(share=share)
    sit(plan(tmp_path, "aa-busy", jobs=1), Gate(), said.world)
    entries = ledger.read(tmp_path / "proof.jsonl").entries
    assert entries[0].status is None and entries[0].error is not None and "not busy" in entries[0].error


def test_one_cpu_has_no_room_for_a_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the kinds that can be run."""
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    with pytest.raises(ProofError, match="only CPU 3; name the other kinds: --kind aa-idle --kind inject-50"):
        sit(plan(tmp_path), Gate(), Said().world)
    assert sit(plan(tmp_path, "aa-idle", jobs=1), Gate(), Said().world) == 0


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """The ledger has the job all the same."""
    (tmp_path / "proof.md").mkdir()
    with pytest.raises(ProofError, match="--report-only"):
        sit(plan(tmp_path, "aa-idle", jobs=1), Gate(), Said().world)
    assert len(ledger.read(tmp_path / "proof.jsonl").entries) == 1


# ---------------------------------------------------------------------------------------------------------------------
# The neighbour


def test_the_neighbour_is_pinned_busy_and_gone_afterwards() -> None:
    """On the CPU it is given; the share that it had is told; also when the job fails."""
    cpu = sorted(os.sched_getaffinity(0))[-1]
    with Neighbour(cpu) as neighbour:
        assert os.sched_getaffinity(neighbour.pid) == {cpu}
        time.sleep(0.3)
    assert neighbour.share is not None and 0 < neighbour.share <= 1.2
    with pytest.raises(ProcessLookupError):
        os.kill(neighbour.pid, 0)
    with pytest.raises(ZeroDivisionError):
        with Neighbour(cpu) as neighbour:
            raise ZeroDivisionError
    with pytest.raises(ProcessLookupError):
        os.kill(neighbour.pid, 0)


def test_a_neighbour_that_dies_early_had_nothing() -> None:
    """Whoever ended it."""
    with Neighbour(sorted(os.sched_getaffinity(0))[-1]) as neighbour:
        os.kill(neighbour.pid, 9)
        os.waitid(os.P_PID, neighbour.pid, os.WEXITED | os.WNOWAIT)
    assert neighbour.share is None


def test_a_neighbour_that_does_not_start_is_refused() -> None:
    """On a CPU that is not there."""
    with pytest.raises(ProofError, match="did not start on CPU 100000"):
        with Neighbour(100000):
            pass


def test_the_neighbour_ends_when_the_proof_is_killed() -> None:
    """SIGKILL leaves nobody to end it; it looks for its parent."""
    program = ("import os, sys\nfrom harness.proof import Neighbour\n"
               "with Neighbour(min(os.sched_getaffinity(0))) as neighbour:\n"
               "    print(neighbour.pid, flush=True)\n"
               "    sys.stdin.read()\n")
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None and parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and is_running(pid):
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# ---------------------------------------------------------------------------------------------------------------------
# The real gate


@dataclass
class Played:
    """What the real gate was asked for."""

    requests: list[proof.Request] = field(default_factory=list)

    def __call__(self, request: proof.Request) -> Job:
        self.requests.append(request)
        return proofs.job(request.spin or 0, "aa-idle", request.seed)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """The real gate, but for building and playing."""
    found = Played()
    build = proofs.job().base
    monkeypatch.setattr(proof.gate, "run_job", found)
    monkeypatch.setattr(Forge, "commit", lambda forge, label, ref: replace(
        build, label=label, ref=ref, commit="c" * 40, dirty=False, program="/programs/kept",
        flags=forge.toolchain.flags or "-O2"))
    monkeypatch.setattr(Forge, "program", lambda forge, label, path: replace(
        build, label=label, ref=str(path), commit=None, program=f"{path}/deaf"))
    return found


def test_equal_builds_and_injected_slowness_are_asked_of_the_real_gate(played: Played, tmp_path: Path) -> None:
    """The last commit twice, all that is declared, the seed of the job, and the slowness in the new arm alone."""
    gate = RealGate(declaration.load(), Forge(kept=tmp_path))
    gate(0, "aa-busy", 7)
    gate(50, "inject-50", 8)
    equal, slow = played.requests
    assert (equal.seed, equal.spin, slow.seed, slow.spin) == (7, None, 8, 50)
    assert equal.base.program == equal.new.program == slow.new.program
    assert equal.base.ref == equal.new.ref == "HEAD"
    assert equal.declaration == slow.declaration == gate.declaration
    assert dict(slow.arms[1].setting)["inject-spin"] == "50" and "inject-spin" not in dict(slow.arms[0].setting)


def test_a_lost_nodelay_is_a_build_of_its_own(played: Played, tmp_path: Path) -> None:
    """The same commit and flags, and a header; only what counts stalls with NODELAY on is measured."""
    gate = RealGate(declaration.load(), Forge(kept=tmp_path))
    gate(0, "nodelay-lost", 9)
    (request,) = played.requests
    assert request.base.program != request.new.program and request.spin is None
    assert [dict(one.options)["nodelay"] for one in request.declaration.measurements] == ["on"] * len(
        request.declaration.measurements)
    assert request.declaration.measurements and all("stalls" in one.exact for one in request.declaration.measurements)
    (header,) = (tmp_path / "deaf").glob("deaf-*.h")
    assert header.read_text(encoding="utf-8") == proof.DEAF


def test_a_declaration_without_stalls_cannot_prove_it(played: Played, tmp_path: Path) -> None:
    """And says so."""
    declared = declaration.load()
    bare = replace(declared, measurements=tuple(replace(one, exact=()) for one in declared.measurements))
    with pytest.raises(ProofError, match="could not be found"):
        RealGate(bare, Forge(kept=tmp_path))(0, "nodelay-lost", 1)


def test_deaf_sockets_take_nodelay_and_forget_it(tmp_path: Path) -> None:
    """A program with the header says that NODELAY is on, and the kernel says that it is off; other options work."""
    (tmp_path / "deaf.h").write_text(proof.DEAF, encoding="utf-8")
    (tmp_path / "main.c").write_text(
        "#define _GNU_SOURCE\n#include <netinet/in.h>\n#include <linux/tcp.h>\n#include <stdio.h>\n"
        "#include <sys/socket.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
        "int main(void) {\n int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, said = -1, real = -1, quick = 1;\n"
        " socklen_t len = sizeof on;\n"
        " if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return 1;\n"
        " if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &quick, sizeof quick) != 0) return 2;\n"
        " if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &said, &len) != 0) return 3;\n"
        " if (syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &real, &len) != 0) return 4;\n"
        " if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_KEEPALIVE, &quick, &len) != 0) return 5;\n"
        ' printf("%d %d %d", said, real, quick);\n return 0;\n}\n', encoding="utf-8")
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror",
                    "-include", "deaf.h", "-o", "main", "main.c"], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == "1 0 1"


# ---------------------------------------------------------------------------------------------------------------------
# The command


def options(*words: str) -> argparse.Namespace:
    """The words as the parser of the command takes them."""
    parser = argparse.ArgumentParser()
    proof.add_command(parser.add_subparsers())
    return parser.parse_args(["prove-gate", *words])


def test_the_command_runs_a_sitting(tmp_path: Path) -> None:
    """Kinds, number of jobs, ledger; the report lies beside it and is named."""
    gate, said = Gate(), Said()
    path = tmp_path / "x.jsonl"
    given = options("--kind", "inject-50", "--kind", "aa-idle", "--kind", "inject-50", "--jobs", "4",
                    "--ledger", str(path))
    assert proof.main(given, gate, said.world) == 0
    assert [kind for _, kind, _ in gate.asked] == ["inject-50", "aa-idle", "aa-idle", "aa-idle"]
    assert said.lines[-1] == f"report: {tmp_path / 'x.md'}"
    assert "Made from `x.jsonl`, 4 jobs" in (tmp_path / "x.md").read_text(encoding="utf-8")


def test_the_report_alone_runs_nothing(tmp_path: Path) -> None:
    """It can be made from a ledger that lies anywhere; an empty one is refused."""
    path = tmp_path / "x.jsonl"
    gate = Gate()
    with pytest.raises(ProofError, match="no jobs to report on"):
        proof.main(options("--report-only", "--ledger", str(path)), gate, Said().world)
    path.write_bytes(proofs.made().line() + b"{")
    assert proof.main(options("--report-only", "--ledger", str(path)), gate, Said().world) == 0
    assert gate.asked == [] and (tmp_path / "x.md").is_file()
    assert path.read_bytes().endswith(b"{")  # what is only read is not changed


def test_defaults_are_everything(tmp_path: Path) -> None:
    """All kinds, into results/baseline, without a limit."""
    given = options()
    assert (given.kind, given.jobs, given.minutes, given.report_only) == (None, None, None, False)
    assert given.ledger == ROOT / "results" / "baseline" / "prove-gate.jsonl"


@pytest.mark.parametrize("words", [("--kind", "aa-moon"), ("--jobs", "0"), ("--jobs", "x"), ("--minutes", "0"),
                                   ("--minutes", "nan"), ("--minutes", "-1"), ("--minutes", "x")])
def test_what_makes_no_sense_is_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and the option's name."""
    with pytest.raises(SystemExit) as ended:
        options(*words)
    assert ended.value.code == 2 and words[0] in capsys.readouterr().err


def test_the_harness_has_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its errors are sentences with a status."""
    assert cli.main(["prove-gate", "--report-only", "--ledger", str(tmp_path / "none.jsonl")]) == 3
    assert "has no jobs to report on" in capsys.readouterr().err
