"""One program, run to its end or to a deadline. It gets a process group of its own; that group, and nothing else, is
ended when time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

GRACE_S: Final = 1.0  # between SIGTERM, which lets a program write its partial result, and SIGKILL


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: status as of subprocess (negative: by a signal), what it wrote, seconds from its start.

    late: it was not over when time was up, and was ended.
    """

    status: int
    output: bytes
    complaints: bytes
    wall_s: float
    late: bool


def call(command: Sequence[str], limit_s: float, grace_s: float = GRACE_S,
         environment: Mapping[str, str] | None = None) -> Ended:
    """Runs a program with nothing to read.

    limit_s: after so many seconds its whole process group is ended, politely and then, grace_s later, for good.
    environment: in place of this process's. Raises OSError when it cannot be started, and KeyboardInterrupt after
    having ended it.
    """
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, env=environment)
    late = False
    with process:
        try:
            output, complaints = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            output, complaints = end_group(process, grace_s)
            late = True
        except BaseException:
            end_group(process, grace_s)
            raise
    return Ended(process.returncode, output, complaints, time.monotonic() - began, late)


def end_group(process: subprocess.Popen[bytes], grace_s: float) -> tuple[bytes, bytes]:
    """Ends the program and whatever it started; returns what it wrote until then.

    The leader stays unreaped until the last signal is sent, so that its number cannot have become another group's.
    """
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline and os.waitid(
                os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.01)
        _signal_group(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=grace_s)
    except subprocess.TimeoutExpired:
        return b"", b""


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass
