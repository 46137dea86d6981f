"""The workload `stream` from outside: schedules, the two latencies, what a blocked sender cannot hide."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from running import CONCURRENCIES, FAMILIES, Receiver, Running, fails, pair, run, says, sound


def stream(text: str, *arguments: object, **options: Any) -> dict[str, Any]:
    """The document of a stream."""
    return pair("--stream", text, *arguments, **options)


def planned_of(path: Path) -> list[int]:
    """When the writes of an events file began, in ns since the first."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\twrite\t" in line]
    return [int(row[3]) for row in rows]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_every_message_is_sent_and_joined(family: str, concurrency: str) -> None:
    """Count, bytes and both latencies of every message."""
    document = stream("100@2000", "--count", 150, "--family", family, "--concurrency", concurrency)
    workload, result = document["workload"], document["result"]
    assert (workload["name"], workload["message_size"], workload["rate_per_s"]) == ("stream", 100, 2000)
    assert (workload["count"], workload["schedule"]) == (150, "constant")
    assert (result["bytes"], result["messages"], result["writes"]) == (15_000, 150, 150)
    for latency in (result["latency_ns"], result["schedule"]["latency_planned_ns"], result["schedule"]["lateness_ns"]):
        assert latency["count"] == 150
    assert result["schedule"]["latency_planned_ns"]["p50"] >= result["latency_ns"]["p50"]
    assert result["elapsed_ns"] >= 149 * 250_000  # the first may have been late
    assert result["first_exchanges_ns"] is None and result["reply_bytes"] is None


@pytest.mark.parametrize("wait", ["block", "spin"])
@pytest.mark.parametrize("seconds", [0.05, 0.1])
def test_a_duration_is_a_number_of_messages(wait: str, seconds: float) -> None:
    """Every message that is planned within the duration is sent, and no other."""
    result = stream("10@1000", "--duration", f"{seconds * 1000:.0f}ms", "--wait", wait)["result"]
    assert result["messages"] == round(seconds * 1000)


def test_the_first_limit_ends_it() -> None:
    """--count and --duration together: whichever comes first."""
    assert stream("10@1000", "--duration", "50ms", "--count", 10)["result"]["messages"] == 10
    assert stream("10@1000", "--duration", "50ms", "--count", 1000)["result"]["messages"] == 50


def test_timeout_ends_it() -> None:
    """The trial is given up although the next message is far away."""
    began = time.monotonic()
    fails(4, "--timeout passed", arguments=["pair", "--stream", "10@1", "--count", 100, "--timeout", "300ms"])
    assert time.monotonic() - began < 20


