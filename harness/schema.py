"""What the harness knows of the tool: every field of a result document, and every option, each declared once.

DOCUMENT is the one table of fields (name, type, unit, meaning). The JSON Schema in tinygram-1.schema.json is made from
it, and `problems` checks a document against it without any other module, so that every trial is checked as it arrives.
OPTIONS and SOCKET_OPTIONS are the one table of option names and value kinds that an experiment may use.

A value that could not be had is null in JSON and None here, never 0.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

FORMAT: Final = "tinygram"
VERSION: Final = 1
TAG: Final = f"{FORMAT}/{VERSION}"

Document = Mapping[str, Any]


class HarnessError(Exception):
    """An error that a person can act on: its text is a sentence that says what, where and what to do.

    `status` is the exit status of the command that it ends (DESIGN: 2 usage, 3 the system refused, 4 a trial failed).
    """

    status = 3


class SchemaError(HarnessError):
    """A document that is not what this harness reads."""

    status = 4


# ---------------------------------------------------------------------------------------------------------------------
# Fields of the result document


# A field is exact when it has one value however often a trial is repeated; here is when, in words. `exact_in` tells
# whether a trial meets the condition.
EXACT: Final[Mapping[str, str]] = {
    "always": "in every trial",
    "asked": "where the option was asked for; what was not set the kernel may move by itself",
    "work": "where the amount of work is fixed: by a count or by bytes, not by a duration",
    "calls": "where the amount of work is fixed and every sending call blocks until it has taken all: write, writev or "
             "sendmsg",
    "lock-step": "where one exchange follows on the reply to the last, and their number is fixed",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the result document.

    type is a JSON type, or `option` for the value of a socket option (boolean, integer or text). unit is written in
    `name` as well where it is a time or a rate. An object has fields, an array has items (or a fixed size of them).
    exact: when it is exact, a key of EXACT; None: never.
    """

    name: str
    type: str
    meaning: str
    unit: str | None = None
    nullable: bool = True
    fields: tuple[Field, ...] = ()
    items: Field | None = None
    size: int | None = None
    choices: tuple[str | int, ...] = ()
    minimum: int | None = 0
    exact: str | None = None


def _text(name: str, meaning: str, *choices: str, nullable: bool = True) -> Field:
    return Field(name, "string", meaning, nullable=nullable, choices=choices)


def _count(name: str, meaning: str, unit: str | None = None, nullable: bool = True,
           exact: str | None = None) -> Field:
    return Field(name, "integer", meaning, unit, nullable, exact=exact)


def _flag(name: str, meaning: str, nullable: bool = True) -> Field:
    return Field(name, "boolean", meaning, nullable=nullable)


def _object(name: str, meaning: str, fields: Iterable[Field], nullable: bool = False) -> Field:
    return Field(name, "object", meaning, nullable=nullable, fields=tuple(fields))


def _array(name: str, meaning: str, items: Field, size: int | None = None, nullable: bool = True) -> Field:
    return Field(name, "array", meaning, nullable=nullable, items=items, size=size)


def _distribution(name: str, what: str) -> Field:
    """A distribution of durations: count, quantiles and the curve that is drawn."""
    point = _array("point", "quantile (0 to 1) and value in ns", Field("value", "number", "quantile, then ns"), 2,
                   nullable=False)
    values = (("min", "smallest"), ("mean", "arithmetic mean"), ("p50", "median"), ("p90", "90 % are at most this"),
              ("p99", "99 % are at most this"), ("p999", "99.9 % are at most this"), ("max", "largest"))
    return _object(name, f"{what}; null where nothing was recorded", [
        _count("count", "durations that were recorded"),
        *(Field(key, "number", meaning, "ns") for key, meaning in values),
        _flag("exact", "true: from every duration; false: from a log-linear histogram, relative error at most 1 %"),
        _array("curve", "the distribution as points, quantile ascending", point),
    ], nullable=True)


def _part(name: str, meaning: str) -> Field:
    return _object(name, meaning, [
        _count("bytes", "payload bytes of this part", "bytes"),
        _count("elapsed_ns", "duration of this part", "ns"),
        Field("goodput_bytes_per_s", "number", "payload bytes of this part by its duration", "bytes/s"),
    ], nullable=True)


@dataclass(frozen=True, slots=True)
class SocketOption:
    """One socket option of the tool: its name on the command line and in results, and the kind of its value."""

    name: str
    kind: str  # bool, size, count or name; each may also be `auto`
    unit: str | None
    meaning: str


