"""Invented result documents of a plausible kernel: data for the chart and report tests, the same on every machine."""
from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

Levels = Mapping[str, str]
SIZES = {"K": 1024, "M": 1024 ** 2, "G": 1024 ** 3}


def size(text: str) -> int:
    """Bytes of a size such as "100", "16K" or "4M"."""
    return int(text[:-1]) * SIZES[text[-1]] if text[-1] in SIZES else int(text)


def latency(p50_ns: float, spread: float) -> dict[str, Any]:
    """A latency object whose curve is log-normal around p50_ns, with the factor `spread` at p90."""
    def value(quantile: float) -> float:
        return p50_ns * spread ** (2.2 * math.log10(1 / (1 - min(quantile, 0.9999))) - 0.66)
    curve = [[q, round(value(q))] for q in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)]
    return {"count": 1000, "min": curve[0][1], "mean": p50_ns, "p50": p50_ns, "p90": value(0.9), "p99": value(0.99),
            "p999": value(0.999), "max": curve[-1][1], "exact": True, "curve": curve}


def goodput(levels: Levels, draw: float) -> float:
    """Bytes a second: grows with write size and SO_SNDBUF, NODELAY costs on short writes, one size has two modes."""
    write = size(levels.get("write-size", "16K"))
    sndbuf = levels.get("sndbuf", "auto")
    effective = 4194304 if sndbuf == "auto" else max(4608, 2 * size(sndbuf))
    on = levels.get("nodelay", "off") == "on"
    value = 4e9 * write / (write + 12000) / (1 + 40000 / effective)
    if on:
        value *= 0.26 if write < 1000 else 0.5 if write < 40000 else 0.98
    if effective < write / 2 and not on:
        value *= 0.004
    if effective == 32768 and draw < 0.5:
        value *= 0.01
    if levels.get("mss") == "1448":
        value *= 0.12
    if levels.get("congestion") == "bbr":
        value *= 0.5
    return value


def document(levels: Levels, rng: random.Random, model: Callable[[Levels, float], float] = goodput) -> dict[str, Any]:
    """One result document for one trial of the cell with these levels."""
    rate = model(levels, rng.random()) * math.exp(rng.gauss(0, 0.08))
    write = size(levels.get("write-size", "16K"))
    sndbuf = levels.get("sndbuf", "auto")
    effective = 4194304 if sndbuf == "auto" else max(4608, 2 * size(sndbuf))
    on = levels.get("nodelay", "off") == "on"
    elapsed = 0.06
    sent = int(rate * elapsed)
    mss = 1436 if levels.get("mss") == "1448" else 65483
    writes = -(-sent // write)
    segments = max(1, writes if on and write < mss else sent // mss)
    in_write = 1e9 * write / rate
    in_flight = 1e9 * min(effective / 2, 200000) / rate
    start = {"nodelay": on, "sndbuf": 16384 if sndbuf == "auto" else effective, "rcvbuf": 131072, "mss": 32741,
             "congestion": levels.get("congestion", "cubic"), "cork": False, "quickack": True}
    end = {**start, "sndbuf": effective, "mss": mss}
    asked = sndbuf if sndbuf == "auto" else size(sndbuf)
    requested = {"nodelay": on, "cork": "auto", "quickack": "auto", "sndbuf": asked,
                 "rcvbuf": "auto", "mss": levels.get("mss", "auto"), "congestion": levels.get("congestion", "cubic")}
    return {
        "schema": "tinygram/1", "version": "0.1.0", "build": {"compiler": "gcc 12.2.0", "flags": "-O2"},
        "command": ["tinygram", "pair"], "role": "pair", "started_at": "2026-01-02T03:04:05.678901Z", "status": 0,
        "error": None, "interrupted": False,
        "workload": {"name": "transfer", "source": "file", "file": "/usr/bin/python3.11", "source_bytes": 6831736,
                     "repeat": 1, "duration_ns": 60000000, "bytes": sent, "write_size": write, "read_size": 131072,
                     "send_with": levels.get("send-with", "write"), "connections": 1},
        "setting": {"requested": {"sender": requested, "receiver": requested},
                    "effective": {"sender": {"start": start, "end": end}, "receiver": {"start": start, "end": end}},
                    "family": levels.get("family", "inet"), "cpus": levels.get("cpus", "same"),
                    "placement": {"sender": [0], "receiver": [0]}, "wait": "block", "concurrency": "fork",
                    "verify": "auto", "log": True, "events_max": 1048576, "sample_every_ns": None,
                    "timeout_ns": 60000000000, "seed": 1},
        "result": {"bytes": sent, "elapsed_ns": int(elapsed * 1e9), "goodput_bytes_per_s": rate,
                   "start": {"bytes": sent // 10, "elapsed_ns": 8000000, "goodput_bytes_per_s": rate * 0.75},
                   "rest": {"bytes": sent - sent // 10, "elapsed_ns": 52000000, "goodput_bytes_per_s": rate * 1.04},
                   "verified": True, "verify": {"mode": "full", "where": "after", "checked_bytes": sent,
                                                "digest_sender": "0" * 32, "digest_receiver": "0" * 32},
                   "latency_ns": latency(in_write + in_flight, 2.0), "in_write_ns": latency(in_write, 1.5),
                   "in_flight_ns": latency(in_flight, 2.0), "writes": writes, "short_writes": 0,
                   "reads": max(1, sent // 131072), "write_ns": int(0.9 * elapsed * 1e9),
                   "write_blocked_ns": int(elapsed * 1e9 * min(0.95, 40000 / effective)),
                   "run_queue_sender_ns": 0, "run_queue_receiver_ns": 0, "data_segments": segments,
                   "segments_received": segments, "acks_received": segments, "bytes_per_segment": sent / segments,
                   "retransmits": 0, "stalls": None, "cpu_sender_ns": int(elapsed * 5e8),
                   "cpu_receiver_ns": int(elapsed * 4e8), "switches_sender": 10, "switches_receiver": 10,
                   "zerocopy": None, "events": {"sender": {"recorded": writes, "dropped": 0, "stride": 1},
                                                "receiver": {"recorded": 60, "dropped": 0, "stride": 1}},
                   "samples": {"sender": 0, "receiver": 0, "dropped": 0}},
        "connections": [],
        "tcp_info": {"sender": {"state": 1, "snd_mss": mss, "rcv_mss": mss, "rtt_us": 20}, "receiver": None},
        "machine": {"kernel": "6.18.0", "architecture": "x86_64", "cpu_model": "Invented CPU", "cpus_online": 2,
                    "hz": 250, "boot_id": "b", "congestion_default": "bbr", "wmem_max": 4194304, "rmem_max": 4194304,
                    "loopback_mtu": 65536, "clocksource": "tsc"},
    }


def records(factors: Mapping[str, Sequence[str]], blocks: int, seed: int,
            model: Callable[[Levels, float], float] = goodput) -> list[dict[str, Any]]:
    """Lines of trials.jsonl: every cell of `factors` in each of `blocks` blocks, in plan order."""
    rng = random.Random(seed)
    cells = [dict(zip(factors, levels)) for levels in product(*factors.values())]
    lines = []
    for block in range(blocks):
        order = list(range(len(cells)))
        rng.shuffle(order)
        for cell in order:
            levels = cells[cell]
            lines.append({"schema": "tinygram-trial/1", "trial": f"b{block}-c{cell:03d}", "block": block, "cell": cell,
                          "position": len(lines), "id": ",".join(f"{k}={v}" for k, v in levels.items()),
                          "levels": levels, "wall_s": 0.08, "document": document(levels, rng, model)})
    return lines
