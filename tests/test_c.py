"""Every C test program of tests/c is one test: it says what failed on standard error and ends with a status."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TINYGRAM", ROOT / "build" / "tinygram"))
SOURCES = sorted((ROOT / "tests" / "c").glob("*.c"))


@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
def test_module(source: Path, tmp_path: Path) -> None:
    """The program built from tests/c/X.c ends with status 0 within a minute."""
    program = PROGRAM.parent / "tests" / source.stem
    assert program.exists(), f"{program} is not built; run: make test"
    ended = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"{source.name} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
