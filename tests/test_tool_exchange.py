"""The workload `exchange` from outside: its options, what its result says, and how it ends.

No time is asked for more tightly than the timers of the kernel differ from everything else (40 ms against some us).
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from running import CONCURRENCIES, FAMILIES, Receiver, Running, fails, in_one_of, pair, run, says, sound, wait_until

APART = 16
STALL_NS = 30_000_000


def exchange(pattern: str, *arguments: object, **options: Any) -> dict[str, Any]:
    """The document of some exchanges."""
    return pair("--pattern", pattern, *arguments, **options)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("wait", ["block", "spin"])
def test_every_byte_and_call_is_counted(family: str, concurrency: str, wait: str) -> None:
    """Both ends follow the pattern to its last byte, however the receiver serves it."""
    nodelay = [] if family == "unix" else ["--nodelay", "on", "--recv-nodelay", "on"]
    result = exchange("r1,w100,v200+300,p10us,r10,w5,r20", "--count", 50, "--family", family, "--concurrency",
                      concurrency, "--wait", wait, *nodelay)["result"]
    assert result["bytes"] == 50 * 605
    assert result["writes"] == 150
    assert result["reply_bytes"] == 50 * 31
    assert result["reply_writes"] == 151  # that of the next exchange began before the sender's end was known
    assert 50 <= result["reply_reads"] <= 150  # the last reply of one and the first of the next may come together
    assert result["messages"] == 50
    assert result["latency_ns"]["count"] == 50 - APART
    assert result["verified"] is None


@pytest.mark.parametrize("outstanding", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_outstanding(outstanding: int, concurrency: str) -> None:
    """k(...) moves the same bytes, whatever k is; the workload says it."""
    document = exchange(f"k{outstanding}(w100,w20,r30)", "--count", 101, "--nodelay", "on", "--recv-nodelay", "on",
                        "--concurrency", concurrency)
    assert document["workload"]["outstanding"] == outstanding
    result = document["result"]
    assert (result["bytes"], result["reply_bytes"], result["messages"]) == (101 * 120, 101 * 30, 101)
    assert result["reply_writes"] == 101
    assert result["latency_ns"]["count"] == 101 - APART


@pytest.mark.parametrize("pattern", ["w1,r1", "w1,w1,r1", "w1,r1,r1", "w1,w2,r3,r4", "w1,r1,w1,w1,r1,r1", "r1,w1,w1"])
def test_a_polling_receiver_waits_for_the_right_thing(pattern: str) -> None:
    """It stops after some calls to serve others, at any item: what it waits for then is what is due."""
    result = exchange(pattern, "--count", 300, "--concurrency", "poll", "--nodelay", "on", "--recv-nodelay", "on",
                      "--cpus", "same")["result"]
    assert result["messages"] == 300
    assert result["latency_ns"]["max"] < 5_000_000_000


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_receiver_that_speaks_first_says_one_thing_too_many(concurrency: str) -> None:
    """It cannot know which exchange is the last: its last words are read and not counted, however long they are."""
    result = exchange("r16M,w1", "--count", 3, "--concurrency", concurrency, patience_s=20)["result"]
    assert result["reply_bytes"] == 3 << 24 and result["messages"] == 3


def test_outstanding_exchanges_wait_together() -> None:
    """With one pause an exchange, k exchanges outstanding take longer each than one: they queue."""
    alone = exchange("w1,p1ms,w1,r1", "--count", 40, "--nodelay", "on")["result"]["latency_ns"]["p50"]
    four = exchange("k4(w1,p1ms,w1,r1)", "--count", 40, "--nodelay", "on")["result"]["latency_ns"]["p50"]
    assert 1_000_000 <= alone
    assert four > 2.5 * 1_000_000


def test_the_first_exchanges_are_apart() -> None:
    """The first 16 are told one by one and are not in the percentiles."""
    for count in (1, APART - 1, APART, APART + 1):
        result = exchange("w1,r1", "--count", count)["result"]
        assert len(result["first_exchanges_ns"]) == min(count, APART)
        latency = result["latency_ns"]
        assert (0 if latency is None else latency["count"]) == max(0, count - APART)


def test_a_transfer_has_no_first_exchanges() -> None:
    """What does not belong to a workload is null."""
    result = pair("--bytes", "1M")["result"]
    assert result["first_exchanges_ns"] is None and result["schedule"] is None and result["split"] is None


def test_duration_ends_it() -> None:
    """--duration bounds the exchanges in time, also while one waits for its turn."""
    began = time.monotonic()
    result = exchange("w10,r10", "--duration", "100ms")["result"]
    assert result["messages"] > APART
    assert exchange("w10,r10", "--duration", "50ms", "--think", "100s")["result"]["messages"] == 1
    assert exchange("w10,r10", "--duration", "50ms", "--rate", 1)["result"]["messages"] == 1
    assert time.monotonic() - began < 30


def test_timeout_ends_it() -> None:
    """--timeout bounds a think time, too."""
    fails(4, "--timeout passed", arguments=["pair", "--pattern", "w1,r1", "--think", "1000s", "--timeout", "200ms"])
    fails(4, "--timeout passed", arguments=["pair", "--pattern", "w1,r1", "--rate", 1, "--timeout", "200ms"])


def test_a_rate_is_kept() -> None:
    """Exchanges begin on schedule: the run is as long as the schedule, and both latencies are there."""
    result = exchange("w10,r10", "--rate", 1000, "--count", 200)["result"]
    assert result["schedule"]["lateness_ns"]["count"] == 200
    assert result["schedule"]["latency_planned_ns"]["count"] == 200
    assert result["elapsed_ns"] >= 150_000_000
    assert result["schedule"]["latency_planned_ns"]["p50"] >= result["schedule"]["lateness_ns"]["p50"]


def test_a_rate_that_cannot_be_kept_is_told() -> None:
    """40 ms an exchange are 25 a second, not 1000: the planned latency shows the queue, the actual one cannot."""
    result = exchange("w100,w400,r1", "--nodelay", "off", "--rate", 1000, "--count", 24)["result"]
    assert result["schedule"]["kept"] is False
    assert result["schedule"]["latency_planned_ns"]["max"] > 3 * result["latency_ns"]["max"]
    shown = run("pair", "--pattern", "w100,w400,r1", "--nodelay", "off", "--rate", 1000, "--count", 10).out
    assert "NOT kept" in shown


@pytest.mark.parametrize("outstanding", ["", "k4"])
def test_a_reply_does_not_wait_for_the_next_turn(outstanding: str) -> None:
    """At 40 exchanges a second a reply is read when it comes, not when the next exchange begins.

    Two replies that once came close together would wait for each other's ACK with the receiver's Nagle on.
    """
    pattern = f"{outstanding}(w1,r1)" if outstanding else "w1,r1"
    result = exchange(pattern, "--rate", 40, "--count", 24, "--nodelay", "on", "--recv-nodelay", "on")["result"]
    assert result["latency_ns"]["p50"] < 12_000_000


@pytest.mark.parametrize("stamps", ["off", "on"])
def test_waiting_for_a_turn_takes_no_cpu_time(stamps: str) -> None:
    """Stamps that come while a reply is outstanding do not make the wait for the next turn a busy one."""
    result = exchange("k4(w1,r1)", "--rate", 10, "--count", 6, "--stamps", stamps, "--nodelay", "on", "--recv-cork",
                      "on")["result"]
    assert result["elapsed_ns"] > 400_000_000
    assert result["cpu_sender_ns"] < result["elapsed_ns"] / 5


def test_think_is_not_part_of_the_latency() -> None:
    """The time between two exchanges belongs to neither."""
    result = exchange("w1,r1", "--count", 30, "--think", "5ms")["result"]
    assert result["elapsed_ns"] >= 29 * 5_000_000
    assert result["latency_ns"]["p50"] < 5_000_000
    assert result["stalls"]["count"] == 0
    document = exchange("w1,r1", "--count", 3, "--think", "1us-200us")
    assert (document["workload"]["think_min_ns"], document["workload"]["think_max_ns"]) == (1000, 200_000)


def test_what_stands_behind_the_last_reply_is_not_part_of_the_latency() -> None:
    """An exchange ends with the read of its last reply."""
    assert exchange("w1,r1,p5ms", "--count", 20)["result"]["latency_ns"]["p50"] < 5_000_000
    assert exchange("w1,p5ms,w1,r1", "--count", 20, "--nodelay", "on")["result"]["latency_ns"]["p50"] >= 5_000_000


def test_the_textbook_stall_and_its_remedies() -> None:
    """Write-write-read stalls by Nagle and a delayed ACK; each remedy removes it; the mechanism is named."""
    base = ["--count", 20, "--nodelay", "off"]
    stalled = exchange("w100,w400,r1", *base)["result"]
    assert stalled["stalls"]["count"] >= 15
    assert stalled["stalls"]["by_mechanism"]["nagle_delayed_ack"] == stalled["stalls"]["count"]
    assert stalled["stalls"]["time_ns"] >= stalled["stalls"]["count"] * STALL_NS
    remedies: list[tuple[str, list[object]]] = [
        ("w100,w400,r1", ["--nodelay", "on"]), ("m100,w400,r1", []), ("v100+400,r1", []), ("c,w100,w400,u,r1", []),
        ("q,w100,w400,r1", []), ("w100,w400,r1", ["--rearm-quickack", "on"]), ("w500,r1", [])]
    for pattern, more in remedies:
        result = exchange(pattern, *base[:2], *(more if "--nodelay" in more else [*base[2:], *more]))["result"]
        assert result["stalls"]["count"] <= 2, (pattern, more, result["stalls"])


@in_one_of(4)
def test_the_stall_is_that_of_a_delayed_ack(tmp_path: Path) -> None:
    """On a stock kernel at least 95 in 100 exchanges behind the first sixteen take 38 to 60 ms, with NODELAY none."""
    shares = {}
    for nodelay in ("off", "on"):
        path = tmp_path / nodelay
        exchange("w100,w400,r1", "--nodelay", nodelay, "--count", APART + 40, "--events", path)
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\texchange\t" in line]
        late = [38_000_000 <= int(row[4]) - int(row[3]) <= 60_000_000 for row in rows[APART:]]
        shares[nodelay] = sum(late) / len(late)
    assert shares["off"] >= 0.95 and shares["on"] == 0


def test_hgrm_without_a_latency_is_refused(tmp_path: Path) -> None:
    """Exchanges that are all reported apart leave no distribution: that is said, and the document is written."""
    out = tmp_path / "out.json"
    fails(3, "--hgrm", "16", arguments=("pair", "--pattern", "w1,r1", "--count", 16, "--hgrm", tmp_path / "x.hgrm",
                                        "--json", out))
    assert json.loads(out.read_text(encoding="utf-8"))["status"] == 3
    assert not (tmp_path / "x.hgrm").exists()


def test_the_receiver_has_its_own_nagle() -> None:
    """Two replies stall by the receiver's Nagle, whatever the sender's; its own NODELAY removes it."""
    stalled = exchange("w100,r10,r10", "--count", 20, "--nodelay", "on", "--recv-nodelay", "off")["result"]["stalls"]
    assert stalled["count"] >= 15
    assert stalled["by_mechanism"]["reply_held"] == stalled["count"]
    free = exchange("w100,r10,r10", "--count", 20, "--nodelay", "off", "--recv-nodelay", "on")["result"]["stalls"]
    assert free["count"] <= 2


@pytest.mark.parametrize("stamps", ["off", "on"])
def test_a_held_reply_of_a_pipeline_is_told_by_what_was_read(stamps: str) -> None:
    """The last requests had all arrived: whichever Nagle is on, it is their replies that were held."""
    for nodelay in ("on", "off"):
        stalls = exchange("k4(w100,r1)", "--count", 40, "--nodelay", nodelay, "--recv-cork", "on", "--stamps",
                          stamps)["result"]["stalls"]
        assert stalls["count"] > 0
        assert stalls["by_mechanism"]["reply_held"] == stalls["count"]
    free = exchange("k4(w100,r1)", "--count", 40, "--nodelay", "on", "--recv-nodelay", "on", "--stamps",
                    stamps)["result"]["stalls"]
    assert free["count"] <= 4


def test_a_long_reply_is_no_stall() -> None:
    """A reply that takes long because it is long, or slow, moves all the time."""
    result = exchange("w1,r2M", "--count", 2, "--recv-max-pacing-rate", "20000000")["result"]
    assert max(result["first_exchanges_ns"]) > 2 * STALL_NS
    assert result["stalls"]["count"] == 0


def test_a_cork_that_is_never_pulled_is_told_as_such() -> None:
    """Corked bytes leave after 200 ms; the stamps put all of it into the hold."""
    result = exchange("c,w100,r1", "--count", 3, "--stamps", "on")["result"]
    assert result["stalls"]["by_mechanism"]["corked"] == result["stalls"]["count"] == 3
    assert result["split"]["hold_ns"]["min"] > 100_000_000


def test_a_pause_is_no_stall() -> None:
    """A pause of the pattern is neither a stall nor anybody's fault."""
    assert exchange("w100,p50ms,w400,r1", "--count", 5, "--nodelay", "on")["result"]["stalls"]["count"] == 0


