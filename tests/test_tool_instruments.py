"""The program's numbers against instruments that are not ours: tcpdump, strace, the kernel's account of a whole
process, and cmp, each of the same trial."""

from __future__ import annotations

import math
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running import (PROGRAM, SANITIZED, SENDING_CALLS, WITHOUT_LEAKS, Document, Receiver, Running, find, in_one_of,
                     pair, run, sound, wait_until)


# ---------------------------------------------------------------------------------------------------------------------
# tcpdump

# An address of its own keeps other traffic of the machine out of the capture.
ADDRESS = "127.84.71.77"


@dataclass(frozen=True, slots=True)
class Packet:
    """One TCP packet of a capture: a segment, or several of them that the kernel had not cut yet.

    time_ns: CLOCK_REALTIME, when it was handed to lo. acknowledged: the number of the next byte that is expected.
    """

    time_ns: int
    acknowledged: int
    source: int
    target: int
    sequence: int
    length: int
    syn: bool
    fin: bool


def read_capture(path: Path) -> list[Packet]:
    """The IPv4 TCP packets of a pcap file with Ethernet headers; a packet that is still being written is left out."""
    data = path.read_bytes()
    if len(data) < 24:
        return []
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    assert struct.unpack_from(order + "I", data, 20)[0] == 1, "no Ethernet headers"
    unit_ns = 1 if data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1000
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, part, kept = struct.unpack_from(order + "III", data, at)
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) < kept:
            break
        ip = frame[14:]
        header = (ip[0] & 15) * 4
        tcp = ip[header:]
        source, target, sequence, acknowledged = struct.unpack_from(">HHII", tcp)
        length = struct.unpack_from(">H", ip, 2)[0] - header - (tcp[12] >> 4) * 4
        packets.append(Packet(seconds * 10**9 + part * unit_ns, acknowledged, source, target, sequence, length,
                              bool(tcp[13] & 2), bool(tcp[13] & 1)))
    return packets


@dataclass(slots=True)
class Flow:
    """What went from one port to another."""

    packets: list[Packet] = field(default_factory=list)

    @property
    def bytes(self) -> int | None:
        """Bytes of the stream: what lies between the SYN and the FIN; None before both were seen."""
        first = next((packet.sequence for packet in self.packets if packet.syn), None)
        last = next((packet.sequence + packet.length for packet in self.packets if packet.fin), None)
        return None if first is None or last is None else (last - first - 1) % 2**32

    def segments(self, mss: int) -> int:
        """Segments with data, each of at most `mss` bytes."""
        return sum(math.ceil(packet.length / mss) for packet in self.packets)


def flows_of(path: Path) -> dict[tuple[int, int], Flow]:
    """The flows of a capture by their two ports."""
    flows: dict[tuple[int, int], Flow] = {}
    for packet in read_capture(path):
        flows.setdefault((packet.source, packet.target), Flow()).packets.append(packet)
    return flows


@contextmanager
def capture(path: Path) -> Iterator[None]:
    """Captures what goes to and from ADDRESS over lo; at the end nothing was dropped."""
    tcpdump = find("tcpdump")
    if tcpdump is None or os.geteuid() != 0:
        pytest.skip("capturing needs root and tcpdump")
    command = (tcpdump, "-i", "lo", "-n", "-s", "128", "--time-stamp-precision=nano", "-B", "32768",
               "--immediate-mode", "-U", "-Z", "root", "-w", path, f"tcp and host {ADDRESS}")
    with Running((), program=command) as running:
        wait_until(lambda: "listening on" in running.err or running.process.poll() is not None, "tcpdump to listen")
        if running.process.poll() is not None:
            pytest.skip(f"tcpdump cannot capture here: {running.err.strip()}")
        yield
        running.kill(signal.SIGINT)
        ended = running.wait()
        assert re.search(r"^0 packets dropped by kernel", ended.err, re.MULTILINE), ended.err


@pytest.mark.parametrize("options", [("--mss", "1448"), ("--mss", "1448", "--nodelay", "on"), ("--mss", "536")],
                         ids=["nagle", "nodelay", "small segments"])
