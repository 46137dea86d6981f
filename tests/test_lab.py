"""The lab's page: all entries, in their words; and what becomes of a program that fails."""

from __future__ import annotations

import copy
import dataclasses
import html
import json
import os
import re
import statistics
from pathlib import Path
from typing import Any, cast

import invented
import pytest

from harness import lab, load, store
from harness.chart import Chart

ENTRY: dict[str, Any] = {
    "name": "half-close", "topic": "Closing", "statement": "shutdown(SHUT_WR) closes <one> direction.",
    "source": "RFC 9293, 3.6", "twist": "close()", "needs": [], "verdict": "holds", "condition": None, "reason": None,
    "remedy": None, "congestion": "reno", "mss": 1448, "series": [],
    "sysctls": [{"name": "net.ipv4.tcp_wmem", "value": "4096 16384 4194304", "set_to": None},
                {"name": "net.ipv4.tcp_fin_timeout", "value": "60", "set_to": "5, 60"},
                {"name": "net.ipv4.tcp_young", "value": None, "set_to": None}],
    "summary": "2000 bytes | arrived", "evidence": [
        {"name": "the other way", "value": "2000 bytes arrived", "unit": None, "attempts": ["2000 bytes arrived"] * 2},
        {"name": "took", "value": 41, "unit": "ms", "attempts": [41, 44]},
        {"name": "window", "value": None, "unit": "bytes", "attempts": [None, None]}],
    "why": None, "skipped": None, "steps": ["shut it"], "timeline": [{"at_ns": 1500000, "what": "the FIN came"}],
    "control": {"change": "close()", "outcome": "EPIPE", "sound": True},
    "attempts": {"planned": 2, "not tried": 0, "holds": 2, "does not hold": 0, "holds only if": 0, "made_again": 0,
                 "longest_ns": 5},
    "code": [{"file": "tool/lab/closing.c", "line": 7, "text": "if (a < b)\n    close(fd);\n"}]}
DOCUMENT: dict[str, Any] = {
    "schema": "tinygram-lab/1", "version": "0.1.0", "twisted": False, "thorough": False,
    "machine": {"kernel": "6.1", "hz": 250, "congestion_default": None, "loopback_mss": 65483, "loopback_mtu": 65536,
                "sysctl": {"net.ipv4.tcp_fin_timeout": "60"}}, "entries": [ENTRY]}


