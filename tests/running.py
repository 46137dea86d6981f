"""Running the program in tests: what it printed, how it ended, and that nothing of it is left.

Every command runs in a session of its own, so that each of its processes can be found. A test that leaves one running
fails.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import jsonschema

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TINYGRAM") or ROOT / "build" / "tinygram")
SCHEMA = json.loads((ROOT / "harness" / "tinygram-1.schema.json").read_text(encoding="utf-8"))

# Whether every memory error is fatal (and all is slow), and the environment in which leaks are not looked for: under
# strace, or where there are no descriptors and processes to do it with, that cannot be done.
SANITIZED = PROGRAM.exists() and "-fsanitize" in subprocess.run([PROGRAM, "version"], capture_output=True, text=True,
                                                                timeout=60, check=True).stdout
WITHOUT_LEAKS = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

# A machine may be slow at any moment: what takes longer than this hangs.
PATIENCE_S = 60.0

FAMILIES = ("inet", "inet6", "unix")
CONCURRENCIES = ("fork", "poll", "thread")
SENDING_CALLS = ("write", "writev", "sendmsg", "sendfile", "splice", "zerocopy")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Document:
        """The one JSON document on standard output."""
        loaded: Document = json.loads(self.out)
        return loaded


def state_of(process: int) -> tuple[str, int] | None:
    """State letter and session of a process; None when there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[3])


def processes_of(session: int, *, zombies: bool = False) -> list[int]:
    """The processes of a session that run; zombies (ended and not reaped) only when asked for."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            state = state_of(int(entry))
            if state is not None and state[1] == session and (zombies or state[0] not in "ZX"):
                found.append(int(entry))
    return found


def wait_until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Waits until `holds()` is true; fails with `what` when it never is."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain for: {what}"
        time.sleep(0.002)


def end_all(session: int) -> None:
    """Ends what is left of a session that this module started."""
    for process in processes_of(session):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Running:
    """A command that runs. Use it as a context manager: at its end nothing is left, or the test fails."""

    def __init__(self, arguments: Sequence[object], *, program: Sequence[object] = (PROGRAM,),
                 stdout: int | IO[Any] | None = None, **options: Any) -> None:
        self.command = [str(word) for word in (*program, *arguments)]
        # Files, not pipes: nobody has to read while the command runs, and nothing is lost when it is killed.
        self._out = tempfile.TemporaryFile() if stdout is None else None
        self._err = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=self._out if stdout is None else stdout, stderr=self._err,
                                        start_new_session=True, **options)

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exception: object) -> None:
        left = [] if exception[0] is not None else processes_of(self.pid)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        end_all(self.pid)
        for file in (self._out, self._err):
            if file is not None:
                file.close()
        assert left == [], f"{self.command} left processes running: {left}"

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._read(self._out)

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._read(self._err)

    @staticmethod
    def _read(file: IO[bytes] | None) -> str:
        if file is None:
            return ""
        # pread: the command writes at the offset that it shares with us.
        return os.pread(file.fileno(), 1 << 26, 0).decode("utf-8", errors="replace")

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal to the command's first process alone."""
        os.kill(self.pid, number)

    def wait(self, patience_s: float = PATIENCE_S) -> Ended:
        """Waits for the end of the command and of every process that it started."""
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end within {patience_s:.0f} s; it said: {self.err}") from None
        wait_until(lambda: not processes_of(self.pid), f"the last process of {self.command} to end", 15)
        return Ended(self.process.returncode, self.out, self.err)


def run(*arguments: object, patience_s: float = PATIENCE_S, **options: Any) -> Ended:
    """Runs the program to its end; nothing of it is left."""
    with Running(arguments, **options) as running:
        return running.wait(patience_s)


