"""The report on exchanges and streams: the answer at its top, its words, tables and notes; and the map of cliffs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import invented
import pytest
import synthetic
from test_report import Page

from harness import cli, report
from harness.experiment import Experiment
from harness.store import Trial

STALL = {"body": ["400"], "mss": ["auto"], "stamps": ["on"]}
QUEUE: Mapping[str, Any] = {"factors": {"rate": ["5000", "12000"], "sndbuf": ["16K", "auto"]}, "workload": "stream",
                            "fixed": {"stream": "1000@{rate}", "count": "100"}, "name": "queue"}


def stall(charts: Sequence[str] = ("split_bars",)) -> Experiment:
    return invented.experiment(STALL, charts, variants=["Nagle", "NODELAY", "writev"], name="stall")


def page_of(results: Path, *runs: tuple[Experiment, Sequence[Trial]],
            maps: Sequence[Path] = ()) -> tuple[Page, str]:
    """A report over some runs: the page, and the Markdown."""
    folders = [synthetic.stored(results, made, trials) for made, trials in runs]
    for folder, (_, trials) in zip(folders, runs, strict=True):
        if trials[0].document["result"]["stalls"]:
            invented.keep_events(folder / "events", trials)
    path = report.report(folders, results / "reports" / "one", maps)
    return Page(path.read_text()), (path.parent / "report.md").read_text()


def transfers() -> tuple[Experiment, list[Trial]]:
    made = synthetic.experiment({"write-size": ["100", "64K"], "nodelay": ["on", "off"]}, {}, "sizes", 5)
    return made, synthetic.trials(made)


def test_the_answer_on_nodelay_stands_at_the_top(tmp_path: Path) -> None:
    page, markdown = page_of(tmp_path, transfers(), (stall(), invented.trials(stall())))
    start = page.text[:page.text.index("In this report")]
    for text in (start, markdown):
        assert "Should you set TCP_NODELAY?" in text
        assert "Yes, set TCP_NODELAY, or use another remedy, for requests of 100 + 400 B (reply 1 B, MSS" in text


def test_a_stream_over_buffers_is_not_the_opening(tmp_path: Path) -> None:
    queue = invented.experiment(**QUEUE)
    page, markdown = page_of(tmp_path, transfers(), (queue, invented.trials(queue)))
    assert markdown.startswith("# What does it do?")
    assert "Should you set TCP_NODELAY?" not in page.text
    assert "kept its schedule" in page.text and "0 of 3" in markdown
    assert "trials did not keep their schedule" in page.text


def test_its_words_are_explained_where_they_are_used(tmp_path: Path) -> None:
    with_exchanges, _ = page_of(tmp_path / "a", (stall(), invented.trials(stall())))
    without, markdown = page_of(tmp_path / "b", transfers())
    for words in ("delayed ACK A receiver", "CORK, MSG_MORE, writev(), QUICKACK", "hold The time from the return"):
        assert words in with_exchanges.text and words not in without.text
    assert "These are one-way transfers" in without.text and "These are one-way transfers" in markdown
    assert "These are one-way transfers" not in with_exchanges.text


def test_the_table_has_what_an_exchange_costs(tmp_path: Path) -> None:
    page, markdown = page_of(tmp_path, (stall(), invented.trials(stall())))
    for head in ("latency: median", "stalled", "held: median", "segments", "calls", "CPU time", "first exchange"):
        assert head in page.text
    (row,) = [line for line in markdown.splitlines() if line.startswith("| Nagle |")]
    assert " | 99 % | " in row and "| 30 us |" in row


def test_exchanges_are_not_called_unverified(tmp_path: Path) -> None:
    trials = invented.trials(stall())
    for trial in trials:
        trial.document["result"]["verified"] = None
    page, _ = page_of(tmp_path, (stall(), trials))
    assert "was not verified" not in page.text


def test_missing_stamps_are_told(tmp_path: Path) -> None:
    trials = invented.trials(stall())
    for trial in trials:
        trial.document["result"]["split"] = None
    page, markdown = page_of(tmp_path, (stall(), trials))
    for text in (page.text, markdown):
        assert "The kernel gave no timestamps in 9 of 9 trials: where the time of their writes went" in text
        assert "Chart split_bars" in text and "because no trial has a value for it" in text


def test_the_timeline_is_drawn_from_the_events_of_the_run(tmp_path: Path) -> None:
    made = invented.experiment({"pattern": ["w100,w400,r1"], "nodelay": ["off", "on"]}, ["timeline"])
    page, markdown = page_of(tmp_path, (made, invented.trials(made)))
    assert len(page.sources) == 1 and "timeline.png" in markdown


@pytest.mark.parametrize("where", [None, "maps"])
def test_the_map_of_cliffs_is_drawn_by_hand(where: str | None, tmp_path: Path,
                                            capfd: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "found.json"
    found.write_text(json.dumps(invented.CLIFF))
    out = [] if where is None else ["--out", str(tmp_path / where)]
    assert cli.main(["cliff", str(found), *out]) == 0
    assert ((tmp_path / where if where else tmp_path) / "cliff_map-sndbuf.svg").is_file()
    assert "SO_SNDBUF 32980 gives 6.90 MB/s, 33192 gives 4.00 GB/s: 580 times as fast" in capfd.readouterr().err


def test_a_map_of_cliffs_is_a_section_of_the_report(tmp_path: Path) -> None:
    made = invented.experiment({"pattern": ["w100,w400,r1"], "nodelay": ["off", "on"]}, ["timeline"])
    found = tmp_path / "cliffs.json"
    found.write_text(json.dumps(invented.CLIFF))
    page, markdown = page_of(tmp_path, (made, invented.trials(made)), maps=[found])
    for text in (page.text, markdown):
        assert "Where does goodput jump as SO_SNDBUF changes?" in text
        assert "33192 gives 4.00 GB/s: 580 times as fast. Why: what fits into the send buffer" in text
        assert "Nothing arrived for 99 % of the time although bytes were under way." in text
        assert "build/tinygram cliff --factor sndbuf" in text and "--json found.json" not in text
    assert len(page.sources) == 2 and "cliff_map-sndbuf.png" in markdown


def test_no_map_of_cliffs_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cliff", str(tmp_path / "none.json")]) != 0
    assert "none.json is no map of cliffs" in capfd.readouterr().err