SOCKET_OPTIONS: Final = (
    SocketOption("nodelay", "bool", None, "TCP_NODELAY: send short segments at once (off: Nagle's algorithm)"),
    SocketOption("cork", "bool", None, "TCP_CORK: hold short segments until uncorked, 200 ms at most"),
    SocketOption("quickack", "bool", None, "TCP_QUICKACK: acknowledge at once; not permanent"),
    SocketOption("sndbuf", "size", "bytes", "SO_SNDBUF: effective is twice the request"),
    SocketOption("rcvbuf", "size", "bytes", "SO_RCVBUF: effective is twice the request"),
    SocketOption("mss", "size", "bytes", "TCP_MAXSEG: largest segment"),
    SocketOption("congestion", "name", None, "TCP_CONGESTION: congestion control"),
    SocketOption("notsent-lowat", "size", "bytes", "TCP_NOTSENT_LOWAT: unsent bytes above which write() waits"),
    SocketOption("keepalive", "bool", None, "SO_KEEPALIVE: probe an idle connection"),
    SocketOption("keepalive-idle", "count", "s", "TCP_KEEPIDLE: idle time before the first probe"),
    SocketOption("keepalive-interval", "count", "s", "TCP_KEEPINTVL: time between probes"),
    SocketOption("keepalive-count", "count", None, "TCP_KEEPCNT: probes before giving up"),
    SocketOption("tos", "count", None, "IP_TOS or IPV6_TCLASS: type of service byte"),
    SocketOption("reuseaddr", "bool", None, "SO_REUSEADDR: bind although old connections linger"),
    SocketOption("busy-poll", "count", "us", "SO_BUSY_POLL: busy wait for packets"),
    SocketOption("user-timeout", "count", "ms", "TCP_USER_TIMEOUT: unacknowledged data may wait so long"),
    SocketOption("max-pacing-rate", "size", "bytes/s", "SO_MAX_PACING_RATE: ceiling of the sending rate"),
)

_NOT_PERMANENT: Final = ("quickack",)  # the kernel leaves that mode by itself
_EFFECTIVE_TYPES: Final = {"bool": "boolean", "size": "integer", "count": "integer", "name": "string"}


def _requested(end: str) -> Field:
    return _object(end, f"what was asked for on the {end}; `auto` is: not set, the kernel decides", [
        Field(option.name, "option", option.meaning, option.unit, nullable=False) for option in SOCKET_OPTIONS],
        nullable=True)


def _effective(end: str) -> Field:
    def exact(option: SocketOption, when: str) -> str | None:
        if when == "end":
            return None if option.name in _NOT_PERMANENT else "asked"
        return "asked" if option.kind == "size" else "always"  # sizes that nobody set follow from what the kernel saw

    def values(when: str, meaning: str) -> Field:
        return _object(when, meaning, [
            Field(option.name, _EFFECTIVE_TYPES[option.kind], option.meaning, option.unit, exact=exact(option, when))
            for option in SOCKET_OPTIONS], nullable=True)
    return _object(end, f"what getsockopt said on the {end}", [
        values("start", "after connect or accept"), values("end", "at the end of the transfer")])


_TCP_INFO: Final = (
    ("state", None, "state of the connection (1 is established)"),
    ("ca_state", None, "state of congestion avoidance (0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss)"),
    ("retransmits", None, "retransmissions of the oldest unacknowledged segment"),
    ("probes", None, "unanswered window or keepalive probes"),
    ("backoff", None, "doublings of the retransmission time"),
    ("options", None, "negotiated TCP options, as bits"),
    ("rto_us", "us", "retransmission timeout"),
    ("ato_us", "us", "delayed acknowledgement timeout"),
    ("snd_mss", "bytes", "largest segment that is sent"),
    ("rcv_mss", "bytes", "largest segment seen, as estimated for delayed acknowledgements"),
    ("unacked", None, "segments in flight"),
    ("sacked", None, "segments selectively acknowledged"),
    ("lost", None, "segments taken for lost"),
    ("retrans", None, "segments retransmitted and still in flight"),
    ("last_data_sent_ms", "ms", "time since data was sent last"),
    ("last_data_recv_ms", "ms", "time since data was received last"),
    ("last_ack_recv_ms", "ms", "time since an acknowledgement was received last"),
    ("pmtu", "bytes", "path MTU"),
    ("rcv_ssthresh", "bytes", "ceiling of the announced window"),
    ("rtt_us", "us", "smoothed round-trip time"),
    ("rttvar_us", "us", "variation of the round-trip time"),
    ("snd_ssthresh", None, "slow start threshold in segments"),
    ("snd_cwnd", None, "congestion window in segments"),
    ("advmss", "bytes", "announced largest segment"),
    ("reordering", None, "tolerated reordering in segments"),
    ("rcv_rtt_us", "us", "round-trip time as the receiver estimates it"),
    ("rcv_space", "bytes", "what the application read in one round trip"),
    ("total_retrans", None, "segments retransmitted"),
    ("pacing_rate_bytes_per_s", "bytes/s", "pacing rate"),
    ("max_pacing_rate_bytes_per_s", "bytes/s", "ceiling of the pacing rate"),
    ("bytes_acked", "bytes", "payload acknowledged by the peer"),
    ("bytes_received", "bytes", "payload received"),
    ("segs_out", None, "segments sent"),
    ("segs_in", None, "segments received"),
    ("notsent_bytes", "bytes", "payload in the send buffer that was not sent yet"),
    ("min_rtt_us", "us", "smallest round-trip time"),
    ("data_segs_in", None, "segments with payload received"),
    ("data_segs_out", None, "segments with payload sent"),
    ("delivery_rate_bytes_per_s", "bytes/s", "most recent rate of delivery"),
    ("busy_time_us", "us", "time with data in flight; advances in timer ticks"),
    ("rwnd_limited_us", "us", "time limited by the receive window; advances in timer ticks"),
    ("sndbuf_limited_us", "us", "time limited by the send buffer; advances in timer ticks"),
    ("delivered", None, "segments delivered"),
    ("delivered_ce", None, "segments delivered with a congestion mark"),
    ("bytes_sent", "bytes", "payload sent, retransmissions included"),
    ("bytes_retrans", "bytes", "payload retransmitted"),
    ("dsack_dups", None, "duplicates reported by the peer"),
    ("reord_seen", None, "reordering events"),
    ("rcv_ooopack", None, "segments received out of order"),
    ("snd_wnd", "bytes", "window announced by the peer"),
)


