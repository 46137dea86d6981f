"""The shape of the repository: who may know whom, what lies where, and what is generated is fresh."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TINYGRAM", ROOT / "build" / "tinygram"))

TOP_LEVEL = {"Makefile", "README.md", "harness", "plots", "results", "tests", "tool"}
TOP_LEVEL_PAPERS = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml", "pytest.ini", "setup.cfg"}

# Each module of the harness may import only the modules before it.
HARNESS_ORDER = ("schema cliff_schema experiment plan machine process pair store summary verdict job wording phrases "
                 "pages arguments stats arms serving slices apart builds counters mechanism declaration fitness looks "
                 "gate history terminal junit markdown feeds outputs ledger evidence proof_report proof differences "
                 "panels grouping effect pattern timeline parts load remedy observer curves chart crowd cliff forest "
                 "trend sentences buffers levels answer pairing overlay scale stalls exchanges pipeline queues advice "
                 "report comparison compare_schema side_by_side compare duel_page duel gate_command lab_charts lab cli "
                 "plugin peers quiet rounds bench_arms bench_claims bench").split()
PACKAGE_FILES = {"__init__", "__main__"}

HEADERS = sorted((ROOT / "tool").rglob("*.h"))
C_FILES = sorted((ROOT / "tool").glob("*.[ch]")) + sorted((ROOT / "tool" / "lab").glob("*.[ch]"))


def tracked() -> list[Path]:
    """Every file that git knows, as a path relative to the top."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is no list of the files that belong to it")
    listing = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT, capture_output=True,
                             text=True, timeout=30, check=True)
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).exists()]


def names(paths: list[Path]) -> list[str]:
    """Test ids: the paths as seen from the top."""
    return [str(path.relative_to(ROOT)) for path in paths]


def harness_imports(path: Path) -> Iterator[str]:
    """The harness modules that a Python file imports, by their first name below harness."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "harness" and len(parts) > 1:
                    yield parts[1]
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level == 1:
                yield from [parts[0]] if parts[0] else [alias.name for alias in node.names]
            elif parts[0] == "harness":
                yield from parts[1:2] if len(parts) > 1 else [alias.name for alias in node.names]


def test_top_level_is_fixed() -> None:
    """Nothing new stands at the top: there is a place for everything below it."""
    found = {path.parts[0] for path in tracked() if not path.parts[0].startswith(".")}
    assert TOP_LEVEL <= found
    assert found - TOP_LEVEL - TOP_LEVEL_PAPERS == set()


@pytest.mark.parametrize("module", sorted((ROOT / "harness").glob("*.py")), ids=lambda path: path.stem)
def test_harness_imports_point_one_way(module: Path) -> None:
    """A module of the harness imports only modules above it; nothing of the tests, the plots or the results."""
    if module.stem in PACKAGE_FILES:
        return
    assert module.stem in HARNESS_ORDER, f"{module.name} has no place in the order of the harness: {HARNESS_ORDER}"
    above = set(HARNESS_ORDER[:HARNESS_ORDER.index(module.stem)])
    imported = set(harness_imports(module)) & set(HARNESS_ORDER)
    assert imported <= above, f"{module.name} imports what stands below it: {sorted(imported - above)}"
    text = module.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import) (tests|results|plots)\b", text, re.MULTILINE)


@pytest.mark.parametrize("source", C_FILES, ids=names(C_FILES))
def test_tool_knows_nothing_of_python(source: Path) -> None:
    """The program stands alone: no word of the harness, and no include from outside tool/."""
    text = source.read_text(encoding="utf-8")
    assert not re.search(r"\bharness/|\.py\b|trials\.jsonl|\.toml\b", text)
    for name in re.findall(r'#include "([^"]+)"', text):
        assert any((folder / name).resolve().is_relative_to(ROOT / "tool") and (folder / name).exists()
                   for folder in (source.parent, ROOT / "tool")), f"{source.name} includes {name}"


def test_socket_options_are_set_in_one_place() -> None:
    """setsockopt and getsockopt are called in sockopt.c and (for TCP_INFO) tcpinfo.c only: one table of options. The
    entries of the lab show the calls themselves."""
    callers = {path.name for path in C_FILES if re.search(r"\b[gs]etsockopt\(", path.read_text(encoding="utf-8"))
               and path.suffix == ".c" and path.parent.name != "lab"}
    assert callers <= {"sockopt.c", "tcpinfo.c"}


@pytest.mark.parametrize("source", C_FILES, ids=names(C_FILES))
def test_no_call_that_cannot_report_an_error(source: Path) -> None:
    """Numbers are parsed with a range check, text is written with a bound."""
    assert not re.search(r"\b(atoi|atol|atof|sprintf|strcpy|strcat|gets|alloca)\(", source.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", sorted((ROOT / "plots").glob("*.gp")), ids=lambda path: path.name)
def test_plots_know_only_columns(script: Path) -> None:
    """A chart is a function of a table: its script names no program, no record and no shell."""
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"trials\.jsonl|\bharness\b|\bsystem\(|^\s*!|\bpause\b|'<|\"<", text, re.MULTILINE)
    if script.stem != "style":
        assert text.startswith("#"), "line 1 of a chart's script is the question that it answers"


def test_results_hold_no_code() -> None:
    """results/ is data and words."""
    kinds = {path.suffix for path in tracked() if path.parts[0] == "results" and path.name != ".gitkeep"}
    assert kinds <= {".md", ".json", ".jsonl", ".tsv", ".toml", ".svg", ".png", ".html"}


@pytest.mark.parametrize("header", HEADERS, ids=names(HEADERS))
def test_header_compiles_alone(header: Path) -> None:
    """A header includes what it uses."""
    compiled = subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror",
         f"-I{ROOT / 'tool'}", "-fsyntax-only", "-x", "c", "-"],
        input=f'#include "{header}"\nextern int alone;\n', capture_output=True, text=True, timeout=30, check=False)
    assert compiled.returncode == 0, compiled.stderr


def test_no_path_of_one_machine() -> None:
    """No file names the folder that it was written in."""
    folders = [str(folder) + "/" for folder in (ROOT, ROOT.parent) if len(folder.parts) > 1 and folder != Path("/tmp")]
    for path in tracked():
        if path.suffix in {".png", ".gz", ".hgrm"}:
            continue
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        assert not [folder for folder in folders if folder in text], path


def between_markers(text: str) -> str:
    """What stands between the two markers of the generated part of the README."""
    found = re.search(r"^<!-- options begin[^\n]*\n(.*?)^<!-- options end", text, re.MULTILINE | re.DOTALL)
    assert found, "README.md has lost the markers of its option tables"
    return found[1]


def test_readme_options_are_the_programs() -> None:
    """The option tables of the README are what the program prints."""
    printed = subprocess.run([PROGRAM, "help", "--markdown"], capture_output=True, text=True, timeout=30, check=True)
    assert between_markers((ROOT / "README.md").read_text(encoding="utf-8")) == printed.stdout, "run: make docs"


def test_every_target_has_one_line_of_help() -> None:
    """make help lists every target that a person may ask for."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()) - {"needs"}
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True,
                            timeout=30, check=True, env={**os.environ, "MAKEFLAGS": ""})
    assert phony == set(re.findall(r"^  make ([a-z-]+) ", listed.stdout, re.MULTILINE))
