"""The ledger of a proof: one line a job of the gate, added as the job ends (JSON Lines, tinygram-proof/1).

A proof takes hours; a ledger lets it be spread over sittings. A line is written in one piece and brought to the disk at
once. What a kill leaves of a last line is told and skipped, and cut off before the next one is written. Which lines may
be counted together is decided by their group: the same measuring code, compiler and machine.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

from harness.experiment import ROOT
from harness.schema import HarnessError
from harness.verdict import Job, Judged, Status, Verdict

TAG: Final = "tinygram-proof/1"
_VALUE_UNIT: Final = 1e-5


class LedgerError(HarnessError):
    """A ledger that cannot be read or written."""

    status = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What a job said about one measurement; fields as of verdict.Judged.

    k: valid invocations. values: ln(new / base) of each, in units of 1e-5 (thousandths of a percent), in the order of
    time.
    """

    name: str
    work: str
    method: str
    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    k: int
    look: int
    invalid: int
    detectable: float | None
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """What a job said about one exact counter; fields as of verdict.Counted."""

    name: str
    counter: str
    expected: int | None
    base: int | None
    new: int | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a proof.

    at: UTC, ISO 8601, when it began. kind: of proof.KINDS. injected: per mille that the new arm was slowed down by.
    code: digest of all that measures (see Code). commit, new_commit: of the two builds; changed: either was built from
    files that no commit has. compiler: with its flags. cpu_model, kernel, cpus, boot_id: the machine. load: mean of the
    last minute, before the job and what it starts. elapsed_s: of the job. status: exit status of the gate; None where
    there is none, and error says why. neighbour: the share of a CPU that a busy neighbour used. None: could not be had.
    """

    at: str
    kind: str
    injected: int
    seed: int
    code: str
    commit: str | None
    new_commit: str | None
    changed: bool | None
    version: str | None
    compiler: str | None
    cpu_model: str | None
    kernel: str | None
    cpus: int | None
    boot_id: str | None
    load: float | None
    elapsed_s: float
    status: int | None
    sentence: str
    judged: tuple[Found, ...] = ()
    canaries: tuple[Found, ...] = ()
    counted: tuple[Count, ...] = ()
    unfit: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: str | None = None
    neighbour: float | None = None

    @property
    def group(self) -> tuple[str | int | None, ...]:
        """What two jobs must share to be counted together; neither commit nor boot: no number outlives its job."""
        return self.code, self.compiler, self.cpu_model, self.kernel, self.cpus

    def line(self) -> bytes:
        """The entry as one line of JSON."""
        plain = {"schema": TAG, **asdict(self)}
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of a ledger in the order of the file. words: sentences about lines that could not be read."""

    entries: tuple[Entry, ...]
    words: tuple[str, ...] = ()


def entry(job: Job, *, kind: str, injected: int, code: str, load: float | None,
          neighbour: float | None = None) -> Entry:
    """The entry of a finished job. kind, injected, code, load, neighbour: see Entry."""
    machine = job.machine
    dirty = [build.dirty for build in (job.base, job.new)]
    compiler = " ".join(filter(None, (job.base.compiler, job.base.flags))) or None
    return Entry(
        job.started_at, kind, injected, job.seed, code, job.base.commit, job.new.commit,
        True if True in dirty else None if None in dirty else False, job.base.version, compiler,
        machine.get("cpu_model"), machine.get("kernel"), machine.get("cpus_online"), machine.get("boot_id"), load,
        round(job.elapsed_s, 3), int(job.status), job.sentence, tuple(map(_found, job.judged)),
        tuple(map(_found, job.canaries)),
        tuple(Count(one.name, one.counter, one.expected, one.base, one.new, one.verdict) for one in job.counted),
        job.unfit, job.missing, None, _number(neighbour))


