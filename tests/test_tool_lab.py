"""`tinygram lab`: every statement is tried, every verdict can change, and what cannot be tried says so."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from running import PROGRAM, ROOT, SANITIZED, Document, Running, fails, find, processes_of, run, wait_until
from test_tool_instruments import Packet, read_capture

SCHEMA = json.loads((ROOT / "harness" / "tinygram-lab-1.schema.json").read_text(encoding="utf-8"))
VERDICTS = {"holds", "does not hold", "holds only if", "not tried"}
NAMES = [line.split()[1] for line in subprocess.run([PROGRAM, "lab", "--list"], capture_output=True, text=True,
                                                    timeout=60, check=True).stdout.splitlines()] \
    if PROGRAM.exists() else []


def tried(*arguments: object, **options: Any) -> dict[str, Document]:
    """The entries of a run of the lab, by name."""
    ended = run("lab", *arguments, "--json", **options)
    assert (ended.status, ended.err) == (0, "")
    jsonschema.validate(ended.document, SCHEMA, cls=jsonschema.Draft202012Validator)
    return {entry["name"]: entry for entry in ended.document["entries"]}


@pytest.fixture(scope="module")
def plain() -> dict[str, Document]:
    return tried()


@pytest.fixture(scope="module")
def twisted() -> dict[str, Document]:
    return tried("--twist")


def test_every_entry_is_told(plain: dict[str, Document]) -> None:
    assert len(NAMES) >= 80 and list(plain) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_entry(name: str, plain: dict[str, Document]) -> None:
    """A verdict with its evidence, decided alike in all attempts, beside a control that turned out as it must."""
    entry = plain[name]
    assert entry["verdict"] in VERDICTS
    if entry["verdict"] == "not tried":
        assert entry["needs"], f"{name} was not tried: {entry['reason']}"
        pytest.skip(entry["reason"])
    attempts = entry["attempts"]
    assert attempts[entry["verdict"]] == attempts["planned"] >= 1, attempts
    assert entry["summary"] and entry["steps"]
    assert entry["evidence"] and all(len(fact["attempts"]) >= attempts["planned"] for fact in entry["evidence"])
    assert entry["control"] is not None and entry["control"]["sound"] is True
    assert (entry["condition"] is not None) == (entry["verdict"] == "holds only if")
    assert entry["why"] or entry["verdict"] == "holds", "a statement that fails says why"


@pytest.mark.parametrize("name", NAMES)
def test_the_opposite_changes_the_verdict(name: str, plain: dict[str, Document], twisted: dict[str, Document]) -> None:
    """Under the change that the table declares, the same code comes to another verdict."""
    before, after = plain[name], twisted[name]
    if "not tried" in (before["verdict"], after["verdict"]):
        reason = before["reason"] or after["reason"]
        assert re.search(r"privilege|namespace|::1|/proc/sys", reason), reason
        pytest.skip(reason)
    assert after["verdict"] != before["verdict"], f"{before['twist']}: {after['summary']}"


@pytest.mark.parametrize("name", NAMES)
def test_the_c_that_is_shown_is_the_c_that_ran(name: str, plain: dict[str, Document]) -> None:
    """Every line of a region stands in the source where it says."""
    assert plain[name]["code"]
    for region in plain[name]["code"]:
        source = (ROOT / region["file"]).read_text(encoding="utf-8").splitlines()
        shown = region["text"].splitlines()
        assert [line.strip() for line in source[region["line"] - 1:][:len(shown)]] == [line.strip() for line in shown]


def test_the_table_of_the_readme_names_entries(plain: dict[str, Document]) -> None:
    """Its statements are the entries' own, and it says how many there are."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Is the textbook right?")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*\.) \| (.*) \| `([a-z0-9-]+)` \|$", section, re.MULTILINE)
    assert len(rows) >= 12 and f"tries {len(NAMES)} statements" in section
    for statement, verdict, name in rows:
        assert plain[name]["statement"] == statement
        assert any(verdict.startswith(each) for each in VERDICTS)


def test_the_machine_stands_beside_the_verdicts() -> None:
    machine = run("lab", "small-waits", "--json").document["machine"]
    assert machine["hz"] and machine["congestion_default"] and machine["loopback_mss"] > 500
    assert "net.ipv4.tcp_fin_timeout" in machine["sysctl"]


def test_the_table_and_the_story() -> None:
    story = run("lab", "half-close")
    assert story.status == 0
    for word in ("Statement", "Source", "Verdict", "Evidence", "Control", "shutdown(ends[0], SHUT_WR);"):
        assert word in story.out
    listed = run("lab", "--list").out
    assert all(name in listed for name in NAMES)
    assert all(len(line) <= 200 for line in listed.splitlines())


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    fails(2, "no entry 'half-closed'", "did you mean half-close?", arguments=("lab", "half-closed"))
    fails(2, "--list", arguments=("lab", "zzzzzzzzzzzzzzzzzzzz"))
    fails(2, "nagle-has-a-timer", arguments=("lab", "small-waits", "nagle"))


def test_the_hidden_option_is_hidden() -> None:
    assert "--twist" not in run("help").out + run("help", "--man").out + run("help", "--json").out


def test_an_interruption_ends_in_order() -> None:
    """What was tried is told, the rest is "not tried"; no process is left."""
    with Running(("lab", "--attempts", "50")) as running:
        wait_until(lambda: len(processes_of(running.pid)) > 1, "an attempt")
        running.kill(signal.SIGINT)
        ended = running.wait()
    assert ended.status == 130
    assert "interrupted after" in ended.out and "statements:" in ended.out


