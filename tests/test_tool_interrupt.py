"""Signals at every phase: Ctrl-C and SIGTERM leave a partial result that says so; who is killed leaves the other end a
clear sentence, the right status, and nothing running."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from running import (CONCURRENCIES, Receiver, Running, hello, processes_of, read_frame, run, says, sound, state_of,
                     wait_until, written)

# About 20 s: long enough to be ended by a signal.
SLOW = ("--bytes", "40M", "--write-size", "4K", "--sndbuf", "32K", "--max-pacing-rate", "2M")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


# ---------------------------------------------------------------------------------------------------------------------
# A receiver that stops answering, or goes away, after a chosen phase. It speaks wire version 1.

PHASES = ("connect", "hello", "welcome", "data", "report")


def reply(kind: int, port: int = 0) -> bytes:
    """WELCOME (2) or READY (4): status 0, sampling will do, one clock, an IPv4 address, not interrupted, no text."""
    body = struct.pack(">QQQQQQ", 0, 0, 1, 4, port, 0) + socket.inet_aton("127.0.0.1") + bytes(12 + 108 + 8 + 512)
    return b"TGRM" + struct.pack(">III", 1, kind, len(body)) + body


class Fake:
    """Plays the receiver as far as `phase` and then is silent."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.listener.settimeout(30)
        self.port = self.listener.getsockname()[1]
        self.control: socket.socket | None = None
        self.data: socket.socket | None = None

    def play(self, phase: str) -> None:
        """connect: accepts nobody; hello: has the HELLO; welcome: has answered it; data: is ready; report: has all."""
        if phase == "connect":
            return
        self.control = self.stack.enter_context(self.listener.accept()[0])
        self.control.settimeout(30)
        read_frame(self.control)
        if phase == "hello":
            return
        with socket.create_server(("127.0.0.1", 0)) as data_listener:
            data_listener.settimeout(30)
            self.control.sendall(reply(2, data_listener.getsockname()[1]))
            self.data = self.stack.enter_context(data_listener.accept()[0])
        read_frame(self.control)
        if phase == "welcome":
            return
        self.control.sendall(reply(4))
        if phase == "report":
            while self.data.recv(1 << 20):
                pass
            read_frame(self.control)

    def disappear(self) -> None:
        """As the kernel does it for a process that is killed."""
        for end in (self.control, self.data, self.listener):
            if end is not None:
                end.close()


@contextmanager
def at_phase(phase: str, *arguments: object) -> Iterator[tuple[Fake, Running]]:
    """A sender that waits for its receiver in `phase`."""
    with ExitStack() as stack:
        fake = Fake(stack)
        workload = ("--bytes", "1000") if phase == "report" else SLOW
        sender = stack.enter_context(Running(("send", "127.0.0.1", fake.port, *workload, "--json", "-", *arguments)))
        fake.play(phase)
        if phase == "data":
            wait_until(lambda: written(sender.pid) > 20_000, "the sender to be under way")
        yield fake, sender


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_sender_is_interrupted_in_every_phase(number: signal.Signals) -> None:
    """Status 130 and a document that says so, also where the other end is silent. All phases at once, to save time."""
    with ExitStack() as stack:
        senders = {phase: stack.enter_context(at_phase(phase))[1] for phase in PHASES}
        for sender in senders.values():
            sender.kill(number)
        for phase, sender in senders.items():
            ended = sender.wait(20)
            says(ended, 130, "interrupted by a signal; the result is partial")
            document = sound(ended.document)
            assert document["status"] == 130 and document["interrupted"] is True, phase
            assert document["result"]["bytes"] is None  # no confirmation: nothing is claimed
            assert document["result"]["verified"] is None


@pytest.mark.parametrize("phase", [*PHASES[1:], "refused"])
def test_a_receiver_that_disappears(phase: str) -> None:
    """The sender says what it saw, with status 4; where nobody listens any more, with status 3."""
    if phase == "refused":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        says(run("send", "127.0.0.1", port, *SLOW), 3, "cannot connect", "does `tinygram recv` listen there?")
        return
    with at_phase(phase) as (fake, sender):
        fake.disappear()
        ended = sender.wait(20)
    says(ended, 4)
    words = ("the receiver closed the data connection after",) if phase == "data" else \
        ("receiver: ", "the other end closed the control connection")
    if phase in ("hello", "welcome", "report"):
        assert any(word in ended.err for word in (*words, "the control connection broke")), ended.err
    else:
        assert words[0] in ended.err
    document = sound(ended.document)
    assert document["status"] == 4 and document["interrupted"] is False and document["result"]["bytes"] is None