@pytest.mark.parametrize("connections", [1, 3])
def test_bytes_and_segments_against_tcpdump(connections: int, options: tuple[str, ...], tmp_path: Path) -> None:
    """The kernel hands lo several segments at once where it can: a packet counts as what it would be cut into."""
    path = tmp_path / "lo.pcap"
    with capture(path), Receiver("--listen", ADDRESS, "--once") as receiver:
        ended = run("send", *receiver.address, "--bytes", "300007", "--write-size", "1000",
                    "--connections", connections, *options, "--json", "-")
        assert ended.status == 0, ended.err
        receiver.wait()
        document = sound(ended.document)

        def data_flows() -> list[Flow]:
            return [flow for flow in flows_of(path).values() if flow.bytes == 300_007]

        wait_until(lambda: len(data_flows()) == connections, "the last segment of every connection to be captured", 15)
    mss = document["tcp_info"]["sender"]["snd_mss"]
    assert 500 < mss <= int(options[1])
    found = sorted(flow.segments(mss) for flow in data_flows())
    assert found == sorted(each["data_segments"] for each in document["connections"])
    assert sum(found) == document["result"]["data_segments"]
    assert sum(packet.length for flow in data_flows() for packet in flow.packets) >= document["result"]["bytes"]
    assert max(packet.length for flow in data_flows() for packet in flow.packets) > 0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Some exchanges of 100 and 400 bytes: the document, the two directions of the capture, and the event log.

    events: by kind and offset, beginning and end in ns of CLOCK_REALTIME.
    """

    document: Document
    requests: list[Packet]
    replies: list[Packet]
    events: dict[str, dict[int, tuple[int, int]]]


def captured_exchanges(count: int, options: Sequence[str], folder: Path) -> Exchanges:
    """Exchanges under tcpdump, with the kernel's timestamps."""
    path, log = folder / "lo.pcap", folder / "events.tsv"
    with capture(path), Receiver("--listen", ADDRESS, "--once") as receiver:
        ended = run("send", *receiver.address, "--pattern", "w100,w400,r1", "--count", count, "--stamps", "on",
                    "--events", log, "--json", "-", *options)
        assert ended.status == 0, ended.err
        receiver.wait()

        def data_flow() -> tuple[int, int] | None:
            return next((ports for ports, flow in flows_of(path).items() if flow.bytes == 500 * count), None)

        wait_until(lambda: data_flow() is not None, "the last segment to be captured", 15)
    ports = data_flow()
    assert ports is not None
    lines = log.read_text(encoding="utf-8").splitlines()
    begun = re.search(r"first write: (\d+)\.(\d{9}) s of CLOCK_REALTIME", "\n".join(lines[:10]))
    assert begun is not None
    begin_ns = int(begun[1]) * 10**9 + int(begun[2])
    events: dict[str, dict[int, tuple[int, int]]] = {}
    for line in lines:
        columns = line.split("\t")
        if line[:1] != "#" and columns[3] != "time_ns":
            times = (int(columns[3]), int(columns[4] or columns[3]))
            events.setdefault(columns[2], {})[int(columns[5])] = (begin_ns + times[0], begin_ns + times[1])
    flows = flows_of(path)
    return Exchanges(sound(ended.document), [packet for packet in flows[ports].packets if packet.length > 0],
                     flows[ports[1], ports[0]].packets, events)


CLOSE_NS = 100_000


def nearly_all(distances_ns: Sequence[int]) -> bool:
    """At least 95 in 100 are within 100 us. A machine may take the CPU away between two clock readings."""
    return sum(abs(distance) <= CLOSE_NS for distance in distances_ns) >= 0.95 * len(distances_ns)


@pytest.mark.parametrize("nodelay", ["off", "on"])
@in_one_of(4)
def test_segments_and_send_times_against_tcpdump(nodelay: str, tmp_path: Path) -> None:
    """Number and sizes of the segments are those of the capture, and each left when the stamps say."""
    count = 30
    made = captured_exchanges(count, ["--nodelay", nodelay], tmp_path)
    assert len(made.requests) == made.document["result"]["data_segments"] == 2 * count
    assert [packet.length for packet in made.requests] == [100, 400] * count
    ends = [packet.sequence + packet.length - made.requests[0].sequence for packet in made.requests]
    for kind in ("sched", "device"):
        assert sorted(made.events[kind]) == ends
        assert nearly_all([packet.time_ns - made.events[kind][end][0]
                           for packet, end in zip(made.requests, ends, strict=True)]), kind


