"""`tinygram slices`: two arms that take turns, and every way in which an arm can fail."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from running import PROGRAM, SANITIZED, Running, fails, processes_of, run, says, sound, wait_until

EXCHANGE = ("--pattern", "w64,r64")
TRANSFER = ("--bytes", "16M", "--write-size", "16K")


def slices(*arguments: object) -> dict[str, Any]:
    """The document of an invocation that ends well."""
    ended = run("slices", *arguments, "--json", "-")
    assert ended.status == 0, ended.err
    assert ended.err == ""
    document = ended.document
    assert document["schema"] == "tinygram-slices/1" and document["status"] == 0 and document["error"] is None
    return document


def value(document: dict[str, Any]) -> float:
    """ln(new / base) of an invocation."""
    measured = document["slices"]
    return median(math.log(new / base) for base, new in zip(measured["base_ns"], measured["new_ns"]))


@pytest.mark.parametrize("workload", [EXCHANGE, TRANSFER], ids=["exchange", "transfer"])
@pytest.mark.parametrize("family", ["inet", "inet6", "unix"])
def test_one_invocation(workload: Sequence[str], family: str) -> None:
    """Both arms do the same work in as many slices, on one CPU, and each hands in a sound result of all of it."""
    document = slices(*workload, "--family", family, "--slices", 40)
    measured = document["slices"]
    assert 12 <= measured["count"] <= 40
    assert len(measured["base_ns"]) == len(measured["new_ns"]) == len(measured["new_first"]) == measured["count"]
    assert min(measured["base_ns"] + measured["new_ns"]) > 0
    assert document["placement"]["sender"] == document["placement"]["receiver"] is not None
    accounts = []
    for arm in ("base", "new"):
        result = sound(document["arms"][arm]["document"])
        assert result["role"] == "arm"
        assert result["setting"]["placement"] == {"sender": [document["placement"]["sender"]],
                                                  "receiver": [document["placement"]["receiver"]]}
        assert result["result"]["elapsed_ns"] > sum(measured[f"{arm}_ns"])
        accounts.append((result["result"]["bytes"], result["result"]["writes"]))
    assert accounts[0] == accounts[1], "both arms had the same turns, so they did the same work"
    unit = 1 if measured["work"] == "exchange" else measured["units"]
    assert accounts[0][0] >= measured["units"] * measured["count"] * (64 if unit == 1 else 16384)


def test_the_order_is_balanced_and_seeded() -> None:
    """Either arm is first equally often; the seed decides when, and the units can be given."""
    first = slices(*EXCHANGE, "--slices", 40, "--units", 3, "--seed", 7)["slices"]
    again = slices(*EXCHANGE, "--slices", 40, "--units", 3, "--seed", 7)["slices"]
    other = slices(*EXCHANGE, "--slices", 40, "--units", 3, "--seed", 8)["slices"]
    assert first["units"] == 3 and first["count"] == 40
    assert sum(first["new_first"]) == 20
    assert all(sum(first["new_first"][block:block + 4]) == 2 for block in range(0, 40, 4))
    assert first["new_first"] == again["new_first"] != other["new_first"]


@pytest.mark.skipif(SANITIZED, reason="with sanitizers the machinery between the clock reads is no small part")
@pytest.mark.parametrize("workload", [EXCHANGE, TRANSFER], ids=["exchange", "transfer"])
def test_an_injected_slowdown_is_seen(workload: Sequence[str]) -> None:
    """What makes every slice half as long again is found on its side, and as large as it is; its mirror likewise."""
    slower = median(value(slices(*workload, "--new", "inject-spin=500", "--seed", seed)) for seed in range(5))
    faster = median(value(slices(*workload, "--base", "inject-spin=500", "--seed", seed)) for seed in range(5))
    assert 0.25 < slower < 0.6, slower
    assert -0.6 < faster < -0.25, faster


def test_settings_of_the_arms() -> None:
    """Each arm has its own options, in effect and read back; a stall shows in the counters of the arm that has it."""
    document = slices("--pattern", "w100,w400,r1", "--base", "nodelay=on", "--new", "nodelay=off sndbuf=65536")
    base, new = (document["arms"][arm]["document"] for arm in ("base", "new"))
    assert base["setting"]["effective"]["sender"]["end"]["nodelay"] is True
    assert new["setting"]["effective"]["sender"]["end"]["nodelay"] is False
    assert new["setting"]["effective"]["sender"]["end"]["sndbuf"] == 131072
    assert base["result"]["stalls"]["by_mechanism"]["nagle_delayed_ack"] == 0
    stalls = new["result"]["stalls"]["by_mechanism"]["nagle_delayed_ack"]
    assert stalls >= document["slices"]["count"] * document["slices"]["units"] * 0.8
    assert value(document) > math.log(10)


@pytest.mark.parametrize("nodelay", ["on", "off"])
def test_a_slice_of_a_transfer_ends_without_a_stall(nodelay: str) -> None:
    """The tail of a slice is pushed out, whatever would hold it: no slice waits for a delayed ACK."""
    measured = slices("--bytes", "1M", "--write-size", "1000", "--mss", "1460", "--nodelay", nodelay)["slices"]
    assert median(measured["base_ns"]) < 20e6
    cork = slices("--bytes", "1M", "--write-size", "1000", "--mss", "1460", "--cork", "on")["slices"]
    assert median(cork["base_ns"]) < 20e6


def test_program_and_prefix(tmp_path: Path) -> None:
    """An arm can be another build and can run in another environment; both are told."""
    other = tmp_path / "other build"
    os.symlink(PROGRAM, other)
    spy = tmp_path / "spy"
    spy.write_text('#!/bin/sh\necho "$@" > "$0.saw"\nexec "$@"\n', encoding="utf-8")
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    document = slices(*EXCHANGE, "--slices", 12, "--new-program", other, "--new-prefix", f"env A=B {spy}")
    arms = document["arms"]
    assert arms["base"]["program"] == str(PROGRAM.resolve()) and arms["base"]["prefix"] is None
    assert arms["new"]["program"] == str(other)
    assert arms["new"]["command"][:5] == ["env", "A=B", str(spy), str(other), "arm"]
    assert (tmp_path / "spy.saw").read_text(encoding="utf-8").startswith(f"{other} arm --pattern w64,r64")


def script(tmp_path: Path, text: str) -> Path:
    """A program that stands in for an arm."""
    path = tmp_path / "stand-in"
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("text", "words"), [
    ("exit 0\n", ("arm new", "it ended")),
    ("echo TGTURNipseturvy; exec cat\n", ("arm new", "another version")),
    ("echo rubbish that is long enough; exec cat\n", ("arm new", "no turn")),
    ("printf 'TGTURN\\000\\001'; exit 0\n", ("arm new", "ended")),
    (f"{PROGRAM} \"$@\" & kill -9 $!; wait\n", ("arm new", "ended")),
    (f"{PROGRAM} \"$@\"; exit 7\n", ("arm new", "gave its result", "status 7")),
    (f"{PROGRAM} \"$@\"; kill -9 $$\n", ("arm new", "gave its result", "signal 9")),
])
def test_arms_that_fail(tmp_path: Path, text: str, words: Sequence[str]) -> None:
    """Each way in which an arm can fail has its sentence, with the arm's name, and leaves nothing running."""
    fails(4, *words, arguments=("slices", *EXCHANGE, "--new-program", script(tmp_path, text)))


