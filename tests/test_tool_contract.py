"""What scripts rely on: one JSON document, its schema, every way to send over every family, every option in effect."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import running
from running import CONCURRENCIES, FAMILIES, PROGRAM, SENDING_CALLS, Document, pair, run, says, sound

ROWS = json.loads(subprocess.run([PROGRAM, "options", "--json"], capture_output=True, text=True, timeout=60,
                                 check=True).stdout)["options"]

# A value of each socket option that is not what a kernel does by itself, and what it must read as afterwards.
UNUSUAL = {"nodelay": ("on", True), "cork": ("on", True), "quickack": ("on", True), "mss": ("1448", None),
           "sndbuf": ("16K", 32768), "rcvbuf": ("16K", 32768), "congestion": ("reno", "reno"),
           "notsent-lowat": ("8K", 8192), "keepalive": ("on", True), "keepalive-idle": ("77", 77),
           "keepalive-interval": ("7", 7), "keepalive-count": ("3", 3), "tos": ("16", 16), "reuseaddr": ("on", True),
           "busy-poll": ("50", 50), "user-timeout": ("5000", 5000), "max-pacing-rate": ("500M", 500 << 20)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real file whose size is a multiple of nothing."""
    path = tmp_path_factory.mktemp("source") / "a file"
    path.write_bytes(bytes((i * 31 + (i >> 8)) % 251 for i in range(300_007)))
    return path


