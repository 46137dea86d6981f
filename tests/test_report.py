"""Reports: one page that needs nothing else, says what the runs say, and hides nothing that went wrong."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import synthetic

from harness import report, store
from harness.experiment import Experiment
from harness.report import ReportError
from harness.schema import HarnessError
from harness.store import Trial

BUFFERS = {"sndbuf": ["2304", "16K", "auto"], "nodelay": ["on", "off"], "write-size": ["100", "64K"]}
CALLS = {"send-with": ["write", "sendfile"], "write-size": ["16K", "64K"]}
VOID = {"meta", "img", "br", "link", "input"}


def buffers(blocks: int = 5) -> Experiment:
    return synthetic.experiment(BUFFERS, {"goodput_sndbuf": "Goodput against SO_SNDBUF", "ratio_heatmap": "On by off"},
                                "buffers", blocks, question="What does SO_SNDBUF do?")


def calls() -> Experiment:
    return synthetic.experiment(CALLS, {"goodput_levels": "Goodput by call"}, "calls", 5,
                                question="Which call sends a file fastest?")


class Page(HTMLParser):
    """What a test wants to know of a page: its text, links, pictures and anchors; tags must be balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.anchors: set[str] = set()
        self.tags: set[str] = set()
        self.alts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.add(tag)
        self.links += [found["href"] or ""] if "href" in found else []
        self.sources += [found["src"] or ""] if "src" in found else []
        self.anchors |= {found["id"] or ""} if "id" in found else set()
        self.alts += [found["alt"] or ""] if "alt" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over two runs, the one about buffers second; its folder."""
    results = tmp_path_factory.mktemp("results")
    folders = [synthetic.stored(results, made, synthetic.trials(made)) for made in (calls(), buffers())]
    return report.report(folders, results / "reports" / "one").parent


def one(results: Path, made: Experiment, trials: Sequence[Trial]) -> tuple[Page, str]:
    """The report of one run, written into it: the page, and the Markdown."""
    folder = synthetic.stored(results, made, trials)
    path = report.report([folder], folder)
    assert path == folder / "report.html"
    return Page(path.read_text()), (folder / "report.md").read_text()


def markdown_links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)#]+)\)", text)


def test_the_page_needs_nothing_else(both: Path) -> None:
    page = Page((both / "report.html").read_text())
    assert page.sources and all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not page.tags & {"link", "iframe", "object", "embed", "video", "audio"}
    text = (both / "report.html").read_text()
    assert not re.search(r"@import|url\(|https?://", text)
    for source in page.sources:
        picture = base64.b64decode(source.partition(",")[2]).decode()
        assert picture.startswith("<?xml")
        assert not re.search(r"(href|src)=['\"](?!#)", picture)


def test_links_lead_somewhere(both: Path) -> None:
    page = Page((both / "report.html").read_text())
    inside = [link for link in page.links if link.startswith("#")]
    outside = [link for link in page.links if not link.startswith("#")]
    assert {link[1:] for link in inside} <= page.anchors
    for link in [*outside, *markdown_links((both / "report.md").read_text())]:
        if not link.endswith("summary.tsv"):  # written by the command line, not by the report
            assert (both / unquote(link)).is_file(), link
    assert all((both / "charts" / name).is_file() for name in (
        "buffers/goodput_sndbuf.svg", "buffers/goodput_sndbuf.png", "buffers/goodput_sndbuf.tsv",
        "calls/goodput_levels.svg"))


def test_it_opens_with_what_the_buffer_does(both: Path) -> None:
    page = Page((both / "report.html").read_text())
    start = page.text[:page.text.index("In this report")]
    assert "What does SO_SNDBUF do?" in start and "A send buffer that is too small slows the sender: " in start
    assert "NODELAY on (Nagle off) lowers goodput" in start
    markdown = (both / "report.md").read_text()
    assert markdown.startswith("# What does SO_SNDBUF do?\n\nA send buffer that is too small slows the sender: ")


@pytest.mark.parametrize("words", [
    "Which call sends a file fastest?", "Way of sending: ", "Goodput by call", "How to read it.",
    "20 finished trials in 4 cells, shuffled in 5 blocks from seed 1", "60 finished trials in 12 cells", "The words",
    "make run EXPERIMENT=harness/experiments/calls.toml", "--seed 1 --blocks 5", "build/tinygram pair --",
    "The machine", "What it cannot say", "goodput: median", "net.core.wmem_max"])
def test_both_formats_say(words: str, both: Path) -> None:
    page = Page((both / "report.html").read_text())
    assert words in " ".join([page.text, *page.alts])
    assert words in (both / "report.md").read_text()


def test_the_words_are_explained(both: Path) -> None:
    text = Page((both / "report.html").read_text()).text
    glossary = text[text.index("The words segment"):]
    assert all(word in glossary for word in (
        "segment", "MSS", "Nagle's algorithm", "NODELAY", "SO_SNDBUF, request and effective", "goodput",
        "latency of a chunk", "two modes"))


def test_tables_have_a_row_a_cell(both: Path) -> None:
    lines = (both / "report.md").read_text().splitlines()
    rows = [line for line in lines if re.match(r"\| (4\.5 KiB|32 KiB|auto) ", line)]
    assert len(rows) == 12
    assert all(len(row.split(" | ")) == 3 + 9 for row in rows)
    assert rows[0].startswith("| 4.5 KiB | on | 100 B | 5 | ")


def test_charts_stay_in_the_run_and_are_drawn_once(tmp_path: Path) -> None:
    folder = synthetic.stored(tmp_path, calls(), synthetic.trials(calls()))
    for _ in range(2):
        report.report([folder], folder)
    assert sorted(path.name for path in (folder / "charts").iterdir()) == [
        "goodput_levels.png", "goodput_levels.svg", "goodput_levels.tsv"]
    assert "](charts/goodput_levels.svg)" in (folder / "report.md").read_text()


def test_two_runs_of_one_experiment_stay_apart(tmp_path: Path) -> None:
    folders = [synthetic.stored(tmp_path, calls(), synthetic.trials(calls(), seed=seed)) for seed in (1, 2)]
    page = Page(report.report(folders, tmp_path / "reports" / "x").read_text())
    assert {"calls-1", "calls-2"} <= page.anchors
    assert len(list((tmp_path / "reports" / "x" / "charts").glob("*/goodput_levels.svg"))) == 2


def test_failed_trials_are_told(tmp_path: Path) -> None:
    trials = synthetic.trials(calls())
    for index in range(12):
        trials[index] = synthetic.failed(trials[index], "SO_SNDBUF did not take effect.")
    page, markdown = one(tmp_path, calls(), trials)
    for text in (page.text, markdown):
        assert "Failed trials" in text and "and 2 more; trials.jsonl has them all." in text
        assert "12 trials failed" in text
        assert text.count("status 3: SO_SNDBUF did not take effect.") == 10


def test_a_run_without_a_finished_trial(tmp_path: Path) -> None:
    failed = [synthetic.failed(trial, "No.") for trial in synthetic.trials(buffers())]
    page, markdown = one(tmp_path, buffers(), failed)
    for text in (page.text, markdown):
        assert "No trial finished, so there is no answer." in text
        assert "Goodput against SO_SNDBUF" in text and "because no trial has a value for it." in text
    assert page.sources == []


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    page, markdown = one(tmp_path, calls(), synthetic.trials(calls())[:9])
    assert "11 of 20 planned trials were not run. Continue with: python3 -m harness run --continue" in page.text
    assert "11 of 20 planned trials were not run." in markdown


def test_a_run_without_trials(tmp_path: Path) -> None:
    page, _ = one(tmp_path, calls(), [])
    assert "20 of 20 planned trials were not run." in page.text


@pytest.mark.parametrize(("change", "said"), [
    ({"verified": False}, "The content of 1 trials was not verified."),
    ({"retransmits": 3}, "1 of 20 trials sent segments again"),
    ({"goodput_bytes_per_s": 1e7}, "In 1 of 4 cells the fastest trial is more than twice as fast as the slowest."),
    ({"events": {"sender": {"recorded": 5, "dropped": 9, "stride": 1}, "receiver": None}},
     "Some event logs overflowed"),
])
def test_what_speaks_against_the_data_is_told(change: dict[str, object], said: str, tmp_path: Path) -> None:
    trials = synthetic.trials(calls())
    trials[4].document["result"].update(change)
    page, markdown = one(tmp_path / "bad", calls(), trials)
    assert said in page.text and said in markdown
    page, markdown = one(tmp_path / "good", calls(), synthetic.trials(calls()))
    assert said not in page.text and said not in markdown


def test_a_busy_machine_is_told(tmp_path: Path) -> None:
    folder = synthetic.stored(tmp_path, calls(), synthetic.trials(calls()))
    for load, said in ((3.5, True), (0.1, False)):
        described = store.read(folder).machine | {"load_1m": load, "cpus_online": 2}
        store.write_json(folder / "machine.json", described)
        text = Page(report.report([folder], folder).read_text()).text
        assert ("The machine was busy when the run began (load 3.5 on 2 CPUs)" in text) == said


def test_two_modes_stand_in_the_table(tmp_path: Path) -> None:
    trials = synthetic.trials(calls())
    for trial in trials:
        slow = trial.cell == 0 and trial.block < 2
        trial.document["result"]["goodput_bytes_per_s"] = 1e7 if slow else 1e9
    page, markdown = one(tmp_path, calls(), trials)
    assert "two modes: 10 MB/s (2) and 1 GB/s (3)" in page.text
    assert "| two modes: 10 MB/s (2) and 1 GB/s (3) |" in markdown


def test_what_the_machine_did_not_say_is_unknown(tmp_path: Path) -> None:
    folder = synthetic.stored(tmp_path, calls(), synthetic.trials(calls()))
    store.write_json(folder / "machine.json", {"schema": "tinygram-machine/1"})
    text = Page(report.report([folder], folder).read_text()).text
    assert "kernel unknown" in text and "CPU limit of the control group none known" in text and "None" not in text


def test_words_from_outside_are_no_markup(tmp_path: Path) -> None:
    made = synthetic.experiment(CALLS, {"goodput_levels": "<b>1 & 2</b>"}, "calls", 5,
                                question="<script>alert('x')</script> & why?")
    trials = synthetic.trials(made)
    trials[0] = synthetic.failed(trials[0], "<img src=x onerror=alert(1)> | `code`")
    page, _ = one(tmp_path, made, trials)
    assert "<script>alert('x')</script> & why?" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert all(source.startswith("data:") for source in page.sources)


def test_nothing_to_report() -> None:
    with pytest.raises(ReportError, match="name at least one run"):
        report.report([], Path("nowhere"))


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="is not a run"):
        report.report([tmp_path], tmp_path / "out")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = synthetic.stored(tmp_path, calls(), synthetic.trials(calls()))
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="no report can be written to .*: Not a directory: "):
        report.report([folder], tmp_path / "file" / "out")
