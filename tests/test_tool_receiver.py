"""The receiver serves many senders at once, stores what arrives under its own names, and keeps nothing of those that
have gone."""

from __future__ import annotations

import filecmp
import json
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import running
from running import (CONCURRENCIES, FAMILIES, SANITIZED, Ended, Receiver, Running, descriptors, processes_of, run, says,
                     sound, wait_until, written)

# A sender that takes about 20 s: it is ended by the test that started it.
SLOW = ("--bytes", "40M", "--write-size", "4K", "--sndbuf", "32K", "--max-pacing-rate", "2M")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A real file."""
    path = tmp_path / "source"
    path.write_bytes(bytes((i * 31 + (i >> 8)) % 251 for i in range(200_003)))
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where a receiver stores what arrives."""
    path = tmp_path / "output"
    path.mkdir()
    return path


def send(receiver: Receiver, *arguments: object) -> Ended:
    """A sender that runs to its end."""
    family = () if len(receiver.address) == 2 and ":" not in receiver.host else \
        ("--family", "inet6" if len(receiver.address) == 2 else "unix")
    return run("send", *receiver.address, *family, *arguments)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_send_and_recv_apart(concurrency: str, family: str, file: Path, output: Path) -> None:
    """Both ends by themselves: each tells its half, the file arrives whole, and --once ends with the session."""
    with Receiver("--concurrency", concurrency, "--once", "--output", output, "--json", "-", family=family) as receiver:
        sent = send(receiver, "--file", file, "--json", "-", "--connections", "2")
        assert (sent.status, sent.err) == (0, "")
        ended = receiver.wait()
    assert ended.status == 0
    ours, theirs = sound(sent.document), sound(ended.document)
    assert ours["role"] == "send" and theirs["role"] == "recv"
    assert ours["result"]["bytes"] == theirs["result"]["bytes"] == 2 * 200_003
    assert ours["result"]["latency_ns"]["count"] == 8  # one kernel, one clock
    assert theirs["result"]["verified"] is True and theirs["result"]["writes"] is None
    assert ours["setting"]["concurrency"] is None and theirs["setting"]["concurrency"] == concurrency
    stored = sorted(output.iterdir())
    assert len(stored) == 2
    assert all(filecmp.cmp(file, path, shallow=False) for path in stored)


def test_a_person_gets_a_line_a_session(file: Path) -> None:
    with Receiver() as receiver:
        for _ in range(2):
            assert send(receiver, "--file", file).status == 0
        wait_until(lambda: receiver.out.count("content the same") == 2, "a line for each session")
        assert receiver.stop().status == 130
        assert len(receiver.out.splitlines()) == 3


def test_a_document_a_line_for_each_session(file: Path, tmp_path: Path) -> None:
    """Without --once the sessions' documents follow each other, one a line, also when they end together."""
    path = tmp_path / "results.jsonl"
    with Receiver("--json", path) as receiver:
        senders = [Running(("send", *receiver.address, "--file", file)) for _ in range(8)]
        for sender in senders:
            with sender:
                assert sender.wait().status == 0
        wait_until(lambda: path.read_text().count("\n") == 8, "eight documents")
        receiver.stop()
    for line in path.read_text().splitlines():
        assert sound(json.loads(line))["result"]["verified"] is True


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_serves_many_senders_at_once(concurrency: str, file: Path, output: Path) -> None:
    """While three slow senders are held open, and a stranger too, others come, are served, and go."""
    with Receiver("--concurrency", concurrency, "--output", output) as receiver:
        slow = [Running(("send", *receiver.address, *SLOW, "--connections", count)) for count in (1, 1, 2)]
        with receiver.connect():
            for sender in slow:
                wait_until(lambda sender=sender: written(sender.pid) > 100_000, "a slow sender to be under way")
            for _ in range(3):
                assert send(receiver, "--file", file).status == 0
            assert [sender.process.poll() for sender in slow] == [None] * 3
            stored = [path for path in output.iterdir() if not path.name.startswith(".")]
            assert len(stored) == 3 and all(filecmp.cmp(file, path, shallow=False) for path in stored)
        for sender in slow:
            with sender:
                sender.kill(signal.SIGTERM)
                assert sender.wait().status == 130
        wait_until(lambda: len(list(output.iterdir())) == 3, "the temporary files of the interrupted to be removed")
        assert receiver.stop().status == 130