@in_one_of(4)
def test_the_hold_is_the_time_until_the_ack_of_the_capture(tmp_path: Path) -> None:
    """Nagle holds the second write until the ACK of the first comes, which the capture sees as well."""
    count = 30
    made = captured_exchanges(count, ["--nodelay", "off"], tmp_path)
    first = made.requests[0].sequence
    distances, held = [], 0
    for number in range(1, count):
        end = 500 * (number + 1)
        acknowledged = next(packet.time_ns for packet in made.replies
                            if (packet.acknowledged - first) % 2**32 >= end - 400)
        written = made.events["write"][end][1]
        hold = made.events["sched"][end][0] - written
        held += hold > 30_000_000
        distances.append(acknowledged - written - hold)
    assert held >= 0.9 * (count - 1)
    assert nearly_all(distances), distances
    assert made.document["result"]["stalls"]["by_mechanism"]["nagle_delayed_ack"] >= 0.9 * (count - 1)


# ---------------------------------------------------------------------------------------------------------------------
# strace


@dataclass(frozen=True, slots=True)
class Call:
    """One system call of a trace."""

    process: int
    name: str
    arguments: str
    result: str

    @property
    def fd(self) -> int | None:
        """The first argument, when it is a number."""
        found = re.match(r"(\d+)", self.arguments)
        return int(found[1]) if found else None

    @property
    def count(self) -> int:
        """The result as a number; -1 for an error."""
        found = re.match(r"-?\d+", self.result)
        return int(found[0]) if found else -1


def read_trace(text: str) -> list[Call]:
    """The calls of `strace -f -o`, in the order in which they ended; those cut in two are joined."""
    calls, begun = [], {}
    for line in text.splitlines():
        process, rest = line.split(None, 1)
        if rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = begun.pop(process, "") + resumed[1]
        found = re.match(r"(\w+)\((.*)\)\s+= (.*)", rest)
        if found:
            calls.append(Call(int(process), found[1], found[2], found[3]))
    return calls