def test_a_queue_that_moves_is_no_stall() -> None:
    """A slow link makes long latencies without any timer."""
    result = pair("--bytes", "2M", "--max-pacing-rate", "10000000")["result"]
    assert result["latency_ns"]["max"] > STALL_NS
    assert result["stalls"]["count"] == 0


@pytest.mark.parametrize("arguments,words", [
    (["--max-stalls", 3], ["--max-stalls 3 was passed", "stalls, most of them held by Nagle until a delayed ACK"]),
    (["--max-p50", "1ms"], ["--max-p50 1.00 ms was passed", "ms (held by Nagle until a delayed ACK)"]),
    (["--max-p99", "20ms"], ["--max-p99 20.0 ms was passed", "held by Nagle"]),
    (["--min-goodput", "1G"], ["--min-goodput 1.07 GB/s was not reached", "kB/s (held by Nagle"]),
    (["--max-segments-per-message", "1.5"], ["--max-segments-per-message 1.5 was passed: 2", "data segments for 18"]),
])
def test_a_limit_that_is_passed(arguments: list[object], words: list[str]) -> None:
    """Status 5 and a sentence that names limit, value and mechanism; the document is there all the same."""
    every = ["pair", "--pattern", "w100,w400,r1", "--nodelay", "off", "--count", 18]
    ended = run(*every, *arguments, "--json", "-")
    says(ended, 5, *words)
    document = sound(ended.document)
    assert document["status"] == 5 and document["error"] in ended.err
    assert document["result"]["messages"] == 18


