"""The forest plot of a job: its table, and that it is drawn whatever the measurements are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jobs
import pytest
from test_chart import table

from harness import forest
from harness.chart import ChartError


def test_rows_are_sorted_by_ratio(tmp_path: Path) -> None:
    made = forest.draw(jobs.EVERY, tmp_path)
    assert made is not None
    rows = table(made.tsv)
    ratios = [float(row["ratio"]) for row in rows if row["ratio"]]
    assert ratios == sorted(ratios, reverse=True) and len(ratios) == len(rows) - 1 == len(jobs.EVERY.judged) - 1
    assert (rows[0]["name"], rows[0]["kind"], rows[-1]["name"]) == ("exchange-small", "REGRESSION", "request-reply")
    assert rows[-1]["low"] == rows[-1]["high"] == ""
    text = made.svg.read_text()
    assert "regression: slower, and sure" in text and "nan" not in text
    assert made.png.read_bytes().startswith(b"\x89PNG")
    assert made.caption.replace("\n", " ").startswith(
        "MISSING: 1 REGRESSION, 3 PASS, 1 IMPROVEMENT, 3 INCONCLUSIVE; K = 0 to 48 invocations; 99 % intervals; Inve")


def test_a_hostile_name_keeps_its_row(tmp_path: Path) -> None:
    """A quotation mark would end the cell for gnuplot, and a backslash would be swallowed."""
    made = forest.draw(replace(jobs.PASSED, judged=(replace(jobs.PASSED.judged[0], name='a"b\tc\x1b'),)), tmp_path)
    assert made is not None
    assert [row["name"] for row in table(made.tsv)] == ["a\u201db c\u2216x1b"]
    assert "a\u201db c\u2216x1b" in made.svg.read_text()


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert forest.draw(replace(jobs.PASSED, judged=()), tmp_path) is None
    assert forest.draw(replace(jobs.PASSED, judged=(jobs.EVERY.judged[4],)), tmp_path) is None


def test_more_than_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"61 measurements cannot be read \(at most 60\)"):
        forest.draw(replace(jobs.PASSED, judged=jobs.PASSED.judged[:1] * 61), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ChartError, match="no chart can be written"):
        forest.draw(jobs.PASSED, tmp_path / "file" / "x")


def test_a_verdict_does_not_depend_on_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forest.beside(jobs.PASSED, tmp_path) == ("charts/forest.svg", "")
    assert (tmp_path / "charts" / "forest.svg").is_file()
    assert forest.beside(replace(jobs.PASSED, judged=()), tmp_path) == (None, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    link, said = forest.beside(jobs.PASSED, tmp_path)
    assert link is None and said.startswith("no forest plot: gnuplot is not there")
