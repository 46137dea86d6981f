"""`tinygram cliff`: what it finds depends on the kernel; how it says it does not."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from running import Running, fails, run, says

RATIO = 3.0
FAST = ["--from", 16384, "--to", 65536, "--trials", 3, "--duration", "20ms"]


def search(*arguments: object) -> dict[str, Any]:
    """The document of a search."""
    ended = run("cliff", *arguments, "--json", "-")
    assert ended.status == 0, ended.err
    return ended.document


def is_sound(document: dict[str, Any], least: int, most: int) -> None:
    """Values in order and in range, each cliff between neighbours that are close, each remedy judged by its speed."""
    values = [point["value"] for point in document["points"]]
    assert values == sorted(set(values)) and values[0] == least and values[-1] == most
    speeds = {point["value"]: point["speed"] for point in document["points"]}
    for point in document["points"]:
        assert 0 < point["slowest"] <= point["speed"] <= point["fastest"]
    steep = [(low, high) for low, high in itertools.pairwise(values)
             if max(speeds[low], speeds[high]) > RATIO * min(speeds[low], speeds[high])]
    found = [tuple(sorted((cliff["slow"], cliff["fast"]))) for cliff in document["cliffs"]]
    assert found == steep[:16]
    for low, high in steep:
        assert high - low <= 1 or high < 1.011 * low
    for cliff in document["cliffs"]:
        assert cliff["factor"] == pytest.approx(speeds[cliff["fast"]] / speeds[cliff["slow"]], rel=1e-6)
        assert cliff["mechanism"]
        for remedy in cliff["remedies"]:
            assert remedy["removes"] is (RATIO * remedy["speed"] >= speeds[cliff["fast"]])


def test_sndbuf() -> None:
    """The range is scanned, the cliff (if there is one here) is cornered, and remedies are tried on it."""
    document = search("--factor", "sndbuf", *FAST)
    assert (document["kind"], document["factor"]) == ("cliff", "sndbuf")
    is_sound(document, 16384, 65536)
    assert {remedy["name"] for cliff in document["cliffs"] for remedy in cliff["remedies"]} <= {
        "quickack", "mss", "nodelay"}
    assert all(point["effective"] >= 2 * point["value"] for point in document["points"])


@pytest.mark.parametrize("arguments,least,most", [
    (["--factor", "rcvbuf", "--from", 8192, "--to", 32768, "--trials", 1, "--duration", "10ms"], 8192, 32768),
    (["--factor", "write-size", "--from", 1000, "--to", 4000, "--trials", 1, "--duration", "10ms"], 1000, 4000),
    (["--factor", "rate", "--stream", "100@1", "--from", 1000, "--to", 4000, "--trials", 1, "--count", 20,
      "--nodelay", "on"], 1000, 4000),
], ids=lambda value: value[1] if isinstance(value, list) else "")
def test_every_factor(arguments: list[object], least: int, most: int) -> None:
    """Each factor can be searched."""
    is_sound(search(*arguments), least, most)


def test_a_person_gets_a_map() -> None:
    """A line a value, a bar, and a sentence for each cliff or that there is none."""
    out = run("cliff", "--factor", "write-size", "--from", 1000, "--to", 2000, "--trials", 1, "--duration", "10ms").out
    assert "map (logarithmic)" in out
    assert sum(line.rstrip().endswith("#") for line in out.splitlines()) >= 3
    assert "no cliff:" in out or "cliff: write-size" in out


@pytest.mark.parametrize("arguments,words", [
    ([], ["what is to be sent?"]),
    (["--bytes", "1M"], ["which factor?"]),
    (["--factor", "colour"], ["'colour' is none of sndbuf, rcvbuf, write-size, rate"]),
    (["--factor", "rate", "--bytes", "1M"], ["--factor rate needs --stream"]),
    (["--factor", "write-size", "--pattern", "w1,r1"], ["--factor write-size needs --file or --bytes"]),
    (["--factor", "sndbuf", "--from", 10, "--to", 10], ["--from must be below --to"]),
    (["--factor", "sndbuf", "--trials", 0], ["--trials", "too small"]),
    (["--factor", "sndbuf", "--trials", 102], ["--trials", "too large"]),
    (["--factor", "sndbuf", "--from", 0], ["--from", "too small"]),
], ids=lambda value: " ".join(map(str, value)))
def test_bad_input(arguments: list[object], words: list[str]) -> None:
    """One sentence, status 2."""
    fails(2, *words, arguments=["cliff", *arguments])


def test_a_trial_that_fails_ends_the_search() -> None:
    """The sentence names the value at which it failed."""
    ended = run("cliff", "--factor", "rate", "--stream", "10@1", "--from", 1, "--to", 1000, "--trials", 1, "--count", 5,
                "--timeout", "300ms")
    says(ended, 4, "at 1:", "--timeout passed")


def test_an_interruption_ends_the_search(tmp_path: Path) -> None:
    """130, no half document, nothing left running."""
    path = tmp_path / "cliff.json"
    with Running(["cliff", "--factor", "sndbuf", "--trials", 101, "--json", path]) as running:
        time.sleep(0.5)
        assert running.process.poll() is None, running.err
        running.kill(signal.SIGINT)
        ended = running.wait(15)
    assert ended.status == 130, ended.err
    assert "interrupted" in ended.err
    assert not path.exists() or json.loads(path.read_text(encoding="utf-8"))
    assert list(tmp_path.iterdir()) in ([], [path])