def test_limits_that_are_kept() -> None:
    """A limit that holds changes nothing."""
    result = exchange("w100,w400,r1", "--nodelay", "on", "--count", 50, "--max-stalls", 50, "--max-p50", "1s",
                      "--max-p99", "10s", "--min-goodput", 1, "--max-segments-per-message", 100)["result"]
    assert result["messages"] == 50


def test_a_limit_that_cannot_be_judged_is_an_error() -> None:
    """Without a record there is no verdict, and that is not a good one."""
    fails(4, "--max-stalls cannot be judged", "--log on",
          arguments=["pair", "--pattern", "w1,r1", "--count", 20, "--log", "off", "--max-stalls", 0])
    fails(4, "--max-p99 cannot be judged",
          arguments=["pair", "--pattern", "w1,r1", "--count", APART, "--max-p99", "1s"])


def test_percentiles_of_the_histogram_are_near_the_exact_ones(tmp_path: Path) -> None:
    """One exchange does not fit into the log: the percentiles are the histogram's, within 1 % of those of the log.

    The log lacks one exchange of 2984, so a percentile of all lies between the neighbours of its rank in the log.
    """
    path = tmp_path / "events.tsv"
    latency = exchange("w10,r10", "--count", 3000, "--events-max", 2999, "--events", path)["result"]["latency_ns"]
    assert latency["exact"] is False and latency["count"] == 3000 - APART
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\texchange\t" in line]
    kept = sorted(int(row[4]) - int(row[3]) for row in rows[APART:])
    assert len(kept) == 2999 - APART
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
        rank = math.ceil(share * latency["count"])
        least, most = kept[rank - 2], kept[min(rank, len(kept)) - 1]
        assert 0.99 * least <= latency[name] <= 1.01 * most, name


