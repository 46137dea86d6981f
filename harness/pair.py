"""Runs `tinygram pair` once and reads its one JSON document. The tool is known only by its command line and its JSON.

The tool runs in its own process group and is given a time limit of its own; when it does not keep it, that group, and
nothing else, is ended. Whatever happens, a trial has a document: where the tool left none, one that says why.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import process, schema
from harness.experiment import ROOT
from harness.schema import HarnessError

GRACE_S: Final = process.GRACE_S
MARGIN_S: Final = 5.0  # beyond the tool's own time limit
FAILED: Final = 4


class ToolError(HarnessError):
    """The program is not there, or not what this harness needs."""

    status = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial left: the tool's document, and the time from starting the tool to its end in seconds."""

    document: dict[str, Any]
    wall_s: float


def find_tool(given: str | None = None) -> Path:
    """The program to run: `given`, or the environment's TINYGRAM, or build/tinygram. Raises ToolError."""
    path = Path(given or os.environ.get("TINYGRAM") or ROOT / "build" / "tinygram")
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ToolError(f"there is no program at {path}; build it with `make`.")
    return path.resolve()


def run(tool: Path, arguments: Sequence[str], *, events: Path | None = None, launcher: Sequence[str] = ()) -> Outcome:
    """One trial.

    tool: the program. arguments: options of `tinygram pair`; their --timeout also sets the limit here. events: where
    the event log goes, if it is kept. launcher: words before the program, such as ("env", "A=1"). Returns the document,
    which says in `status` and `error` when the trial failed.
    Raises ToolError when the program cannot be started, and KeyboardInterrupt after having ended the trial.
    """
    command = [*launcher, str(tool), "pair", *arguments,
               *(("--events", str(events)) if events is not None else ()), "--json", "-"]
    limit_s = limit(arguments)
    try:
        ended = process.call(command, limit_s, GRACE_S)
    except OSError as error:
        raise ToolError(f"{tool} cannot be started: {error.strerror}; build it again with `make`.") from None
    if ended.late:
        late = f"the trial was not over after {limit_s:g} s and was ended by the harness"
        return Outcome(_failed(FAILED, late, command, ended.complaints), ended.wall_s)
    return Outcome(_document(command, ended.status, ended.output, ended.complaints), ended.wall_s)


def limit(arguments: Sequence[str]) -> float:
    """Seconds after which a trial is ended from outside: the tool's own --timeout and a margin."""
    timeouts = [value for name, value in zip(arguments, arguments[1:]) if name == "--timeout"]
    return (schema.parse_time(timeouts[-1]) / 1e9 if timeouts else 60.0) + MARGIN_S


def _document(command: Sequence[str], status: int, output: bytes, complaints: bytes) -> dict[str, Any]:
    """The document in what the tool printed, or one that says why there is none."""
    if status < 0:
        died = f"the tool was ended by {signal.Signals(-status).name}"
        return _failed(FAILED, died, command, complaints)
    if not output.strip():
        return _failed(status or FAILED, f"the tool ended with status {status} and printed no result", command,
                       complaints)
    try:
        document = schema.upgrade(json.loads(output))
    except ValueError as error:
        what = f"the tool printed {len(output)} bytes that are not one JSON document ({error})"
        return _failed(FAILED, what, command, complaints)
    except schema.SchemaError as error:
        return _failed(FAILED, str(error), command, complaints)
    wrong = schema.problems(document)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return _failed(FAILED, f"the tool's document breaks its format: {wrong[0]}{more}", command, complaints)
    if document["status"] != status:
        what = f"the tool ended with status {status} but its document says {document['status']}"
        return _failed(FAILED, what, command, complaints)
    return document


def _failed(status: int, problem: str, command: Sequence[str], complaints: bytes) -> dict[str, Any]:
    said = " ".join(complaints.decode("utf-8", "replace").split())
    sentence = f"{problem}; it said: {said[-400:]}" if said else f"{problem}."
    return schema.empty_document(status if status in schema.STATUSES else FAILED, sentence, command)


def describe(tool: Path) -> Mapping[str, Any]:
    """What `tinygram version --json` says: version and build. Raises ToolError when the program does not answer."""
    try:
        done = subprocess.run([str(tool), "version", "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=10, check=True)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ToolError(f"{tool} does not tell its version ({error}); build it again with `make`.") from None
    if not isinstance(answer, dict):
        raise ToolError(f"{tool} does not tell its version as a JSON object; build it again with `make`.")
    return answer