def check_whole(document: Document, size: int, connections: int = 1) -> None:
    """The result of a transfer that went well is complete and consistent."""
    result = document["result"]
    assert result["bytes"] == size * connections
    assert result["verified"] is True
    assert result["verify"]["digest_sender"] == result["verify"]["digest_receiver"]
    assert result["elapsed_ns"] > 0
    assert result["goodput_bytes_per_s"] == pytest.approx(result["bytes"] * 1e9 / result["elapsed_ns"], rel=1e-6)
    assert len(document["connections"]) == connections
    assert [each["bytes"] for each in document["connections"]] == [size] * connections
    assert sum(each["writes"] for each in document["connections"]) == result["writes"]
    assert sum(each["reads"] for each in document["connections"]) == result["reads"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("call", SENDING_CALLS)
def test_every_way_to_send_over_every_family(call: str, family: str, file: Path) -> None:
    arguments = ("--file", file, "--send-with", call, "--family", family, "--write-size", "10000", "--repeat", "3")
    if (call, family) == ("zerocopy", "unix"):
        says(run("pair", *arguments), 2, "unix", "zerocopy")
        return
    document = pair(*arguments)
    check_whole(document, 3 * 300_007)
    result = document["result"]
    # 30 whole writes and a rest, three times; a pipe takes only whole pages, so that splice needs more calls.
    if call in ("write", "writev", "sendmsg", "sendfile"):
        assert result["writes"] - result["short_writes"] == 93
    assert document["workload"]["send_with"] == call and document["setting"]["family"] == family
    assert result["latency_ns"]["count"] == 93 == result["in_write_ns"]["count"] == result["in_flight_ns"]["count"]
    assert (result["zerocopy"] is not None) == (call == "zerocopy")
    if call == "zerocopy":
        assert result["zerocopy"]["completions"] == result["writes"]
    tcp = family != "unix"
    assert (result["data_segments"] is not None) == tcp and (document["tcp_info"]["sender"] is not None) == tcp
    assert (result["retransmits"] is not None) == tcp and (document["tcp_info"]["receiver"] is not None) == tcp


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("connections", [2, 7])
def test_several_connections(connections: int, family: str, concurrency: str, file: Path) -> None:
    document = pair("--file", file, "--connections", connections, "--family", family, "--concurrency", concurrency,
                    "--write-size", "16K")
    check_whole(document, 300_007, connections)
    assert document["result"]["latency_ns"]["count"] == 19 * connections
    assert document["result"]["start"]["bytes"] is None  # of one connection only


@pytest.mark.parametrize("end", ["sender", "receiver"])
@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_every_socket_option_takes_effect(row: Document, end: str, file: Path) -> None:
    """Requested and effective are two fields, on the named end, and null or auto is never 0."""
    name = row["name"]
    if name == "busy-poll" and os.geteuid() != 0:
        pytest.skip("raising SO_BUSY_POLL needs CAP_NET_ADMIN")
    text, effect = UNUSUAL[name]
    prefix = "send" if end == "sender" else "recv"
    document = pair("--file", file, f"--{prefix}-{name}", text)
    setting = document["setting"]
    other = "receiver" if end == "sender" else "sender"
    assert setting["requested"][other][name] == "auto"
    assert setting["requested"][end][name] != "auto"
    assert set(setting["requested"][end]) == {each["name"] for each in ROWS}
    for moment in ("start", "end"):
        found = setting["effective"][end][moment][name]
        if name == "mss":
            assert 1408 <= found <= 1448
        elif name == "quickack":  # the kernel leaves this mode by itself
            assert found is True or moment == "end"
        else:
            assert found == effect
    assert row["end"] in ("sender", "receiver")
    if row["end"] == end:  # without a prefix the option belongs to this end
        assert pair("--file", file, f"--{name}", text)["setting"]["requested"][end][name] != "auto"


def test_an_option_can_be_auto_and_off(file: Path) -> None:
    document = pair("--file", file, "--nodelay", "off", "--sndbuf", "auto", "--tos=0")
    requested = document["setting"]["requested"]["sender"]
    assert requested["nodelay"] is False and requested["sndbuf"] == "auto" and requested["tos"] == 0
    effective = document["setting"]["effective"]["sender"]
    assert effective["start"]["nodelay"] is False
    assert effective["start"]["sndbuf"] > 0 and effective["start"]["max-pacing-rate"] is None


def test_mss_makes_segments(file: Path) -> None:
    document = pair("--file", file, "--mss", "1448")
    assert document["result"]["bytes_per_segment"] <= 1448
    assert document["result"]["data_segments"] >= 300_007 / 1448
    assert document["tcp_info"]["sender"]["snd_mss"] <= 1448


def test_a_limit_that_clamps_a_buffer_is_named(file: Path) -> None:
    limit = int(Path("/proc/sys/net/core/wmem_max").read_text())
    if limit >= (1 << 30) - 1:
        pytest.skip("net.core.wmem_max clamps nothing here")
    document = pair("--file", file, "--sndbuf", limit)
    assert document["setting"]["effective"]["sender"]["start"]["sndbuf"] == 2 * limit
    ended = run("pair", "--file", file, "--sndbuf", limit + 1, "--json", "-")
    says(ended, 3, "sender", "SO_SNDBUF", "net.core.wmem_max", str(limit))
    assert sound(ended.document)["status"] == 3
    assert run("pair", "--file", file, "--sndbuf", "1").status == 0  # the kernel's floor is allowed


def test_an_option_without_effect_ends_the_trial(file: Path) -> None:
    for prefix, end in (("send", "sender"), ("recv", "receiver")):
        ended = run("pair", "--file", file, f"--{prefix}-tos", "3", "--json", "-")
        says(ended, 3, end, "IP_TOS 3 did not take effect")
        document = sound(ended.document)
        assert document["status"] == 3 and "IP_TOS" in document["error"]
        assert document["result"]["bytes"] is None


@pytest.mark.parametrize("verify", ["auto", "full", "sampled", "off"])
def test_verify(verify: str) -> None:
    document = pair("--bytes", "1M", "--verify", verify)
    result = document["result"]
    assert document["setting"]["verify"] == verify
    if verify == "off":
        assert result["verified"] is None and result["verify"]["digest_sender"] is None
        return
    assert result["verified"] is True
    assert result["verify"]["mode"] == ("full" if verify == "auto" else verify)
    assert result["verify"]["checked_bytes"] == (16 << 10 if verify == "sampled" else 1 << 20)
    assert result["verify"]["where"] == ("inline" if verify == "sampled" else "after")


@pytest.mark.parametrize("workload", [("--bytes", "65M"), ("--bytes", "1M", "--duration", "20ms")],
                         ids=["long", "timed"])
def test_auto_samples_what_is_long(workload: tuple[str, ...]) -> None:
    result = pair(*workload)["result"]
    assert result["verify"]["mode"] == "sampled" and result["verify"]["where"] == "inline" and result["verified"]
    assert 0 < result["verify"]["checked_bytes"] <= result["bytes"] / 64 + 1024


def test_cpus_and_wait(file: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    same = pair("--file", file, "--cpus", "same", "--wait", "spin")
    assert same["setting"]["placement"]["sender"] == same["setting"]["placement"]["receiver"] == allowed[:1]
    assert same["setting"]["wait"] == "spin"
    given = pair("--file", file, "--cpus", f"{allowed[-1]},{allowed[0]}")
    assert given["setting"]["placement"] == {"sender": allowed[-1:], "receiver": allowed[:1]}
    free = pair("--file", file, "--cpus", "free")
    assert free["setting"]["placement"] == {"sender": None, "receiver": None}
    if len(allowed) > 1:
        split = pair("--file", file, "--cpus", "split")["setting"]["placement"]
        assert split["sender"] != split["receiver"]
    only = run("pair", "--file", file, "--cpus", "split", program=("taskset", "-c", allowed[0], PROGRAM)) \
        if running.find("taskset") else None
    if only is not None:
        says(only, 3, "--cpus same")
    says(run("pair", "--file", file, "--cpus", "0,1023"), 3, "CPU 1023", "--cpus")


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("connections", [1, 3])
def test_spinning(concurrency: str, connections: int, file: Path) -> None:
    document = pair("--file", file, "--wait", "spin", "--concurrency", concurrency, "--connections", connections,
                    "--sndbuf", "8K", "--write-size", "4K")
    check_whole(document, 300_007, connections)


def test_a_duration_is_kept() -> None:
    document = pair("--bytes", "100000", "--duration", "150ms", "--write-size", "16K")
    assert document["workload"]["duration_ns"] == 150_000_000 and document["workload"]["bytes"] is None
    assert document["result"]["bytes"] > 100_000  # again and again
    assert document["result"]["elapsed_ns"] >= 149_000_000  # the clock runs from just before the first write
    assert document["result"]["verified"] is True


def test_a_repeat_is_kept(file: Path) -> None:
    document = pair("--file", file, "--repeat", "5", "--write-size", "100000")
    check_whole(document, 5 * 300_007)
    assert document["workload"]["repeat"] == 5 and document["workload"]["source_bytes"] == 300_007
    assert document["result"]["latency_ns"]["count"] == 20  # the end of the file makes a shorter write, every time


def test_the_seed_makes_the_bytes() -> None:
    digests = [pair("--bytes", "100K", "--seed", seed)["result"]["verify"]["digest_sender"] for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_is_xxh128sums(file: Path) -> None:
    found = running.find("xxh128sum")
    if found is None:
        pytest.skip("xxh128sum is not installed")
    printed = subprocess.run([found, file], capture_output=True, text=True, timeout=60, check=True).stdout
    assert pair("--file", file)["result"]["verify"]["digest_receiver"] == printed.split()[0]


def test_the_document_tells_the_command(file: Path) -> None:
    document = pair("--file", file, "--nodelay=on", "--timeout", "30s")
    assert document["command"][1:] == ["pair", "--file", str(file), "--nodelay=on", "--timeout", "30s", "--json", "-"]
    assert document["role"] == "pair"
    assert document["workload"]["file"] == str(file)
    assert document["setting"]["timeout_ns"] == 30_000_000_000
    assert document["machine"]["kernel"] == os.uname().release


def test_an_awkward_file_name(tmp_path: Path) -> None:
    """The name is any bytes; the document is JSON all the same."""
    path = os.fsencode(tmp_path) + b'/a "quoted"\n\\name\xff\xfe.bin'
    with open(path, "wb") as file:
        file.write(b"x" * 1000)
    out = subprocess.run([PROGRAM, "pair", "--file", path, "--json", "-"], capture_output=True, timeout=60,
                         check=True).stdout
    document = sound(json.loads(out.decode("utf-8")))
    assert document["workload"]["file"].endswith('a "quoted"\n\\name\ufffd\ufffd.bin')


def test_one_document_and_nothing_else(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("an older result")
    ended = run("pair", "--file", file, "--json", path)
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert sound(json.loads(path.read_text()))["status"] == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_an_error_has_its_document_too(tmp_path: Path) -> None:
    ended = run("pair", "--file", tmp_path / "missing", "--json", "-")
    says(ended, 3, "missing")
    document = sound(ended.document)
    assert document["status"] == 3 and "No such file" in document["error"]
    assert document["result"]["bytes"] is None and document["result"]["goodput_bytes_per_s"] is None
    assert document["setting"]["effective"]["sender"] == {"start": None, "end": None}


@pytest.mark.parametrize(("command", "words"), [
    (("send", "no.such.host.invalid", "4242"), "no.such.host.invalid"), (("send", "127.0.0.1", "1"), "cannot connect"),
    (("pair", "--cpus", "0,1023"), "CPU 1023"), (("pair", "--events", "/no/such/folder/file"), "--events"),
    (("pair", "--congestion", "nosuch"), "available"), (("pair", "--recv-congestion", "nosuch"), "available"),
])
def test_an_error_before_the_trial_has_its_document_too(command: tuple[str, ...], words: str) -> None:
    ended = run(*command, "--bytes", "1M", "--json", "-")
    says(ended, 3, words)
    document = sound(ended.document)
    assert document["status"] == 3 and words in document["error"] and document["role"] == command[0]
    assert document["result"]["bytes"] is None


def test_a_person_gets_a_table(file: Path) -> None:
    ended = run("pair", "--file", file, "--nodelay", "on")
    assert ended.status == 0 and ended.err == ""
    for word in ("goodput", "the same (every byte", "chunk latency", "SO_SNDBUF", "TCP_NODELAY        on in effect"):
        assert word in ended.out
    assert len(ended.out.splitlines()) < 20


@pytest.mark.parametrize("form", ["print", "compact"])
def test_json_is_json(form: str) -> None:
    """The writer's own test document, read by a parser that is not ours."""
    out = subprocess.run([PROGRAM.parent / "tests" / "json_test", form], capture_output=True, timeout=60,
                         check=True).stdout
    document = json.loads(out.decode("utf-8"))
    assert document["zero"] == 0 and document["large"] == 2**64 - 2 and document["missing"] is None
    assert document["real"] == 0.1 and document["huge"] == 1e300
    assert document["not_a_number"] is None and document["infinite"] is None
    assert document["quotes"] == "say \"tiny\\gram\" / 'now'"
    assert document["controls"] == "\x01\b\t\n\f\r\x1f\x7f."
    assert document["utf8"] == "é € 🐑 \U0010ffff"
    for name in ("stray_continuation", "cut_sequence", "overlong", "surrogate", "beyond"):
        assert document[name].startswith("a\ufffd")
    assert document['key "\\\n'] == "odd key"
    assert document["array"] == [1, "two", None, [4], {"deep": {"deeper": {"deepest": [True], "after": 5}}}]
    assert document["empty_array"] == [] and document["empty_object"] == {} and document["last"] == 6


def test_sched_is_the_policy_of_both_ends(file: Path) -> None:
    document = pair("--file", str(file), "--sched", "batch", "--cpus", "same")
    assert document["setting"]["sched"] == "batch" and document["status"] == 0