def test_percentiles_of_a_log_are_exact(tmp_path: Path) -> None:
    """Where every exchange is in the log, the percentiles are values of the log itself."""
    path = tmp_path / "events.tsv"
    latency = exchange("w10,r10", "--count", 1016, "--events", path)["result"]["latency_ns"]
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\texchange\t" in line]
    exact = sorted(int(row[4]) - int(row[3]) for row in rows[APART:])
    assert latency["exact"] is True and latency["count"] == len(exact) == 1000
    assert [latency[name] for name in ("min", "p50", "p90", "p99", "p999", "max")] == \
        [exact[rank - 1] for rank in (1, 500, 900, 990, 999, 1000)]


def test_many_exchanges_need_no_more_memory() -> None:
    """Twenty times the exchanges, the same memory: what does not fit is counted, not kept."""
    peaks = []
    for count in (5_000, 100_000):
        with Running(["pair", "--pattern", "w1,r1", "--count", count, "--events-max", 1000, "--cpus", "same", "--json",
                      "-"]) as running:
            _, status, usage = os.wait4(running.pid, 0)
            running.process.returncode = os.waitstatus_to_exitcode(status)
            assert running.process.returncode == 0, running.err
            peaks.append(usage.ru_maxrss)
            ended = running.wait()
            assert ended.document["result"]["latency_ns"]["count"] == count - APART
    assert peaks[1] <= 1.25 * peaks[0] + 512