def _tcp_info(end: str) -> Field:
    return _object(end, f"TCP_INFO of the {end} at the end; null where there is no TCP", [
        _count(name, meaning, unit) for name, unit, meaning in _TCP_INFO], nullable=True)


SEND_WITH: Final = ("write", "writev", "sendmsg", "sendfile", "splice", "zerocopy")
FAMILIES: Final = ("inet", "inet6", "unix")
SCHEDS: Final = ("normal", "batch")
WAITS: Final = ("block", "spin")
CONCURRENCIES: Final = ("fork", "poll", "thread")
VERIFY_MODES: Final = ("auto", "full", "sampled", "off")
STATUSES: Final = (0, 2, 3, 4, 5, 130)
SCHEDULES: Final = ("constant", "poisson", "burst")
RCVBUF_WHEN: Final = ("listen", "accept")

# The parts of a write's one-way latency, in the order in which a byte meets them; they add up to it.
SPLIT_PARTS: Final = (
    ("in_write", "inside the sending call, until the bytes were handed over or the call returned"),
    ("hold", "until TCP handed the segment of the last byte to the queueing discipline: Nagle, cork, window, ..."),
    ("to_device", "until the device driver had it"),
    ("to_kernel", "until the receiving kernel had it"),
    ("wait_read", "until the read() that had its last byte had returned"),
)


def _typical(name: str, which: str) -> Field:
    """The split of the writes in the middle: the parts of each belong to the same writes, so they add up."""
    return _object(name, f"mean of the middle fifth, by latency, of {which}; null where there are none", [
        _count("writes", "how many there are, those that are not in the middle included"),
        _count("latency_ns", "one-way latency, the sum of the parts", "ns"),
        *(_count(f"{part}_ns", f"time {meaning}", "ns") for part, meaning in SPLIT_PARTS),
    ], nullable=True)


# What a stall waited for: as it stands in a result, and in words.
MECHANISMS: Final = (
    ("nagle_delayed_ack", "held by Nagle until a delayed ACK"),
    ("corked", "held by TCP_CORK or MSG_MORE"),
    ("send_buffer_full", "blocked in write(): the send buffer was full"),
    ("window_closed", "held because the receiver's window was closed"),
    ("retransmission", "lost and sent again"),
    ("reply_held", "the request arrived in time, the reply was held"),
    ("reader_late", "the bytes waited for the receiver's read()"),
    ("unknown", "nothing that was recorded tells the mechanism"),
)

_LOG: Final = (_count("recorded", "events kept"), _count("dropped", "events that found no room"))

