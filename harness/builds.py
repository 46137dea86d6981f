"""The two builds of a comparison, made in one job by the same compiler with the same flags.

A commit is built in a git worktree of its own below build/gate/, which is removed again; the program is kept, by
commit, compiler and flags. The working tree is built as it is, changed files included. Programs are run from copies
whose names are all of one length: the length of a path moves the stack, and so times.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness import pair
from harness.experiment import ROOT
from harness.schema import HarnessError
from harness.verdict import Build, Status

TREE: Final = "the working tree"
_GIT_LIMIT_S: Final = 60
_MAKE_LIMIT_S: Final = 600
_SHOWN_LINES: Final = 5


class BuildsError(HarnessError):
    """A build that cannot be had. `status` is that of the job: 2 what was asked for is not there, 6 it is not built."""

    def __init__(self, sentence: str, status: Status = Status.USAGE) -> None:
        super().__init__(sentence)
        self.status = int(status)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Compiler and flags of both builds; None: as the Makefile has them."""

    compiler: str | None = None
    flags: str | None = None

    @property
    def arguments(self) -> list[str]:
        """The words for make."""
        return ([f"CC={self.compiler}"] if self.compiler else []) + ([f"CFLAGS={self.flags}"] if self.flags else [])

    @property
    def command(self) -> list[str]:
        """How the compiler is called."""
        return shlex.split(self.compiler or "cc") or ["cc"]

    @property
    def identity(self) -> str:
        """A text that differs when a build would: words for make, and what the compiler says of itself."""
        compiler = self.command
        try:
            said = subprocess.run([*compiler, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=10, check=False).stdout
        except (OSError, subprocess.SubprocessError):
            said = ""
        return "\n".join((*self.arguments, *said.splitlines()[:1]))


class Forge:
    """Makes builds of one checkout. root: its top folder. kept: where programs are kept."""

    def __init__(self, root: Path = ROOT, toolchain: Toolchain = Toolchain(), kept: Path | None = None) -> None:
        self.root = root
        self.toolchain = toolchain
        self.kept = kept if kept is not None else root / "build" / "gate"

    def commit(self, label: str, ref: str) -> Build:
        """The build of a commit. ref: any name that git knows. Raises BuildsError."""
        commit = self.resolve(ref)
        identity = hashlib.sha256(f"{commit}\n{self.toolchain.identity}".encode()).hexdigest()[:40]
        program = self._kept(identity)
        if not program.is_file():
            self._build_commit(commit, ref, program)
        return _described(Build(label, ref, commit, False, str(program), None, None, None))

    def working_tree(self, label: str) -> Build:
        """The build of the working tree as it is. Raises BuildsError."""
        folder = self.kept / "tree"
        with self._alone():
            self._make(self.root, TREE, [f"BUILD={folder}"])
            program = self._keep(folder / "tinygram")
        commit, dirty = (self.resolve("HEAD"), self.dirty()) if self.has_git() else (None, None)
        return _described(Build(label, None, commit, dirty, str(program), None, None, None))

    def program(self, label: str, path: Path) -> Build:
        """A program that was built elsewhere. Raises BuildsError."""
        if not path.is_file() or not os.access(path, os.X_OK):
            raise BuildsError(f"{label}: there is no program at {path}.")
        return _described(Build(label, str(path), None, None, str(self._keep(path)), None, None, None))

    # -----------------------------------------------------------------------------------------------------------------
    # git

    def has_git(self) -> bool:
        """Whether this is a git checkout, and git is there."""
        return shutil.which("git") is not None and (self.root / ".git").exists()

    def resolve(self, ref: str) -> str:
        """The full hash of a commit. Raises BuildsError for one that git does not know."""
        if shutil.which("git") is None:
            raise BuildsError("git is missing, so no commit can be built; install git, or name a program with "
                              "--base-program.")
        if not (self.root / ".git").exists():
            raise BuildsError(f"{self.root} is no git checkout, so it has no commit {ref!r}; name a program with "
                              "--base-program.")
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        commit = done.stdout.strip()
        if done.returncode != 0 or re.fullmatch(r"[0-9a-f]{40,64}", commit) is None:
            raise BuildsError(f"git knows no commit {ref!r}; name a branch, a tag or a hash (a shallow clone may lack "
                              "it: git fetch --unshallow).")
        return commit

    def dirty(self) -> bool:
        """Whether files that git knows, or new ones that it does not ignore, differ from the last commit."""
        return bool(self._git("status", "--porcelain").stdout.strip())

    def _git(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(self.root), "-c", f"safe.directory={self.root}", *words]
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=_GIT_LIMIT_S, check=False, env=_environment())
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildsError(f"git failed: {error}.") from None

    # -----------------------------------------------------------------------------------------------------------------
    # Building

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Waits until no other gate builds the working tree: two makes in one folder spoil each other's files."""
        try:
            self.kept.mkdir(parents=True, exist_ok=True)
            lock = (self.kept / "lock").open("ab")
        except OSError as error:
            raise BuildsError(f"nothing can be built below {self.kept}: {error.strerror}.", Status.UNFIT) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _build_commit(self, commit: str, ref: str, program: Path) -> None:
        try:
            self.kept.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="worktree-", dir=self.kept))
        except OSError as error:
            raise BuildsError(f"nothing can be built below {self.kept}: {error.strerror}.", Status.UNFIT) from None
        try:
            added = self._git("worktree", "add", "--detach", "--force", str(folder), commit)
            if added.returncode != 0:
                raise BuildsError(f"git makes no worktree of {ref}: {_last(added.stderr)}", Status.MISSING)
            self._make(folder, ref, [])
            self._keep(folder / "build" / "tinygram", program)
        finally:
            self._git("worktree", "remove", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self, folder: Path, what: str, words: Sequence[str]) -> None:
        if self.toolchain.compiler and shutil.which(self.toolchain.command[0]) is None:
            raise BuildsError(f"there is no compiler {self.toolchain.command[0]!r}: install it, or name another with "
                              "--cc.", Status.MISSING)
        jobs = len(os.sched_getaffinity(0))
        command = ["make", "-C", str(folder), f"-j{jobs}", *self.toolchain.arguments, *words]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=_MAKE_LIMIT_S, check=False, env=_environment())
        except FileNotFoundError:
            raise BuildsError("make is missing: install it.", Status.MISSING) from None
        except subprocess.TimeoutExpired:
            raise BuildsError(f"{what} was not built within {_MAKE_LIMIT_S} s.", Status.MISSING) from None
        if done.returncode != 0:
            raise BuildsError(f"{what} does not build, so nothing can be compared with it: {_last(done.stderr)}",
                              Status.MISSING)

    def _kept(self, identity: str) -> Path:
        return self.kept / "programs" / identity / "tinygram"

    def _keep(self, built: Path, program: Path | None = None) -> Path:
        """A copy of a program under a name of its own that never changes: of its content, or as given."""
        try:
            if program is None:
                program = self._kept(hashlib.sha256(built.read_bytes()).hexdigest()[:40])
            if not program.is_file():
                program.parent.mkdir(parents=True, exist_ok=True)
                fresh = program.with_name(f".tinygram-{os.getpid()}")
                shutil.copy2(built, fresh)
                fresh.replace(program)
        except FileNotFoundError:
            raise BuildsError(f"make left no program at {built}.", Status.MISSING) from None
        except OSError as error:
            raise BuildsError(f"no program can be kept below {self.kept}: {error.strerror}.", Status.UNFIT) from None
        return program


