"""Builds of a comparison: commits in worktrees of their own, the working tree as it is, and what can go wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness import builds
from harness.builds import BuildsError, Forge, Toolchain
from harness.verdict import Build

MAKEFILE = """CFLAGS ?= -O2
BUILD := build
build: $(BUILD)/tinygram
$(BUILD)/tinygram: source Makefile
\tmkdir -p $(BUILD)
\techo '#!/bin/sh' > $@
\techo "echo '{\\"version\\": \\"$$(cat source)\\"," >> $@
\techo "\\"build\\": {\\"compiler\\": \\"$(CC)\\", \\"flags\\": \\"$(CFLAGS)\\"}}'" >> $@
\tchmod +x $@
"""


def git(root: Path, *words: str) -> str:
    """Runs git in a repository of the tests' own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(["git", "-C", str(root), "-c", "user.name=T", "-c", "user.email=t@example.org", *words],
                          capture_output=True, text=True, check=True, timeout=30, env=environment).stdout.strip()


def commit(root: Path, source: str, makefile: str = MAKEFILE) -> str:
    """Commits a version of the little project; returns its hash."""
    (root / "source").write_text(source, encoding="utf-8")
    (root / "Makefile").write_text(makefile, encoding="utf-8")
    (root / ".gitignore").write_text("/build/\n", encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", source)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two commits, tagged v1 and v2, whose program tells its version."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    commit(root, "1.0")
    git(root, "tag", "v1")
    commit(root, "2.0")
    git(root, "tag", "v2")
    return root


def test_a_commit_is_built_beside_the_tree(project: Path) -> None:
    """The tree and git's list of worktrees stay as they were; the program is kept."""
    forge = Forge(project)
    base = forge.commit("base", "v1")
    assert (base.version, base.dirty, base.ref) == ("1.0", False, "v1")
    assert base.commit == git(project, "rev-parse", "v1")
    assert Path(base.program).is_relative_to(project / "build" / "gate")
    assert git(project, "status", "--porcelain") == ""
    assert len(git(project, "worktree", "list").splitlines()) == 1
    assert not list((project / "build" / "gate").glob("worktree-*"))


def test_a_build_is_kept_by_commit_compiler_and_flags(project: Path) -> None:
    """Asked for again it is not made again; with other flags it is another one."""
    first = Forge(project).commit("base", "v1")
    stamp = Path(first.program).stat().st_mtime_ns
    again = Forge(project).commit("base", git(project, "rev-parse", "v1"))
    other = Forge(project, Toolchain("gcc", "-O1")).commit("base", "v1")
    assert again.program == first.program and Path(again.program).stat().st_mtime_ns == stamp
    assert other.program != first.program
    assert (other.compiler, other.flags, first.flags) == ("gcc", "-O1", "-O2")


def test_both_sides_have_the_same_compiler_flags_and_length_of_name(project: Path) -> None:
    """What make and git around us say in the environment does not leak in."""
    forge = Forge(project, Toolchain("gcc", "-O1"))
    base, new = forge.commit("base", "v1"), forge.working_tree("new")
    assert (base.compiler, base.flags) == (new.compiler, new.flags) == ("gcc", "-O1")
    assert len(base.program) == len(new.program)


def test_surroundings_do_not_leak_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate runs below make, and perhaps in a hook of git."""
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert Forge(project).commit("base", "v1").flags == "-O2"


def test_a_compiler_that_is_not_there_is_named(project: Path) -> None:
    """Not make's complaint about the headers that no compiler found."""
    with pytest.raises(BuildsError, match="no compiler 'nosuchcc': install it, or name another.*--cc") as caught:
        Forge(project, Toolchain("nosuchcc -m64")).working_tree("new")
    assert caught.value.status == 6


def test_a_dirty_tree_is_built_as_it_is_and_told(project: Path) -> None:
    """A note, not an error."""
    clean = Forge(project).working_tree("new")
    assert (clean.version, clean.dirty) == ("2.0", False) and builds.notes(clean, clean) == []
    (project / "source").write_text("3.0", encoding="utf-8")
    dirty = Forge(project).working_tree("new")
    assert (dirty.version, dirty.dirty, dirty.commit) == ("3.0", True, clean.commit)
    assert builds.notes(clean, dirty) == [
        "new is the working tree with changes that are in no commit; its times belong to no commit."]
    assert Path(clean.program).exists() and clean.program != dirty.program


def test_equal_base_and_head_are_known(project: Path) -> None:
    """The same commit, or the same program; a dirty tree is another."""
    forge = Forge(project)
    head = forge.working_tree("new")
    assert builds.same(forge.commit("base", "v2"), head)
    assert not builds.same(forge.commit("base", "v1"), head)
    assert builds.same(forge.program("base", Path(head.program)), forge.program("new", Path(head.program)))
    (project / "source").write_text("3.0", encoding="utf-8")
    assert not builds.same(forge.commit("base", "v2"), forge.working_tree("new"))


@pytest.mark.parametrize("ref", ["nosuch", "--all", "", "v1 v2", "HEAD~99"])
def test_an_unknown_commit(project: Path, ref: str) -> None:
    """A sentence, status 2."""
    with pytest.raises(BuildsError, match="git knows no commit") as caught:
        Forge(project).commit("base", ref)
    assert caught.value.status == 2


def test_a_base_that_does_not_build(project: Path) -> None:
    """The sentence holds what make complained of; no worktree stays; status 6: everything is missing."""
    commit(project, "3.0", ".PHONY: build\nbuild:\n\t@echo 'source.c: syntax error' >&2; exit 1\n")
    git(project, "tag", "broken")
    with pytest.raises(BuildsError, match="broken does not build.*syntax error") as caught:
        Forge(project).commit("base", "broken")
    assert caught.value.status == 6
    assert len(git(project, "worktree", "list").splitlines()) == 1
    with pytest.raises(BuildsError, match="the working tree does not build"):
        Forge(project).working_tree("new")


def test_a_build_that_leaves_no_program(project: Path) -> None:
    """make says yes and there is nothing: a sentence."""
    commit(project, "3.0", ".PHONY: build\nbuild:\n\t@true\n")
    with pytest.raises(BuildsError, match="make left no program") as caught:
        Forge(project).commit("base", "HEAD")
    assert caught.value.status == 6


def test_a_program_that_tells_nothing(project: Path) -> None:
    """It is built, and it is not tinygram."""
    commit(project, "3.0", ".PHONY: build\nbuild:\n\t@mkdir -p build; cp /bin/false build/tinygram\n")
    with pytest.raises(BuildsError, match="base: .*does not tell its version") as caught:
        Forge(project).commit("base", "HEAD")
    assert caught.value.status == 6


def test_no_git(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkout, or no git: a sentence with the other way."""
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(BuildsError, match="no git checkout.*--base-program") as caught:
        Forge(tmp_path / "unpacked").commit("base", "v1")
    assert caught.value.status == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildsError, match="git is missing.*--base-program"):
        Forge(project).commit("base", "v1")


def test_the_tree_needs_no_git(project: Path, tmp_path: Path) -> None:
    """Sources that were unpacked build as well; they have no commit."""
    root = tmp_path / "unpacked"
    root.mkdir()
    for name in ("Makefile", "source"):
        (root / name).write_bytes((project / name).read_bytes())
    new = Forge(root).working_tree("new")
    assert (new.version, new.commit, new.dirty) == ("2.0", None, None)


def test_a_program_of_ones_own(project: Path, tmp_path: Path) -> None:
    """It is copied, so that a build in between does not change it; one that is not there has a sentence."""
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\necho '{\"version\": \"9\", \"build\": {}}'\n", encoding="utf-8")
    with pytest.raises(BuildsError, match="base: there is no program at"):
        Forge(project).program("base", program)
    program.chmod(0o755)
    build = Forge(project).program("base", program)
    program.unlink()
    assert (build.version, build.compiler, build.commit) == ("9", None, None) and Path(build.program).exists()


def test_other_compilers_are_told() -> None:
    """A difference may come from the flags alone."""
    base = Build("base", None, None, None, "/a", "1", "gcc 12", "-O2")
    new = Build("new", None, None, None, "/b", "1", "clang 14", "-O2")
    assert builds.notes(base, new) == ["the compiler of base and new differ: gcc 12 and clang 14; a difference may "
                                       "come from that."]


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    """Status 4 and a sentence."""
    (project / "build").write_text("", encoding="utf-8")
    with pytest.raises(BuildsError, match="nothing can be built below") as caught:
        Forge(project).commit("base", "v1")
    assert caught.value.status == 4
