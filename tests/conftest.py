"""What several Python tests share: hypothesis without traces in the tree, the program, and its stand-in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.configuration
import pytest

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"

# Nothing outside build/ is written, and a shared machine may be slow at any moment.
hypothesis.configuration.set_hypothesis_home_dir(str(ROOT / "build" / "hypothesis"))  # type: ignore[no-untyped-call]
hypothesis.settings.register_profile("tinygram", database=None, deadline=None, derandomize=True)
hypothesis.settings.load_profile("tinygram")


@pytest.fixture(autouse=True)
def _no_stray_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """FILE is the user's; a test that wants it sets it."""
    monkeypatch.delenv("FILE", raising=False)


@pytest.fixture(scope="session")
def program() -> Path:
    """The program itself; it must be built."""
    path = Path(os.environ.get("TINYGRAM") or ROOT / "build" / "tinygram")
    assert path.is_file(), f"{path} is not built; run: make"
    return path


@pytest.fixture
def fake_tool() -> Path:
    """A program with tinygram's command line that transfers nothing; FAKE_TINYGRAM chooses how it behaves."""
    return FIXTURES / "fake_tinygram"


@pytest.fixture
def document() -> dict[str, Any]:
    """A result document without fault."""
    loaded: dict[str, Any] = json.loads((FIXTURES / "document.json").read_text(encoding="utf-8"))
    return loaded


SMALL = '''# Why: to have something small.
question = "Is it small?"

[workload]
name = "transfer"
file = "default"
duration = "10ms"

[setting]
cpus = "same"

[factors]
sndbuf = ["4K", "auto"]
nodelay = ["on", "off"]

[repeat]
blocks = 3
seed = 7

[[chart]]
name = "goodput_sndbuf"
title = "Goodput"
'''


@pytest.fixture
def toml(tmp_path: Path) -> Callable[..., Path]:
    """Writes an experiment of four cells; each pair of texts replaces the first in it by the second."""
    def write(*replacements: tuple[str, str], name: str = "small.toml") -> Path:
        text = SMALL
        for old, new in replacements:
            assert old in text, f"{old!r} is not in the experiment"
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path
    return write
