"""The summary of a step and the annotations: what comes first, what is escaped, and how much there may be."""

from __future__ import annotations

from dataclasses import replace

import consumers
import jobs
import pytest
from consumers import Annotation
from hypothesis import given
from hypothesis import strategies as st

from harness import markdown, wording
from harness.verdict import Status


def test_the_outcome_comes_first() -> None:
    first, _, second, *_ = markdown.summary(jobs.EVERY).split("\n")
    assert first == "## ❌ MISSING: 1 measurement is missing, 3 counters changed, 1 measurement got slower."
    assert second == "`HEAD` against `v0.1.0`: 1 REGRESSION, 3 PASS, 1 IMPROVEMENT, 3 INCONCLUSIVE."
    assert markdown.summary(jobs.PASSED).startswith("## ✅ PASS: Nothing got slower")
    assert markdown.summary(jobs.UNFIT).startswith("## ⚠️ UNFIT: This machine cannot judge now")


def test_the_tables_hold_what_the_job_holds() -> None:
    judged, counted, raw = consumers.tables(markdown.summary(jobs.EVERY))
    assert [row[0] for row in judged[1:]] == [wording.name_of(item) for item in jobs.EVERY.judged]
    assert [row[1].split()[1] for row in judged[1:]] == [item.verdict.value for item in jobs.EVERY.judged]
    assert judged[1][2:6] == ["+5.2 %", "+4.9 % to +5.5 %", "12", "1.2 %"]
    assert judged[5][2:6] == ["", "", "0", ""]
    assert judged[6][6] == "<script>alert(1)</script> | **bold**"
    assert [row[1:6] for row in counted[1:3]] == [["stalls", "changed", "0", "0", "39"],
                                                  ["segments", "varies", "", "120", "131"]]
    assert len(raw[1][6].split(", ")) == 12


def test_the_raw_numbers_are_folded() -> None:
    page = markdown.summary(jobs.PASSED)
    head, _, folded = page.partition("<details>\n<summary>Raw numbers</summary>\n\n| ")
    assert folded.endswith("|\n\n</details>\n") and "| PASS" not in folded and "PASS" in head


def test_the_forest_plot_is_shown_where_it_was_drawn() -> None:
    assert "![" not in markdown.summary(jobs.PASSED)
    page = markdown.summary(jobs.PASSED, "charts/a b)(é.svg")
    assert "![Ratios with their intervals](charts/a%20b%29%28%C3%A9.svg)\n" in page


def test_a_page_that_would_be_too_long_loses_its_folded_part() -> None:
    long = replace(jobs.PASSED, judged=tuple(replace(item, values=item.values * 8000) for item in jobs.PASSED.judged))
    page = markdown.summary(long)
    assert len(page.encode()) <= markdown.SUMMARY_MAX_BYTES
    assert "<details>" not in page and page.endswith("they are in job.json.\n")


@given(st.text(st.characters(), max_size=30)
       | st.sampled_from(["1. x", "# x", "- x", "+1", ":+1:", "@a", "a|b", "\\|"]))
def test_words_stay_words(text: str) -> None:
    """What is escaped is shown as it was (on one line), and does not change the table that it stands in."""
    ((header, row),) = consumers.tables(f"| a |\n| --- |\n| {markdown.escape(text)} |")
    assert row == [" ".join(wording.visible(text).split(" ")).strip()]


@pytest.mark.parametrize(("text", "escaped"), [
    ("@team", "@<!-- -->team"), ("a @ b", "a @ b"), (":tada:", ":<!-- -->tada:"), ("20:00:00", "20:00:00"),
    ("https://x.y", "https:<!-- -->//x.y"), ("# one", r"\# one"), ("- one", r"\- one"), ("12. one", r"12\. one"),
    ("a<b>&c", "a&lt;b&gt;&amp;c"), ("_a_ `b`", r"\_a\_ \`b\`"), ("a|b\\c", r"a\|b\\c")])
def test_escape(text: str, escaped: str) -> None:
    assert markdown.escape(text) == escaped


# ---------------------------------------------------------------------------------------------------------------------
# Annotations


def test_annotations_say_what_matters() -> None:
    found = consumers.annotations(markdown.annotation_lines(jobs.EVERY))
    assert found[0] == Annotation("error", "tinygram gate: MISSING", jobs.EVERY.sentence)
    assert [(each.kind, each.title) for each in found if "exchange-small" in each.title] == [
        ("error", "stalls of exchange-small changed"), ("error", "REGRESSION exchange-small")]
    assert sum(each.kind == "warning" for each in found) == 3
    assert [each.title for each in found if each.kind == "notice"] == ["IMPROVEMENT transfer-64k"]
    assert not any("exchange-large" in each.title for each in found)


def test_names_come_back_as_they_were() -> None:
    (hostile,) = (each for each in consumers.annotations(markdown.annotation_lines(jobs.EVERY))
                  if each.title.startswith("wri|tes"))
    assert hostile.title == f"wri|tes of {wording.visible(jobs.HOSTILE)} changed"
    assert hostile.message == "2 writes\nin place of 1."


@given(st.text(st.characters(), max_size=30))
def test_no_text_makes_a_second_command(text: str) -> None:
    made = replace(jobs.PASSED, sentence=text, judged=(), counted=(replace(
        jobs.EVERY.counted[0], name=text, counter=text, sentence=text),))
    assert len(consumers.annotations(markdown.annotation_lines(made))) == 2


@pytest.mark.parametrize(("status", "kind"), [
    (status, "notice" if status is Status.PASS else "warning" if status is Status.INCONCLUSIVE else "error")
    for status in Status])
def test_the_status_chooses_the_kind(status: Status, kind: str) -> None:
    (one,) = consumers.annotations(markdown.annotation_lines(replace(jobs.PASSED, status=status)))
    assert (one.kind, one.title) == (kind, f"tinygram gate: {status.name}")


def test_more_than_are_shown_are_counted() -> None:
    many = replace(jobs.EVERY, judged=jobs.EVERY.judged[:1] * 20, counted=())
    found = consumers.annotations(markdown.annotation_lines(many))
    assert len(found) == 10 and found[-1].title == "13 more"


def test_an_unfit_machine_accuses_nobody() -> None:
    found = consumers.annotations(markdown.annotation_lines(jobs.UNFIT))
    assert [each.title for each in found] == ["tinygram gate: UNFIT", "machine unfit"]
