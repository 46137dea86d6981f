"""Building and installing: what lands where, and that nothing is built twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TINYGRAM", ROOT / "build" / "tinygram"))
VARIANT = ["SANITIZE=1"] if PROGRAM.parent.name == "sanitize" else []


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """make at the top, of the variant that is under test, without what an outer make handed down."""
    handed_down = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in handed_down}
    return subprocess.run(["make", *VARIANT, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=120, check=False)


def test_install_puts_program_and_man_page_below_destdir(tmp_path: Path) -> None:
    """PREFIX is where it will live, DESTDIR where it is put for packing."""
    done = make("install", "PREFIX=/usr", f"DESTDIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    installed = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert installed == ["usr/bin/tinygram", "usr/share/man/man1/tinygram.1"]
    printed = [subprocess.run([program, "version"], capture_output=True, text=True, timeout=30, check=True).stdout
               for program in (PROGRAM, tmp_path / "usr/bin/tinygram")]
    assert printed[0] == printed[1]


def test_man_page_is_clean_and_shows_every_option(tmp_path: Path) -> None:
    """mandoc has no warning, and renders the options of the program."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc, which checks man pages, is not installed; make lint installs it")
    page = tmp_path / "tinygram.1"
    page.write_text(subprocess.run([PROGRAM, "help", "--man"], capture_output=True, text=True, timeout=30,
                                   check=True).stdout, encoding="utf-8")
    checked = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True,
                             timeout=30, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
    shown = subprocess.run(["mandoc", "-T", "html", page], capture_output=True, text=True, timeout=30, check=True)
    told = json.loads(subprocess.run([PROGRAM, "help", "--json"], capture_output=True, text=True, timeout=30,
                                     check=True).stdout)
    names = [option["name"] for option in told["options"] + told["socket_options"]]
    assert len(names) > 20
    assert [name for name in names if f"--{name}" not in shown.stdout] == []


def test_a_second_make_builds_nothing() -> None:
    """Dependencies are complete and nothing is always out of date."""
    assert make("build").returncode == 0
    again = make("build")
    assert again.returncode == 0
    assert "compile" not in again.stdout and "link" not in again.stdout