DOCUMENT: Final = _object("document", "One trial of tinygram: what was asked for, what was in effect, what came out.", [
    _text("schema", "format and version of this document", TAG, nullable=False),
    _text("version", "version of the program"),
    _object("build", "how the program was built", [
        _text("compiler", "compiler and its version"), _text("flags", "compiler flags")]),
    _array("command", "the command line, one item an argument", _text("argument", "one argument", nullable=False),
           nullable=False),
    _text("role", "which end wrote this document; an arm is a pair that takes turns with another", "pair", "send",
          "recv", "arm"),
    _text("started_at", "start of the trial, UTC, ISO 8601"),
    Field("status", "integer", "exit status: 0 done, 2 usage, 3 the system refused, 4 the transfer failed, "
          "5 a limit was passed, 130 interrupted", nullable=False, choices=STATUSES),
    _text("error", "what went wrong, a sentence; null when nothing did"),
    _flag("interrupted", "true: ended by a signal, the result is partial"),
    _object("workload", "what the sender did", [
        _text("name", "workload", "transfer", "exchange", "stream"),
        _text("pattern", "what one exchange is made of; null for other workloads"),
        _count("outstanding", "exchanges that may be outstanding at once; null for other workloads"),
        _count("message_size", "bytes of a message of a stream; null for other workloads", "bytes"),
        _count("count", "exchanges or messages to do; null with a duration, and for a transfer"),
        Field("rate_per_s", "number", "exchanges or messages planned a second; null: each follows the last", "1/s"),
        _text("schedule", "how the rate is spread; null without a rate", *SCHEDULES),
        _count("burst", "exchanges or messages at once; null for another schedule"),
        _count("think_min_ns", "shortest time to wait before an exchange; null: none", "ns"),
        _count("think_max_ns", "longest time to wait before an exchange; null: none", "ns"),
        _text("source", "where the bytes came from", "file", "memory"),
        _text("file", "path of the file; null for memory"),
        _count("source_bytes", "size of the file, of the memory block, of an exchange's request or of a message",
               "bytes"),
        _count("repeat", "times that the source was to be sent; null with a duration"),
        _count("duration_ns", "time after which sending was cut; null without", "ns"),
        _count("bytes", "payload bytes to send; null with a duration", "bytes"),
        _count("write_size", "bytes a write() of a transfer; null for other workloads", "bytes"),
        _count("read_size", "bytes a read(), at most", "bytes"),
        _text("send_with", "the call that sends", *SEND_WITH),
        _count("connections", "data connections at the same time"),
    ]),
    _object("setting", "every option of the pair", [
        _object("requested", "socket options as asked for", [_requested("sender"), _requested("receiver")]),
        _object("effective", "socket options as read back", [_effective("sender"), _effective("receiver")]),
        _text("family", "address family", *FAMILIES),
        _text("cpus", "placement that was asked for: same, split, free or two CPU numbers"),
        _object("placement", "CPUs that each end may run on", [
            _array(end, "CPU numbers", _count("cpu", "CPU number", nullable=False)) for end in ("sender", "receiver")]),
        _text("sched", "scheduling policy of both ends", *SCHEDS),
        _text("wait", "how the ends wait: asleep in the call, or spinning", *WAITS),
        _text("concurrency", "how the receiver serves several connections", *CONCURRENCIES),
        _text("verify", "how the content is verified, as asked for", *VERIFY_MODES),
        _flag("log", "events were recorded"),
        _flag("stamps", "the kernel was asked for timestamps of every write"),
        _flag("rearm_quickack", "the receiver set TCP_QUICKACK again before each read"),
        _text("rcvbuf_when", "when the receiver set SO_RCVBUF: on the listener or on the accepted socket",
              *RCVBUF_WHEN),
        _count("events_max", "events kept an end, at most"),
        _count("sample_every_ns", "time between two TCP_INFO samples; null: none", "ns"),
        _count("timeout_ns", "time after which the trial gives up", "ns"),
        _count("seed", "seed of everything random"),
    ]),
    _object("result", "what came out", [
        _count("bytes", "payload bytes that the receiver confirmed", "bytes", exact="work"),
        _count("elapsed_ns", "from before the first write() to after the last read()", "ns"),
        Field("goodput_bytes_per_s", "number", "payload bytes by elapsed time", "bytes/s"),
        _part("start", "the start of the connection: up to the first read() at or past 10 % of the bytes"),
        _part("rest", "everything after the start"),
        _flag("verified", "the content arrived as it was sent; null: not checked"),
        _object("verify", "how the content was verified", [
            _text("mode", "mode that was used", *VERIFY_MODES),
            _text("where", "when the digest was computed"),
            _count("checked_bytes", "bytes that the digest covers", "bytes"),
            _text("digest_sender", "XXH3-128 of what was sent, hexadecimal"),
            _text("digest_receiver", "XXH3-128 of what arrived, hexadecimal"),
        ], nullable=True),
        _distribution("latency_ns", "latency of a chunk or message, from before its write() to after the read() that "
                      "had its last byte; of an exchange, from before its first write to after the last byte of its "
                      "reply, without the first 16 exchanges"),
        _distribution("in_write_ns", "time of a write inside the sending call"),
        _distribution("in_flight_ns", "time of a write from after the sending call until after its last read(); 0 "
                      "where that read ended first"),
        _count("writes", "calls that sent", exact="calls"),
        _count("short_writes", "calls that took less than they were given", exact="calls"),
        _count("reads", "calls that received"),
        _count("write_ns", "total time inside the sending calls", "ns"),
        _count("write_blocked_ns", "time asleep inside the sending calls; null where it cannot be told", "ns"),
        _count("run_queue_sender_ns", "time that the sender was ready and waited for a CPU", "ns"),
        _count("run_queue_receiver_ns", "time that the receiver was ready and waited for a CPU", "ns"),
        _count("data_segments", "TCP segments with payload that the sender sent", exact="lock-step"),
        _count("segments_received", "TCP segments that the receiver got"),
        _count("acks_received", "TCP segments without payload that the sender got"),
        Field("bytes_per_segment", "number", "payload bytes by data segments", "bytes"),
        _count("retransmits", "segments sent again"),
        Field("segments_per_message", "number", "data segments by chunks, exchanges or messages"),
        _count("messages", "chunks, exchanges or messages that were done", exact="work"),
        _count("reply_bytes", "payload bytes of all replies; null for other workloads than exchange", "bytes",
               exact="work"),
        _count("reply_reads", "calls with which the sender received replies; null for other workloads"),
        _count("reply_writes", "calls with which the receiver replied; null for other workloads", exact="calls"),
        _array("first_exchanges_ns", "latency of the first exchanges, 16 at most, in order: the start of the "
               "connection; null for other workloads", _count("latency_ns", "latency of one exchange", "ns", False)),
        _object("schedule", "how well a planned schedule was kept; null without one", [
            _flag("kept", "false: the sender could not keep the rate"),
            _distribution("lateness_ns", "actual start of an exchange or message after its planned start"),
            _distribution("latency_planned_ns", "as latency_ns, but from the planned start, so that a sender that is "
                          "late cannot hide its queue"),
        ], nullable=True),
        _object("split", "where the one-way latency of the writes went, by kernel timestamps; null without stamps", [
            _count("writes", "writes that were split"),
            _count("without_stamps", "writes that lack a stamp and were not split"),
            _count("merged", "writes whose last byte shared a segment with later ones"),
            _count("unordered", "writes whose stamps were out of order by more than 1 us and had to be moved"),
            _count("sums_within_1us", "writes whose parts add up to their latency within 1 us"),
            _count("stamps", "stamps that the kernel gave"),
            _count("stamps_dropped", "stamps that found no room"),
            _count("clock_error_ns", "bound of the error in converting stamps to CLOCK_MONOTONIC", "ns"),
            _count("clock_drift_ns", "how far the two clocks moved apart during the trial", "ns"),
            *(_distribution(f"{name}_ns", f"time of a write {meaning}") for name, meaning in SPLIT_PARTS),
            _distribution("until_ack_ns", "from before the sending call until the last byte was acknowledged"),
            _typical("typical_held", "the writes whose hold is longer than 5 us"),
            _typical("typical_not_held", "the other writes"),
        ], nullable=True),
        _object("stalls", "chunks, exchanges and messages whose delay sits on a kernel timer; null where nothing was "
                "recorded from which it could be told", [
                    _count("count", "stalls, those among the first 16 exchanges included", exact="lock-step"),
                    _count("time_ns", "sum of the stalled durations", "ns"),
                    _count("threshold_ns", "a longer delay is a stall: three quarters of the shortest timer", "ns"),
                    _object("by_mechanism", "stalls by what they waited for", [
                        _count(name, meaning, exact="lock-step") for name, meaning in MECHANISMS]),
                ], nullable=True),
        _count("cpu_sender_ns", "CPU time of the sender, user and system", "ns"),
        _count("cpu_receiver_ns", "CPU time of the receiver, user and system", "ns"),
        _count("switches_sender", "context switches of the sender"),
        _count("switches_receiver", "context switches of the receiver"),
        _object("zerocopy", "completions of MSG_ZEROCOPY; null with other calls", [
            _count("completions", "sends that completed"), _count("copied", "of them copied after all")],
            nullable=True),
        _object("events", "the event log of each end", [
            _object("sender", "the log of the sender", [
                *_LOG, _count("stride", "one write() of so many was kept; the others are not in the distributions")]),
            _object("receiver", "the log of the receiver", _LOG)]),
        _object("samples", "TCP_INFO samples", [
            _count("sender", "kept"), _count("receiver", "kept"), _count("dropped", "found no room")]),
    ]),
    _array("connections", "one object a data connection", _object("connection", "one data connection", [
        _count("bytes", "payload bytes", "bytes"),
        _count("elapsed_ns", "from before its first write() to after its last read()", "ns"),
        Field("goodput_bytes_per_s", "number", "payload bytes by elapsed time", "bytes/s"),
        _count("writes", "calls that sent"),
        _count("reads", "calls that received"),
        _count("data_segments", "TCP segments with payload"),
        _count("retransmits", "segments sent again"),
    ]), nullable=False),
    _object("tcp_info", "TCP_INFO of both ends at the end", [_tcp_info("sender"), _tcp_info("receiver")]),
    _object("machine", "the machine as the program saw it", [
        _text("kernel", "kernel release"),
        _text("architecture", "machine type"),
        _text("cpu_model", "model name of the CPU"),
        _count("cpus_online", "CPUs online"),
        _count("hz", "timer frequency of the kernel", "1/s"),
        _text("boot_id", "changes with every boot"),
        _text("congestion_default", "default congestion control"),
        _count("wmem_max", "net.core.wmem_max", "bytes"),
        _count("rmem_max", "net.core.rmem_max", "bytes"),
        _count("loopback_mtu", "MTU of lo", "bytes"),
        _text("clocksource", "clock source of the kernel"),
    ]),
])