def test_the_ways_differ(file: Path) -> None:
    """fork has a process for each sender, thread a thread, poll neither."""
    found = {}
    for concurrency in CONCURRENCIES:
        with Receiver("--concurrency", concurrency) as receiver:
            slow = [Running(("send", *receiver.address, *SLOW)) for _ in range(2)]
            for sender in slow:
                wait_until(lambda sender=sender: written(sender.pid) > 100_000, "a slow sender to be under way")
            found[concurrency] = (len(processes_of(receiver.pid)), len(os.listdir(f"/proc/{receiver.pid}/task")))
            for sender in slow:
                with sender:
                    sender.kill(signal.SIGTERM)
                    sender.wait()
            receiver.stop()
    assert found == {"fork": (3, 1), "poll": (1, 1), "thread": (1, 3)}


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_ten_thousand_connections_leave_nothing(concurrency: str, file: Path) -> None:
    """Strangers that come and go, and a hundred sessions: no descriptor, child, thread or zombie is left."""
    strangers, sessions = (1_000, 20) if SANITIZED else (10_000, 100)  # a fork of a sanitized process takes 6 ms
    with Receiver("--concurrency", concurrency, "--json", "/dev/null") as receiver:
        assert send(receiver, "--bytes", "1").status == 0
        wait_until(lambda: len(processes_of(receiver.pid, zombies=True)) == 1, "the first session's process to be gone")
        before = descriptors(receiver.pid)
        reset = struct.pack("ii", 1, 0)
        for number in range(strangers):
            stranger = socket.create_connection((receiver.host, receiver.port), timeout=running.PATIENCE_S)
            if number % 3 == 1:
                stranger.send(b"GET / HTTP/1.0\r\n\r\n")
            elif number % 3 == 2:  # a reset instead of an orderly end
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            stranger.close()
            if number % (strangers // sessions) == 0:
                ended = send(receiver, "--bytes", "1000", "--connections", 1 + number % 2)
                assert ended.status == 0, ended.err
        assert send(receiver, "--file", file).status == 0
        wait_until(lambda: processes_of(receiver.pid, zombies=True) == [receiver.pid], "every child to be reaped")
        wait_until(lambda: len(os.listdir(f"/proc/{receiver.pid}/task")) == 1, "every thread to be joined")
        wait_until(lambda: descriptors(receiver.pid) == before, "every descriptor to be closed")
        assert receiver.process.poll() is None
        receiver.stop()


def say(receiver: Receiver, message: bytes) -> socket.socket:
    """A stranger that says `message` and waits."""
    stranger = receiver.connect()
    stranger.sendall(message)
    return stranger


@pytest.fixture(scope="module")
def hello() -> bytes:
    """The first message of a real sender: a header of magic, wire version, type and length, and the body."""
    frame = running.hello()
    assert frame[:4] == b"TGRM"
    return frame


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_silent_stranger_is_cut_off_and_blocks_nobody(concurrency: str, hello: bytes, file: Path) -> None:
    """Three strangers: one says nothing, one part of a header, one part of a message. All at once, to save time."""
    with Receiver("--concurrency", concurrency) as receiver, ExitStack() as stack:
        begin = time.monotonic()
        strangers = [stack.enter_context(say(receiver, hello[:length])) for length in (0, 5, 100)]
        assert send(receiver, "--file", file).status == 0
        for stranger in strangers:
            try:
                assert stranger.recv(1) == b""  # until the receiver has closed it
            except ConnectionResetError:
                pass
        assert time.monotonic() - begin >= 1.9
        wait_until(lambda: receiver.err.count("said nothing that tinygram says, for 2 s") == 3, "three sentences")
        assert send(receiver, "--file", file).status == 0
        receiver.stop()


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_dribbling_stranger_is_cut_off(concurrency: str, hello: bytes, file: Path) -> None:
    """A byte now and then does not move the deadline of the whole HELLO."""
    sent = 0
    with Receiver("--concurrency", concurrency) as receiver, receiver.connect() as stranger:
        with pytest.raises(OSError):
            for byte in hello:
                stranger.send(bytes([byte]))
                sent += 1
                time.sleep(0.05)
        assert sent < len(hello) / 2
        assert send(receiver, "--file", file).status == 0
        receiver.stop()


def changed(frame: bytes, word: int, value: int) -> bytes:
    """The message with one of the four words of its header replaced."""
    return frame[:4 * word] + struct.pack(">I", value) + frame[4 * word + 4:]


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize(("make", "words"), [
    pytest.param(lambda hello: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "is not tinygram", id="HTTP"),
    pytest.param(lambda hello: bytes(range(256)) * 16, "is not tinygram", id="noise"),
    pytest.param(lambda hello: changed(hello, 1, 2), "wire version 2", id="another version"),
    pytest.param(lambda hello: changed(hello, 3, 0xFFFFFFFF), "does not know", id="huge length"),
    pytest.param(lambda hello: changed(hello, 2, 77), "does not know", id="unknown type"),
    pytest.param(lambda hello: hello[:16] + bytes(len(hello) - 16), "outside its bounds", id="all zeros"),
    pytest.param(lambda hello: hello[:16] + b"\xff" * (len(hello) - 16), "outside its bounds", id="all ones"),
])
def test_a_stranger_that_talks_nonsense_is_shown_out(make: Callable[[bytes], bytes], words: str, concurrency: str,
                                                     hello: bytes, file: Path) -> None:
    """The receiver says on standard error why, and goes on serving; --once does not count him."""
    with Receiver("--concurrency", concurrency, "--once") as receiver:
        with say(receiver, make(hello)) as stranger:
            try:
                while stranger.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        wait_until(lambda: words in receiver.err, "the sentence about the stranger")
        assert receiver.process.poll() is None
        assert send(receiver, "--file", file).status == 0
        assert receiver.wait().status == 0


def test_the_output_appears_whole(file: Path, output: Path) -> None:
    """Until it is complete it has a hidden, temporary name; the sender has no part in any name."""
    with Receiver("--output", output) as receiver:
        with Running(("send", *receiver.address, *SLOW)) as sender:
            wait_until(lambda: written(sender.pid) > 200_000, "the sender to be under way")
            names = [path.name for path in output.iterdir()]
            assert len(names) == 1 and names[0].startswith(".tinygram-") and names[0].endswith(".part")
            sender.kill(signal.SIGKILL)
            sender.wait()
        wait_until(lambda: not list(output.iterdir()), "the temporary file to be removed")
        evil = file.parent / "..%2f..%2fevil\n"
        evil.write_bytes(b"evil")
        assert send(receiver, "--file", evil).status == 0
        names = [path.name for path in output.iterdir()]
        assert len(names) == 1 and names[0].startswith("tinygram-") and names[0].endswith(".bin")
        assert "evil" not in names[0]
        receiver.stop()


@pytest.mark.parametrize("verify", ["full", "sampled", "off"])
@pytest.mark.parametrize("workload", [("--repeat", "7"), ("--duration", "50ms")], ids=["known", "unknown length"])
def test_the_output_is_the_stream(workload: tuple[str, str], verify: str, file: Path, output: Path) -> None:
    """The stored file is the file again and again, also where it is written between the reads."""
    with Receiver("--output", output, "--once") as receiver:
        ended = send(receiver, "--file", file, *workload, "--verify", verify, "--json", "-", "--send-with", "sendfile")
        assert ended.status == 0
        assert receiver.wait().status == 0
    stored = next(output.iterdir()).read_bytes()
    source = file.read_bytes()
    assert len(stored) == ended.document["result"]["bytes"] >= len(source)
    whole, rest = divmod(len(stored), len(source))
    assert stored == source * whole + source[:rest]


def test_unix_paths(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "a socket"
    with Receiver("--listen", path, "--once", family="unix") as receiver:
        assert receiver.out.strip() == f"listening on {path}" and path.is_socket()
        assert receiver.address == [str(path)]
        second = run("recv", "--family", "unix", "--listen", path)
        says(second, 3, str(path), "Address already in use")
        assert path.is_socket()  # the second did not take the first one's name away
        assert send(receiver, "--file", file).status == 0
        assert receiver.wait().status == 0
    assert not path.exists()
    with Receiver("--listen", "@tinygram-test", "--once", family="unix") as receiver:
        assert receiver.address == ["@tinygram-test"]
        assert send(receiver, "--file", file).status == 0
        receiver.wait()
    with Receiver("--listen", path, family="unix") as receiver:
        receiver.stop()
    assert not path.exists()


def listening_at(port: int) -> list[str]:
    """The addresses at which something listens on `port`, as /proc writes them."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            host, hex_port = fields[1].split(":")
            if int(hex_port, 16) == port and fields[3] == "0A":
                found.append(host)
    return found


def test_listens_on_loopback_unless_told_otherwise(file: Path) -> None:
    with Receiver() as receiver:
        assert listening_at(receiver.port) == ["0100007F"]
        receiver.stop()
    with Receiver(family="inet6") as receiver:
        assert listening_at(receiver.port) == ["0" * 24 + "01000000"]
        receiver.stop()
    with Receiver("--listen", "127.0.0.2") as receiver:
        assert receiver.host == "127.0.0.2"
        assert listening_at(receiver.port) == ["0200007F"]
        assert send(receiver, "--file", file).status == 0
        receiver.stop()


def test_a_port_can_be_used_again_at_once(file: Path) -> None:
    """Old connections in TIME_WAIT do not keep a receiver from starting again at its port."""
    with Receiver() as receiver:
        port = receiver.port
        receiver.stop()
    for _ in range(3):
        with Receiver("--port", port, "--once") as receiver:
            assert receiver.port == port
            assert send(receiver, "--file", file).status == 0
            receiver.wait()


def test_once_ends_with_the_sessions_status(file: Path) -> None:
    with Receiver("--once") as receiver, Running(("send", *receiver.address, *SLOW)) as sender:
        wait_until(lambda: written(sender.pid) > 100_000, "the sender to be under way")
        sender.kill(signal.SIGKILL)
        sender.wait()
        ended = receiver.wait()
    assert ended.status == 4


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_who_cannot_be_served_is_told(concurrency: str, file: Path) -> None:
    """A receiver without a free descriptor tells every sender so at once, and serves again when it has one."""
    with Receiver("--concurrency", concurrency) as receiver:
        assert send(receiver, "--file", file).status == 0
        wait_until(lambda: len(processes_of(receiver.pid)) == 1, "the session's process to end")
        before = resource.prlimit(receiver.pid, resource.RLIMIT_NOFILE)
        full = descriptors(receiver.pid)
        resource.prlimit(receiver.pid, resource.RLIMIT_NOFILE, (full, before[1]))
        for _ in range(3):
            says(send(receiver, "--file", file), 3, "receiver: cannot accept a sender: Too many open files",
                 "ulimit -n")
        assert receiver.err.count("Too many open files") == 3  # a line each, and no more
        resource.prlimit(receiver.pid, resource.RLIMIT_NOFILE, before)
        assert send(receiver, "--file", file).status == 0
        wait_until(lambda: descriptors(receiver.pid) == full, "the descriptors of the session to be closed")
        receiver.stop()


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_crowd_beyond_the_limit_does_not_end_the_receiver(concurrency: str, file: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    with Receiver("--concurrency", concurrency, preexec_fn=limit) as receiver:
        crowd = [receiver.connect() for _ in range(60)]
        for stranger in crowd:
            stranger.close()
        wait_until(lambda: send(receiver, "--file", file).status == 0, "a sender to be served")
        assert receiver.process.poll() is None
        receiver.stop()
