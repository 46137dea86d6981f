"""What the program says of itself, word for word. UPDATE_GOLDEN=1 writes the files of tests/golden anew; read them
before keeping them."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running import PROGRAM, ROOT, find, run

GOLDEN = Path(__file__).resolve().parent / "golden"
UPDATES = os.environ.get("UPDATE_GOLDEN") == "1"


def check(name: str, text: str) -> None:
    """The text is the golden file's; or becomes it, when that is asked for."""
    path = GOLDEN / name
    if UPDATES:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"differs from {path}; if it is meant: UPDATE_GOLDEN=1 make test"


@pytest.mark.parametrize(("name", "arguments"), [("help.txt", ("help",)), ("tinygram.1", ("help", "--man"))])
def test_golden(name: str, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.status, ended.err) == (0, "")
    check(name, ended.out)


def test_every_way_to_ask_for_help_says_the_same() -> None:
    texts = [run(*arguments) for arguments in (("help",), ("--help",), ("-h",), ("pair", "--help"), ("recv", "--help"))]
    assert len({(ended.status, ended.out, ended.err) for ended in texts}) == 1


def test_lines_of_the_help_fit_a_screen() -> None:
    assert max(len(line) for line in run("help").out.splitlines()) <= 110


def test_the_tables_agree() -> None:
    """Every option of the JSON table stands in the help, in the man page and in the markdown."""
    tables = json.loads(run("help", "--json").out)
    texts = {form: run("help", *form).out for form in ((), ("--man",), ("--markdown",))}
    names = [row["name"] for row in (*tables["options"], *tables["socket_options"])]
    assert len(names) > 40
    for name in names:
        assert f"--{name}" in texts[()] and f"`--{name}" in texts[("--markdown",)]
        assert "\\-\\-" + name.replace("-", "\\-") in texts[("--man",)]
    options = json.loads(run("options", "--json").out)["options"]
    assert [row["name"] for row in options] == [row["name"] for row in tables["socket_options"]]


def test_every_status_is_told() -> None:
    for form in ((), ("--man",)):
        text = run("help", *form).out
        assert all(f" {status}" in text for status in (0, 2, 3, 4, 5, 130))


def test_the_man_page_is_sound() -> None:
    mandoc = find("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    subprocess.run([mandoc, "-T", "lint", "-W", "warning"], input=run("help", "--man").out, text=True, timeout=60,
                   check=True)