def test_an_arm_that_dies_in_its_turn(tmp_path: Path) -> None:
    """An arm that is killed while it works is told, and so is the document's error."""
    out = tmp_path / "out.json"
    with Running(("slices", "--pattern", "w100,w400,r1", "--new", "nodelay=off", "--json", out)) as running:
        arms: list[int] = []

        def both() -> bool:
            arms[:] = [process for process in children(running.pid) if len(children(process)) == 1]
            return len(arms) == 2

        wait_until(both, "both arms to have their receivers")
        os.kill(arms[0], signal.SIGKILL)
        ended = running.wait()
    says(ended, 4, "arm", "ended")
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["status"] == 4 and "ended" in document["error"]
    assert document["arms"]["base"]["document"] is None


def children(process: int) -> list[int]:
    """The children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_the_document_is_partial_after_a_signal(tmp_path: Path) -> None:
    """A signal ends an invocation in order: what was measured is kept, and no arm is left."""
    out = tmp_path / "out.json"
    with Running(("slices", "--pattern", "w100,w400,r1", "--json", out)) as running:
        wait_until(lambda: len(children(running.pid)) == 2, "both arms to be there")
        running.kill(signal.SIGINT)
        says(running.wait(), 130, "interrupted")
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["status"] == 130


def test_arms_end_with_whoever_compares() -> None:
    """No arm outlives a comparison that was killed."""
    with Running(("slices", "--pattern", "w100,w400,r1")) as running:
        wait_until(lambda: len(children(running.pid)) == 2, "both arms to be there")
        running.kill(signal.SIGKILL)
        running.process.wait()
        wait_until(lambda: not processes_of(running.pid), "the arms to end")


@pytest.mark.parametrize(("arguments", "status", "words"), [
    (("--new", "nodelya=on"), 2, ("--new", "--nodelay")),
    (("--base", "nodelay=perhaps"), 2, ("--base", "--nodelay", "perhaps")),
    (("--new", "cpus=split"), 2, ("--new", "cpus", "same place")),
    (("--base", "json=x"), 2, ("--base", "--json")),
    (("--new", "congestion=nonesuch"), 3, ("arm new", "nonesuch")),
    (("--new-program", "/nonexistent/tinygram"), 3, ("arm new", "/nonexistent/tinygram")),
    (("--new-prefix", "no-such-command"), 3, ("arm new", "no-such-command")),
    (("--cpus", "0,1000"), 3, ("pin", "1000")),
    (("--cpus", "1000,0"), 3, ("pin", "1000")),
    (("--count", "5"), 2, ("--count",)),
    (("--duration", "1s"), 2, ("--duration",)),
    (("--rate", "100"), 2, ("--rate",)),
    (("--connections", "2"), 2, ("--connections",)),
    (("--wait", "spin"), 2, ("--wait spin",)),
    (("--slices", "0"), 2, ("--slices",)),
    (("--units", "0"), 2, ("--units",)),
    (("--slice-time", "0"), 2, ("--slice-time",)),
    (("--inject-spin", "-1"), 2, ("--inject-spin",)),
    (("--json", "/nonexistent/x.json"), 3, ("--json", "/nonexistent/x.json")),
])
def test_refused(arguments: Sequence[str], status: int, words: Sequence[str]) -> None:
    """What cannot be compared is refused with the option and the reason."""
    fails(status, *words, arguments=("slices", *EXCHANGE, *arguments))


def answer(listener: socket.socket) -> None:
    """A foreign server: reads requests of 500 bytes and answers each with one, on one connection after the other."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while request := connection.recv(500, socket.MSG_WAITALL):
                if len(request) == 500:
                    connection.sendall(b"x")