def json_schema(document: Field = DOCUMENT, title: str = f"tinygram result document {TAG}") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of document, made from its table of fields.

    Strict: every key is required, no other key is allowed. Meaning and unit are in the descriptions. The copy in
    tinygram-1.schema.json is refreshed with `python3 -m harness.schema > harness/tinygram-1.schema.json`.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | _json_schema_of(document)


def _json_schema_of(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": field.meaning + (f" (unit: {field.unit})" if field.unit else "")}
    types = ["boolean", "integer", "string"] if field.type == "option" else [field.type]
    types += ["null"] if field.nullable else []
    schema["type"] = types if len(types) > 1 else types[0]
    if field.choices:
        schema["enum"] = [*field.choices, *([None] if field.nullable else [])]
    if field.type in ("integer", "number") and field.minimum is not None and not field.choices:
        schema["minimum"] = field.minimum
    if field.type == "object":
        schema["properties"] = {child.name: _json_schema_of(child) for child in field.fields}
        schema["required"] = [child.name for child in field.fields]
        schema["additionalProperties"] = False
    if field.items is not None:
        schema["items"] = _json_schema_of(field.items)
    if field.size is not None:
        schema["minItems"] = schema["maxItems"] = field.size
    return schema


_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,),
    "number": (int, float), "option": (bool, int, str)}


