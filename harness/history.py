"""The history: results/history.jsonl, one line a job of the gate against one fixed release, the anchor.

Times of different machines cannot be compared, ratios to the same anchor can: base and new were built and run in one
job. So a line holds ratios with their intervals, the commit and the machine, and never a time. The first line fixes
the anchor; a job with another base does not belong here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.job import clean
from harness.schema import HarnessError
from harness.verdict import Build, Job
from harness.wording import disbelieved, known, ref_of

TAG: Final = "tinygram-history/1"
FILE: Final = "history.jsonl"
_HASH: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class HistoryError(HarnessError):
    """A history that cannot be read or written, or a job that does not belong into it."""

    status = 2


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measurement of one job: new by anchor, its interval, and what it was judged by. None: not to be had."""

    ratio: float | None
    low: float | None
    high: float | None
    confidence: float | None
    invocations: int
    verdict: str
    tolerance: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a job against the anchor. measurements: by name, in the order of the declaration."""

    job: str
    started_at: str
    anchor: str
    anchor_commit: str
    commit: str
    commit_date: str | None
    cpu_model: str | None
    kernel: str | None
    cpus: int | None
    measurements: Mapping[str, Ratio]

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        plain: dict[str, Any] = clean({"schema": TAG, **asdict(self)})
        return plain


@dataclass(frozen=True, slots=True)
class History:
    """What the file holds. word: what reading had to leave out, or ''. size: bytes of the complete lines."""

    entries: tuple[Entry, ...]
    word: str
    size: int

    @property
    def anchor(self) -> tuple[str, str] | None:
        """Name and commit of the release that all ratios refer to; None while there is no line."""
        return (self.entries[0].anchor, self.entries[0].anchor_commit) if self.entries else None


# ---------------------------------------------------------------------------------------------------------------------
# A job becomes an entry


def entry(job: Job, commit_date: str | None = None) -> Entry:
    """The line of a job. commit_date: of new's commit, ISO 8601. Raises HistoryError where it has no place here."""
    why = disbelieved(job)
    if why:
        raise HistoryError(f"job {job.id} was run on a machine that could not judge ({why[0]}) "
                           "Its ratios are left out of the history.")
    anchor, new = _commit(job, job.base), _commit(job, job.new)
    if not job.judged:
        raise HistoryError(f"job {job.id} judged no measurement, so there is no ratio to keep.")
    machine = job.machine
    return Entry(
        job.id, job.started_at, ref_of(job.base), anchor, new, commit_date, _text(machine, "cpu_model"),
        _text(machine, "kernel"), machine.get("cpus_online") if _is_count(machine.get("cpus_online")) else None,
        {item.name: Ratio(known(item.ratio), known(item.low), known(item.high), known(item.confidence),
                          item.invocations, item.verdict.value, known(item.thresholds.tolerance))
         for item in job.judged})


def _commit(job: Job, build: Build) -> str:
    if build.commit is None or _HASH.fullmatch(build.commit) is None:
        raise HistoryError(f"job {job.id} does not say which commit its {build.label} is; the history keeps commits. "
                           "Compare builds of commits: make gate BASE=v0.1.0.")
    if build.dirty:
        raise HistoryError(f"job {job.id} was built from changed files ({build.label}), which no commit describes. "
                           "Commit them, and run the gate again.")
    return build.commit


def _text(machine: Mapping[str, Any], key: str) -> str | None:
    value = machine.get(key)
    return value if isinstance(value, str) and value else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def commit_date(repository: Path, commit: str) -> str | None:
    """When a commit was made (ISO 8601), as git says; None where it does not know the commit."""
    said = _git(repository, "show", "-s", "--format=%cI", f"{commit}^{{commit}}")
    return said or None


def lasting(repository: Path, found: Entry) -> Entry:
    """The same entry with a name of its anchor that does not move: a tag, else the beginning of the commit.

    `main` or `HEAD~3` is another commit next week. Where git does not know the commit the name stays.
    """
    tags = _git(repository, "tag", "--points-at", f"{found.anchor_commit}^{{commit}}")
    if tags is None or found.anchor.removeprefix("refs/tags/") in tags.split():
        return found
    return replace(found, anchor=found.anchor_commit[:12])


def _git(repository: Path, *words: str) -> str | None:
    """What git prints; None where it fails."""
    command = ["git", "-c", f"safe.directory={repository}", "-C", str(repository), *words]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=30)
        if done.returncode == 0:
            return done.stdout.strip()
    return None


# ---------------------------------------------------------------------------------------------------------------------
# The file


