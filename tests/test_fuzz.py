"""The fuzzing targets of tests/fuzz, without a fuzzer: on their seeds and on bytes that hypothesis chooses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from running import PROGRAM, ROOT

FOLDER = ROOT / "tests" / "fuzz"
TARGETS = sorted(path.stem for path in FOLDER.glob("*.c") if path.stem != "replay")


def replay(target: str, *files: Path) -> None:
    """The target on these files: nothing that must hold is broken."""
    program = PROGRAM.parent / "fuzz" / target
    assert program.exists(), f"{program} is not built; run: make test"
    ended = subprocess.run([program, *files], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"{target} ended with {ended.returncode}:\n{ended.stderr[-4000:]}"


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    """Every target has seeds, and bears them."""
    seeds = sorted((FOLDER / "seeds" / target).iterdir())
    assert seeds
    replay(target, *seeds)


@pytest.mark.parametrize("target", TARGETS)
def test_bytes_that_nobody_chose(target: str, tmp_path: Path) -> None:
    """A few hundred inputs, shuffled from the seeds' own bytes."""
    words = b"".join(path.read_bytes()[:200] for path in sorted((FOLDER / "seeds" / target).iterdir()))
    pieces = strategies.integers(0, max(0, len(words) - 1)).flatmap(
        lambda at: strategies.integers(1, 12).map(lambda length: words[at:at + length]))
    inputs = strategies.lists(strategies.one_of(pieces, strategies.binary(max_size=40)), max_size=30).map(b"".join)

    @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategies.lists(inputs, min_size=20, max_size=60))
    def run(many: list[bytes]) -> None:
        files = []
        for number, content in enumerate(many):
            files.append(tmp_path / str(number))
            files[-1].write_bytes(content)
        replay(target, *files)

    run()


def test_a_target_that_finds_something_ends_badly(tmp_path: Path) -> None:
    """What a target complains about is not lost in its way back: a file that is not there is one."""
    with pytest.raises(AssertionError, match="ended with 2"):
        replay(TARGETS[0], tmp_path / "missing")