def _found(judged: Judged) -> Found:
    return Found(judged.name, judged.work, judged.method, judged.verdict.value, _number(judged.ratio),
                 _number(judged.low), _number(judged.high), judged.invocations, judged.look, judged.invalid,
                 _number(judged.detectable), tuple(round(value / _VALUE_UNIT) for value in judged.values))


def _number(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None


# ---------------------------------------------------------------------------------------------------------------------
# On disk


class Writer:
    """Adds entries to a ledger. One writer a ledger: a second one is refused. word: what it had to cut off, or ''."""

    def __init__(self, path: Path) -> None:
        """Opens the ledger, or begins it. Raises LedgerError."""
        self.path = path
        self.word = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b", buffering=0)
        except OSError as error:
            raise LedgerError(f"{path} cannot be written: {error.strerror}. Name another file with --ledger.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._cut_off_torso()
        except OSError:
            self._file.close()
            raise LedgerError(f"{path} is being written by another proof; wait for it to end, or name another file "
                              "with --ledger.") from None

    def _cut_off_torso(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            return
        self._file.seek(0)
        content = self._file.read()
        kept = content.rfind(b"\n") + 1
        if kept < len(content):
            os.ftruncate(self._file.fileno(), kept)
            self.word = (f"the last line of {self.path} was cut off in the middle ({len(content) - kept} bytes) and is "
                         "dropped; its job is run again.")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._file.close()

    def append(self, added: Entry) -> None:
        """Writes one entry and brings it to the disk. Raises LedgerError; a part of a line is then taken back."""
        line = added.line()
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, "only a part was written")
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), size)
            raise LedgerError(f"{self.path} cannot be written ({error.strerror}); the jobs before this one are kept. "
                              "Make room and go on.") from None


def read(path: Path) -> Ledger:
    """All entries of a ledger; one that is not there is empty. Lines that are no entries are skipped, with a sentence.

    Raises LedgerError when the file cannot be read.
    """
    try:
        *lines, torso = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Ledger(())
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}.") from None
    entries, words = [], []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(parse(line))
        except ValueError as error:
            words.append(f"line {number} of {path.name} is skipped: {error}.")
    if torso:
        words.append(f"the last line of {path.name} was cut off in the middle ({len(torso)} bytes) and is skipped.")
    return Ledger(tuple(entries), tuple(words))


def parse(line: bytes) -> Entry:
    """The entry in a line. Raises ValueError, which says what is wrong with it."""
    try:
        plain = json.loads(line)
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not isinstance(plain, dict) or plain.get("schema") != TAG:
        raise ValueError(f"its schema is {plain.get('schema')!r} and should be {TAG!r}" if isinstance(plain, dict)
                         else "it is no object")
    del plain["schema"]
    try:
        for name, kind in (("judged", Found), ("canaries", Found), ("counted", Count)):
            plain[name] = tuple(_record(kind, one) for one in plain.get(name, ()))
        for name in ("unfit", "missing"):
            plain[name] = tuple(plain.get(name, ()))
        made = Entry(**plain)
        _check(made)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"its fields are not those of {TAG} ({error})") from None
    return made


def _record(kind: type[Any], plain: Mapping[str, Any]) -> Any:
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})


def _check(made: Entry) -> None:
    """Raises ValueError where a value cannot be counted with."""
    if not isinstance(made.kind, str) or type(made.injected) is not int or type(made.seed) is not int:
        raise ValueError("kind, injected or seed are not what they should be")
    if made.status is not None and made.status not in [status.value for status in Status]:
        raise ValueError(f"status {made.status!r} is none of the gate's")
    if not isinstance(made.elapsed_s, (int, float)) or not isinstance(made.at, str):
        raise ValueError("at or elapsed_s are not what they should be")
    for one in (*made.judged, *made.canaries):
        if one.verdict not in [verdict.value for verdict in Verdict]:
            raise ValueError(f"{one.verdict!r} is no verdict")
        if one.ratio is not None and not isinstance(one.ratio, (int, float)):
            raise ValueError(f"the ratio of {one.name} is {one.ratio!r}")