def test_few_descriptors_prove_nothing(plain: dict[str, Document]) -> None:
    """What fails for want of descriptors is not tried, whatever the statement."""
    ended = subprocess.run(["prlimit", "--nofile=8", PROGRAM, "lab", "--json"], capture_output=True, text=True,
                           timeout=120, check=True)
    after = {entry["name"]: entry for entry in json.loads(ended.stdout)["entries"]}
    assert after["listen-admits"]["verdict"] == "not tried"
    assert {name: entry["verdict"] for name, entry in after.items()
            if entry["verdict"] not in {"not tried", plain[name]["verdict"]}} == {}


def test_without_proc() -> None:
    """A state that cannot be read is not the state of a process that is gone."""
    names = ("zombies", "waitpid-nohang", "sigchld-each", "recv-zero", "sa-restart", "close-wakes-reader")
    hidden = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", PROGRAM,
                             "lab", "--json", *names], capture_output=True, text=True, timeout=120, check=False)
    if hidden.returncode != 0 and not hidden.stdout:
        pytest.skip("no mount namespace can be made here")
    for entry in json.loads(hidden.stdout)["entries"]:
        assert (entry["verdict"], "/proc" in entry["reason"]) == ("not tried", True), entry["name"]


def test_without_privileges(tmp_path_factory: pytest.TempPathFactory, plain: dict[str, Document]) -> None:
    """An ordinary user comes to the same verdicts, or is told what an entry needs."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path("/tmp") / f"tinygram-lab-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        program = shutil.copy(PROGRAM, folder / "tinygram")
        ended = subprocess.run([program, "lab", "--json"], capture_output=True, text=True, timeout=120, check=True,
                               user=65534, group=65534, extra_groups=[], cwd=folder)
    finally:
        shutil.rmtree(folder)
    for entry in json.loads(ended.stdout)["entries"]:
        if entry["verdict"] == "not tried":
            assert entry["needs"], f"{entry['name']}: {entry['reason']}"
        else:
            assert entry["verdict"] == plain[entry["name"]]["verdict"], entry["name"]


CAPTURE = """ip link set lo up || exit 77
"$1" --immediate-mode -i lo -n -s 128 -U -Z root -w "$3" tcp 2> "$3.said" &
until grep -q "listening on" "$3.said"; do kill -0 $! || exit 77; sleep 0.05; done
"$2" lab "$4" --attempts 1 --json
sleep 0.3
kill -INT $!
wait $!"""


def captured(name: str, folder: Path) -> tuple[Document, list[Packet]]:
    """One attempt at an entry in a network namespace of its own, and what tcpdump saw of it."""
    tcpdump, unshare, ip = find("tcpdump"), find("unshare"), find("ip")
    if tcpdump is None or unshare is None or ip is None or os.geteuid() != 0:
        pytest.skip("capturing needs root, tcpdump, unshare and ip")
    ended = subprocess.run([unshare, "-n", "sh", "-c", CAPTURE, "sh", tcpdump, PROGRAM, folder / "lo.pcap", name],
                           capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode == 77:
        pytest.skip(f"no capture here: {ended.stderr}")
    (entry,) = json.loads(ended.stdout)["entries"]
    return entry, read_capture(folder / "lo.pcap")


def data_segments(packets: list[Packet]) -> list[int]:
    """Of each connection, in their order: how many segments with data its first end sent, sent again left out."""
    sent: dict[tuple[int, int], set[int]] = {}
    for packet in packets:
        if packet.syn and (packet.target, packet.source) not in sent:
            sent.setdefault((packet.source, packet.target), set())
        elif packet.length > 0 and (packet.source, packet.target) in sent:
            sent[packet.source, packet.target].add(packet.sequence)
    return [len(segments) for segments in sent.values()]


@pytest.mark.skipif(SANITIZED, reason="the same packets as of the program itself")
def test_segments_against_tcpdump(tmp_path: Path) -> None:
    """Ten letters: a connection each for the slow and the fast acknowledger and the control, as the entry counts them.
    (The first connection asks for the MSS that stands beside the verdicts.)"""
    entry, packets = captured("ten-letters", tmp_path)
    facts = {fact["name"]: fact["value"] for fact in entry["evidence"]}
    seen = [count for count in data_segments(packets) if count > 0]
    assert seen == [facts["slow acknowledger"], facts["fast acknowledger"], 10]


@pytest.mark.skipif(SANITIZED, reason="the same packets as of the program itself")
def test_the_cork_against_tcpdump(tmp_path: Path) -> None:
    """What is corked is on the wire about when the entry says that it left."""
    entry, packets = captured("cork-ceiling", tmp_path)
    facts = {fact["name"]: fact["value"] for fact in entry["evidence"]}
    (first, *_) = [packet for packet in packets if packet.length == 100]
    opened = max(packet.time_ns for packet in packets if packet.syn and packet.time_ns < first.time_ns)
    assert 0.5 * facts["held by TCP_CORK"] <= (first.time_ns - opened) / 1e6 <= 2 * facts["held by TCP_CORK"]


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.skipif(SANITIZED, reason="slow enough without other work")
def test_a_busy_machine_comes_to_the_same_verdicts(plain: dict[str, Document]) -> None:
    """With every CPU taken by other work the verdicts are those of a quiet machine."""
    others = [multiprocessing.Process(target=burn, args=(120.0,)) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.start()
    try:
        busy = tried()
    finally:
        for other in others:
            other.kill()
            other.join()
    differing = {name: (entry["verdict"], entry["reason"] or entry["condition"]) for name, entry in busy.items()
                 if entry["verdict"] != plain[name]["verdict"]}
    assert differing == {}
