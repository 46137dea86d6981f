"""Invented result documents of a plausible kernel: data for the chart and report tests, the same on every machine."""
from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import experiment as experiments
from harness import machine, plan, schema, store
from harness.experiment import Experiment
from harness.schema import Field
from harness.store import Trial

Levels = Mapping[str, str]
Model = Callable[[Levels, float], float]
SIZES = {"K": 1024, "M": 1024 ** 2, "G": 1024 ** 3}


def size(text: str) -> int:
    """Bytes of a size such as "100", "16K" or "4M"."""
    return int(text[:-1]) * SIZES[text[-1]] if text[-1] in SIZES else int(text)


def latency(p50_ns: float, spread: float) -> dict[str, Any]:
    """A latency object whose curve is log-normal around p50_ns, with the factor `spread` at p90."""
    def value(quantile: float) -> float:
        return p50_ns * math.pow(spread, 2.2 * math.log10(1 / (1 - min(quantile, 0.9999))) - 0.66)
    curve = [[q, round(value(q))] for q in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)]
    return {"count": 1000, "min": curve[0][1], "mean": p50_ns, "p50": p50_ns, "p90": value(0.9), "p99": value(0.99),
            "p999": value(0.999), "max": curve[-1][1], "exact": True, "curve": curve}


def goodput(levels: Levels, draw: float) -> float:
    """Bytes a second: grows with write size and SO_SNDBUF, NODELAY costs on short writes, one size has two modes."""
    write = size(levels.get("write-size", "16K"))
    sndbuf = levels.get("sndbuf", "auto")
    effective = 4194304 if sndbuf == "auto" else max(4608, 2 * size(sndbuf))
    on = levels.get("nodelay", "off") == "on"
    value: float = 4e9 * write / (write + 12000) / (1 + 40000 / effective)
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


def unknown(field: Field) -> Any:
    """The document, or a part of it, with every value null, every option auto."""
    if field.type == "option":
        return "auto"
    return {child.name: unknown(child) for child in field.fields} if field.fields else None


def over(base: Any, filled: Any) -> Any:
    """`filled` laid over `base`, object by object."""
    if not (isinstance(base, dict) and isinstance(filled, dict)):
        return filled
    return {**base, **{key: over(base.get(key), value) for key, value in filled.items()}}


def document(levels: Levels, rng: random.Random, model: Model = goodput) -> dict[str, Any]:
    """One sound result document for one trial of the cell with these levels."""
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
    start: dict[str, Any] = {
        "nodelay": on, "sndbuf": 16384 if sndbuf == "auto" else effective, "rcvbuf": 131072, "mss": 32741,
        "congestion": levels.get("congestion", "cubic"), "cork": False, "quickack": True}
    stop = {**start, "sndbuf": effective, "mss": mss}
    asked = sndbuf if sndbuf == "auto" else size(sndbuf)
    mss_asked = levels.get("mss", "auto")
    requested = {"nodelay": on, "cork": "auto", "quickack": "auto", "sndbuf": asked, "rcvbuf": "auto",
                 "mss": mss_asked if mss_asked == "auto" else size(mss_asked),
                 "congestion": levels.get("congestion", "cubic")}
    filled: dict[str, Any] = {
        "schema": schema.TAG, "version": "0.1.0", "build": {"compiler": "gcc 12.2.0", "flags": "-O2"},
        "command": ["tinygram", "pair"], "role": "pair", "started_at": "2026-01-02T03:04:05.678901Z", "status": 0,
        "error": None, "interrupted": False,
        "workload": {"name": "transfer", "source": "file", "file": "/usr/bin/python3.11", "source_bytes": 6831736,
                     "repeat": 1, "duration_ns": 60000000, "bytes": sent, "write_size": write, "read_size": 131072,
                     "send_with": levels.get("send-with", "write"), "connections": 1},
        "setting": {"requested": {"sender": requested, "receiver": requested},
                    "effective": {"sender": {"start": start, "end": stop}, "receiver": {"start": start, "end": stop}},
                    "family": levels.get("family", "inet"), "cpus": levels.get("cpus", "same"),
                    "placement": {"sender": [0], "receiver": [0]}, "sched": "normal",
                    "wait": "block", "concurrency": "fork",
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
                                                "receiver": {"recorded": 60, "dropped": 0}},
                   "samples": {"sender": 0, "receiver": 0, "dropped": 0}},
        "connections": [],
        "tcp_info": {"sender": {"state": 1, "snd_mss": mss, "rcv_mss": mss, "rtt_us": 20}, "receiver": None},
        "machine": {"kernel": "6.18.0", "architecture": "x86_64", "cpu_model": "Invented CPU", "cpus_online": 2,
                    "hz": 250, "boot_id": "b", "congestion_default": "bbr", "wmem_max": 4194304, "rmem_max": 4194304,
                    "loopback_mtu": 65536, "clocksource": "tsc"},
    }
    if levels.get("family") == "unix":
        filled["tcp_info"] = {"sender": None, "receiver": None}
        filled["result"] |= {"data_segments": None, "bytes_per_segment": None, "retransmits": None}
        for end in (start, stop):
            end |= {"nodelay": None, "mss": None, "congestion": None}
    return dict(over(unknown(schema.DOCUMENT), filled))


def experiment(factors: Mapping[str, Sequence[str]], charts: Mapping[str, str], name: str = "invented",
               blocks: int = 3, question: str = "What does it do?") -> Experiment:
    """An experiment over `factors` with charts (name to title)."""
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '\\"') + '"'
    lines = ["# Invented.", f"question = {quoted(question)}", "[workload]", 'file = "default"', "[factors]"]
    lines += [f"{factor} = [{', '.join(map(quoted, levels))}]" for factor, levels in factors.items()]
    lines += ["[repeat]", f"blocks = {blocks}"]
    for chart, title in charts.items():
        lines += ["[[chart]]", f"name = {quoted(chart)}", f"title = {quoted(title)}"]
    return experiments.parse("\n".join(lines) + "\n", Path(f"{name}.toml"))


def trials(made: Experiment, seed: int = 1, model: Model = goodput) -> list[Trial]:
    """Every trial of an experiment, in plan order, with invented documents."""
    rng = random.Random(seed)
    return [Trial(planned.trial, planned.block, planned.cell, planned.position, planned.id, dict(planned.levels), 0.08,
                  document(dict(planned.levels), rng, model)) for planned in plan.build(made).trials]


def failed(trial: Trial, error: str) -> Trial:
    """The same trial, if it had failed."""
    return Trial(trial.trial, trial.block, trial.cell, trial.position, trial.id, trial.levels, trial.wall_s,
                 schema.empty_document(3, error, ("tinygram", "pair")))


def stored(results: Path, made: Experiment, some: Sequence[Trial]) -> Path:
    """A run on disk below `results` with these trials: its folder."""
    with store.create(results, made, plan.build(made), machine.capture()) as writer:
        for trial in some:
            writer.append(trial)
        return writer.folder