def read(path: Path) -> History:
    """The history in a file; one that is not there is empty.

    A last line that was cut off is skipped, and `word` says so. Raises HistoryError where the file cannot be read, or
    any other line is damaged, or two lines have different anchors.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return History((), "", 0)
    except OSError as error:
        raise HistoryError(f"{path} cannot be read ({error.strerror}).") from None
    return _parse(data, path)


def _parse(data: bytes, path: Path) -> History:
    *lines, rest = data.split(b"\n")
    word, size = "", len(data) - len(rest)
    if rest:
        # A line without its line feed is whole when it can be read.
        if _whole(rest):
            lines, size = [*lines, rest], len(data)
        else:
            word = (f"the last line of {path} was cut off and is skipped; it is removed with the next --append. "
                    "Append the job again that it was to hold.")
    entries = [_read_line(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    for number, each in enumerate(entries, 1):
        if each.anchor_commit != entries[0].anchor_commit:
            raise HistoryError(f"{path}, entry {number}: its ratios refer to {each.anchor}, those before to "
                               f"{entries[0].anchor}, and no line joins the two. Keep a file for each anchor.")
    return History(tuple(entries), word, size)


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


_ENTRY_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "job": (str,), "started_at": (str,), "anchor": (str,), "anchor_commit": (str,), "commit": (str,),
    "commit_date": (str, type(None)), "cpu_model": (str, type(None)), "kernel": (str, type(None)),
    "cpus": (int, type(None)), "measurements": (dict,)}
_RATIO_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    **{name: (float, int, type(None)) for name in ("ratio", "low", "high", "confidence", "tolerance")},
    "invocations": (int,), "verdict": (str,)}


def _read_line(line: bytes, path: Path, number: int) -> Entry:
    def problem(what: str) -> HistoryError:
        return HistoryError(f"{path}, line {number}: {what}. Take the line out, or get the file from version control.")
    try:
        document = json.loads(line, parse_constant=lambda word: None)
    except ValueError as error:
        raise problem(f"this is no JSON ({error})") from None
    tag = document.get("schema") if isinstance(document, dict) else None
    if tag != TAG:
        raise problem(f"its schema is {tag!r}, and this harness reads {TAG!r}")
    wrong = next(_wrong(document, _ENTRY_TYPES, ""), None)
    if wrong is None:
        wrong = next((found for name, each in document["measurements"].items()
                      for found in _wrong(each, _RATIO_TYPES, f"measurements[{name!r}].")), None)
    if wrong is not None:
        raise problem(wrong)
    ratios = {name: Ratio(**{key: each[key] for key in _RATIO_TYPES})
              for name, each in document["measurements"].items()}
    fields: dict[str, Any] = {key: document[key] for key in _ENTRY_TYPES} | {"measurements": ratios}
    return Entry(**fields)


def _wrong(value: object, kinds: Mapping[str, tuple[type, ...]], prefix: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{prefix or 'the line'} is no object"
        return
    for key, types in kinds.items():
        if key not in value:
            yield f"{prefix}{key} is missing"
        elif not isinstance(value[key], types) or isinstance(value[key], bool):
            yield f"{prefix}{key} is {value[key]!r:.40}"


def append(path: Path, new: Entry, anchor: str | None = None) -> str:
    """Add one line to the history in `path`.

    anchor: name or commit of the release, needed for the first line of a history, and checked later on. Returns what
    was done, as a sentence. Raises HistoryError where the job is there already, its base is not the anchor, or the file
    cannot be written; the file is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HistoryError(f"{path} cannot be written ({error.strerror}).") from None
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        data = file.read()
        past = _parse(data, path)
        _check(past, new, anchor, path)
        line = json.dumps(new.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if past.size == len(data) and data and not data.endswith(b"\n"):
            line = b"\n" + line
        try:
            os.ftruncate(file.fileno(), past.size)
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), past.size)
            raise HistoryError(f"{path} cannot be written ({error.strerror}); it is as it was. Make room.") from None
    done = f"{path}: job {new.job} is line {len(past.entries) + 1}, against {new.anchor}."
    return f"{past.word[0].upper()}{past.word[1:]} {done}" if past.word else done


def _check(past: History, new: Entry, anchor: str | None, path: Path) -> None:
    if any(each.job == new.job for each in past.entries):
        raise HistoryError(f"job {new.job} is in {path} already; nothing was added.")
    if past.anchor is None:
        if anchor is None:
            raise HistoryError(f"{path} has no line yet: say which release it is measured against, "
                               f"for example --anchor {new.anchor}. The first line fixes it.")
        if not _is_named(new, anchor):
            raise HistoryError(f"job {new.job} was run against {new.anchor}, not against the anchor {anchor}: "
                               f"run make gate BASE={anchor}, and append that job.")
        return
    name, commit = past.anchor
    if anchor is not None and anchor != name and not commit.startswith(anchor):
        raise HistoryError(f"the anchor of {path} is {name}, not {anchor}. Keep another file for another anchor "
                           "(--history FILE).")
    if new.anchor_commit != commit:
        raise HistoryError(f"job {new.job} was run against {new.anchor} ({new.anchor_commit[:12]}), and the history "
                           f"in {path} refers to {name} ({commit[:12]}): run make gate BASE={name}, and append that "
                           "job.")


def _is_named(new: Entry, anchor: str) -> bool:
    return anchor == new.anchor or len(anchor) >= 7 and new.anchor_commit.startswith(anchor)


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """The entries by the date of their commits; where it is unknown, by the time of the job."""
    return sorted(entries, key=lambda each: (_time(each.commit_date or each.started_at), each.commit, each.started_at))


def _time(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