def test_stamps_split_every_write() -> None:
    """The parts add up, and each write has all its stamps."""
    result = exchange("w100,w400,r1", "--nodelay", "on", "--count", 200, "--stamps", "on")["result"]
    split = result["split"]
    assert split["writes"] == 400 and split["without_stamps"] == 0 and split["stamps_dropped"] == 0
    assert split["sums_within_1us"] >= 0.99 * split["writes"]
    assert split["stamps"] == 3 * (split["writes"] - split["merged"])
    assert split["until_ack_ns"]["count"] == 400
    assert split["clock_error_ns"] < 1_000_000


def test_held_writes_and_others_are_split_apart() -> None:
    """The parts of each kind belong to the same writes: they add up to their latency."""
    split = exchange("w100,w400,r1", "--nodelay", "off", "--count", 20, "--stamps", "on")["result"]["split"]
    held, free = split["typical_held"], split["typical_not_held"]
    assert held["writes"] + free["writes"] == split["writes"] == 40
    assert held["hold_ns"] > STALL_NS and free["hold_ns"] <= 5000
    for kind in (held, free):
        total = sum(kind[name] for name in ("in_write_ns", "hold_ns", "to_device_ns", "to_kernel_ns", "wait_read_ns"))
        assert abs(total - kind["latency_ns"]) <= 1000


def test_merged_writes_are_counted() -> None:
    """What was corked together left as one segment: the first write has no stamp of its own."""
    split = exchange("m100,w400,r1", "--count", 50, "--stamps", "on")["result"]["split"]
    assert (split["writes"], split["merged"], split["stamps"]) == (100, 50, 150)


def test_the_hold_is_the_wait_for_the_ack() -> None:
    """Write-write-read under Nagle: the second write is held until the ACK of the first, and for no other time."""
    split = exchange("w100,w400,r1", "--nodelay", "off", "--count", 20, "--stamps", "on")["result"]["split"]
    assert split["hold_ns"]["p50"] < STALL_NS < split["hold_ns"]["p90"]  # every second write is held
    assert split["until_ack_ns"]["p50"] > STALL_NS
    assert abs(split["hold_ns"]["max"] - split["until_ack_ns"]["max"]) < 20_000_000


