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
        assert re.search(r"privilege|namespace|::1|/proc/sys|seccomp", reason), reason
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


def test_a_terminal_sees_how_far_it_is() -> None:
    """On standard error alone, and wiped away; elsewhere nothing is said."""
    master, slave = os.openpty()
    try:
        with subprocess.Popen([PROGRAM, "lab", "port-zero", "small-waits"], stdout=subprocess.PIPE, stderr=slave,
                              text=True) as process:
            table = process.communicate(timeout=60)[0]
        os.set_blocking(master, False)
        seen = os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert process.returncode == 0 and "to go" not in table and "small-waits" in table
    assert "trying: 6 attempts to go" in seen and "trying: 1 attempts" not in seen and seen.endswith("\r\x1b[K")
    assert run("lab", "port-zero").err == ""


def test_the_table_of_the_readme_names_entries(plain: dict[str, Document]) -> None:
    """Its statements are the entries' own, and it says how many there are."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Is the textbook right?")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*\.) \| (.*) \| `([a-z0-9-]+)` \|$", section, re.MULTILINE)
    assert len(rows) >= 12 and f"tries {len(NAMES)} statements" in section
    for statement, verdict, name in rows:
        entry = plain[name]
        assert entry["statement"] == statement
        assert any(verdict.startswith(each) for each in VERDICTS)
        if "On Linux 6.18" in section and os.uname().release.startswith("6.18.") and entry["verdict"] != "not tried":
            assert verdict == entry["verdict"] + (f" {entry['condition']}" if entry["condition"] else ""), name


def test_the_machine_stands_beside_the_verdicts() -> None:
    machine = run("lab", "small-waits", "--json").document["machine"]
    assert machine["hz"] and machine["congestion_default"] and machine["loopback_mss"] > 500
    assert "net.ipv4.tcp_fin_timeout" in machine["sysctl"]


# Names that only newer kernels have; every other one in the table must be there.
YOUNG = {"net.ipv4.tcp_rto_min_us", "net.ipv4.tcp_pingpong_thresh"}


def kernel_setting(name: str) -> str | None:
    """What /proc/sys says of a sysctl; None where it has none."""
    path = Path("/proc/sys", *name.split("."))
    return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else None


@pytest.mark.parametrize("name", NAMES)
def test_the_sysctls_of_an_entry(name: str, plain: dict[str, Document], twisted: dict[str, Document]) -> None:
    """What a row names exists in /proc/sys and was read there; what the observation, the control or the twist sets, and
    what the evidence tells, the row names."""
    entry, other = plain[name], twisted[name]
    named = {each["name"]: each for each in entry["sysctls"]}
    for each in named.values():
        assert each["value"] is not None or each["name"] in YOUNG, f"this kernel has no {each['name']}"
        if "network namespace" not in entry["needs"] and each["set_to"] is None:
            assert each["value"] == kernel_setting(each["name"])
    assert {fact["name"] for fact in entry["evidence"] if re.fullmatch(r"net\.[a-z0-9_.]+", fact["name"])} <= set(named)
    (bases := {each.rsplit(".", 1)[1] for each in named}).update(each for each in named)
    told = set(re.findall(r"\b(?:tcp|ip|icmp)_[a-z_]+\b|\bsomaxconn\b", entry["twist"]))
    assert told <= bases, f"the twist of {name} is about {told - bases}, which its row does not name"
    if told and other["verdict"] != "not tried":
        assert any(each["set_to"] for each in other["sysctls"]), "the twist sets none of them"


def test_what_decides_stands_in_the_story() -> None:
    """HZ, congestion control, MSS, and the sysctls that matter with what the entry made of them."""
    document = run("lab", "cork-ceiling", "time-wait-fin-timeout", "--json").document
    story = " ".join(run("lab", "cork-ceiling", "time-wait-fin-timeout").out.split())
    assert f"With HZ {document['machine']['hz']}; congestion control reno; MSS 14" in story
    (cork, wait) = document["entries"]
    assert cork["congestion"] == "reno" and 1000 < cork["mss"] < 1500 and wait["mss"] is None
    assert f"MSS {cork['mss']} (limited with TCP_MAXSEG)" in story
    assert f"MSS {document['machine']['loopback_mss']} (of loopback)" in story
    (rto, fin) = cork["sysctls"] + wait["sysctls"]
    assert f"net.ipv4.tcp_rto_min_us={rto['value']}" in story or rto["value"] is None
    if wait["verdict"] != "not tried":
        assert fin["set_to"] == "5" and f"net.ipv4.tcp_fin_timeout={fin['value']}, here set to 5" in story


def test_what_was_set_is_seen(tmp_path: Path) -> None:
    """The sysctl that the attempt saw stands beside the verdict, not the one of another network namespace."""
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && echo 20000 > /proc/sys/net/ipv4/tcp_rto_min_us && '
               'exec "$@"', "sh", PROGRAM, "lab", "cork-ceiling"]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0 and not ended.stdout:
        pytest.skip(f"no network namespace with that sysctl can be made here: {ended.stderr}")
    assert "net.ipv4.tcp_rto_min_us=20000\n" in ended.stdout


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_lines_fit_the_terminal(columns: int) -> None:
    """No line of the table is longer than the page (nor than 120), no word is cut; verdict and name begin a line."""
    ended = run("lab", "Names", env={**os.environ, "COLUMNS": str(columns)})
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= min(columns, 120) and not any(line.endswith(" ") for line in lines)
    document = run("lab", "Names", "--json").document
    text = " ".join(ended.out.split())
    for entry in document["entries"]:
        assert f"{entry['name']}: {entry['statement']}" in text
        assert any(re.match(rf"  {entry['verdict']} +{entry['name']}:", line) for line in lines)
        assert all(f"With {each['name']}={each['value']}" in text for each in entry["sysctls"] if each["value"])
    assert "Seen: 2 addresses" in text or "Seen: 1 address" in text
    assert f"HZ {document['machine']['hz']}, default congestion control " \
        f"{document['machine']['congestion_default']}" in text


def test_a_story_fits_the_terminal() -> None:
    """But for the C, which stands as it was written."""
    for columns in (60, 100):
        out = run("lab", "time-wait-fin-timeout", env={**os.environ, "COLUMNS": str(columns)}).out
        words, _ = out.split("The C that ran")
        assert max(map(len, words.splitlines())) <= columns


def test_the_table_and_the_story() -> None:
    story = run("lab", "half-close")
    assert story.status == 0
    for word in ("Statement", "Source", "Verdict", "Evidence", "Control", "shutdown(ends[0], SHUT_WR);"):
        assert word in story.out
    listed = run("lab", "--list").out
    assert all(name in listed for name in NAMES)
    assert all(len(line) <= 200 for line in listed.splitlines())


def test_a_topic_is_named_like_an_entry() -> None:
    """It stands for its entries: a table, or with an entry of its own name their stories. No entry is called so."""
    listed = [line.split(None, 2) for line in run("lab", "--list").out.splitlines()]
    topics = {topic for topic, _, _ in listed}
    assert not {name for _, name, _ in listed} & {topic.lower() for topic in topics}
    for word in ("Families", "families"):
        assert [line.split(None, 2)[1] for line in run("lab", word, "--list").out.splitlines()] == [
            name for topic, name, _ in listed if topic == "Families"]
    table, of_names = run("lab", "names").out, sum(topic == "Names" for topic, _, _ in listed)
    assert "\nNames\n" in table and "Statement" not in table and f"\n{of_names} statements: " in table
    both = run("lab", "names", "gethostbyname-is-yours").out
    assert both.count("  Statement ") == of_names and "statements:" not in both


@pytest.mark.parametrize(("wanted", "said"), [
    ("half-closed", "did you mean half-close?"), ("nagle-tiemr", "did you mean nagle-has-a-timer?"),
    ("timer", "did you mean nagle-has-a-timer?"), ("windwo", "did you mean window, zero-window"),
    ("naggle", "did you mean Nagle"), ("Closign", "did you mean Closing?"), ("reuse-addr", "reuseaddr-new-enough"),
    ("sndbuf", "did you mean sndbuf-exact, sndbuf-stops-autotuning?"), ("zzzzzzzzzzzzzzzzzzzz", "--list"),
    ("xyz", "--list"), ("", "--list"), ("-", "--list")])
def test_an_unknown_name_is_told_with_the_nearest(wanted: str, said: str) -> None:
    fails(2, said, arguments=("lab", "small-waits", wanted))


def test_the_hidden_option_is_hidden() -> None:
    assert "--twist" not in run("help").out + run("help", "--man").out + run("help", "--json").out


def test_an_interruption_ends_in_order() -> None:
    """What was tried is told, the rest is "not tried"; no process is left."""
    with Running(("lab", "--attempts", "50")) as running:
        wait_until(lambda: len(processes_of(running.pid)) > 1, "an attempt")
        running.kill(signal.SIGINT)
        ended = running.wait()
    assert ended.status == 130
    text = " ".join(ended.out.split())
    assert "Why not: interrupted after" in text and "What to do: run it again and let it end." in text
    assert "statements:" in text


def test_few_descriptors_prove_nothing(plain: dict[str, Document]) -> None:
    """What fails for want of descriptors is not tried, whatever the statement."""
    ended = subprocess.run(["prlimit", "--nofile=8", PROGRAM, "lab", "--json"], capture_output=True, text=True,
                           timeout=120, check=True)
    after = {entry["name"]: entry for entry in json.loads(ended.stdout)["entries"]}
    assert after["listen-admits"]["verdict"] == "not tried"
    assert "ulimit -n" in after["listen-admits"]["remedy"] and "EMFILE" in after["listen-admits"]["reason"]
    for entry in after.values():
        assert (entry["remedy"] is not None) == (entry["reason"] is not None) == (entry["verdict"] == "not tried")
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
        assert entry["remedy"] == "mount it: `mount -t proc proc /proc`"


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
            assert "run it as root" in entry["remedy"], entry["name"]
        else:
            assert entry["verdict"] == plain[entry["name"]]["verdict"], entry["name"]


@pytest.mark.parametrize("twist", [False, True])
def test_a_user_namespace_with_one_user(twist: bool, plain: dict[str, Document], twisted: dict[str, Document]) -> None:
    """Who is root there and can become nobody else still gives up his privileges."""
    names = ["privileged-ports", "packet-needs-privilege"]
    ended = subprocess.run(["unshare", "-Ur", PROGRAM, "lab", "--json", *(["--twist"] if twist else []), *names],
                           capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0 and not ended.stdout:
        pytest.skip("no user namespace can be made here")
    known = twisted if twist else plain
    assert {entry["name"]: (entry["verdict"], entry["reason"]) for entry in json.loads(ended.stdout)["entries"]} == \
        {name: (known[name]["verdict"], None) for name in names}


@pytest.mark.skipif(SANITIZED, reason="the same calls as of the program itself")
def test_any_address_hears_loopback_alone() -> None:
    """A server at every address of the machine is confined to lo before it is bound."""
    strace = find("strace")
    if strace is None:
        pytest.skip("strace is missing")
    traced = subprocess.run([strace, "-f", "-e", "trace=bind,setsockopt,unshare", PROGRAM, "lab", "bind-any",
                             "inet6-serves-inet", "first-address", "multicast-ttl"], capture_output=True, text=True,
                            timeout=60, check=False)
    if "bind(" not in traced.stderr:
        pytest.skip("strace may not trace here")
    confined: set[tuple[str, str]] = set()
    opened = 0
    for line in traced.stderr.splitlines():
        call = re.match(r"(?:\[pid +(\d+)\] )?(bind|setsockopt)\((\d+), (.*)", line)
        if call is None:
            continue
        socket = (call[1] or "", call[3])
        if call[2] == "setsockopt" and 'SO_BINDTODEVICE, "lo' in call[4] and call[4].endswith("= 0"):
            confined.add(socket)
        elif re.search(r'inet_addr\("0\.0\.0\.0"\)|"::"', call[4]):
            opened += 1
            assert socket in confined, line
    assert opened >= 4


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
    (The first connection asks for the MSS that stands beside the verdicts; those of the picture come last.)"""
    entry, packets = captured("ten-letters", tmp_path)
    facts = {fact["name"]: fact["value"] for fact in entry["evidence"]}
    seen = [count for count in data_segments(packets) if count > 0]
    assert seen[:3] == [facts["slow acknowledger"], facts["fast acknowledger"], 10]


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
