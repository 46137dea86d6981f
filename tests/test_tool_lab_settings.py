"""`tinygram lab` on kernels with other settings: a verdict stays, changes with a true sentence, or is not given."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from running import PROGRAM, SANITIZED, Document, fails, find

INSIDE = 'ip link set lo up || exit 77; {setup} || exit 77; shift; exec "$@"'


def tried_with(setup: str, *names: str, attempts: int = 2, also: tuple[str, ...] = ()) -> dict[str, Document]:
    """The entries, tried in a network namespace where the shell has run `setup`."""
    command = ["unshare", *(() if os.geteuid() == 0 else ("-Ur",)), "-n", *also, "sh", "-c",
               INSIDE.format(setup=setup), "sh", "unused", PROGRAM, "lab", "--json", "--attempts", attempts, *names]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False)
    if not ended.stdout:
        pytest.skip(f"no network namespace with that setting can be made here: {ended.stderr}")
    return {entry["name"]: entry for entry in json.loads(ended.stdout)["entries"]}


def sysctl(name: str, value: str) -> str:
    return f"echo '{value}' > /proc/sys/net/{name}"


def verdicts(entries: dict[str, Document]) -> dict[str, str]:
    return {name: entry["verdict"] for name, entry in entries.items()}


ACKS = {"write-write-read": "holds", "nodelay-ends-delayed-acks": "does not hold", "quickack-once": "does not hold",
        "delayed-ack-limit": "holds", "every-second-segment": "holds"}


def test_a_short_delay_is_a_delay() -> None:
    """A least RTO of 30 ms keeps delayed acknowledgements below it: they are late all the same."""
    entries = tried_with(sysctl("ipv4/tcp_rto_min_us", "30000"), *ACKS)
    assert verdicts(entries) == ACKS
    (limit,) = (fact["value"] for fact in entries["nodelay-ends-delayed-acks"]["evidence"]
                if fact["name"] == "counts as delayed from")
    assert 5000 <= limit < 20000
    assert "least retransmission timeout" in entries["delayed-ack-limit"]["why"]


def test_a_delay_like_none_is_not_judged() -> None:
    for entry in tried_with(sysctl("ipv4/tcp_rto_min_us", "1000"), *ACKS, attempts=1).values():
        assert (entry["verdict"], "delays an acknowledgement by" in entry["reason"]) == ("not tried", True)
        assert "net.ipv4.tcp_rto_min_us" in entry["remedy"]


@pytest.mark.parametrize("threshold", [3, 255])
def test_quickack_wears_off_later(threshold: int) -> None:
    """As many answers as the setting says make a connection interactive: the lab waits for that."""
    (entry,) = tried_with(sysctl("ipv4/tcp_pingpong_thresh", str(threshold)), "quickack-once").values()
    assert entry["verdict"] == "does not hold"
    (first,) = (fact["value"] for fact in entry["evidence"] if fact["name"].startswith("first delayed"))
    assert first > threshold


def test_nothing_stalls_that_is_acknowledged_at_once() -> None:
    (entry,) = tried_with(sysctl("ipv4/tcp_pingpong_thresh", "255"), "write-write-read").values()
    assert entry["verdict"] == "does not hold" and "tcp_pingpong_thresh" in entry["why"]


def test_the_urgent_pointer_of_rfc_1122() -> None:
    """The byte behind the urgent one is taken for it: both entries see that, and say why."""
    entries = tried_with(sysctl("ipv4/tcp_stdurg", "1"), "oob-second-channel", "oob-inline")
    assert verdicts(entries) == {"oob-second-channel": "does not hold", "oob-inline": "holds"}
    assert "the mark before its byte 4" in entries["oob-inline"]["summary"]
    assert entries["oob-inline"]["control"]["outcome"] == '"ab!d"'
    assert "0 of 2 urgent bytes" in entries["oob-second-channel"]["summary"]
    assert all("tcp_stdurg is on" in entry["why"] for entry in entries.values())


@pytest.mark.parametrize(("setting", "name", "reason", "remedy"), [
    (("ipv4/tcp_window_scaling", "0"), "rcvbuf-any-time", "no window here passes 65535 bytes", "tcp_window_scaling 1"),
    (("ipv4/tcp_moderate_rcvbuf", "0"), "rcvbuf-stops-autotuning", "is off on this machine", "tcp_moderate_rcvbuf 1"),
    (("core/somaxconn", "3"), "listen-admits", "a backlog of 100: 4 of 12", "net.core.somaxconn 128"),
    (("ipv4/tcp_max_tw_buckets", "0"), "reuseaddr-new-enough", "did not stay in TIME_WAIT", "tcp_max_tw_buckets"),
    (("core/somaxconn", "50"), "process-for-each", "100 connections at once", "net.core.somaxconn to 100"),
    (("ipv4/tcp_notsent_lowat", "1"), "bigger-is-better", "the control did not turn out", "one of the settings")])
def test_what_cannot_be_seen_says_which_setting(setting: tuple[str, str], name: str, reason: str, remedy: str) -> None:
    (entry,) = tried_with(sysctl(*setting), name, attempts=1).values()
    assert entry["verdict"] == "not tried"
    assert reason in entry["reason"] and remedy in entry["remedy"]


@pytest.mark.parametrize(("setting", "name", "why"), [
    (("ipv4/tcp_rto_min_us", "1000000"), "cork-ceiling", "net.ipv4.tcp_rto_min_us"),
    (("ipv4/tcp_max_tw_buckets", "0"), "time-wait-first-closer", "net.ipv4.tcp_max_tw_buckets"),
    (("ipv4/tcp_keepalive_time", "60"), "keepalive-idle", "net.ipv4.tcp_keepalive_time"),
    (("ipv4/ip_default_ttl", "1"), "multicast-ttl", "net.ipv4.ip_default_ttl"),
    (("ipv4/ip_unprivileged_port_start", "80"), "privileged-ports", "net.ipv4.ip_unprivileged_port_start")])
def test_a_setting_that_changes_the_verdict_is_the_reason(setting: tuple[str, str], name: str, why: str) -> None:
    (entry,) = tried_with(sysctl(*setting), name).values()
    assert entry["verdict"] == "does not hold" and why in entry["why"]


def test_a_full_buffer_is_full() -> None:
    """With small packets poll() reports no room before send() does: only what send() refuses is full."""
    entries = tried_with("ip link set lo mtu 1500", "own-buffers", "window", "zero-window")
    assert set(verdicts(entries).values()) == {"holds"}


def test_a_route_with_another_initial_window() -> None:
    (entry,) = tried_with("ip route change local 127.0.0.1 dev lo table local initcwnd 20", "initial-window").values()
    assert entry["verdict"] == "does not hold" and "20 segments" in entry["summary"] and "initcwnd" in entry["why"]


def test_the_first_address_whichever_it_is(tmp_path: Path) -> None:
    """With family inet preferred the server that is not met is the one of family inet6."""
    (tmp_path / "gai.conf").write_text("precedence ::ffff:0:0/96 100\nprecedence ::1/128 10\n", encoding="utf-8")
    (entry,) = tried_with(f"{{ touch /etc/gai.conf; mount --bind {tmp_path}/gai.conf /etc/gai.conf; }}",
                          "first-address", also=("-m",)).values()
    assert entry["verdict"] == "does not hold" and entry["control"]["sound"]
    assert {fact["name"]: fact["value"] for fact in entry["evidence"]}["the server listens at"] == "::1"


REFUSING = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
    if (level == SOL_SOCKET && name == SO_RCVBUF && *(const int *)value > 1 << 30) {
        errno = ENOBUFS;
        return -1;
    }
    return real(fd, level, name, value, len);
}
"""