@pytest.mark.parametrize("phase", PHASES)
def test_a_timeout_ends_every_phase(phase: str) -> None:
    begin = time.monotonic()
    with at_phase(phase, "--timeout", "700ms") as (_, sender):
        ended = sender.wait(30)
    assert time.monotonic() - begin >= 0.7
    says(ended, 4, "--timeout passed")
    assert sound(ended.document)["status"] == 4


# ---------------------------------------------------------------------------------------------------------------------
# Both ends are ours.


@contextmanager
def slow_pair(*arguments: object) -> Iterator[Running]:
    """A pair in the middle of its transfer."""
    with Running(("pair", *SLOW, "--json", "-", *arguments)) as running:
        wait_until(lambda: written(running.pid) > 300_000, "the pair to be under way")
        yield running


@pytest.mark.parametrize("group", [False, True], ids=["alone", "whole group"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_an_interrupted_pair_writes_what_it_has(concurrency: str, connections: int, number: signal.Signals, group: bool,
                                                tmp_path: Path) -> None:
    """One process got the signal, or (as with Ctrl-C) all of them: a joint, partial, verified result either way."""
    events = tmp_path / "events.tsv"
    with slow_pair("--concurrency", concurrency, "--connections", connections, "--events", events) as running:
        os.killpg(running.pid, number) if group else running.kill(number)
        ended = running.wait()
    says(ended, 130, "interrupted by a signal; the result is partial")
    document = sound(ended.document)
    assert document["status"] == 130 and document["interrupted"] is True
    assert 300_000 < document["result"]["bytes"] < 40 << 20
    assert document["result"]["verified"] is True
    assert document["result"]["reads"] > 0 and document["result"]["goodput_bytes_per_s"] > 0
    assert sum(line.startswith("sender\t") for line in events.read_text().splitlines()) == \
        document["result"]["events"]["sender"]["recorded"]


def test_a_person_sees_that_it_is_partial() -> None:
    with Running(("pair", *SLOW)) as running:
        wait_until(lambda: written(running.pid) > 300_000, "the pair to be under way")
        running.kill(signal.SIGINT)
        ended = running.wait()
    says(ended, 130, "partial")
    assert "INTERRUPTED: partial" in ended.out


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_an_interrupted_receiver_writes_what_it_has(concurrency: str, number: signal.Signals, tmp_path: Path) -> None:
    """Sessions in full flow, one with several connections, a stranger, and a signal to every process of it: a partial
    document for each session, no temporary file, and senders that say what they saw."""
    output = tmp_path / "output"
    output.mkdir()
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver("--concurrency", concurrency, "--output", output, "--json", "-"))
        senders = [stack.enter_context(Running(("send", *receiver.address, *SLOW, "--connections", count,
                                                "--json", "-"))) for count in (1, 3)]
        stack.enter_context(receiver.connect())
        for sender in senders:
            wait_until(lambda sender=sender: written(sender.pid) > 300_000, "a sender to be under way")
        os.killpg(receiver.pid, number)
        ended = receiver.wait(20)
        assert ended.status == 130
        documents = [sound(json.loads(line)) for line in ended.out.splitlines()]
        assert len(documents) == 2
        for document in documents:
            assert document["status"] == 130 and document["interrupted"] is True
            assert document["result"]["bytes"] > 0
        assert list(output.iterdir()) == []
        for sender in senders:
            gone = sender.wait(20)
            says(gone, 4, "the receiver closed the data connection after")
            assert sound(gone.document)["interrupted"] is False


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_receiver_is_interrupted_before_the_data(concurrency: str) -> None:
    """One sender has said nothing yet, one waits for its data connections to be made, and neither goes on."""
    first = hello()
    with Receiver("--concurrency", concurrency, "--json", "-") as receiver, receiver.connect(), \
            receiver.connect() as sender:
        sender.settimeout(30)
        sender.sendall(first)
        assert read_frame(sender)[8:12] == b"\0\0\0\2"  # WELCOME
        receiver.kill(signal.SIGTERM)
        ended = receiver.wait(20)
        assert sender.recv(1) == b""
    assert ended.status == 130
    (document,) = [sound(json.loads(line)) for line in ended.out.splitlines()]
    assert document["status"] == 130 and document["interrupted"] is True and document["result"]["bytes"] in (0, None)


def test_an_idle_receiver_is_interrupted() -> None:
    for concurrency in CONCURRENCIES:
        for number in SIGNALS:
            with Receiver("--concurrency", concurrency) as receiver:
                receiver.kill(number)
                ended = receiver.wait(20)
            assert ended.status == 130 and "tinygram:" not in ended.err


def test_the_second_signal_ends_at_once() -> None:
    with slow_pair("--family", "inet6") as running:
        for process in processes_of(running.pid):
            if process != running.pid:
                os.kill(process, signal.SIGSTOP)  # nobody will answer
        running.kill(signal.SIGINT)
        wait_until(lambda: f"{signal.SIGINT}" and running.process.poll() is None, "the first to be taken")
        time.sleep(0.6)  # one that comes at once is the same order, given to the process and to its group
        running.kill(signal.SIGINT)
        assert running.process.wait(20) == -signal.SIGINT
        for process in processes_of(running.pid):
            os.kill(process, signal.SIGCONT)
        wait_until(lambda: not processes_of(running.pid), "the receiver to see that it is alone", 20)


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("connections", [1, 3])
def test_a_killed_sender_leaves_no_receiver_running(connections: int, concurrency: str) -> None:
    with slow_pair("--concurrency", concurrency, "--connections", connections) as running:
        assert len(processes_of(running.pid)) > 1
        running.kill(signal.SIGKILL)
        assert running.wait(20).status == -signal.SIGKILL  # and waits for every process of it


def test_a_pair_that_is_killed_at_any_moment_leaves_nothing_running() -> None:
    """From before its first fork to after its last message."""
    delays_ms = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 9, 15]
    for concurrency in CONCURRENCIES:
        for delay_ms in delays_ms:
            with Running(("pair", "--bytes", "4M", "--repeat", "4", "--concurrency", concurrency)) as running:
                time.sleep(delay_ms / 1000)
                running.kill(signal.SIGKILL)
                running.wait(20)


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_killed_receiver_is_told(concurrency: str) -> None:
    """Every process of the receiving end is killed in the middle of the transfer."""
    with slow_pair("--concurrency", concurrency) as running:
        for process in processes_of(running.pid):
            if process != running.pid:
                os.kill(process, signal.SIGKILL)
        ended = running.wait(20)
    says(ended, 4, "the receiver closed the data connection after", "sent bytes")
    assert sound(ended.document)["result"]["bytes"] is None