def with_entries(*changes: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["entries"] = [copy.deepcopy(ENTRY) | change for change in changes]
    return document


def test_the_page_tells_every_entry() -> None:
    document = with_entries(
        {}, {"name": "nagle", "topic": "Nagle", "verdict": "holds only if", "condition": "it is small"},
        {"name": "root", "topic": "Nagle", "verdict": "not tried", "reason": "be root",
         "remedy": "run it as root", "summary": None})
    page, text = lab.render(document, "today")
    for name in ("half-close", "nagle", "root"):
        assert f'id="{name}"' in page and f"`{name}`" in text
    assert "3 statements were tried on kernel 6.1: 1 hold,\n0 do not hold, 1 hold only under a condition,\n" \
           "1 were not tried." in page
    assert "closes &lt;one&gt; direction." in page and "if (a &lt; b)" in page
    assert re.findall(r"<h2 id=\"(\w+)\"", page) == ["closing", "nagle", "machine"]
    assert "What to do: run it as root." in page and "What to do: run it as root." in text
    assert "| **holds only if** | it is small; 2000 bytes \\| arrived |" in text
    assert "| **not tried** | be root |" in text


WHOLE: dict[str, Any] = {"condition": "it is <small>", "why": "The kernel & its FIN.", "skipped": "its end",
                         "verdict": "holds only if"}


def test_both_pages_tell_the_whole_story() -> None:
    """Statement, source, verdict, what it depends on, done, evidence, timeline, control, why, the twist, the C."""
    for page in lab.render(with_entries(WHOLE), "today"):
        plain = html.unescape(page.replace("\n", " "))
        for words in ("shutdown(SHUT_WR) closes <one> direction.", "RFC 9293, 3.6", "Holds only if it is <small>",
                      "(0 of 2 attempts", "2000 bytes | arrived.", "shut it", "the other way: 2000 bytes arrived",
                      "took: 41 ms (attempts: 41 to 44)", "window: unknown", "1.500", "the FIN came", "EPIPE",
                      "The kernel & its FIN.", "its end", "What changes the verdict: close()",
                      "tool/lab/closing.c, from line 7",
                      "if (a < b)     close(fd);", "Tried with HZ 250; congestion control reno; "
                      'MSS 1448 (limited with TCP_MAXSEG); net.ipv4.tcp_wmem="4096 16384 4194304"; '
                      "net.ipv4.tcp_fin_timeout=60, here set to 5, 60; no net.ipv4.tcp_young in this kernel."):
            assert words in plain, words
    text = lab.render(with_entries(WHOLE), "today")[1]
    assert "closes &lt;one&gt;" not in text and "closes &lt;one> direction." in text
    assert "```c\nif (a < b)\n    close(fd);\n```\n\n</details>" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_default_congestion_control_and_the_mss_of_loopback() -> None:
    entry = {**ENTRY, "congestion": None, "mss": None, "sysctls": []}
    document = {**DOCUMENT, "machine": {**DOCUMENT["machine"], "congestion_default": "bbr"}}
    assert lab.dependence(entry, document) == "HZ 250; congestion control bbr (the default); MSS 65483 (of loopback)"
    assert "congestion control unknown" in lab.dependence(entry, DOCUMENT)


def test_sysctls_stand_in_the_tables() -> None:
    page, text = lab.render(DOCUMENT, "today")
    assert "net.ipv4.tcp_fin_timeout=60, here set to 5, 60" in re.findall(r"<tr><td><a.*?</tr>", page, re.DOTALL)[0]
    assert "| 2000 bytes \\| arrived | net.ipv4.tcp_wmem=\"4096 16384 4194304\"<br>net.ipv4" in text


def test_a_picture_stands_at_its_entry(tmp_path: Path) -> None:
    made = Chart("lab_x", "Bytes & time", tmp_path / "lab_x.svg", tmp_path / "lab_x.png", tmp_path / "lab_x.tsv", "on",
                 "Time goes <right>.")
    page, text = lab.render(DOCUMENT, "today", None, {"half-close": made})
    assert '<img src="lab_x.svg" alt="Bytes &amp; time">' in page and "Time goes &lt;right&gt;." in page
    assert "![Bytes & time](lab_x.png)" in text and "*How to read it.* Time goes &lt;right>." in text
    assert "<img" not in lab.render(DOCUMENT, "today", None, {"other": made})[0]


def test_a_document_of_before(tmp_path: Path) -> None:
    """Fields that are younger than a stored document are unknown, and its page is written all the same."""
    old = copy.deepcopy(DOCUMENT)
    for field in lab.UNKNOWN:
        del old["entries"][0][field]
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    assert lab.main(["--from", str(tmp_path / "old.json"), "--results", str(tmp_path / "again")]) == 0


def test_a_folder_with_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                capsys: pytest.CaptureFixture[str]) -> None:
    """What is drawn lies beside the page and stands in it. What gnuplot says is a failure, and the document is kept."""
    points = [[n, n] for n in range(11)]
    document = with_entries({"name": "ten-letters", "series": [
        {"name": "Nagle, fast acknowledger", "x_unit": "writes", "y_unit": "segments", "points": points}]})
    (tmp_path / "document.json").write_text(json.dumps(document), encoding="utf-8")
    arguments = ["--from", str(tmp_path / "document.json"), "--results"]
    assert lab.main([*arguments, str(tmp_path / "results")]) == 0
    (folder,) = (tmp_path / "results" / "lab").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {f"lab_segments-ten-letters.{end}" for end in ("svg", "png", "tsv")} < names
    for page in ("lab.html", "lab.md"):
        for name in re.findall(r"(?:src=\"|\]\()([a-z_-]+\.(?:svg|png))", (folder / page).read_text(encoding="utf-8")):
            assert name in names
    gnuplot = tmp_path / "gnuplot"
    gnuplot.write_text("#!/bin/sh\necho 'a word on standard error' >&2\n", encoding="utf-8")
    gnuplot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert lab.main([*arguments, str(tmp_path / "refused")]) != 0
    assert "a word on standard error" in capsys.readouterr().err
    (folder,) = (tmp_path / "refused" / "lab").iterdir()
    assert (folder / "lab.json").exists() and not (folder / "lab.html").exists()


def test_evidence_in_words() -> None:
    assert [lab.value(fact) for fact in ENTRY["evidence"]] == ["2000 bytes arrived", "41 ms (attempts: 41 to 44)",
                                                               "unknown"]


def test_the_machine_is_told() -> None:
    rows = dict(lab.machine(DOCUMENT))
    assert rows["timer ticks a second (HZ)"] == "250" and rows["default congestion control"] == "unknown"
    assert rows["net.ipv4.tcp_fin_timeout"] == "60"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "tinygram/1", "entries": []}',
                                  json.dumps(with_entries({"verdict": "perhaps"}))])
def test_what_is_no_document_of_the_lab_is_refused(text: str) -> None:
    with pytest.raises(lab.LabError, match="no document of the lab"):
        lab.parse(text, "this")