def traced(tmp_path: Path, trace: str, *arguments: object) -> tuple[Document, list[Call]]:
    """A pair under strace."""
    strace = find("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    path = tmp_path / "trace"
    ended = run("pair", *arguments, "--json", "-", program=(strace, "-f", "-v", "-s", "8", "-e", f"trace={trace}",
                                                            "-o", path, PROGRAM), env=WITHOUT_LEAKS)
    if ended.status != 0 and "ptrace" in ended.err:
        pytest.skip(f"strace cannot trace here: {ended.err.strip()}")
    assert ended.status == 0, ended.err
    return sound(ended.document), read_trace(path.read_text())


def data_sockets(calls: list[Call]) -> tuple[int, list[int]]:
    """The sender's process and its data sockets: those that it connected after the control connection's."""
    connects = [call for call in calls if call.name == "connect" and "sin_port" in call.arguments]
    assert len({call.process for call in connects}) == 1
    fds = [call.fd for call in connects if call.fd is not None]
    return connects[0].process, fds[1:]


SENDS = "socket,connect,accept4,write,writev,sendto,sendmsg,sendfile,splice,read,shutdown,close"


@pytest.mark.parametrize("call", SENDING_CALLS)
def test_calls_and_their_sizes_against_strace(call: str, tmp_path: Path) -> None:
    """Every sending call on the data socket, its size and what it returned; every read of the receiver."""
    document, calls = traced(tmp_path, SENDS, "--bytes", "250000", "--write-size", "10000", "--send-with", call)
    result = document["result"]
    sender, (fd,) = data_sockets(calls)
    first = next(index for index, each in enumerate(calls) if each.name == "connect" and each.fd == fd)
    ours = [each for each in calls[first:] if each.process == sender]
    name = {"write": "write", "writev": "writev", "sendmsg": "sendmsg", "sendfile": "sendfile", "splice": "splice",
            "zerocopy": "sendmsg"}[call]
    if call == "splice":
        sends = [each for each in ours if each.name == "splice" and re.match(rf"\d+, NULL, {fd}, ", each.arguments)]
    else:
        sends = [each for each in ours if each.name == name and each.fd == fd]
    moved = [each.count for each in sends if each.count > 0]
    assert sum(moved) == result["bytes"] == 250_000
    assert len(moved) == result["writes"]
    asked = []
    for each in sends:
        if call == "writev":
            asked.append(sum(int(size) for size in re.findall(r"iov_len=(\d+)", each.arguments)))
            assert each.arguments.count("iov_len=5000") == 2 or each.count != 10_000
        elif call in ("sendmsg", "zerocopy"):
            asked.append(int(re.findall(r"iov_len=(\d+)", each.arguments)[0]))
            assert ("MSG_ZEROCOPY" in each.arguments) == (call == "zerocopy")
        elif call == "splice":
            asked.append(int(each.arguments.rsplit(", ", 2)[1]))
        else:
            asked.append(int(each.arguments.rsplit(", ", 1)[1]))
    if call != "splice":
        assert sum(count < size for count, size in zip(moved, asked)) == result["short_writes"]
        assert max(asked) == 10_000
        assert asked.count(10_000) == 25  # a short one is completed by a smaller one
    other = [each for each in ours if each.fd == fd and each.name not in (name, "connect", "shutdown", "close")]
    assert other == []  # nothing else is ever sent there
    assert [each.arguments for each in ours if each.name == "shutdown" and each.fd == fd] == [f"{fd}, SHUT_WR"]

    accepted = [each for each in calls if each.name == "accept4" and each.count >= 0]
    reader, data_fd = accepted[-1].process, accepted[-1].count
    begin = calls.index(accepted[-1])
    reads = [each.count for each in calls[begin:] if each.process == reader and each.name == "read"
             and each.fd == data_fd and each.count > 0]
    assert sum(reads) == 250_000 and len(reads) == result["reads"]


def test_socket_options_against_strace(tmp_path: Path) -> None:
    """Every requested option is set once, on the right socket, at the right moment; nothing else is."""
    document, calls = traced(tmp_path, "socket,setsockopt,connect,listen,accept4", "--bytes", "100K",
                             "--nodelay", "on", "--sndbuf", "16K", "--congestion", "reno", "--mss", "1448",
                             "--tos", "16", "--recv-rcvbuf", "32K", "--recv-nodelay", "on", "--keepalive", "off")
    sender, (fd,) = data_sockets(calls)
    made = max(index for index, each in enumerate(calls)
               if each.process == sender and each.name == "socket" and each.count == fd)
    connected = next(index for index, each in enumerate(calls) if index > made and each.process == sender
                     and each.name == "connect" and each.fd == fd)

    def options(process: int, number: int, span: slice) -> list[str]:
        # Older straces print the name of an algorithm as the number that its four letters are.
        number_of_reno = f"[{int.from_bytes(b'reno', sys.byteorder)}]"
        return [re.sub(r"^\d+, ", "", each.arguments).replace(number_of_reno, '"reno"') for each in calls[span]
                if each.process == process and each.name == "setsockopt" and each.fd == number]

    before, after = options(sender, fd, slice(made, connected)), options(sender, fd, slice(connected, None))
    assert before == ["SOL_SOCKET, SO_SNDBUF, [16384], 4", "SOL_TCP, TCP_MAXSEG, [1448], 4",
                      'SOL_TCP, TCP_CONGESTION, "reno", 4', "SOL_SOCKET, SO_KEEPALIVE, [0], 4",
                      "SOL_IP, IP_TOS, [16], 4"]
    assert after[0] == "SOL_TCP, TCP_NODELAY, [1], 4"
    assert [re.split(r"[,_\[]", text)[0] + text[text.find("SO_"):text.find("SO_") + 11] for text in after[1:]] == \
        ["SOLSO_RCVTIMEO", "SOLSO_SNDTIMEO"]

    listens = [index for index, each in enumerate(calls) if each.name == "listen"]
    data_listener = calls[listens[-1]]
    assert options(data_listener.process, data_listener.fd or -1, slice(listens[-2] + 1, listens[-1])) == \
        ["SOL_SOCKET, SO_RCVBUF, [32768], 4"]
    accepted = max(index for index, each in enumerate(calls) if each.name == "accept4" and each.count >= 0)
    assert options(calls[accepted].process, calls[accepted].count, slice(accepted, None))[0] == \
        "SOL_TCP, TCP_NODELAY, [1], 4"
    # The control connection's messages are small and must not wait for each other's acknowledgement.
    control = next(each for each in calls if each.name == "connect")
    assert "SOL_TCP, TCP_NODELAY, [1], 4" in options(control.process, control.fd or -1,
                                                     slice(calls.index(control), made))
    assert document["setting"]["effective"]["sender"]["start"]["congestion"] == "reno"


@pytest.mark.skipif(SANITIZED, reason="the sanitizers make system calls of their own")
def test_nothing_but_sending_between_the_first_and_the_last_write(tmp_path: Path) -> None:
    """No allocation, no output, no clock that costs a call: the measured loop makes one kind of call."""
    _, calls = traced(tmp_path, "all", "--bytes", "2000000", "--write-size", "4000")
    sender, (fd,) = data_sockets(calls)
    ours = [each for each in calls if each.process == sender]
    connected = next(index for index, each in enumerate(ours) if each.name == "connect" and each.fd == fd)
    writes = [index for index, each in enumerate(ours) if index > connected and each.name == "write" and each.fd == fd]
    span = ours[writes[0]:writes[-1] + 1]
    assert len(span) >= 500 and {each.name for each in span} == {"write"}

    reader = next(each.process for each in reversed(calls) if each.name == "accept4" and each.count >= 0)
    accepted = [index for index, each in enumerate(calls) if each.name == "accept4" and each.count >= 0][-1]
    data_fd = calls[accepted].count
    theirs = [each for each in calls[accepted:] if each.process == reader]
    reads = [index for index, each in enumerate(theirs) if each.name == "read" and each.fd == data_fd]
    assert {each.name for each in theirs[reads[0]:reads[-1]]} == {"read"}


# ---------------------------------------------------------------------------------------------------------------------
# The kernel's account of a whole process


def used_by(*arguments: object, out: Path) -> tuple[float, Document]:
    """Runs the program; CPU seconds of it and of every process that it reaped, and its document."""
    import json
    process = subprocess.Popen([str(word) for word in (PROGRAM, *arguments, "--json", out)], start_new_session=True)
    _, outcome, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(outcome)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime, sound(json.loads(out.read_text()))


@pytest.mark.parametrize("connections", [1, 2])
def test_cpu_time_against_the_whole_process(connections: int, tmp_path: Path) -> None:
    """What both ends count is nearly all that the processes used, and never more."""
    whole_s, document = used_by("pair", "--bytes", "64K", "--duration", "700ms", "--log", "off", "--write-size", "64K",
                                "--connections", connections, out=tmp_path / "result")
    counted_s = (document["result"]["cpu_sender_ns"] + document["result"]["cpu_receiver_ns"]) / 1e9
    assert counted_s <= whole_s * 1.02 + 0.01  # the kernel rounds to its ticks
    assert counted_s >= 0.75 * whole_s - 0.1  # the rest: start, memory, digest of what was sent, the document
    assert counted_s > 0.05


def test_cpu_time_of_a_sender_alone(tmp_path: Path) -> None:
    with Receiver("--once") as receiver:
        whole_s, document = used_by("send", *receiver.address, "--bytes", "64K", "--duration", "500ms", "--log", "off",
                                    "--verify", "off", out=tmp_path / "result")
        receiver.wait()
    counted_s = document["result"]["cpu_sender_ns"] / 1e9
    assert 0.6 * whole_s - 0.1 <= counted_s <= whole_s * 1.02 + 0.01


def test_time_asleep_is_not_cpu_time(tmp_path: Path) -> None:
    """A sender that waits for a slow connection: it is asleep in write() nearly all of the time, and the CPU idle."""
    whole_s, document = used_by("pair", "--bytes", "600K", "--max-pacing-rate", "1M", "--sndbuf", "16K", "--write-size",
                                "4K", out=tmp_path / "result")
    result = document["result"]
    assert result["elapsed_ns"] > 400e6
    if result["write_blocked_ns"] is not None:
        assert result["write_blocked_ns"] > 0.5 * result["elapsed_ns"]
        assert result["write_blocked_ns"] <= result["write_ns"] * 1.01
    assert whole_s < result["elapsed_ns"] / 1e9


# ---------------------------------------------------------------------------------------------------------------------
# Clock and content


def test_elapsed_time_against_our_own_clock() -> None:
    """The transfer lies within the time from the program's start to its end."""
    begin = time.monotonic_ns()
    document = pair("--bytes", "64K", "--duration", "300ms")
    assert 299e6 <= document["result"]["elapsed_ns"] <= time.monotonic_ns() - begin


@pytest.mark.parametrize("call", SENDING_CALLS)
def test_content_against_cmp(call: str, tmp_path: Path) -> None:
    """A real program of the machine, as it was and as it arrived."""
    source = Path(os.path.realpath("/bin/sh"))
    output = tmp_path / "output"
    output.mkdir()
    with Receiver("--output", output, "--once") as receiver:
        assert run("send", *receiver.address, "--file", source, "--send-with", call, "--write-size", "5000").status == 0
        assert receiver.wait().status == 0
    (stored,) = output.iterdir()
    assert subprocess.run(["cmp", source, stored], timeout=60, check=False).returncode == 0