def test_options_are_this_kernels() -> None:
    """What `options` says is what a fresh socket of this machine says."""
    rows = {row["name"]: row for row in json.loads(run("options", "--json").out)["options"]}
    with socket.socket() as fresh:
        assert rows["sndbuf"]["fresh"] == fresh.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert rows["rcvbuf"]["fresh"] == fresh.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert rows["nodelay"]["fresh"] is bool(fresh.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        assert rows["keepalive-idle"]["fresh"] == fresh.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert rows["congestion"]["connected"] == \
        Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    table = run("options").out
    assert all(f"--{name}" in table and row["kernel_name"] in table for name, row in rows.items())


def kind_of(row: dict[str, Any]) -> socket.socket:
    """A fresh socket of the kind of a row."""
    family = {"inet6": socket.AF_INET6, "unix": socket.AF_UNIX}.get(row.get("family", "inet"), socket.AF_INET)
    return socket.socket(family, socket.SOCK_DGRAM if row.get("type") == "datagram" else socket.SOCK_STREAM)


def numbers_of(row: dict[str, Any]) -> tuple[int, int]:
    """Level and number of the option of a row, as Python knows them."""
    name = row["kernel_name"]
    levels = {"SO": socket.SOL_SOCKET, "IP": socket.IPPROTO_IP, "TCP": socket.IPPROTO_TCP, "IPV6": socket.IPPROTO_IPV6}
    return levels[name.split("_")[0]], getattr(socket, name, {"SO_BUSY_POLL": 46, "SO_MAX_PACING_RATE": 47}.get(name))


def answer(row: dict[str, Any], value: int) -> tuple[int | None, int | None]:
    """The errno value with which a fresh socket refuses, or what reads back."""
    with kind_of(row) as fresh:
        try:
            fresh.setsockopt(*numbers_of(row), value)
        except OSError as error:
            return error.errno, None
        return None, fresh.getsockopt(*numbers_of(row))


def test_options_are_tried() -> None:
    """What `options` says an option takes and refuses is what setsockopt() of this machine says, border by border."""
    import jsonschema
    document = json.loads(run("options", "--json").out)
    schema = json.loads((ROOT / "harness" / "tinygram-options-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    compared = 0
    for row in (*document["options"], *document["others"], *document["elsewhere"]):
        for refused in row["tried"]["refused"]:
            if isinstance(refused["value"], int):
                compared += 1
                assert answer(row, refused["value"]) == (getattr(errno, refused["errno"]), None), row
        for effect in row["tried"]["effective"]:
            if isinstance(effect["asked"], int):
                compared += 1
                assert answer(row, effect["asked"]) == (None, effect["got"]), row
        for span in row["tried"]["taken"]:
            assert all(answer(row, end)[0] is None for end in span if isinstance(end, int)), row
    assert compared > 60
    rows = {row["kernel_name"]: row for row in (*document["options"], *document["others"])}
    assert rows["TCP_KEEPCNT"]["tried"]["refused"] == [{"value": 0, "errno": "EINVAL"},
                                                       {"value": 128, "errno": "EINVAL"}]
    assert rows["SO_TYPE"]["tried"]["taken"] == [] and rows["SO_ERROR"]["tried"]["refused"]
    assert rows["TCP_CONGESTION"]["tried"]["refused"] == [{"value": "no-such-name", "errno": "ENOENT"}]
    assert {"value": "192.0.2.77", "errno": "EADDRNOTAVAIL"} in rows["IP_MULTICAST_IF"]["tried"]["refused"]
    table = run("options").out
    assert all(row["kernel_name"] in table for row in (*document["others"], *document["elsewhere"]))
    assert "128 (EINVAL)" in table and max(map(len, table.splitlines())) <= 80


def test_options_elsewhere() -> None:
    """Sockets of other kinds have the default that Python reads; the rest of inet6 answers as inet does."""
    document = json.loads(run("options", "--json").out)
    for row in document["elsewhere"]:
        with kind_of(row) as fresh:
            try:
                assert fresh.getsockopt(*numbers_of(row)) == row["fresh"], row
            except OSError:
                assert row["fresh"] is None and row["tried"]["taken"] == [], row
    if not socket.has_ipv6:
        pytest.skip("Python has no IPv6 here")
    told = {row["kernel_name"] for row in document["elsewhere"] if row["family"] == "inet6"}
    assert {"IPV6_UNICAST_HOPS", "IPV6_TCLASS", "IPV6_MULTICAST_IF"} <= told
    for row in (*document["options"], *document["others"]):
        if row["kernel_name"].startswith("IP_"):
            continue  # these are IPv4's own
        there = {**row, "family": "inet6"}
        for refused in row["tried"]["refused"]:
            if isinstance(refused["value"], int):
                assert answer(there, refused["value"]) == (getattr(errno, refused["errno"]), None), row
        for effect in row["tried"]["effective"]:
            if isinstance(effect["asked"], int):
                assert answer(there, effect["asked"]) == (None, effect["got"]), row


def test_options_name_entries_of_the_lab() -> None:
    named = set(re.findall(r"\(lab:\s+([a-z0-9-]+)\)", run("options").out))
    entries = set(re.findall(r'^LAB_ENTRY\(\w+, "([^"]+)"', (ROOT / "tool" / "lab" / "entries.h").read_text(), re.M))
    assert len(named) > 10 and named <= entries


def test_options_follow_the_kernel() -> None:
    """In a network namespace where another limit holds, another one is found."""
    unshare = find("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a network namespace needs root and unshare")
    script = ("ip link set lo up && echo 70 > /proc/sys/net/ipv4/ip_default_ttl && "
              f"echo 100 > /proc/sys/net/ipv4/tcp_keepalive_time && exec {PROGRAM} options --json")
    ended = subprocess.run([unshare, "-n", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        pytest.skip(ended.stderr)
    document = json.loads(ended.stdout)
    others = {row["kernel_name"]: row for row in document["others"]}
    assert others["IP_TTL"]["fresh"] == 70
    assert {row["name"]: row for row in document["options"]}["keepalive-idle"]["fresh"] == 100


def test_version() -> None:
    out = run("version").out
    assert out == run("--version").out and out.startswith("tinygram ") and len(out.splitlines()) == 1
    build = json.loads(run("version", "--json").out)
    assert build["schema"] == "tinygram/1" and f"tinygram {build['version']} (" in out
    assert PROGRAM.name == "tinygram"
