"""Bad input, item by item: a clear sentence on standard error, the right status, nothing lost, nothing left running."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import (CONCURRENCIES, PROGRAM, SANITIZED, SENDING_CALLS, WITHOUT_LEAKS, Ended, Receiver, Running, fails,
                     find, hello, read_frame, received, run, says, sound, tiny_disk, wait_until)

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A real file."""
    path = tmp_path / "source"
    path.write_bytes(bytes((i * 31 + (i >> 8)) % 251 for i in range(200_003)))
    return path


# ---------------------------------------------------------------------------------------------------------------------
# The file


@pytest.mark.parametrize("name", ["missing", "a/b/c", "source/x"])
def test_a_missing_file(name: str, file: Path, tmp_path: Path) -> None:
    fails(3, "cannot open --file", arguments=("pair", "--file", tmp_path / name))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    fails(2, "is empty: there is nothing to send", arguments=("pair", "--file", tmp_path / "empty"))


def test_an_unreadable_file(file: Path) -> None:
    """As a user that may not read it; root may read everything."""
    file.chmod(0)
    if not IS_ROOT:
        fails(3, "Permission denied", arguments=("pair", "--file", file))
        return
    setpriv = find("setpriv")
    if setpriv is None:
        pytest.skip("root may read every file, and setpriv is not installed")
    with tempfile.TemporaryDirectory() as folder:  # where nobody may look
        os.chmod(folder, 0o755)
        program = shutil.copy(PROGRAM, folder)
        secret = Path(folder) / "secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        fails(3, "cannot open --file", "Permission denied", arguments=("pair", "--file", secret),
              program=(setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", program))


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, words in ((tmp_path, "is a directory"), (tmp_path / "fifo", "is a FIFO"),
                            ("/dev/zero", "is a character device"), ("/dev/null", "is a character device")):
            fails(2, words, "only a regular file", arguments=("pair", "--file", path))
        fails(3, "cannot open --file", arguments=("pair", "--file", tmp_path / "socket"))
    fails(2, "is empty", arguments=("pair", "--file", "/proc/version"))  # a regular file whose size is 0


def change_while_sent(path: Path, change: Callable[[], object], *arguments: object) -> Ended:
    """Runs a pair that takes some 0.5 s and changes its file when a part has arrived."""
    with Running(("pair", "--file", path, "--max-pacing-rate", "4M", "--write-size", "10000", "--sndbuf", "32K",
                  "--json", "-", *arguments)) as running:
        wait_until(lambda: received(running.pid) > 500_000, "a part of the file to arrive")
        change()
        return running.wait()


@pytest.mark.parametrize("call", SENDING_CALLS)
@pytest.mark.parametrize(("change", "words"), [
    (lambda path: os.truncate(path, 100_000), "shrank from 2000000 to 100000 bytes while it was sent"),
    (lambda path: os.truncate(path, 0), "shrank from 2000000 to 0 bytes while it was sent"),
    (lambda path: os.truncate(path, 3_000_000), "grew from 2000000 to 3000000 bytes while it was sent"),
    (lambda path: path.write_bytes(b"y" * 2_000_000), "while it was sent"),
], ids=["shrinks", "vanishes", "grows", "changes"])
def test_a_file_that_changes_while_it_is_sent(change: Callable[[Path], object], words: str, call: str,
                                              tmp_path: Path) -> None:
    path = tmp_path / "changing"
    path.write_bytes(b"x" * 2_000_000)
    ended = change_while_sent(path, lambda: change(path), "--send-with", call)
    says(ended, 4, words, "send a file that nobody changes")
    document = sound(ended.document)
    assert document["status"] == 4 and words in document["error"]


def test_a_file_that_is_removed_is_sent_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "removed"
    path.write_bytes(b"x" * 2_000_000)
    ended = change_while_sent(path, path.unlink)
    assert ended.status == 0 and ended.document["result"]["verified"] is True


def test_a_repeated_file_that_shrinks(tmp_path: Path) -> None:
    """Again and again from its beginning: the shrunk part is met in the next round."""
    path = tmp_path / "short"
    path.write_bytes(b"x" * 100_000)
    ended = change_while_sent(path, lambda: os.truncate(path, 50_000), "--duration", "20s")
    says(ended, 4, "shrank from 100000 to 50000 bytes")


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


@pytest.mark.parametrize("option", ["--bytes", "--write-size", "--read-size"])
@pytest.mark.parametrize(("size", "words"), [
    ("0", "too small"), ("-1", "is negative"), ("12Q", "is not a size"), ("1e30", "is not a size"),
    ("99999999999999999999", "too large"), ("", "is not a number"), ("1.5M", "is not a size"), ("1MB", "is not a size"),
    ("0x10", "is not a size"), ("ten", "is not a number"), ("18446744073709551615", "too large"),
    ("99999999999G", "too large"),
])
def test_sizes(size: str, words: str, option: str) -> None:
    rest = () if option == "--bytes" else ("--bytes", "1M")
    fails(2, option, words, arguments=("pair", *rest, f"{option}={size}"))


def test_a_write_size_above_memory() -> None:
    fails(2, "--write-size", "is more than this machine's memory", arguments=("pair", "--bytes", "1M", "--write-size",
                                                                              "1000000G"))


@pytest.mark.parametrize(("option", "value", "words"), [
    ("--repeat", "0", "too small"), ("--repeat", "-3", "negative"), ("--repeat", "2K", "whole number"),
    ("--repeat", "99999999999", "too large"), ("--connections", "0", "too small"),
    ("--connections", "1025", "too large"), ("--connections", "many", "not a number"),
    ("--duration", "0s", "too small"), ("--duration", "5", "not a time"), ("--duration", "-5s", "negative"),
    ("--duration", "1h", "not a time"), ("--timeout", "0ns", "too small"), ("--timeout", "86401s", "too large"),
    ("--sample-every", "1.5ms", "not a time"), ("--events-max", "1e6", "not a size"), ("--seed", "-1", "negative"),
    ("--cpus", "0", "same, split, free"), ("--cpus", "1,2,3", "'"), ("--cpus", "0,99999", "CPU numbers end at"),
    ("--mss", "87", "outside 88 to"), ("--mss", "40000", "outside"), ("--tos", "256", "outside 0 to 255"),
    ("--sndbuf", "0", "auto means: not set"), ("--sndbuf", "4G", "outside"), ("--keepalive-idle", "0", "outside"),
    ("--max-pacing-rate", "0", "outside"), ("--notsent-lowat", "5G", "outside"),
])
def test_other_numbers(option: str, value: str, words: str) -> None:
    fails(2, option, words, arguments=("pair", "--bytes", "1M", f"{option}={value}"))


def test_more_bytes_than_can_be_counted() -> None:
    fails(2, "more bytes than can be counted", arguments=("pair", "--bytes", "8000000000G", "--repeat", "4294967295"))


# ---------------------------------------------------------------------------------------------------------------------
# Options and values


@pytest.mark.parametrize(("option", "nearest"), [
    ("--nodlay", "--nodelay"), ("--writesize", "--write-size"), ("--sendbuf", "--sndbuf"), ("--file-name", "help"),
    ("--conections", "--connections"), ("--frobnicate", "tinygram help"), ("--sned-with", "--send-with"),
    ("--" + "x" * 300, "tinygram help"), ("--", "tinygram help"), ("--=on", "tinygram help"),
    ("--nodlay=on", "--nodelay"),
])
def test_an_unknown_option(option: str, nearest: str) -> None:
    """The nearest name is suggested, where one is near."""
    ended = fails(2, "there is no option", nearest, arguments=("pair", "--bytes", "1M", option, "on"))
    assert len(ended.err) < 200


@pytest.mark.parametrize(("arguments", "words"), [
    (("pair",), "--file PATH, --bytes SIZE, --pattern or --stream"),
    (("pair", "--file", "/bin/sh", "--bytes", "1M"), "exclude each other"),
    (("pair", "--bytes", "1M", "--repeat", "2", "--duration", "1s"), "exclude each other"),
    (("pair", "--bytes"), "--bytes needs a value"),
    (("pair", "--bytes", "1M", "x"), "'x' is not expected here"),
    (("pair", "-v", "--bytes", "1M"), "'-v' is not expected here"),
    (("pair", "--bytes", "1M", "--file="), "--file: the value is empty"),
    (("recv", "--once=yes"), "--once takes no value"),
    (("recv", "--nodelay", "on"), "there is no option"),
    (("recv", "--bytes", "1M"), "there is no option"),
    (("recv", "x"), "'x' is not expected here"),
    (("pair", "--bytes", "1M", "--once"), "there is no option"),
    (("send", "--bytes", "1M"), "HOST PORT"), (("send", "localhost", "--bytes", "1M"), "HOST PORT"),
    (("send", "a", "1", "b", "--bytes", "1M"), "HOST PORT"), (("send", "a", "1", "b", "c", "--bytes", "1M"), "'c'"),
    (("send", "--family", "unix", "--bytes", "1M"), "PATH or @NAME"),
    (("options", "--file", "x"), "there is no option"), (("version", "x"), "not expected"),
])
def test_usage(arguments: Sequence[str], words: str) -> None:
    fails(2, words, arguments=arguments)


def test_no_or_an_unknown_subcommand() -> None:
    for arguments in ((), ("frobnicate",), ("--nodelay",)):
        ended = run(*arguments)
        assert ended.status == 2 and "usage: tinygram pair|send|recv" in ended.err and ended.out == ""
    assert "there is no subcommand 'frobnicate'" in run("frobnicate").err
    fails(2, "help takes --man, --markdown, --json or nothing", arguments=("help", "--html"))


@pytest.mark.parametrize(("option", "value", "choices"), [
    ("--send-with", "send", "write, writev, sendmsg, sendfile, splice, zerocopy"),
    ("--family", "ipx", "inet, inet6, unix"), ("--wait", "sleep", "block, spin"),
    ("--concurrency", "epoll", "fork, poll, thread"), ("--verify", "yes", "auto, full, sampled, off"),
    ("--log", "maybe", "on or off"), ("--nodelay", "maybe", "on, off or auto"), ("--nodelay", "", "on, off or auto"),
])
def test_an_unknown_value_lists_the_right_ones(option: str, value: str, choices: str) -> None:
    fails(2, option, f"'{value}'", choices, arguments=("pair", "--bytes", "1M", option, value))


@pytest.mark.parametrize(("prefix", "end"), [("", "sender"), ("recv-", "receiver")])
def test_an_unknown_congestion_control_lists_the_available(prefix: str, end: str) -> None:
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().strip()
    fails(3, end, "'nosuch'", f"available: {available}",
          arguments=("pair", "--bytes", "1M", f"--{prefix}congestion", "nosuch"))
    fails(2, "1 to 15 characters", arguments=("pair", "--bytes", "1M", f"--{prefix}congestion", "a" * 16))


@pytest.mark.parametrize("option", ["nodelay=on", "mss=1448", "congestion=reno", "recv-quickack=on", "tos=8",
                                    "max-pacing-rate=1M", "send-with=zerocopy"])
def test_what_family_unix_does_not_have(option: str) -> None:
    fails(2, "unix", option.split("=")[0].removeprefix("recv-"),
          arguments=("pair", "--bytes", "1M", "--family", "unix", f"--{option}"))


# ---------------------------------------------------------------------------------------------------------------------
# Addresses and listeners


def test_ports() -> None:
    with Receiver() as receiver:
        fails(3, f"cannot listen at 127.0.0.1 port {receiver.port}", "Address already in use",
              arguments=("recv", "--port", receiver.port))
        receiver.stop()
    fails(2, "PORT", "0 is no port to connect to", arguments=("send", "127.0.0.1", "0", "--bytes", "1M"))
    for port, words in (("65536", "too large"), ("-1", "negative"), ("http", "not a number"), ("", "not a number"),
                        ("4242x", "not a whole number")):
        fails(2, "PORT", words, arguments=("send", "127.0.0.1", port, "--bytes", "1M"))
        fails(2, "--port", words, arguments=("recv", f"--port={port}"))
    fails(3, "cannot connect to 127.0.0.1 port 1", "does `tinygram recv` listen there?",
          arguments=("send", "127.0.0.1", "1", "--bytes", "1M"))


def test_hosts() -> None:
    fails(3, "host 'no.such.host.invalid' has no inet address", "check the name",
          arguments=("send", "no.such.host.invalid", "4242", "--bytes", "1M"))
    fails(3, "host '127.0.0.1' has no inet6 address", "--family",
          arguments=("send", "127.0.0.1", "4242", "--bytes", "1M", "--family", "inet6"))
    fails(3, "--listen", "no.such.host.invalid", arguments=("recv", "--listen", "no.such.host.invalid"))
    fails(3, "cannot listen at 192.0.2.1", arguments=("recv", "--listen", "192.0.2.1"))  # none of our addresses
    fails(2, "107 characters", arguments=("recv", "--family", "unix", "--listen", "x" * 200))
    fails(3, "cannot connect to /no/such/socket",
          arguments=("send", "/no/such/socket", "--family", "unix", "--bytes", "1M"))


@contextmanager
def listener(behave: Callable[[socket.socket], object]) -> Iterator[int]:
    """A listener that is not tinygram; yields its port."""
    def serve() -> None:
        try:
            connection = server.accept()[0]
        except OSError:
            return
        with connection:
            connection.settimeout(30)
            try:
                behave(connection)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def drain(connection: socket.socket) -> None:
    """Reads until the other end has gone."""
    while connection.recv(65536):
        pass


def answer(make: Callable[[bytes], bytes]) -> Callable[[socket.socket], None]:
    """Answers the HELLO with what `make` makes of it."""
    def behave(connection: socket.socket) -> None:
        connection.sendall(make(read_frame(connection)))
        drain(connection)
    return behave


@pytest.mark.parametrize(("behave", "words"), [
    pytest.param(lambda connection: (connection.sendall(b"220 mail.example ESMTP\r\n"), drain(connection)),
                 "is not tinygram", id="banner"),
    pytest.param(answer(lambda frame: b"HTTP/1.0 400 Bad Request\r\n\r\n"), "is not tinygram", id="HTTP"),
    pytest.param(answer(lambda frame: frame), "sent message 1 where 2 was due", id="echo"),
    pytest.param(answer(lambda frame: frame[:7] + b"\x02" + frame[8:]),
                 "wire version 2 and this one 1; use the same build", id="another version"),
    pytest.param(answer(lambda frame: frame[:8] + b"\xff" * 8), "does not know", id="unknown message"),
    pytest.param(lambda connection: None, "control connection", id="closes"),
    pytest.param(lambda connection: connection.sendall(b"TGRM"), "control connection", id="closes in a message"),
])
def test_a_listener_that_is_not_tinygram(behave: Callable[[socket.socket], object], words: str) -> None:
    with listener(behave) as port:
        ended = run("send", "127.0.0.1", port, "--bytes", "1M", "--json", "-")
    says(ended, 4, "receiver", words)
    assert sound(ended.document)["status"] == 4


def test_a_listener_that_says_nothing() -> None:
    with listener(drain) as port:
        fails(4, "--timeout passed", arguments=("send", "127.0.0.1", port, "--bytes", "1M", "--timeout", "300ms"))


def test_a_hello_is_the_same_for_every_receiver() -> None:
    """What the tests of strangers are made of: the first message has the length that its header says."""
    frame = hello()
    assert frame[:12] == b"TGRM\0\0\0\1\0\0\0\1" and len(frame) == 16 + int.from_bytes(frame[12:16], "big")


# ---------------------------------------------------------------------------------------------------------------------
# Where the output goes


@pytest.mark.parametrize("option", ["--json", "--events"])
def test_a_full_disk(option: str, file: Path, tmp_path: Path) -> None:
    fails(3, option, "cannot write /dev/full: No space left on device",
          arguments=("pair", "--file", file, option, "/dev/full"))
    if not IS_ROOT:
        return
    with tiny_disk(tmp_path / "disk", "4k") as disk:
        (disk / "old").write_bytes(b"x" * 4096)
        fails(3, option, str(disk / "new"), "No space left on device",
              arguments=("pair", "--file", file, option, disk / "new", "--write-size", "100"))
        assert [path.name for path in disk.iterdir()] == ["old"]


@pytest.mark.parametrize("option", ["--json", "--events"])
def test_a_place_that_cannot_be_written(option: str, file: Path, tmp_path: Path) -> None:
    """Found out before the trial costs anything; an older result stays as it was."""
    fails(3, option, "No such file or directory", arguments=("pair", "--file", file, option, tmp_path / "no" / "file"))
    fails(3, option, "Is a directory", arguments=("pair", "--file", file, option, tmp_path))
    old = tmp_path / "old"
    old.write_text("old")
    run("pair", "--file", tmp_path / "missing", "--events" if option == "--json" else "--json", old)
    fails(3, arguments=("pair", "--file", file, "--congestion", "nosuch", "--events", tmp_path / "events"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events", "old", "source"]


@pytest.mark.skipif(not IS_ROOT, reason="a small file system can be mounted by root only")
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("workload", [("--bytes", "3M"), ("--bytes", "3M", "--connections", "3"),
                                      ("--bytes", "100K", "--duration", "20s"),
                                      ("--bytes", "100K", "--duration", "20s", "--connections", "3")],
                         ids=["kept", "kept by three", "between the reads", "between the reads by three"])
def test_a_full_disk_at_the_receiver(workload: Sequence[str], concurrency: str, tmp_path: Path) -> None:
    """The sender hears the reason at once, nothing is left on the disk, and the receiver serves on."""
    with tiny_disk(tmp_path / "disk", "200k") as disk, \
            Receiver("--concurrency", concurrency, "--output", disk, "--json", tmp_path / "results") as receiver:
        fails(3, "receiver: cannot write", "No space left on device",
              arguments=("send", *receiver.address, *workload), patience_s=15)
        wait_until(lambda: not list(disk.iterdir()), "the temporary files to be removed")
        assert run("send", *receiver.address, "--bytes", "50K").status == 0
        assert len(list(disk.iterdir())) == 1
        receiver.stop()


def test_a_receiver_that_cannot_write_its_result(file: Path, tmp_path: Path) -> None:
    with Receiver("--once", "--json", "/dev/full") as receiver:
        assert run("send", *receiver.address, "--file", file).status == 0
        ended = receiver.wait()
    assert ended.status == 3 and "No space left on device" in ended.err
    fails(3, "--output", "No such file", arguments=("recv", "--output", tmp_path / "no"))
    fails(2, "--output", "is not a directory", arguments=("recv", "--output", file))
    fails(3, "--json", "No such file", arguments=("recv", "--json", tmp_path / "no" / "file"))


CLOSED_STDOUT = (("pair", "--bytes", "1M"), ("pair", "--bytes", "1M", "--json", "-"),
                 ("pair", "--bytes", "1M", "--events", "-"), ("recv", "--once"), ("options",), ("options", "--json"),
                 ("help",), ("help", "--man"), ("help", "--json"), ("version",), ("version", "--json"))


@pytest.mark.parametrize("arguments", CLOSED_STDOUT, ids=" ".join)
def test_closed_standard_output(arguments: Sequence[str]) -> None:
    """Closed, full, or a pipe that nobody reads: told, with status 3, and nothing goes into some socket instead."""
    fails(3, "cannot write to standard output", arguments=arguments, preexec_fn=lambda: os.close(1))
    with open("/dev/full", "wb") as full:
        fails(3, "cannot write to standard output", "No space left", arguments=arguments, stdout=full)
    if arguments[0] in ("pair", "recv"):
        ends = os.pipe()
        os.close(ends[0])
        with os.fdopen(ends[1], "wb") as broken:
            fails(3, "cannot write to standard output", "Broken pipe", arguments=arguments, stdout=broken)


def test_closed_standard_streams(file: Path, tmp_path: Path) -> None:
    """With none of them open a result still goes where it belongs."""
    ended = run("pair", "--file", file, "--json", tmp_path / "result", "--events", tmp_path / "events",
                preexec_fn=lambda: os.closerange(0, 3))
    assert ended.status == 0
    assert (tmp_path / "result").stat().st_size > 1000 and (tmp_path / "events").stat().st_size > 100


# ---------------------------------------------------------------------------------------------------------------------
# Limits of the system


def limited(name: int, value: int) -> dict[str, Any]:
    """Options for a command that runs under a limit of the system."""
    return {"preexec_fn": lambda: resource.setrlimit(name, (value, value))}


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("connections", [1, 4])
def test_few_descriptors(connections: int, concurrency: str) -> None:
    """Whatever the limit, a trial ends well or with the sentence that names it; never in silence, never hanging."""
    outcomes = set()
    for limit in range(4, 25):
        ended = run("pair", "--bytes", "100K", "--connections", connections, "--concurrency", concurrency,
                    env=WITHOUT_LEAKS, **limited(resource.RLIMIT_NOFILE, limit))
        outcomes.add(ended.status)
        if ended.status != 0:
            says(ended, 3, "Too many open files", "ulimit -n")
    assert outcomes == {0, 3}


@pytest.mark.skipif(SANITIZED, reason="the address sanitizer needs terabytes of address space")
def test_little_memory() -> None:
    for workload in (("--bytes", "1G", "--write-size", "900M"), ("--bytes", "60M", "--verify", "full"),
                     ("--bytes", "1M", "--events-max", "16M", "--connections", "4")):
        ended = run("pair", *workload, **limited(resource.RLIMIT_AS, 60 << 20))
        says(ended, 3, "memory")


@pytest.mark.skipif(not IS_ROOT or find("setpriv") is None, reason="the limit of processes does not bind root")
@pytest.mark.parametrize("concurrency", ["fork", "thread"])
def test_few_processes(concurrency: str) -> None:
    """A user who may start no more processes or threads is told so."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(PROGRAM, folder)
        for limit in (0, 1, 2, 3, 4):
            command = (find("setpriv"), "--reuid=54321", "--regid=54321", "--clear-groups", find("prlimit"),
                       f"--nproc={limit}", program)
            ended = run("pair", "--bytes", "100K", "--connections", "3", "--concurrency", concurrency, program=command,
                        env=WITHOUT_LEAKS)
            if ended.status != 0:
                assert ended.status in (3, 4), ended.err
                assert ended.err.startswith("tinygram: ") and len(ended.err.splitlines()) <= 2