def in_one_of(attempts: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A busy machine can spoil the times of a trial, and cannot put them right: one good attempt shows the claim."""
    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def repeated(*arguments: Any, **named: Any) -> None:
            for _ in range(attempts - 1):
                with contextlib.suppress(AssertionError):
                    return test(*arguments, **named)
            return test(*arguments, **named)
        return repeated
    return decorate


def sound(document: Document) -> Document:
    """The document, after it was checked against the JSON Schema."""
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    return document


def pair(*arguments: object, **options: Any) -> Document:
    """The result document of a pair that ends well."""
    ended = run("pair", *arguments, "--json", "-", **options)
    assert ended.status == 0, ended.err
    assert ended.err == ""
    document = sound(ended.document)
    assert document["status"] == 0 and document["error"] is None and document["interrupted"] is False
    return document


def fails(status: int, *words: str, arguments: Sequence[object], **options: Any) -> Ended:
    """Runs the program, which must end with `status` and one sentence on standard error that has `words` in it."""
    ended = run(*arguments, **options)
    says(ended, status, *words)
    return ended


def says(ended: Ended, status: int, *words: str) -> None:
    """The command ended with `status` and one line on standard error that has `words` in it."""
    assert ended.status == status, f"status {ended.status}, not {status}: {ended.err!r}"
    assert re.fullmatch(r"tinygram: [^\n]+\n", ended.err), f"not one sentence: {ended.err!r}"
    for word in words:
        assert word in ended.err, f"{word!r} is not in {ended.err!r}"


class Receiver(Running):
    """`tinygram recv`, once it listens: `address` is what `send` takes to reach it."""

    def __init__(self, *arguments: object, family: str = "inet", **options: Any) -> None:
        super().__init__(("recv", "--family", family, *arguments), **options)
        self.address: list[str] = []
        try:
            wait_until(lambda: self._find_address() or self.process.poll() is not None, "the receiver to listen")
            assert self.address, f"the receiver ended with {self.process.returncode}: {self.err}"
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _find_address(self) -> bool:
        found = re.search(r"^listening on (.+?)(?: port (\d+))?$", self.out + self.err, re.MULTILINE)
        if found:
            self.address = [word for word in found.groups() if word is not None]
        return found is not None

    @property
    def port(self) -> int:
        return int(self.address[1])

    @property
    def host(self) -> str:
        return self.address[0]

    def connect(self) -> socket.socket:
        """A plain TCP connection to the control port: a stranger, unless it says otherwise."""
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_S)

    def stop(self) -> Ended:
        """Ends it as a person does."""
        self.kill(signal.SIGTERM)
        return self.wait()


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes of a connection."""
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        assert part, f"the connection ended after {len(data)} of {count} bytes"
        data += part
    return data


def read_frame(connection: socket.socket) -> bytes:
    """The next message of the control connection: a header that ends with the length of the body, and the body."""
    header = read_exactly(connection, 16)
    return header + read_exactly(connection, int.from_bytes(header[12:16], "big"))


def hello() -> bytes:
    """The first message of a real sender."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        with Running(("send", "127.0.0.1", listener.getsockname()[1], "--bytes", "1000")) as sender:
            with listener.accept()[0] as connection:
                connection.settimeout(PATIENCE_S)
                frame = read_frame(connection)
            sender.wait()
    return frame


def descriptors(process: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{process}/fd"))


def counted(process: int, name: str) -> int:
    """A counter of /proc/PID/io."""
    found = re.search(rf"^{name}: (\d+)$", Path(f"/proc/{process}/io").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def written(process: int) -> int:
    """Bytes that a process has handed to write(2) so far: how far a sender is."""
    return counted(process, "wchar")


def received(session: int) -> int:
    """Bytes that the processes of a session have taken with read(2) so far: how far a pair is."""
    total = 0
    for process in processes_of(session):
        try:
            total += counted(process, "rchar")
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


@contextmanager
def tiny_disk(where: Path, size: str = "64k") -> Iterator[Path]:
    """A file system with no more room than `size`; needs root."""
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tinygram-test", where], check=True, timeout=30)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True, timeout=30)


def find(tool: str) -> str | None:
    """Path of a program, also where only root's PATH has it."""
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