def children_of(process: int) -> list[int]:
    """The processes whose parent is `process`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and state_of(int(entry)) is not None:
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == process:
                found.append(int(entry))
    return found


def test_a_killed_worker_is_told(tmp_path: Path) -> None:
    """One of three reading processes is killed: the session ends with a sentence and leaves no file, the receiver
    serves on."""
    with Receiver("--output", tmp_path) as receiver:
        with Running(("send", *receiver.address, *SLOW, "--connections", "3")) as sender:
            wait_until(lambda: written(sender.pid) > 300_000, "the sender to be under way")
            (session,) = children_of(receiver.pid)
            workers = children_of(session)
            assert len(workers) == 3
            os.kill(workers[1], signal.SIGKILL)
            says(sender.wait(30), 4, "receiver: the process that read data connection 1 was killed")
        wait_until(lambda: processes_of(receiver.pid, zombies=True) == [receiver.pid], "the session to end")
        assert list(tmp_path.iterdir()) == []
        assert run("send", *receiver.address, "--bytes", "1M").status == 0
        assert len(list(tmp_path.iterdir())) == 1
        receiver.stop()


def test_a_killed_session_does_not_end_the_receiver(tmp_path: Path) -> None:
    with Receiver() as receiver:
        with Running(("send", *receiver.address, *SLOW)) as sender:
            wait_until(lambda: written(sender.pid) > 300_000, "the sender to be under way")
            (session,) = children_of(receiver.pid)
            os.kill(session, signal.SIGKILL)
            says(sender.wait(20), 4, "the receiver closed the data connection after")
        assert run("send", *receiver.address, "--bytes", "1M").status == 0
        wait_until(lambda: processes_of(receiver.pid, zombies=True) == [receiver.pid], "both sessions to be reaped")
        receiver.stop()