def test_a_foreign_server_behind_a_pattern() -> None:
    """The other end can be a server of somebody else's: what is ours to know is told, the rest is null."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(2):  # each arm is answered by a thread of its own
            threading.Thread(target=answer, args=(listener,), daemon=True).start()
        document = slices("--pattern", "w100,w400,r1", "--nodelay", "on", "--slices", 12, "--connect",
                          listener.getsockname()[1])
    for arm in ("base", "new"):
        account = sound(document["arms"][arm]["document"])
        assert account["result"]["reply_bytes"] >= 12 * document["slices"]["units"]
        assert account["result"]["writes"] == 2 * account["result"]["reply_bytes"]
        assert account["result"]["reads"] is None and account["result"]["verified"] is None
        assert account["tcp_info"]["receiver"] is None


@pytest.mark.parametrize(("arguments", "words"), [
    (("--bytes", "1M", "--connect", "9"), ("--connect", "--pattern")),
    ((*EXCHANGE, "--family", "unix", "--connect", "9"), ("--connect", "unix")),
    ((*EXCHANGE, "--connect", "70000"), ("--connect", "65535")),
])
def test_foreign_servers_that_cannot_be(arguments: Sequence[str], words: Sequence[str]) -> None:
    """A foreign server answers a pattern at a port."""
    fails(2, *words, arguments=("slices", *arguments))


def test_a_foreign_server_that_is_not_there() -> None:
    """A server is waited for, and then named."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        fails(3, "--connect", "refused", arguments=("slices", *EXCHANGE, "--connect", bound.getsockname()[1]))


