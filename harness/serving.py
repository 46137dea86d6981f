"""The other end of an arm, where it is a server of somebody else's: started for one invocation, ended after it.

A server runs in a session of its own, on the CPU that the arms share and under their scheduling policy. It reads the
request of a pattern and writes the reply. It may be slow to listen: the program tries to connect until it does.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from harness import process
from harness.arms import Arm, Contest

GRACE_S: Final = 0.3  # between SIGTERM and SIGKILL: a server that waits for more holds up every invocation
_LOWEST: Final = 20000
_TRIES: Final = 100
_SAID: Final = 300    # characters of its complaints that are told


class ServerError(Exception):
    """A server that cannot be started, a sentence."""


@dataclass(slots=True)
class Running:
    """Servers of one invocation: the process of each and the file of its complaints, by the name of the arm."""

    servers: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = field(default_factory=dict)

    def start(self, name: str, arm: Arm, port: int, policy: int) -> None:
        """Starts the server of an arm where the arms will be. policy: of the scheduler. Raises ServerError."""
        assert arm.server is not None
        words = [word.replace("{port}", str(port)) for word in arm.server.words]
        cpu = min(os.sched_getaffinity(0))  # as `--cpus same` chooses it

        def place() -> None:
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, policy, os.sched_param(0))

        complaints = tempfile.TemporaryFile()
        try:
            server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
                                      cwd=arm.server.folder, start_new_session=True, preexec_fn=place)
        except (OSError, subprocess.SubprocessError) as error:
            complaints.close()
            why = error.strerror if isinstance(error, OSError) else "it cannot be pinned to a CPU"
            raise ServerError(f"the server of {name} ({arm.server}) cannot be started: {why}.") from None
        self.servers[name] = server, complaints

    def end(self) -> None:
        """Ends all of them, and whatever they started."""
        for server, complaints in self.servers.values():
            process.end_group(server, GRACE_S)
            complaints.close()

    def told(self) -> str:
        """What became of the servers, sentences for an invocation that failed; empty when there is nothing to say."""
        sentences = []
        for name, (server, complaints) in self.servers.items():
            gone = os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            complaints.seek(0)
            said = " ".join(complaints.read().decode("utf-8", "replace").split())[-_SAID:]
            if gone is not None:
                how = f"status {gone.si_status}" if gone.si_code == os.CLD_EXITED else f"signal {gone.si_status}"
                sentences.append(f" The server of {name} had ended with {how}{f'; it said: {said}' if said else '.'}")
            elif said:
                sentences.append(f" The server of {name} said: {said}")
        return "".join(sentences)


@contextlib.contextmanager
def serving(contest: Contest) -> Iterator[tuple[Contest, Running]]:
    """Starts the servers of both arms; gives the contest that connects to them. They are ended at the end, whatever
    happens. A contest without servers stays as it is. Raises ServerError."""
    running = Running()
    arms = {name: arm for name, arm in (("base", contest.base), ("new", contest.new)) if arm.server is not None}
    try:
        try:
            for name, port in free_ports(arms).items():
                running.start(name, arms[name], port, _policy(contest, arms[name]))
                arms[name] = arms[name].with_setting("connect", str(port))
        except OSError as error:
            raise ServerError(f"the servers of the arms cannot be started: {error.strerror}.") from None
        yield replace(contest, base=arms.get("base", contest.base), new=arms.get("new", contest.new)), running
    finally:
        running.end()


def free_ports(names: Mapping[str, Arm]) -> dict[str, int]:
    """A free port for each name, no two the same: below those that the kernel gives to connections, where it can be.

    A port of the kernel's own choice could be given to another connection, or even to the one that looks for it.
    """
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first = 0
    chooser = random.SystemRandom()
    found: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for name in names:
            held.append(socket.socket())
            for left in range(_TRIES, -1, -1):
                try:
                    held[-1].bind(("", chooser.randrange(_LOWEST, first) if left and first > _LOWEST + _TRIES else 0))
                    break
                except OSError:
                    if not left:
                        raise
            found[name] = int(held[-1].getsockname()[1])
    finally:
        for one in held:
            one.close()
    return found


def _policy(contest: Contest, arm: Arm) -> int:
    options = {**dict(contest.options), **dict(arm.setting)}
    return os.SCHED_BATCH if options.get("sched") == "batch" else os.SCHED_OTHER
