"""What the program says of itself, word for word. UPDATE_GOLDEN=1 writes the files of tests/golden anew; read them
before keeping them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

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
    import socket
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


def test_options_are_tried() -> None:
    """What `options` says an option takes and refuses is what setsockopt() of this machine says, border by border."""
    import errno
    import socket

    import jsonschema
    document = json.loads(run("options", "--json").out)
    schema = json.loads((ROOT / "harness" / "tinygram-options-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    rows = {row["kernel_name"]: row for row in (*document["options"], *document["others"])}
    levels = {"SO": socket.SOL_SOCKET, "IP": socket.IPPROTO_IP, "TCP": socket.IPPROTO_TCP}

    def answer(name: str, value: int) -> tuple[str | None, int | None]:
        """The name of the errno value, or what reads back."""
        number = getattr(socket, name, {"SO_BUSY_POLL": 46, "SO_MAX_PACING_RATE": 47}.get(name))
        kind = socket.SOCK_DGRAM if rows[name].get("type") == "datagram" else socket.SOCK_STREAM
        with socket.socket(type=kind) as fresh:
            try:
                fresh.setsockopt(levels[name.split("_")[0]], number, value)
            except OSError as error:
                return errno.errorcode[error.errno or 0], None
            return None, fresh.getsockopt(levels[name.split("_")[0]], number)

    compared = 0
    for name, row in rows.items():
        for refused in row["tried"]["refused"]:
            if isinstance(refused["value"], int):
                compared += 1
                assert answer(name, refused["value"]) == (refused["errno"], None), name
        for effect in row["tried"]["effective"]:
            if isinstance(effect["asked"], int):
                compared += 1
                assert answer(name, effect["asked"]) == (None, effect["got"]), name
    assert compared > 40
    assert rows["TCP_KEEPCNT"]["tried"]["refused"] == [{"value": 0, "errno": "EINVAL"},
                                                       {"value": 128, "errno": "EINVAL"}]
    assert rows["SO_TYPE"]["tried"]["taken"] == [] and rows["SO_ERROR"]["tried"]["refused"]
    assert rows["TCP_CONGESTION"]["tried"]["refused"] == [{"value": "no-such-name", "errno": "ENOENT"}]
    assert {"value": "192.0.2.77", "errno": "EADDRNOTAVAIL"} in rows["IP_MULTICAST_IF"]["tried"]["refused"]
    table = run("options").out
    assert all(row["kernel_name"] in table for row in document["others"]) and "128 (EINVAL)" in table


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