def test_streams_cannot_be_compared_in_slices() -> None:
    """A stream has a schedule of its own."""
    fails(2, "--stream", arguments=("slices", "--stream", "64@100"))


def test_hidden_from_ordinary_help() -> None:
    """What is there to prove the gate, and what only `slices` starts, is in no help."""
    text = run("help").out + run("help", "--markdown").out + run("help", "--man").out
    assert "inject-spin" not in text
    assert "tinygram arm" not in text
    assert "tinygram slices" in text
    fails(2, "--inject-spin", arguments=("pair", *EXCHANGE, "--inject-spin", "50"))


def test_the_protocol_is_announced() -> None:
    """Whoever compares builds can ask whether one takes turns."""
    assert json.loads(run("version", "--json").out)["turns"] == 1


# An arm of Python: it speaks of slices that take 10 us a unit, but its first 2 take a second.
FAKE = '''#!/usr/bin/python3
import os, struct, sys
def say(kind, number):
    os.write(1, struct.pack(">QQQ512s", 0x54475455524e << 16 | 1, kind, number, b""))
say(1, 1)
turns = 0
while True:
    frame = b""
    while len(frame) < 536:
        frame += os.read(0, 536 - len(frame)) or sys.exit(0)
    kind, units = struct.unpack(">QQ", frame[8:24])
    if kind == 4:
        os.write(1, b"{}\\n")
        sys.exit(0)
    turns += 1
    say(3, {told})
'''


def fake(tmp_path: Path, told: str) -> Path:
    """An arm that tells the times that the expression says."""
    path = tmp_path / "fake"
    path.write_text(FAKE.replace("{told}", told), encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_slow_beginning_does_not_decide_how_long_a_slice_is(tmp_path: Path) -> None:
    """The first slices meet cold caches: one that takes long does not stand for all that follow."""
    arm = fake(tmp_path, "10**9 if turns <= 2 else 10000 * units")
    out = run("slices", *EXCHANGE, "--slices", 12, "--json", "-", "--base-program", arm, "--new-program", arm)
    assert out.status == 0, out.err
    measured = json.loads(out.out)["slices"]
    assert measured["units"] == 50 and measured["base_ns"] == [500000] * 12


def test_a_slice_of_a_transfer_is_bounded() -> None:
    """What fits between the two ends' queues and the cache is one slice; a chunk is never cut."""
    assert slices(*TRANSFER, "--slices", 12, "--slice-time", "100ms")["slices"]["units"] <= 32
    assert slices("--bytes", "2M", "--write-size", "1M", "--slices", 12)["slices"]["units"] == 1


@pytest.mark.parametrize("family", ["inet", "unix"])
@pytest.mark.parametrize("units", [1, 3, 20])
def test_nothing_is_outstanding_between_two_slices(family: str, units: int) -> None:
    """Each arm's exchanges are answered in its own turns: as many were begun as were asked for, and no more."""
    document = slices("--pattern", "k8(w64,r64)", "--family", family, "--units", units, "--slices", 12)
    measured = document["slices"]
    for arm in ("base", "new"):
        account = sound(document["arms"][arm]["document"])
        assert account["result"]["bytes"] == 64 * units * (measured["count"] + measured["warm_up"])
        assert account["result"]["reply_bytes"] == account["result"]["bytes"]
        assert account["workload"]["count"] is None


@pytest.mark.parametrize("pattern", ["w64,r64,w100", "r1,w64,r64"])
def test_patterns_that_do_not_rest_between_two_exchanges(pattern: str) -> None:
    """An exchange that begins or ends in the other arm's turn cannot be compared."""
    fails(2, "--pattern", "turn", arguments=("slices", "--pattern", pattern))