def problems(document: object, table: Field | None = None) -> list[str]:
    """What is wrong with a result document, one sentence a problem; an empty list when it is sound.

    document: what json.loads made of the tool's output. table: DOCUMENT, or that of another document. Says the same as
    the JSON Schema, without any import.
    """
    found: list[str] = []
    _check(document, table or DOCUMENT, "", found)
    return found


def _check(value: object, field: Field, path: str, found: list[str]) -> None:
    if value is None:
        if not field.nullable:
            found.append(f"{path or 'the document'} is null but must be {_a(field.type)}")
        return
    if not isinstance(value, _PYTHON_TYPES[field.type]) or (
            isinstance(value, bool) and field.type in ("integer", "number")):
        found.append(f"{path or 'the document'} is {value!r:.40} but must be {_a(field.type)}")
    elif field.choices and value not in field.choices:
        found.append(f"{path} is {value!r:.40} but must be one of {', '.join(map(str, field.choices))}")
    elif field.type in ("integer", "number") and field.minimum is not None and not field.choices \
            and value < field.minimum:  # type: ignore[operator]
        found.append(f"{path} is {value} but must be at least {field.minimum}")
    elif isinstance(value, dict) and field.type == "object":
        _check_object(value, field, path, found)
    elif isinstance(value, list) and field.items is not None:
        if field.size is not None and len(value) != field.size:
            found.append(f"{path} has {len(value)} items but must have {field.size}")
        for index, item in enumerate(value):
            _check(item, field.items, f"{path}[{index}]", found)


def _check_object(value: dict[str, object], field: Field, path: str, found: list[str]) -> None:
    prefix = f"{path}." if path else ""
    names = set()
    for child in field.fields:
        names.add(child.name)
        if child.name in value:
            _check(value[child.name], child, prefix + child.name, found)
        else:
            found.append(f"{prefix}{child.name} is missing")
    found.extend(f"{prefix}{key} is not a field of {TAG}" for key in value if key not in names)


def _a(json_type: str) -> str:
    names = {"option": "the value of an option", "integer": "a whole number", "string": "text"}
    article = "an" if json_type[0] in "aeiou" else "a"
    return names.get(json_type, f"{article} {json_type}")


def empty_document(status: int, error: str, command: Iterable[str]) -> dict[str, Any]:
    """A document for a trial whose tool left none: every field is null but status, error and command.

    status: exit status to record; error: a sentence; command: the command line. Returns a document without problems.
    """
    document: dict[str, Any] = _empty(DOCUMENT)
    document |= {"schema": TAG, "status": status, "error": error, "command": list(command)}
    return document


def _empty(field: Field) -> Any:
    if field.nullable:
        return None
    if field.type == "object":
        return {child.name: _empty(child) for child in field.fields}
    return {"array": [], "option": "auto", "string": "", "integer": 0}[field.type]


def complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document with null for every field that it lacks.

    Fields are added within a version of the format, and then an older document does not have them: nobody knows what
    they were. A value of another type than the field now has is not known either.
    """
    completed: dict[str, Any] = _complete(document, DOCUMENT)
    return completed


def _complete(value: Any, field: Field) -> Any:
    if not field.fields:
        return value
    if not isinstance(value, dict):
        return _empty(field)
    known = {child.name: _complete(value[child.name], child) if child.name in value else _empty(child)
             for child in field.fields}
    return {**value, **known}


def exact_fields() -> tuple[tuple[tuple[str, ...], Field], ...]:
    """Every field that may be exact: the keys that lead to it, and the field, in the order of the table."""
    return tuple(_exact_below(DOCUMENT, ()))


def _exact_below(field: Field, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Field]]:
    for child in field.fields:
        if child.exact is not None:
            yield (*path, child.name), child
        yield from _exact_below(child, (*path, child.name))


def exact_in(document: Document, path: Sequence[str], condition: str) -> bool:
    """Does a trial meet the condition under which a field is exact?

    document: the trial's, complete; path: the keys that lead to the field; condition: a key of EXACT.
    """
    workload, setting = document["workload"], document["setting"]
    fixed = workload["duration_ns"] is None
    if condition == "asked":
        requested = setting["requested"][path[2]] or {}
        return bool(requested.get(path[-1], "auto") != "auto")
    if condition == "calls":
        blocks = setting["wait"] == "block" and workload["send_with"] in (None, "write", "writev", "sendmsg")
        return fixed and blocks
    if condition == "lock-step":
        return fixed and workload["name"] == "exchange" and workload["outstanding"] in (None, 1) \
            and workload["rate_per_s"] is None
    return condition == "always" or fixed


Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
UPGRADES: Final[dict[int, Upgrade]] = {}  # from a version to the next one; documents of every old version stay readable


def upgrade(document: object) -> dict[str, Any]:
    """The same document in the current version of the format.

    document: what json.loads returned. Raises SchemaError when it is not a tinygram document, or of a newer version.
    """
    tag = document.get("schema") if isinstance(document, dict) else None
    match = re.fullmatch(rf"{FORMAT}/(\d+)", tag) if isinstance(tag, str) else None
    if not isinstance(document, dict) or match is None:
        raise SchemaError(f"this is not a tinygram result: its schema is {tag!r} and should be {TAG!r}. "
                          "Is the program really tinygram?")
    version = int(match.group(1))
    if version > VERSION or any(step not in UPGRADES for step in range(version, VERSION)):
        raise SchemaError(f"this harness reads {TAG}, and the document is {tag}. "
                          "Use the harness and the program of one and the same version.")
    for step in range(version, VERSION):
        document = UPGRADES[step](document)
    return dict(document)


# ---------------------------------------------------------------------------------------------------------------------
# Options of the program, as an experiment may name them


WORKLOADS: Final = ("transfer", "exchange", "stream")
# The option without which a workload is none, where there is exactly one.
DEFINED_BY: Final[Mapping[str, str]] = {"exchange": "pattern", "stream": "stream"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option that an experiment may set or vary: the command line's name without the dashes.

    kind: bool, size, time, count, choice, name, cpus, path, pattern, stream, schedule or think. choices: all values of
    a choice. group: workload or setting. auto: `auto` (not set, the kernel decides) is a value too. limit: the sysctl
    that clamps it, if any. workloads: those that it belongs to.
    """

    name: str
    kind: str
    group: str
    choices: tuple[str, ...] = ()
    auto: bool = False
    limit: str | None = None
    workloads: tuple[str, ...] = WORKLOADS


_PROGRAM_OPTIONS: Final = (
    Option("file", "path", "workload", workloads=("transfer",)),
    Option("bytes", "size", "workload", workloads=("transfer",)),
    Option("repeat", "count", "workload", workloads=("transfer",)),
    Option("duration", "time", "workload"),
    Option("write-size", "size", "workload", workloads=("transfer",)),
    Option("read-size", "size", "workload"),
    Option("send-with", "choice", "workload", SEND_WITH, workloads=("transfer",)),
    Option("connections", "count", "workload"),
    Option("pattern", "pattern", "workload", workloads=("exchange",)),
    Option("stream", "stream", "workload", workloads=("stream",)),
    Option("count", "count", "workload", workloads=("exchange", "stream")),
    Option("rate", "count", "workload", workloads=("exchange",)),
    Option("schedule", "schedule", "workload", workloads=("exchange", "stream")),
    Option("think", "think", "workload", workloads=("exchange",)),
    Option("family", "choice", "setting", FAMILIES),
    Option("cpus", "cpus", "setting", ("same", "split", "free")),
    Option("sched", "choice", "setting", SCHEDS),
    Option("wait", "choice", "setting", WAITS),
    Option("concurrency", "choice", "setting", CONCURRENCIES),
    Option("verify", "choice", "setting", VERIFY_MODES),
    Option("log", "bool", "setting"),
    Option("events-max", "size", "setting"),
    Option("sample-every", "time", "setting"),
    Option("stamps", "bool", "setting"),
    Option("rearm-quickack", "bool", "setting"),
    Option("rcvbuf-when", "choice", "setting", RCVBUF_WHEN),
    Option("timeout", "time", "setting"),
    Option("seed", "count", "setting"),
)

# The harness sets these itself, for every trial.
RESERVED_OPTIONS: Final = ("events", "json")


def _socket_options() -> Iterable[Option]:
    limits = {"sndbuf": "wmem_max", "rcvbuf": "rmem_max"}
    for option in SOCKET_OPTIONS:
        plain = Option(option.name, option.kind, "setting", auto=True, limit=limits.get(option.name))
        yield plain
        for end in ("send", "recv"):
            yield replace(plain, name=f"{end}-{option.name}")