# ---------------------------------------------------------------------------------------------------------------------
# What measures

_C_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


# Sources below tool/ that no job of the gate runs: other subcommands, and what a bench is measured against.
_ASIDE: Final = ("lab/", "bench/", "help.", "options.", "cliff", "bisect.", "evidence.", "length.", "remedy.",
                 "search.")


def _measures(name: str) -> bool:
    """Whether the source of that name below tool/ can run in a job."""
    return not name.startswith(_ASIDE)


@dataclass(slots=True)
class Code:
    """The digests of all that measures: the program's sources but those of subcommands that no job runs, the harness'
    modules up to the gate, the declaration.

    root: the checkout. gate: the module at which the harness' part ends. Comments, docstrings and white space do not
    count, everything else does. What was read once is kept: the code of a running proof does not change.
    """

    root: Path = ROOT
    gate: str = "gate"
    more: str = ""
    _harness: str | None = None
    _program: dict[str | None, str] = field(default_factory=dict)

    def ready(self) -> Code:
        """Itself, with the harness' part read: it runs as it was loaded, whatever happens to its files from now on."""
        if self._harness is None:
            self._harness = _sum(plain_python(path.read_text(encoding="utf-8"))
                                 for path in measuring_modules(self.root / "harness", self.gate))
        return self

    def digest(self, job: Job) -> str:
        """12 hexadecimal digits. Two jobs with the same ones were measured in the same way. Raises LedgerError."""
        harness = self.ready()._harness or ""
        commit = None if job.base.dirty or job.base.commit is None else job.base.commit
        if commit not in self._program:
            self._program[commit] = _sum(map(plain_c, self._sources(commit)))
        declaration = self.root / job.declaration
        declared = declaration.read_text(encoding="utf-8") if declaration.is_file() else job.declaration
        return _sum((harness, self._program[commit], declared, self.more))[:12]

    def _sources(self, commit: str | None) -> list[str]:
        """The C sources of a commit; None: as they are on disk."""
        if commit is None:
            top = self.root / "tool"
            return [path.read_text(encoding="utf-8") for path in sorted(top.rglob("*.[ch]"))
                    if _measures(path.relative_to(top).as_posix())]
        try:
            packed = subprocess.run(["git", "-C", str(self.root), "-c", f"safe.directory={self.root}", "archive",
                                     "--format=tar", commit, "tool"],
                                    stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise LedgerError(f"the sources of commit {commit} cannot be read, so its jobs cannot be told from those "
                              f"of other code: {error}.") from None
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            members = sorted((member for member in archive if member.isfile() and member.name.endswith((".c", ".h"))
                              and _measures(member.name.removeprefix("tool/"))),
                             key=lambda member: member.name)
            return [file.read().decode("utf-8") for member in members if (file := archive.extractfile(member))]


def measuring_modules(folder: Path, name: str) -> list[Path]:
    """The files of a module of the harness and of every module that it imports, however far, sorted."""
    found: set[str] = set()
    left = [name]
    while left:
        module = left.pop()
        path = folder / f"{module}.py"
        if module in found or not path.is_file():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "harness":
                parts = node.module.split(".")
                left += parts[1:2] if len(parts) > 1 else [alias.name for alias in node.names]
    return [folder / f"{module}.py" for module in sorted(found)]


def plain_python(text: str) -> str:
    """A module without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [one for one in node.body
                         if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
                                 and isinstance(one.value.value, str))]
    return ast.dump(tree)


def plain_c(text: str) -> str:
    """A C source without comments and layout; strings stay as they are."""
    return " ".join(_C_TOKEN.sub(lambda found: found[0] if found[0][0] in "\"'" else " ", text).split())


def _sum(texts: Iterable[str]) -> str:
    total = hashlib.sha256()
    for text in texts:
        raw = text.encode("utf-8", "surrogateescape")
        total.update(b"%d:" % len(raw) + raw)
    return total.hexdigest()