@pytest.mark.skipif(SANITIZED, reason="the sanitizer must be the first library")
def test_a_system_that_refuses_some_buffers(tmp_path: Path) -> None:
    compiler = find("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "refusing.c").write_text(REFUSING, encoding="utf-8")
    library = tmp_path / "refusing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "refusing.c", "-ldl"], check=True)
    ended = subprocess.run([PROGRAM, "lab", "--json", "buffers-refuse"], capture_output=True, text=True, timeout=60,
                           check=True, env={**os.environ, "LD_PRELOAD": str(library)})
    (entry,) = json.loads(ended.stdout)["entries"]
    assert (entry["verdict"], entry["condition"]) == \
        ("holds only if", "it is one of these requests: SO_RCVBUF 2147483647")
    assert "1 of 4 were refused" in entry["summary"] and "getsockopt()" in entry["why"]
    assert {fact["name"]: fact["value"] for fact in entry["evidence"]}["SO_RCVBUF 2147483647"].startswith("ENOBUFS")


def test_errno_values_have_names() -> None:
    """SOCK_SEQPACKET of family inet: a value that few programs meet."""
    (entry,) = tried_with("true", "families-and-types", attempts=1).values()
    assert entry["control"]["outcome"] == "ESOCKTNOSUPPORT"


@pytest.mark.parametrize("inherited", ["--ignore-signal=CHLD,ALRM,USR1,PIPE", "--block-signal=CHLD,ALRM,USR1,PIPE"])
def test_signals_of_whoever_started_it(inherited: str) -> None:
    """What a program inherits as ignored or blocked neither stops the lab nor changes a verdict."""
    env, names = find("env"), ["sigchld-each", "alarm-cancel", "sa-restart", "sigpipe", "waitall-fills", "signal-once"]
    if env is None or subprocess.run([env, inherited, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("env cannot hand on a disposition of signals here")
    ended = subprocess.run([env, inherited, PROGRAM, "lab", "--json", "--attempts", "1", *names], capture_output=True,
                           text=True, timeout=60, check=True)
    assert verdicts({entry["name"]: entry for entry in json.loads(ended.stdout)["entries"]}) == {
        "sigchld-each": "does not hold", "alarm-cancel": "holds", "sa-restart": "holds only if",
        "sigpipe": "holds only if", "waitall-fills": "holds only if", "signal-once": "does not hold"}


@pytest.mark.parametrize(("arguments", "word"), [
    (("-h",), "no option '-h' here"), (("--list", "--json"), "--list has no JSON"),
    (("nosuch",), "`tinygram lab --list` names them all")])
def test_what_the_lab_refuses(arguments: tuple[str, ...], word: str) -> None:
    fails(2, word, arguments=("lab", *arguments))