def program(folder: Path, script: str) -> str:
    path = folder / "tinygram"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_folder_with_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "document.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    tool = program(tmp_path, f'[ "$*" = "lab --json --thorough" ] && cat {tmp_path}/document.json')
    assert lab.main(["--tool", tool, "--results", str(tmp_path / "results"), "--thorough", "--no-servers"]) == 0
    (folder,) = (tmp_path / "results" / "lab").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["lab.html", "lab.json", "lab.md"]
    assert json.loads((folder / "lab.json").read_text(encoding="utf-8")) == DOCUMENT
    assert "1 statements: holds: 1" in capsys.readouterr().out
    assert lab.main(["--from", str(folder / "lab.json"), "--results", str(tmp_path / "again")]) == 0


def test_a_run_of_the_servers_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians by way and connections; what was refused says where and why, and its cell is empty."""
    made = invented.experiment({"concurrency": ["fork", "poll"], "connections": ["1", "1000"]}, ["servers"],
                               fixed={"pattern": "w100,r100", "count": "100"})
    trials = tuple(dataclasses.replace(trial, document={**trial.document, "status": 3, "error": "raise ulimit -n"})
                   if trial.levels["connections"] == "1000" and trial.levels["concurrency"] == "poll" else trial
                   for trial in invented.trials(made))
    done: Any = store.Run(tmp_path, made, cast(Any, None), {}, trials, "")
    monkeypatch.setattr(lab.store, "read", lambda folder: done)
    found = lab.read_servers(tmp_path)
    assert [(row.way, row.connections) for row in found.rows] == [
        ("fork", 1), ("poll", 1), ("fork", 1000), ("poll", 1000)]
    assert found.rows[3].trials == 0 and found.rows[3].latency_s is None and found.rows[3].rate is None
    one = [trial.document["result"] for trial in trials
           if (trial.levels["concurrency"], trial.levels["connections"]) == ("fork", "1")]
    assert found.rows[0].trials == len(one) > 1
    assert found.rows[0].latency_s == pytest.approx(statistics.median(r["latency_ns"]["p50"] for r in one) / 1e9)
    failed = sum(trial.failed for trial in trials)
    assert found.chart is None and found.problems == (
        f"poll with 1000 connections, {failed} of {failed} trials: raise ulimit -n",)


def test_connections_in_use_at_once() -> None:
    """Two that follow one another count as one; what is not known is not 0."""
    def document(*each: int | None) -> dict[str, Any]:
        return {"result": {"elapsed_ns": 100}, "connections": [{"elapsed_ns": one} for one in each]}
    assert load.open_at_once(document(50, 50)) == 1.0 and load.open_at_once(document(100, 90, 80)) == 2.7
    assert load.open_at_once(document(50, None)) is None and load.open_at_once(document()) is None
    assert load.open_at_once({"result": {"elapsed_ns": None}, "connections": [{"elapsed_ns": 5}]}) is None


def test_the_ways_to_serve_have_a_section() -> None:
    rows = (lab.Served("fork", 1, 3, 2.5e-5, 4e-3, 51234.4, 1.0), lab.Served("poll", 1000, 0, None, None, None, None))
    servers = lab.Servers("Which way?", "Because <so>.", "Look.", None, rows, ("too many open files",))
    page, text = lab.render(DOCUMENT, "today", servers)
    assert "| fork | 1 | 3 | 25 us | 4 ms | 51,234 | 1 |" in text and "| poll | 1000 | 0 | - | - | - | - |" in text
    assert "<td>25 us</td><td>4 ms</td><td>51,234</td><td>1</td>" in page and "Because &lt;so&gt;." in page
    assert "too many open files" in page and "too many open files" in text and "<img" not in page
    assert "Which way?" not in "".join(lab.render(DOCUMENT, "today"))


@pytest.mark.parametrize(("script", "status", "words"), [
    ("echo 'tinygram: no memory' >&2; exit 3", 4, "no memory"),
    ("exit 130", 130, "interrupted"),
    ("echo rubbish", 4, "no document of the lab"),
])
def test_a_program_that_fails(script: str, status: int, words: str, tmp_path: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.main(["--tool", program(tmp_path, script), "--results", str(tmp_path / "results")]) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_nothing_to_write_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "document.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    (tmp_path / "results").write_text("", encoding="utf-8")
    assert lab.main(["--from", str(tmp_path / "document.json"), "--results", str(tmp_path / "results")]) == 3
    assert lab.main(["--from", str(tmp_path / "missing.json")]) == 4
    assert "cannot be kept" in capsys.readouterr().err