def test_an_error_queue_that_overflows_is_counted_and_told() -> None:
    """The kernel throws stamps away that find no room: told, and never taken for merged writes."""
    every = ["--pattern", "w10,w10,w10,w10,w10,w10,w10,w10,r1", "--nodelay", "on", "--count", 30, "--stamps", "on"]
    split = pair(*every, "--send-rcvbuf", 2048)["result"]["split"]
    assert split["stamps_dropped"] > 0
    assert split["without_stamps"] > 0 and split["merged"] == 0
    assert split["writes"] + split["without_stamps"] == 240
    assert "stamps lost" in run("pair", *every, "--send-rcvbuf", 2048).out
    assert "stamps lost" not in run("pair", *every).out
    few = pair(*every, "--events-max", 16)["result"]["split"]
    assert few["stamps"] == 48 and few["stamps_dropped"] > 0 and few["writes"] == 16


def test_many_writes_before_a_reply_overflow_nothing() -> None:
    """Stamps are collected also within an exchange."""
    pattern = ",".join(["w10"] * 63 + ["r1"])
    split = exchange(pattern, "--nodelay", "on", "--count", 20, "--stamps", "on")["result"]["split"]
    assert split["stamps_dropped"] == 0 and split["without_stamps"] == 0
    split = exchange("k1000(w1,r1)", "--nodelay", "on", "--count", 2000, "--stamps", "on")["result"]["split"]
    assert split["stamps_dropped"] == 0 and split["without_stamps"] == 0