def same(base: Build, new: Build) -> bool:
    """Whether the two are one and the same: the same commit without changes, or the same program."""
    one_commit = base.commit is not None and base.commit == new.commit and not base.dirty and not new.dirty
    return one_commit or Path(base.program) == Path(new.program)


def notes(base: Build, new: Build) -> list[str]:
    """What a reader of the job should know of its builds, sentences."""
    dirty = [build.label for build in (base, new) if build.dirty]
    verb = "is" if len(dirty) == 1 else "are"
    said = [f"{' and '.join(dirty)} {verb} {TREE} with changes that are in no commit; its times belong to no commit."
            ] if dirty else []
    for name in ("compiler", "flags"):
        old, now = getattr(base, name), getattr(new, name)
        if old != now:
            said.append(f"the {name} of base and new differ: {old} and {now}; a difference may come from that.")
    return said


def _described(build: Build) -> Build:
    """The build with what its program says of itself. Raises BuildsError when it says nothing."""
    try:
        said = pair.describe(Path(build.program))
    except pair.ToolError as error:
        raise BuildsError(f"{build.label}: {error}", Status.MISSING) from None
    made = said.get("build")
    made = made if isinstance(made, Mapping) else said
    return replace(build, version=_text(said.get("version")), compiler=_text(made.get("compiler")),
                   flags=_text(made.get("flags")))


def _environment() -> dict[str, str]:
    """This environment without what a make or a git around us would tell its own children."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("GIT_") and name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
                                                            "CC", "CFLAGS", "TINYGRAM")}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _last(text: str) -> str:
    """The last lines of what a program complained of."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-_SHOWN_LINES:])[-600:] or "it gave no reason."
