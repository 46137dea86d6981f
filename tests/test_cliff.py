"""The map of cliffs: its sentences, its table, its picture, and what is no map."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import invented
import pytest
from test_chart import compare_with_golden, points, table

from harness import cliff
from harness.chart import ChartError


def changed(**keys: Any) -> dict[str, Any]:
    """The invented search with other members."""
    return {**copy.deepcopy(invented.CLIFF), **keys}


def drawn(document: dict[str, Any], folder: Path) -> cliff.Chart:
    """The chart of a document."""
    found = folder / "found.json"
    found.write_text(json.dumps(document), encoding="utf-8")
    return cliff.draw(found, folder / "charts")


def test_golden(tmp_path: Path) -> None:
    made = drawn(invented.CLIFF, tmp_path)
    compare_with_golden(made, "cliff_map")
    assert points(made.svg) >= 24 + 4


def test_every_trial_is_in_the_table_and_no_probe(tmp_path: Path) -> None:
    rows = table(drawn(invented.CLIFF, tmp_path).tsv)
    assert sum(row["kind"] == "trial" for row in rows) == 3 * 6 + 6
    assert [row["value"] for row in rows if row["kind"] == "modes"] == ["46340"]
    assert "46340" not in [row["value"] for row in rows if row["kind"] == "point"]
    assert {row["words"] for row in rows if row["kind"] == "remedy"} == {"quickack", "nodelay", "mss", "sndbuf"}


def test_a_cliff_is_told_with_mechanism_and_remedies() -> None:
    first, second = cliff.sentences(invented.CLIFF)
    assert first == (
        "1: SO_SNDBUF 32980 gives 6.90 MB/s, 33192 gives 4.00 GB/s: 580 times as fast. Why: what fits into the send "
        "buffer at once waits for a delayed ACK. Removed by TCP_QUICKACK at the receiver, MSS 1460 and 8 times the "
        "SO_SNDBUF. No remedy: TCP_NODELAY.")
    assert second == ("Bistable at 46340: 3 trials gave about 8.00 MB/s, 3 about 4.10 GB/s. In the slow ones: what "
                      "fits into the send buffer at once waits for a delayed ACK.")


def test_no_cliff_and_a_part_of_a_search_are_said() -> None:
    assert cliff.sentences(changed(cliffs=[], bistable=[])) == [
        "No cliff: no two neighbours with one mode each differ by more than a factor of three."]
    assert cliff.sentences(changed(interrupted=True))[-1] == "The search was interrupted: the map is a part."
    search = {**invented.CLIFF["search"], "truncated": True}
    assert cliff.sentences(changed(search=search))[-1].startswith("The search stopped early")
    document = changed()
    document["cliffs"][0] |= {"explained": False, "remedies": []}
    assert cliff.sentences(document)[0].endswith("580 times as fast. The search ended before any remedy was tried.")


def test_no_remedy_and_half_a_remedy_are_said() -> None:
    document = changed()
    for remedy in document["cliffs"][0]["remedies"]:
        remedy |= {"removes": False, "helps": remedy["name"] == "mss"}
    assert ("Removed by none of the remedies that were tried. MSS 1460 helped a part of the way. No remedy: "
            "TCP_QUICKACK at the receiver, TCP_NODELAY and 8 times the SO_SNDBUF.") in cliff.sentences(document)[0]


def test_a_latency_is_the_inverse_of_its_speed(tmp_path: Path) -> None:
    search = {**invented.CLIFF["search"], "factor": "rate", "speed": "latency"}
    made = drawn(changed(search=search), tmp_path)
    assert float(table(made.tsv)[0]["speed"]) == pytest.approx(1 / 6.3e6)
    assert made.title == "Where does latency jump as the rate of messages changes?"


def test_a_range_without_cliffs_or_with_failed_trials_is_drawn(tmp_path: Path) -> None:
    document = changed(cliffs=[], bistable=[])
    document["points"][0] |= {"modes": [], "trials": [{"probe": False, "status": 4, "error": "x", "evidence": None}]}
    assert points(drawn(document, tmp_path).svg) > 10


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "tinygram-cliff/1", "points": []}',
                                  json.dumps({**invented.CLIFF, "points": []})])
def test_no_map_of_cliffs(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ChartError, match=r"x\.json is no map of cliffs .*write one with"):
        cliff.draw(path, tmp_path)


def test_a_search_that_fails_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="did not run"):
        cliff.measure(tmp_path / "none", tmp_path / "found.json")
    with pytest.raises(ChartError, match="failed: status 1"):
        cliff.measure(Path("/bin/false"), tmp_path / "found.json")