def test_poisson_is_the_seed_s(tmp_path: Path) -> None:
    """The same seed plans the same moments; another one others; gaps vary as the exponential distribution does."""
    totals = {}
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        result = stream("10@2000", "--count", 400, "--schedule", "poisson", "--seed", seed, "--events",
                        tmp_path / name)["result"]
        totals[name] = result["elapsed_ns"]
        assert result["messages"] == 400
    begun = {name: planned_of(tmp_path / name) for name in totals}

    def apart(one: str, other: str) -> float:
        """How far the moments of two trials lie apart, but for a common shift: the first may have been late."""
        shifts = [a - b for a, b in zip(begun[one], begun[other], strict=True)]
        return statistics.median(abs(shift - statistics.median(shifts)) for shift in shifts)
    assert apart("first", "again") < 500_000
    assert apart("first", "other") > 1_000_000
    gaps = [b - a for a, b in zip(begun["first"], begun["first"][1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    assert 0.8 * 500_000 < mean < 1.2 * 500_000
    assert sum(gap < 250_000 for gap in gaps) > 0.25 * len(gaps)  # 39 % of an exponential lie below half its mean


def test_bursts(tmp_path: Path) -> None:
    """Eight at once, then a gap that keeps the rate."""
    document = stream("10@1000", "--count", 64, "--schedule", "burst:8", "--events", tmp_path / "events")
    assert (document["workload"]["schedule"], document["workload"]["burst"]) == ("burst", 8)
    begun = planned_of(tmp_path / "events")
    assert begun[-1] - begun[0] >= 40_000_000  # 56 ms, unless the first was late
    assert sum(b - a > 2_000_000 for a, b in zip(begun, begun[1:], strict=False)) <= 9  # seven gaps, and no more


def test_a_blocked_sender_cannot_hide_its_queue() -> None:
    """1 MB/s over a link of 200 kB/s: measured from the actual write a message looks fast, from the plan it is not."""
    result = stream("1000@1000", "--count", 300, "--max-pacing-rate", 200_000, "--sndbuf", 4096, "--mss", 536)["result"]
    schedule = result["schedule"]
    assert schedule["kept"] is False
    assert schedule["latency_planned_ns"]["p50"] > 3 * result["latency_ns"]["p50"]
    assert schedule["lateness_ns"]["p99"] > 100_000_000
    assert result["messages"] == 300  # late, but all of them


@pytest.mark.parametrize("mss", ["auto", "1460"])
def test_notsent_lowat_bounds_a_blocking_write(mss: str, tmp_path: Path) -> None:
    """What waits unsent is about what was asked for, in steps of a buffer of 64 KiB; without it, all of SO_SNDBUF."""
    most = {}
    for lowat in ("auto", "16K"):
        path = tmp_path / lowat
        stream("1000@20000", "--count", 3000, "--max-pacing-rate", 10_000_000, "--sndbuf", "1M", "--mss", mss,
               "--notsent-lowat", lowat, "--sample-every", "1ms", "--events", path)
        header, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
        at = header.index("notsent_bytes")
        most[lowat] = max(int(row[at]) for row in rows if row[0] == "sender" and row[2] == "tcp_info")
    assert most["16K"] <= (16 << 10) + (128 << 10)
    assert most["auto"] > 2 * most["16K"]


def test_a_rate_beyond_the_machine_is_told() -> None:
    """A sender that cannot keep the rate says so, in the document and to a person."""
    arguments = ["1M@100000", "--count", 200]
    result = stream(*arguments)["result"]
    assert result["schedule"]["kept"] is False and result["messages"] == 200
    assert "NOT kept" in run("pair", "--stream", *arguments).out


def test_stamps_split_messages() -> None:
    """The parts of a message add up; messages that share a segment are counted."""
    split = stream("100@5000", "--count", 500, "--nodelay", "on", "--stamps", "on")["result"]["split"]
    assert split["writes"] + split["without_stamps"] == 500
    assert split["writes"] >= 495
    assert split["sums_within_1us"] >= 0.99 * split["writes"]
    assert split["stamps_dropped"] == 0


def test_stamps_split_chunks() -> None:
    """The chunks of a transfer as well: the parts of each kind of them add up to its latency."""
    split = pair("--bytes", "400K", "--write-size", "4000", "--nodelay", "on", "--stamps", "on")["result"]["split"]
    assert split["writes"] + split["without_stamps"] == 103 and split["writes"] >= 95
    assert split["sums_within_1us"] >= 0.99 * split["writes"]
    kinds = [kind for kind in (split["typical_held"], split["typical_not_held"]) if kind is not None]
    assert sum(kind["writes"] for kind in kinds) == split["writes"]
    for kind in kinds:
        parts = sum(value for name, value in kind.items() if name not in ("writes", "latency_ns"))
        assert abs(parts - kind["latency_ns"]) <= 1000


def test_what_does_not_fit_into_the_log_is_counted() -> None:
    """The latency covers the rest, and the document says so."""
    result = stream("10@5000", "--count", 400, "--events-max", 100)["result"]
    assert result["messages"] == 400
    assert result["events"]["sender"] == {"recorded": 100, "dropped": 300, "stride": 1}
    assert result["latency_ns"]["count"] == 100


def test_hgrm(tmp_path: Path) -> None:
    """A stream's latency can be exported as well."""
    stream("10@5000", "--count", 200, "--hgrm", tmp_path / "out.hgrm")
    assert "Total count    =          200" in (tmp_path / "out.hgrm").read_text(encoding="utf-8")


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_two_commands(concurrency: str, tmp_path: Path) -> None:
    """`recv` and `send` apart, with the messages stored."""
    with Receiver("--once", "--concurrency", concurrency, "--output", tmp_path, "--json",
                  tmp_path / "r.json") as receiver:
        ended = run("send", *receiver.address, "--stream", "100@5000", "--count", 50)
        assert ended.status == 0, ended.err
        assert receiver.wait().status == 0
    received = sound(json.loads((tmp_path / "r.json").read_text(encoding="utf-8")))
    assert received["workload"]["name"] == "stream" and received["result"]["bytes"] == 5000
    assert [path.stat().st_size for path in tmp_path.glob("*.bin")] == [5000]


def test_several_connections() -> None:
    """Each connection keeps the schedule for itself."""
    result = stream("10@1000", "--count", 50, "--connections", 3)["result"]
    assert result["messages"] == 150 and result["schedule"]["lateness_ns"]["count"] == 150


BAD: list[tuple[list[object], list[str]]] = [
    (["--stream", "100@0", "--count", 1], ["--stream", "'0' is too small"]),
    (["--stream", f"100@{10**9}", "--count", 1], ["--stream", "too large", "1000000"]),
    (["--stream", "0@100", "--count", 1], ["--stream", "'0' is too small"]),
    (["--stream", "2G@100", "--count", 1], ["--stream", "'2G' is too large"]),
    (["--stream", "100", "--count", 1], ["'100' is not SIZE@RATE"]),
    (["--stream", "@100", "--count", 1], ["--stream"]),
    (["--stream", "100@", "--count", 1], ["--stream"]),
    (["--stream", "100@1@2", "--count", 1], ["--stream"]),
    (["--stream", "100@1.5", "--count", 1], ["--stream"]),
    (["--stream", "-1@1", "--count", 1], ["--stream"]),
    (["--stream", "1" * 40 + "@1", "--count", 1], ["--stream"]),
    (["--stream", "100@10"], ["--stream needs --duration T or --count N"]),
    (["--stream", "100@10", "--duration", "0ms"], ["--duration", "too small"]),
    (["--stream", "100@10", "--count", 0], ["--count", "too small"]),
    (["--stream", "100@10", "--count", 1, "--think", "1ms"], ["--think belongs to --pattern"]),
    (["--stream", "100@10", "--count", 1, "--schedule", "wave"], ["--schedule", "'wave' is none of", "burst:N"]),
    (["--stream", "100@10", "--count", 1, "--rate", 20], ["--rate", "100@10", "SIZE@RATE"]),
    (["--rate", 20, "--stream", "100@10", "--count", 1], ["--rate", "100@10", "SIZE@RATE"]),
    (["--stream", "100@10", "--count", 1, "--schedule", "burst:0"], ["--schedule", "too small"]),
    (["--stream", "100@10", "--count", 1, "--schedule", "burst:"], ["--schedule"]),
    (["--stream", "100@10", "--count", 1, "--stamps", "on", "--family", "unix"], ["--stamps on", "unix"]),
    (["--stream", "100@10", "--count", 1, "--repeat", 3], ["--repeat"]),
    (["--bytes", "1M", "--schedule", "poisson"], ["--schedule"]),
]


@pytest.mark.parametrize("arguments,words", BAD, ids=[" ".join(map(str, case[0]))[:60] for case in BAD])
def test_bad_input(arguments: list[object], words: list[str]) -> None:
    """One sentence, status 2."""
    fails(2, *words, arguments=["pair", *arguments])


@pytest.mark.parametrize("more", [["--stream", "10@1000"], ["--stream", "10@1"], ["--stream", "10@100000"],
                                  ["--stream", "10@1000", "--wait", "spin"]], ids=lambda more: " ".join(more))
def test_an_interruption_leaves_a_partial_result(more: list[object], tmp_path: Path) -> None:
    """130, a document that says so, and the messages so far; also while the next one is far away."""
    path = tmp_path / "out.json"
    with Running(["pair", *more, "--duration", "100s", "--timeout", "200s", "--events-max", 10_000, "--json",
                  path]) as running:
        time.sleep(0.3)
        assert running.process.poll() is None, running.err
        running.kill(signal.SIGINT)
        ended = running.wait(15)
    says(ended, 130, "interrupted")
    document = sound(json.loads(path.read_text(encoding="utf-8")))
    assert document["interrupted"] is True and document["status"] == 130
    assert document["result"]["messages"] >= 1


def test_a_receiver_that_is_killed_is_told() -> None:
    """The sender ends with status 4."""
    with Receiver() as receiver:
        with Running(["send", *receiver.address, "--stream", "10@1000", "--duration", "100s"]) as sender:
            time.sleep(0.3)
            assert sender.process.poll() is None, sender.err
            os.killpg(receiver.pid, signal.SIGKILL)
            ended = sender.wait(15)
        says(ended, 4, "receiver")
        receiver.process.wait()
