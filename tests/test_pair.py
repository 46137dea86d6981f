"""Running the tool once: whatever it does, the trial ends, leaves a sound document, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from harness import pair, schema
from harness.pair import ToolError

ARGUMENTS = ("--file", "/bin/sh", "--timeout", "5s", "--sndbuf", "16K", "--nodelay", "on")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in writes its process numbers and arguments."""
    path = tmp_path / "log"
    monkeypatch.setenv("FAKE_TINYGRAM_LOG", str(path))
    return path


def alive(process: int) -> bool:
    """True while a process runs; one that has ended and waits to be reaped does not run."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def none_left(log: Path) -> bool:
    """True when every process in the log has ended, after at most 5 s."""
    processes = [int(line.split()[0]) for line in log.read_text().splitlines()]
    deadline = time.monotonic() + 5
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(processes) and not any(map(alive, processes))


def test_a_good_trial(fake_tool: Path, log: Path) -> None:
    outcome = pair.run(fake_tool, ARGUMENTS)
    assert outcome.document["status"] == 0
    assert outcome.document["setting"]["effective"]["sender"]["end"]["sndbuf"] == 32768
    assert 0 < outcome.wall_s < 30
    assert log.read_text().split()[1:] == ["pair", *ARGUMENTS, "--json", "-"]
    assert schema.problems(outcome.document) == []


def test_events_go_where_they_are_wanted(fake_tool: Path, tmp_path: Path) -> None:
    events = tmp_path / "b0-c1.tsv"
    pair.run(fake_tool, ARGUMENTS, events=events)
    assert events.read_text() == "# tinygram events 1\n"


def test_arguments_are_no_shell_words(fake_tool: Path, tmp_path: Path) -> None:
    awkward = f"$(touch {tmp_path / 'pwned'}); *"
    outcome = pair.run(fake_tool, ("--file", awkward))
    assert outcome.document["workload"]["file"] == awkward
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("behaviour,status,said", [
    ("refuse", 3, "SO_SNDBUF: 4194304 was asked for"),
    ("crash", 4, "the tool was ended by SIGSEGV; it said: something broke"),
    ("silent", 3, "ended with status 3 and printed no result; it said: nothing to say"),
    ("garbage", 4, "printed 17 bytes that are not one JSON document"),
    ("two", 4, "not one JSON document"),
    ("alien", 4, "is not a tinygram result: its schema is 'iperf3/1'"),
    ("newer", 4, "reads tinygram/1, and the document is tinygram/2"),
    ("broken", 4, "breaks its format: result.latency_ns.p99 is missing"),
    ("lie", 4, "ended with status 4 but its document says 0"),
])
def test_what_goes_wrong_is_recorded(fake_tool: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, status: int,
                                     said: str) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM", behaviour)
    document = pair.run(fake_tool, ARGUMENTS).document
    assert document["status"] == status
    assert said in document["error"]
    assert schema.problems(document) == []
    assert document["result"]["goodput_bytes_per_s"] is None


@pytest.mark.parametrize("behaviour", ["hang", "hang-in-child"])
def test_a_trial_that_does_not_end_is_ended_with_all_it_started(
        fake_tool: Path, log: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM", behaviour)
    monkeypatch.setattr(pair, "MARGIN_S", 0.4)
    monkeypatch.setattr(pair, "GRACE_S", 0.2)
    outcome = pair.run(fake_tool, ("--file", "/bin/sh", "--timeout", "1ms"))
    assert outcome.document["status"] == 4
    assert "was not over after 0.401 s and was ended by the harness" in outcome.document["error"]
    assert none_left(log)


def test_a_stranger_in_another_group_is_left_alone(fake_tool: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the trial's own group is ended: this process and its group live on."""
    monkeypatch.setenv("FAKE_TINYGRAM", "hang")
    monkeypatch.setattr(pair, "MARGIN_S", 0.3)
    monkeypatch.setattr(pair, "GRACE_S", 0.1)
    groups = []
    original = os.killpg

    def watched(group: int, number: int) -> None:
        groups.append(group)
        original(group, number)

    monkeypatch.setattr(os, "killpg", watched)
    pair.run(fake_tool, ("--file", "/bin/sh", "--timeout", "1ms"))
    assert set(groups) == {int(log.read_text().split()[0])}
    assert os.getpgrp() not in groups


def test_an_interruption_ends_the_trial_and_goes_on(fake_tool: Path, log: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TINYGRAM", "hang")
    monkeypatch.setattr(pair, "GRACE_S", 0.2)

    def interrupt_when_started() -> None:
        deadline = time.monotonic() + 10
        while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt_when_started)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        pair.run(fake_tool, ARGUMENTS)
    interrupter.join()
    assert none_left(log)


def test_the_limit_follows_the_trials_own_timeout() -> None:
    assert pair.limit(("--file", "x", "--timeout", "3s")) == 3 + pair.MARGIN_S
    assert pair.limit(("--file", "--timeout")) == 60 + pair.MARGIN_S


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGRAM", raising=False)
    with pytest.raises(ToolError, match="there is no program at .*missing; build it with `make`"):
        pair.find_tool(str(tmp_path / "missing"))
    (tmp_path / "text").write_text("no program")
    with pytest.raises(ToolError):
        pair.find_tool(str(tmp_path / "text"))
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(ToolError, match="cannot be started"):
        pair.run(tmp_path / "text", ())


def test_the_environment_names_the_program(fake_tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAM", str(fake_tool))
    assert pair.find_tool() == fake_tool
    assert pair.find_tool("/bin/sh") == Path("/bin/sh").resolve(), "what is given wins"


def test_describe(fake_tool: Path, tmp_path: Path) -> None:
    assert pair.describe(fake_tool)["version"] == "0.1.0"
    for text in ("#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n", "#!/bin/sh\necho []\n"):
        other = tmp_path / "other"
        other.write_text(text)
        other.chmod(0o755)
        with pytest.raises(ToolError, match="does not tell its version"):
            pair.describe(other)
        other.unlink()
