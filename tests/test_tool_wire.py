"""What tinygram says of an exchange, held against instruments that are not ours: a packet capture and the system calls.

The capture's times are CLOCK_REALTIME and an events file's are relative to the first write: both are laid upon each
other at the first segment, and everything after that is compared.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from running import PROGRAM, find, in_one_of, pair, wait_until

MS = 1_000_000
NEAR_NS = 100_000

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can capture packets and trace others")
needs_tcpdump = pytest.mark.skipif(find("tcpdump") is None, reason="tcpdump is not installed")
needs_strace = pytest.mark.skipif(find("strace") is None, reason="strace is not installed")


@dataclass
class Packet:
    """One captured TCP packet. seq and ack count from the connection's first byte (0)."""

    at_ns: int
    source: int
    destination: int
    seq: int
    ack: int
    flags: int
    length: int


@dataclass
class Flow:
    """One connection, from its SYN on: packets of both directions in order of time."""

    client: int
    server: int
    out: list[Packet] = field(default_factory=list)  # from the client
    back: list[Packet] = field(default_factory=list)

    @property
    def data(self) -> list[Packet]:
        """Packets of the client that carry bytes."""
        return [packet for packet in self.out if packet.length > 0]


def packets_of(path: Path) -> Iterator[Packet]:
    """The IPv4 TCP packets of a capture with times in ns (libpcap's classic format)."""
    content = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", content[:24])
    assert magic == 0xA1B23C4D and link == 1, "not a capture in ns of an Ethernet-like device"
    at = 24
    while at + 16 <= len(content):
        seconds, fraction, kept, _ = struct.unpack("<IIII", content[at:at + 16])
        frame = content[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ip_bytes = (frame[14] & 15) * 4
        total = struct.unpack(">H", frame[16:18])[0]
        tcp = frame[14 + ip_bytes:]
        source, destination, seq, ack, offset, flags = struct.unpack(">HHIIBB", tcp[:14])
        yield Packet(seconds * 10**9 + fraction, source, destination, seq, ack, flags,
                     total - ip_bytes - (offset >> 4) * 4)


def flows_of(path: Path) -> list[Flow]:
    """The connections of a capture, with sequence numbers from 0."""
    flows: dict[tuple[int, int], Flow] = {}
    bases: dict[tuple[int, int], int] = {}
    for packet in packets_of(path):
        there, back = (packet.source, packet.destination), (packet.destination, packet.source)
        if packet.flags & 2:  # SYN: the first byte is the next
            bases[there] = packet.seq + 1
            if not packet.flags & 16:
                flows[there] = Flow(*there)
        if there in flows:
            packet.seq = (packet.seq - bases[there]) % 2**32
            packet.ack = (packet.ack - bases[back]) % 2**32 if back in bases else 0
            flows[there].out.append(packet)
        elif back in flows:
            packet.seq = (packet.seq - bases[there]) % 2**32
            packet.ack = (packet.ack - bases[back]) % 2**32
            flows[back].back.append(packet)
    return list(flows.values())


def flows_with(path: Path, count_bytes: int) -> list[Flow]:
    """The connections that carried so many bytes to their server, and have ended."""
    return [flow for flow in flows_of(path) if sum(packet.length for packet in flow.data) == count_bytes
            and any(packet.flags & 1 for packet in flow.out) and any(packet.flags & 5 for packet in flow.back)]


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Captures every TCP packet of the loopback device while the block lasts; nothing is lost, or the test fails."""
    command = [find("tcpdump") or "tcpdump", "-i", "lo", "-n", "-s", "120", "-B", "32768", "-U", "--immediate-mode",
               "--time-stamp-precision=nano", "-w", str(path), "tcp and net 127.0.0.0/8"]
    said = path.with_suffix(".said")
    with said.open("wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                   start_new_session=True)
    try:
        wait_until(lambda: b"listening on" in said.read_bytes() or process.poll() is not None, "tcpdump to listen")
        assert process.poll() is None, said.read_text(encoding="utf-8")
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    found = re.search(r"(\d+) packets dropped by kernel", said.read_text(encoding="utf-8"))
    assert found and int(found[1]) == 0, "the capture itself lost packets"


@dataclass
class Seen:
    """A trial as tinygram tells it and as the wire saw it."""

    result: dict[str, Any]
    document: dict[str, Any]
    flow: Flow
    rows: dict[str, list[dict[str, int]]]  # the events by kind

    def stamps(self, kind: str) -> dict[int, int]:
        """Time by offset of one kind of event; the first for each offset."""
        found: dict[int, int] = {}
        for row in self.rows[kind]:
            found.setdefault(row["offset_bytes"], row["time_ns"])
        return found

    def capture_time(self, at_ns: int) -> int:
        """A moment of the capture in the events' time, by the first segment."""
        first = self.flow.data[0]
        return at_ns - first.at_ns + self.stamps("device")[first.seq + first.length]


def see(folder: Path, *arguments: object) -> Seen:
    """Runs a pair under a capture; again when a busy machine made TCP send something twice."""
    for _ in range(4):
        seen = _see(folder, *arguments)
        if seen.result["retransmits"] == 0:
            return seen
    pytest.skip("this machine is too busy: TCP retransmitted in each of four trials")


def _see(folder: Path, *arguments: object) -> Seen:
    with captured(folder / "lo.pcap"):
        document = pair(*arguments, "--stamps", "on", "--events", folder / "events.tsv", "--congestion", "cubic")
        wanted = document["result"]["bytes"]
        wait_until(lambda: flows_with(folder / "lo.pcap", wanted), "the capture of the whole trial", 20)
    lines = [line for line in (folder / "events.tsv").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    header = lines[0].split("\t")
    rows: dict[str, list[dict[str, int]]] = {}
    for line in lines[1:]:
        row = dict(zip(header, line.split("\t"), strict=True))
        numbers = {name: int(text) for name, text in row.items() if text.lstrip("-").isdecimal()}
        rows.setdefault(row["kind"], []).append(numbers)
    flows = flows_with(folder / "lo.pcap", wanted)
    assert len(flows) == 1, f"{len(flows)} connections carried {wanted} bytes"
    return Seen(document["result"], document, flows[0], rows)


def near(differences: list[int], share: float = 0.95, near_ns: int = NEAR_NS) -> bool:
    """Whether `share` of them are at most near_ns."""
    return sum(abs(difference) <= near_ns for difference in differences) >= share * len(differences) > 0


def first_ack(flow: Flow, offset: int) -> Packet:
    """The first packet that acknowledges the byte before `offset`."""
    return next(packet for packet in flow.back if packet.flags & 16 and packet.ack >= offset)


@root_only
@needs_tcpdump
@pytest.mark.parametrize("arguments,sizes", [
    (["--pattern", "w100,w400,r1", "--nodelay", "on", "--count", 300], [100, 400]),
    (["--pattern", "m100,w400,r1", "--count", 300], [500]),
    (["--pattern", "v100+400,r1", "--count", 300], [500]),
    (["--pattern", "c,w100,w400,u,r1", "--count", 300], [500]),
    (["--pattern", "w100,w400,r1", "--nodelay", "off", "--count", 12], [100, 400]),
    (["--pattern", "w4000,r1", "--mss", 1448, "--nodelay", "on", "--count", 100], [4000]),
    (["--stream", "700@2000", "--nodelay", "on", "--count", 300], [700]),
], ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value[0], str) else "")
@in_one_of(4)
def test_segments_are_those_of_the_capture(arguments: list[object], sizes: list[int], tmp_path: Path) -> None:
    """As many segments, of these sizes, at these times: sched, device and ACK within 100 us for 95 % of them.

    A packet that the device segments (its length is above the MSS) counts as the segments it becomes.
    """
    seen = see(tmp_path, *arguments)
    mss = seen.document["tcp_info"]["sender"]["snd_mss"]
    data = seen.flow.data
    assert seen.result["data_segments"] == sum(-(-packet.length // mss) for packet in data)
    lengths = [packet.length for packet in data]
    if seen.result["split"]["merged"] == 0 or "m100" in str(arguments) or "c," in str(arguments):
        assert lengths == sizes * (len(lengths) // len(sizes))
    for kind in ("sched", "device"):
        stamps = seen.stamps(kind)
        assert sorted(stamps) == [packet.seq + packet.length for packet in data], kind
        assert near([stamps[packet.seq + packet.length] - seen.capture_time(packet.at_ns) for packet in data]), kind
    acks = seen.stamps("ack")
    assert near([acks[packet.seq + packet.length]
                 - seen.capture_time(first_ack(seen.flow, packet.seq + packet.length).at_ns) for packet in data])


@root_only
@needs_tcpdump
@in_one_of(4)
def test_the_hold_is_the_time_until_the_ack(tmp_path: Path) -> None:
    """Under Nagle the second write leaves when the capture's ACK of the first arrives, and is held just so long."""
    seen = see(tmp_path, "--pattern", "w100,w400,r1", "--nodelay", "off", "--count", 40)
    sched = seen.stamps("sched")
    writes = {row["offset_bytes"]: row for row in seen.rows["write"]}
    late = []
    holds = [sched[500 * exchange + 500] - writes[500 * exchange + 500]["end_ns"] for exchange in range(40)]
    for exchange in range(1, 40):  # the first is not held
        ack = first_ack(seen.flow, 500 * exchange + 100)
        late.append(sched[500 * exchange + 500] - seen.capture_time(ack.at_ns))
    assert near(late)
    assert sum(hold > 30 * MS for hold in holds) >= 30
    assert seen.result["split"]["hold_ns"]["max"] == pytest.approx(max(holds), abs=MS)


CALL = re.compile(r"^(?:\[pid +)?(\d+)?\]? *(\w+)\((\d+), (.*)\) += (-?\d+)")


def traced(folder: Path, *arguments: object) -> list[list[tuple[str, int, str, int]]]:
    """Calls (name, descriptor, further arguments, result) of the sender and of the receiver of a pair."""
    path = folder / "calls"
    command = [find("strace") or "strace", "-ff", "-o", path, "-e", "signal=none", "-e",
               "trace=sendto,sendmsg,recvfrom,recvmsg,setsockopt,read,write", PROGRAM, "pair", *map(str, arguments)]
    quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # a leak cannot be looked for by two tracers
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=quiet)
    assert ended.returncode == 0, ended.stderr
    found = []
    for part in sorted(folder.glob("calls.*"), key=lambda file: int(file.suffix[1:])):
        calls = [CALL.match(line) for line in part.read_text(encoding="utf-8", errors="replace").splitlines()]
        found.append([(call[2], int(call[3]), call[4], int(call[5])) for call in calls if call])
    return found


@root_only
@needs_strace
def test_system_calls(tmp_path: Path) -> None:
    """Every item of the pattern is the call that it names, in order, on both ends."""
    count = 20
    processes = traced(tmp_path, "--pattern", "m100,v200+300,c,w10,u,q,w7,r5", "--count", count, "--nodelay", "on")
    sender, receiver = processes[0], max(processes[1:], key=len)
    sends = [call for call in sender if call[0] == "sendmsg"]
    data = max({call[1] for call in sends}, key=[call[1] for call in sends].count)
    kinds = []
    for name, descriptor, text, result in sender:
        if descriptor != data:
            continue
        if name == "sendmsg":
            parts = [int(number) for number in re.findall(r"iov_len=(\d+)", text)]
            kinds.append(("MORE" if "MSG_MORE" in text else "WRITE", tuple(parts)))
            assert result == sum(parts) and "MSG_NOSIGNAL" in text
        elif name == "setsockopt" and "TCP_CORK" in text:
            kinds.append(("CORK" if "[1]" in text else "UNCORK", ()))
        elif name == "recvfrom" and result == 5:
            kinds.append(("READ", (5,)))
    each = [("MORE", (100,)), ("WRITE", (200, 300)), ("CORK", ()), ("WRITE", (10,)), ("UNCORK", ()), ("WRITE", (7,)),
            ("READ", (5,))]
    assert [kind for kind in kinds if kind[0] != "READ"] == [kind for kind in each if kind[0] != "READ"] * count
    replies = [call for call in receiver if call[0] == "sendto" and call[3] == 5]
    assert len(replies) == count
    there = replies[0][1]
    own = [(name, text, result) for name, descriptor, text, result in receiver
           if descriptor == there and (name in ("recvfrom", "sendto") or "TCP_QUICKACK" in text)]
    reads = [index for index, call in enumerate(own) if call[0] == "recvfrom"]
    assert len(reads) >= count
    assert all(own[index - 1][0] == "setsockopt" and "[1]" in own[index - 1][1] for index in reads)
    assert sum(own[index][2] for index in reads if own[index][2] > 0) == count * 617


@root_only
@needs_strace
def test_without_q_nothing_is_rearmed(tmp_path: Path) -> None:
    """TCP_QUICKACK is set only where the pattern or --rearm-quickack asks for it."""
    for folder, more, least in ((tmp_path / "off", [], 0), (tmp_path / "on", ["--rearm-quickack", "on"], 20)):
        folder.mkdir()
        processes = traced(folder, "--pattern", "w7,r5", "--count", 20, *more)
        armed = sum("TCP_QUICKACK" in call[2] and call[0] == "setsockopt" for calls in processes for call in calls)
        assert armed >= least and (armed == 0 or least > 0)