OPTIONS: Final[Mapping[str, Option]] = {
    option.name: option for option in (*_PROGRAM_OPTIONS, *_socket_options())}


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The candidate that is most like `word`; candidates must not be empty."""
    return max(candidates, key=lambda candidate: difflib.SequenceMatcher(None, word, candidate).ratio())


_SIZE_FACTORS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_TIME_FACTORS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def parse_size(text: str) -> int:
    """Bytes of a size such as `1448`, `16K`, `4M` (binary). Raises ValueError with a sentence."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a size: write whole bytes, or with K, M or G (binary), as in 16K")
    return int(match.group(1)) * _SIZE_FACTORS[match.group(2)]


def parse_time(text: str) -> int:
    """Nanoseconds of a time such as `60ms`. Raises ValueError with a sentence."""
    match = re.fullmatch(r"(\d+)(ns|us|ms|s)", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a time: write a whole number with ns, us, ms or s, as in 60ms")
    return int(match.group(1)) * _TIME_FACTORS[match.group(2)]


_PATTERN_ITEM: Final = r"(?:[wmr]\d+[KMG]?|v\d+[KMG]?(?:\+\d+[KMG]?)*|p\d+(?:ns|us|ms|s)|[cuq])"


def parse_pattern(text: str) -> str:
    """A pattern of an exchange such as `w100,w400,r1` or `k8(w100,r1)`, as it is. Raises ValueError with a sentence.

    Only the form is checked here, so that a typing mistake is found before the first trial; the program says the rest.
    """
    match = re.fullmatch(r"k\d+\((.*)\)|(.*)", text, re.ASCII)
    items = (match.group(1) if match.group(1) is not None else match.group(2)).split(",") if match is not None else [""]
    for item in items:
        if re.fullmatch(_PATTERN_ITEM, item, re.ASCII) is None:
            raise ValueError(f"{text!r} is not a pattern, because {item!r} is no item: write wN, mN, rN, vN+N, c, u, "
                             "q or pT joined by commas, as in w100,w400,r1, or kN(...) around all of them")
    return text


def parse_think(text: str) -> str:
    """A time to think such as `2ms`, or a random one such as `0ms-5ms`, as its two ends in nanoseconds.

    Raises ValueError with a sentence.
    """
    first, dash, last = text.partition("-")
    low, high = parse_time(first), parse_time(last if dash else first)
    if high < low:
        raise ValueError(f"{text!r} is not a time to think: its first time is the longer one")
    return f"{low}-{high}"


def _parse_stream(text: str) -> str:
    """A stream such as `200@5000` as bytes and messages a second. Raises ValueError with a sentence."""
    size, _, rate = text.partition("@")
    if re.fullmatch(r"\d+", rate, re.ASCII) is None:
        raise ValueError(f"{text!r} is not a stream: write SIZE@RATE, bytes and messages a second, as in 200@5000")
    return f"{parse_size(size)}@{int(rate)}"


def _parse_schedule(text: str) -> str:
    """How a rate is spread. Raises ValueError with a sentence."""
    if text not in ("constant", "poisson") and re.fullmatch(r"burst:\d+", text, re.ASCII) is None:
        valid = ("constant", "poisson", "burst:8")
        raise ValueError(f"{text!r} is none of constant, poisson and burst:N; the nearest is {nearest(text, valid)!r}")
    return text


_PARSERS: Final[Mapping[str, Callable[[str], str | int]]] = {
    "size": parse_size, "time": parse_time, "pattern": parse_pattern, "think": parse_think, "stream": _parse_stream,
    "schedule": _parse_schedule}


def parse_value(option: Option, text: str) -> str | int:
    """The meaning of an option's value: two texts with one meaning (`16K`, `16384`) give the same value.

    Returns bytes for a size, nanoseconds for a time, a number for a count, text for everything else. Raises ValueError
    with a sentence that names the nearest valid value where there is one.
    """
    if option.auto and text == "auto":
        return text
    suffix = ", or auto" if option.auto else ""
    try:
        if option.kind in _PARSERS:
            return _PARSERS[option.kind](text)
    except ValueError as error:
        raise ValueError(f"{error}{suffix}") from None
    if option.kind == "count":
        if re.fullmatch(r"\d+", text, re.ASCII) is None:
            raise ValueError(f"{text!r} is not a whole number{suffix}")
        return int(text)
    if option.kind == "cpus" and re.fullmatch(r"\d+,\d+", text, re.ASCII):
        return text
    choices = ("on", "off") if option.kind == "bool" else option.choices
    if choices and text not in choices:
        valid = (*choices, *(("auto",) if option.auto else ()))
        more = " or two CPU numbers such as 0,1" if option.kind == "cpus" else ""
        raise ValueError(f"{text!r} is none of {', '.join(valid)}{more}; the nearest is {nearest(text, valid)!r}")
    if not text:
        raise ValueError("an empty text is no value")
    return text


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