def test_events_tell_the_whole_story(tmp_path: Path) -> None:
    """Every exchange, write, stamp, arrival and read, in time relative to the first write."""
    path = tmp_path / "events.tsv"
    exchange("w100,w400,r1", "--nodelay", "on", "--count", 20, "--stamps", "on", "--events", path)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    header = lines[0].split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in {row["kind"] for row in rows}}
    assert {kind: len(kinds[kind]) for kind in ("exchange", "write", "sched", "device", "ack")} == {
        "exchange": 20, "write": 40, "sched": 40, "device": 40, "ack": 40}
    assert len(kinds["arrive"]) == len(kinds["read"])
    assert [int(row["offset_bytes"]) for row in kinds["exchange"]] == list(range(1, 21))
    offsets = [100 * (n // 2 + 1) + 400 * ((n + 1) // 2) for n in range(40)]
    for kind in ("write", "sched", "device", "ack"):
        assert sorted(int(row["offset_bytes"]) for row in kinds[kind]) == offsets, kind
    writes = {row["offset_bytes"]: row for row in kinds["write"]}
    for row in kinds["sched"]:
        assert int(row["time_ns"]) > int(writes[row["offset_bytes"]]["time_ns"]) - 100_000
    for first, second in itertools.pairwise(kinds["exchange"]):
        assert int(first["end_ns"]) <= int(second["time_ns"])


HGRM = re.compile(r"^ *(\d+\.\d+) +(\d\.\d{12}) +(\d+)(?: +(\d+\.\d+))?$")


def test_hgrm(tmp_path: Path) -> None:
    """HdrHistogram's percentile format: its plotter reads value, percentile, count and 1/(1-percentile)."""
    path = tmp_path / "latency.hgrm"
    latency = exchange("w10,r10", "--count", 1016, "--hgrm", path)["result"]["latency_ns"]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[1] == ""
    body = [line for line in lines[2:] if not line.startswith("#")]
    rows = []
    for line in body:
        found = HGRM.match(line)
        assert found, line
        rows.append((float(found[1]), float(found[2]), int(found[3]), found[4]))
    values, percentiles, counts, inverses = zip(*rows, strict=True)
    assert list(values) == sorted(values) and list(percentiles) == sorted(percentiles)
    assert list(counts) == sorted(counts)
    assert (percentiles[0], percentiles[-1], counts[-1], inverses[-1]) == (0.0, 1.0, 1000, None)
    assert values[-1] == pytest.approx(latency["max"] / 1e3, abs=0.001)
    assert all(float(inverse) == pytest.approx(1 / (1 - at), rel=0.01) for _, at, _, inverse in rows[:-1])
    footer = lines[-3:]
    assert re.fullmatch(r"#\[Mean    = +[\d.]+, StdDeviation   = +[\d.]+\]", footer[0])
    assert re.fullmatch(r"#\[Max     = +[\d.]+, Total count    = +1000\]", footer[1])
    assert re.fullmatch(r"#\[Buckets = +\d+, SubBuckets     = +\d+\]", footer[2])


def test_hgrm_as_the_plotter_reads_it(tmp_path: Path) -> None:
    """Every line of four columns that is no comment is a point: 1/(1-percentile) and a value in microseconds, which is
    that of the same number of exchanges of the event log, within 1 %."""
    path, events = tmp_path / "latency.hgrm", tmp_path / "events.tsv"
    exchange("w10,r10", "--count", 1016, "--hgrm", path, "--events", events)
    rows = [line.split("\t") for line in events.read_text(encoding="utf-8").splitlines() if "\texchange\t" in line]
    exact = sorted(int(row[4]) - int(row[3]) for row in rows[APART:])
    points = []
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split()
        if line[:1] != "#" and len(columns) == 4 and columns[0] != "Value":
            points.append((float(columns[3]), float(columns[0]), int(columns[2])))
    assert len(points) > 30 and points[0][0] == 1 and points[-1][0] >= len(exact) / 4
    for inverse, value_us, count in points:
        assert count >= math.floor((1 - 1 / inverse) * len(exact)) - 1
        assert value_us * 1e3 == pytest.approx(exact[count - 1], rel=0.01, abs=1), count


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_several_connections(concurrency: str) -> None:
    """Every connection makes all exchanges."""
    document = exchange("w10,r10", "--count", 100, "--connections", 4, "--concurrency", concurrency)
    assert document["result"]["bytes"] == 4 * 1000 and document["result"]["messages"] == 400
    assert document["result"]["latency_ns"]["count"] == 4 * (100 - APART)
    assert len(document["connections"]) == 4


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_two_commands(concurrency: str, tmp_path: Path) -> None:
    """`recv` and `send` apart: the receiver's document names the workload, and its file holds the requests."""
    with Receiver("--once", "--concurrency", concurrency, "--output", tmp_path, "--json",
                  tmp_path / "r.json") as receiver:
        ended = run("send", *receiver.address, "--pattern", "w100,w400,r1,r2", "--count", 20, "--nodelay", "on",
                    "--recv-nodelay", "on", "--json", "-")
        assert ended.status == 0, ended.err
        assert receiver.wait().status == 0
    received = sound(json.loads((tmp_path / "r.json").read_text(encoding="utf-8")))
    assert received["workload"]["name"] == "exchange"
    assert received["result"]["bytes"] == 10_000 and received["result"]["reply_writes"] == 40
    assert [path.stat().st_size for path in tmp_path.glob("*.bin")] == [10_000]


BAD: list[tuple[list[object], list[str]]] = [
    (["--pattern", "w100"], ["'w100', at character 5 (its end)", "has no read"]),
    (["--pattern", "k2(r100)"], ["at character 8 (')')", "has no write"]),
    (["--pattern", "k8(w1,r1"], ["at character 9 (its end)", "closing parenthesis is missing"]),
    (["--pattern", "w1,r1)"], ["at character 6 (')')", "no opening parenthesis"]),
    (["--pattern", "k8((w1,r1))"], ["at character 4 ('(w1,r1))')"]),
    (["--pattern", "w0,r1"], ["at character 2 ('0,r1')", "must not be 0"]),
    (["--pattern", "w1,r0"], ["at character 5 ('0')", "must not be 0"]),
    (["--pattern", "k0(w1,r1)"], ["at character 2 ('0(w1,r1)')", "must not be 0"]),
    (["--pattern", "k1000000000(w1,r1)"], ["at character 2", "at most 4096"]),
    (["--pattern", "k99999999999999999999999(w1,r1)"], ["at character 2"]),
    (["--pattern", ""], ["an item is missing"]),
    (["--pattern", "w1,z5,r1"], ["at character 4 ('z5,r1')"]),
    (["--pattern", "k4096(w1,r1M)"], ["at character 2 ('4096(w1,r1M)')", "can deadlock",
                                      "4096 outstanding replies of 1048576 bytes", "--send-rcvbuf"]),
    (["--pattern", "k8(w1,r1M)", "--recv-sndbuf", 2048, "--send-rcvbuf", 2048], ["can deadlock"]),
    (["--pattern", "w1G,r1,w1,r1"], ["at character 8 ('w1,r1')", "more than 1 GiB"]),
    (["--pattern", "k2(w1,r1,w1,r1)"], ["at character 10 ('w1,r1)')", "all writes of one come before its first read"]),
    (["--pattern", "w1,r1", "--rate", 0], ["--rate", "too small"]),
    (["--pattern", "w1,r1", "--rate", 10**9], ["--rate", "too large"]),
    (["--pattern", "w1,r1", "--duration", "0ms"], ["--duration", "too small"]),
    (["--pattern", "w1,r1", "--count", 0], ["--count", "too small"]),
    (["--pattern", "w1,r1", "--think", "5ms-1ms"], ["--think", "shorter"]),
    (["--pattern", "w1,r1", "--rate", 5, "--think", "1ms"], ["--rate and --think exclude"]),
    (["--pattern", "w1,r1", "--schedule", "poisson"], ["--schedule", "needs --rate"]),
    (["--pattern", "w1,r1", "--stamps", "on", "--family", "unix"], ["--stamps on", "unix"]),
    (["--pattern", "c,w1,r1", "--family", "unix"], ["--pattern", "unix"]),
    (["--pattern", "w1,r1", "--stamps", "on", "--log", "off"], ["--stamps on needs --log on"]),
    (["--bytes", "1M", "--stamps", "on", "--send-with", "zerocopy"], ["--stamps", "zerocopy", "exclude"]),
    (["--pattern", "w1,r1", "--bytes", "1M"], ["exclude each other"]),
    (["--pattern", "w1,r1", "--stream", "1@1"], ["exclude each other"]),
    (["--bytes", "1M", "--count", 5], ["belong to --pattern or --stream"]),
    (["--pattern", "w1,r1", "--repeat", 2], ["--repeat"]),
    (["--pattern", "w1,r1", "--verify", "full"], ["--verify"]),
]


@pytest.mark.parametrize("arguments,words", BAD, ids=[" ".join(map(str, case[0])) for case in BAD])
def test_bad_input(arguments: list[object], words: list[str]) -> None:
    """One sentence that quotes the place, status 2, and nothing ran."""
    began = time.monotonic()
    fails(2, *words, arguments=["pair", *arguments])
    assert time.monotonic() - began < 10


SLOW = ["--pattern", "w10,r10", "--count", 10**9]


@pytest.mark.parametrize("more", [
    ["--concurrency", "fork"], ["--concurrency", "poll"], ["--concurrency", "thread"], ["--wait", "spin"],
    ["--think", "100s"], ["--rate", 1], ["--stamps", "on"]], ids=lambda more: " ".join(map(str, more)))
def test_an_interruption_leaves_a_partial_result(more: list[object], tmp_path: Path) -> None:
    """130, a document that says so, nothing left running."""
    path = tmp_path / "out.json"
    with Running(["pair", *SLOW, "--json", path, *more]) as running:
        time.sleep(0.3)
        assert running.process.poll() is None, running.err
        running.kill(signal.SIGINT)
        ended = running.wait(15)
    says(ended, 130, "interrupted")
    document = sound(json.loads(path.read_text(encoding="utf-8")))
    assert document["interrupted"] is True and document["status"] == 130
    assert document["result"]["messages"] >= ("--think" not in more)


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_a_receiver_that_is_killed_is_told(concurrency: str) -> None:
    """The sender ends at once with status 4."""
    with Receiver("--concurrency", concurrency) as receiver:
        with Running(["send", *receiver.address, *SLOW]) as sender:
            time.sleep(0.3)
            assert sender.process.poll() is None, sender.err
            os.killpg(receiver.pid, signal.SIGKILL)
            ended = sender.wait(15)
        says(ended, 4, "receiver")
        receiver.process.wait()


def test_a_sender_that_is_killed_does_not_stop_the_receiver() -> None:
    """The next sender is served."""
    with Receiver() as receiver:
        with Running(["send", *receiver.address, *SLOW]) as sender:
            time.sleep(0.2)
            sender.kill(signal.SIGKILL)
            sender.process.wait()
        ended = run("send", *receiver.address, "--pattern", "w1,r1", "--count", 20)
        assert ended.status == 0, ended.err
        wait_until(lambda: "\n" in receiver.out, "the receiver to say something")
        receiver.stop()
