"""Invented exchanges and streams of a plausible kernel: experiments, trials and event logs, everywhere the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import synthetic

from harness import experiment as experiments
from harness import pattern as patterns
from harness import plan
from harness.experiment import Experiment
from harness.store import Trial

Change = Callable[[Mapping[str, str], dict[str, Any]], None]
FIXTURES = Path(__file__).resolve().parent / "fixtures"
STALL_NS = 43_900_000.0
QUICK_NS = 25_000.0
PARTS = {"in_write_ns": 1500.0, "hold_ns": 0.0, "to_device_ns": 500.0, "to_kernel_ns": 700.0, "wait_read_ns": 7000.0}
VARIANTS = {"Nagle": ("w100,w{body},r1", {}), "NODELAY": ("w100,w{body},r1", {"nodelay": "on"}),
            "CORK": ("c,w100,w{body},u,r1", {}), "writev": ("v100+{body},r1", {}),
            "QUICKACK": ("w100,w{body},r1", {"rearm-quickack": "on"})}


def experiment(factors: Mapping[str, Sequence[str]], charts: Sequence[str] = (), workload: str = "exchange",
               fixed: Mapping[str, str] | None = None, blocks: int = 3, variants: Sequence[str] = (),
               name: str = "invented") -> Experiment:
    """An experiment over `factors`, with charts of the given kinds. fixed: further keys of [workload]."""
    lines = ["# Invented.", 'question = "Should it be set?"', 'events = "first"', "[workload]", f'name = "{workload}"']
    lines += [f'{key} = "{value}"' for key, value in (fixed or {"count": "100"}).items()]
    for variant in variants:
        pattern, options = VARIANTS[variant]
        lines += ["[[variant]]", f'name = "{variant}"', f'pattern = "{pattern}"']
        lines += [f'{key} = "{value}"' for key, value in options.items()]
    lines += ["[factors]", *(f"{key} = {list(levels)!r}" for key, levels in factors.items())] if factors else []
    lines += ["[repeat]", f"blocks = {blocks}"]
    for chart in charts:
        lines += ["[[chart]]", f'name = "{chart}"', f'title = "Chart {chart}"']
    return experiments.parse("\n".join(lines) + "\n", Path(f"{name}.toml"))


def flat(value: float) -> dict[str, Any]:
    """A distribution with one value."""
    return {"count": 84, "min": value, "mean": value, "p50": value, "p90": value, "p99": value, "p999": value,
            "max": value, "exact": True, "curve": [[q, value] for q in (0, 0.25, 0.5, 0.75, 0.9, 0.95, 1)]}


def half(value: float) -> dict[str, Any]:
    """A distribution whose upper half has one value, and whose lower half is 0."""
    return {**flat(value), "min": 0, "mean": value / 2, "p50": 0,
            "curve": [[0, 0], [0.25, 0], [0.5, 0], [0.55, value], [0.75, value], [0.95, value], [1, value]]}


def stalls(count: int, mechanism: str = "nagle_delayed_ack") -> dict[str, Any]:
    """What the classifier says of `count` stalls by one mechanism."""
    names = ("nagle_delayed_ack", "corked", "send_buffer_full", "window_closed", "retransmission", "reply_held",
             "reader_late", "unknown")
    return {"count": count, "time_ns": count * round(STALL_NS), "threshold_ns": 30000000,
            "by_mechanism": {name: count if name == mechanism else 0 for name in names}}


def split(hold: dict[str, Any]) -> dict[str, Any]:
    """A split of which the hold is given; the other parts last microseconds."""
    held = 0 if hold["max"] <= 5000 else 200 if hold["min"] > 5000 else 95
    return {"writes": 200, "without_stamps": 0, "merged": 0, "unordered": 0, "sums_within_1us": 200, "stamps": 600,
            "stamps_dropped": 0, "clock_error_ns": 20, "clock_drift_ns": 0, "until_ack_ns": flat(9000.0),
            **{name: flat(value) for name, value in PARTS.items()}, "hold_ns": hold,
            "typical_held": typical(hold["max"], held), "typical_not_held": typical(hold["min"], 200 - held)}


def typical(hold: float, writes: int) -> dict[str, Any] | None:
    """The split of the writes in the middle of those with this hold; None where there are none."""
    parts = {name: round(value) for name, value in PARTS.items()} | {"hold_ns": round(hold)}
    return {"writes": writes, "latency_ns": sum(parts.values()), **parts} if writes else None


def document(options: Mapping[str, str], rng: random.Random) -> dict[str, Any]:
    """One sound result document of an exchange or a stream, with these options of the program.

    Nagle stalls where two plain writes of less than one MSS make a request; QUICKACK, NODELAY and one call end that.
    """
    noise = 1 + rng.uniform(-0.02, 0.02)
    levels = {key: value for key, value in options.items() if key in ("nodelay", "mss", "sndbuf", "cpus", "family")}
    made = synthetic.document(levels, random.Random(1))
    result, setting = made["result"], made["setting"]
    stamped = options.get("stamps") == "on"
    quick = QUICK_NS * noise * (1.1 if stamped else 1)
    setting["stamps"] = stamped
    setting["rearm_quickack"] = options.get("rearm-quickack") == "on"
    workload: dict[str, Any] = {"source": "memory", "file": None, "duration_ns": None, "write_size": None}
    found = {"stalls": stalls(0), "messages": 100, "latency_ns": flat(quick), "writes": 100, "reads": 100,
             "reply_writes": 100, "reply_reads": 100, "reply_bytes": 100, "elapsed_ns": round(100 * quick),
             "cpu_sender_ns": round(40 * quick), "cpu_receiver_ns": round(40 * quick), "data_segments": 100,
             "first_exchanges_ns": [30000] * 16, "split": split(flat(0.0)) if stamped else None}
    if "stream" in options:
        size, rate = options["stream"].split("@")
        late = float(rate) > 10000
        wait = (4e6 if options.get("sndbuf", "auto") == "auto" else 1e6) * noise if late else quick
        wait /= 2 if options.get("notsent-lowat", "auto") != "auto" else 1
        held = options.get("nodelay", "off") == "off" and int(size) < 1448 and stamped
        found |= {"schedule": {"kept": not late, "lateness_ns": flat(300.0),
                               "latency_planned_ns": flat(9e6 * noise if late else quick)},
                  "latency_ns": flat(wait), "first_exchanges_ns": None, "reply_writes": None, "reply_reads": None,
                  "split": split(flat(6e6 * noise if held else 0.0)) if stamped else None}
        workload |= {"name": "stream", "message_size": int(size), "rate_per_s": float(rate), "schedule": "constant"}
    else:
        pattern = patterns.parse(options["pattern"])
        several = len(pattern.writes) > 1 and not pattern.marks & {"c", "v", "m"}
        mss = 1448 if options.get("mss") == "1448" else 65483
        stalled = (several and pattern.writes[-1] < mss and options.get("nodelay", "off") == "off"
                   and not setting["rearm_quickack"] and "q" not in pattern.marks)
        if stalled:
            found |= {"latency_ns": flat(STALL_NS * noise), "stalls": stalls(99),
                      "split": split(half(STALL_NS * noise)) if stamped else None}
        calls = 100 * len(pattern.writes) if several else 100
        found |= {"writes": calls, "data_segments": calls}
        found["latency_ns"] = flat(found["latency_ns"]["p50"] * pattern.outstanding)
        workload |= {"name": "exchange", "pattern": options["pattern"], "outstanding": pattern.outstanding,
                     "count": 100}
    found["segments_per_message"] = found["data_segments"] / 100
    made["workload"] = {**made["workload"], **workload}
    made["result"] = {**result, **found}
    return made


def side_by_side(filled: dict[str, Any], count: int) -> None:
    """Makes the document one of `count` connections, each of which was in use for three quarters of the trial."""
    result = filled["result"]
    share = {"bytes": result["bytes"] // count, "elapsed_ns": result["elapsed_ns"] * 3 // 4, "goodput_bytes_per_s": 1e6,
             "writes": 20, "reads": 20, "data_segments": 20, "retransmits": 0}
    filled["workload"]["connections"] = count
    filled["connections"] = [dict(share) for _ in range(count)]


def trials(made: Experiment, change: Change | None = None) -> list[Trial]:
    """Every trial of an experiment, in plan order. change: what else a result is, by the levels of its trial."""
    rng = random.Random(7)
    found = []
    for planned in plan.build(made).trials:
        given = dict(zip([name.removeprefix("--") for name in planned.arguments[::2]], planned.arguments[1::2]))
        filled = document(given, rng)
        levels = dict(planned.levels)
        if "connections" in given:
            side_by_side(filled, int(given["connections"]))
        if change is not None:
            change(levels, filled["result"])
        found.append(Trial(planned.trial, planned.block, planned.cell, planned.position, planned.id, levels, 0.08,
                           filled))
    return found


HEAD = "# tinygram events 1\nend\tconnection\tkind\ttime_ns\tend_ns\toffset_bytes\n"


def events(stalled: bool, exchanges: int = 5, stamps: bool = True) -> str:
    """The event log of exchanges of 100 and 400 bytes; from the second on they stall, or none does."""
    lines = []
    at = 0
    for number in range(exchanges):
        offset = 500 * number
        held = 43_900_000 if stalled and number else 0
        begin = at
        for size, start, wait in ((100, at + 500, 0), (500, at + 9000, held)):
            lines.append(("sender", "write", start, start + 3000, offset + size))
            sent = start + (3000 + wait if wait else 1500)
            if stamps:
                lines += [("sender", "sched", sent, "", offset + size),
                          ("sender", "device", sent + 500, "", offset + size),
                          ("receiver", "arrive", sent + 1200, "", offset + size),
                          ("sender", "ack", sent + (43_895_000 if held and size == 100 else 6000), "", offset + size)]
            lines.append(("receiver", "read", sent + 8000, "", offset + size))
            at = sent + 8000
        at += 6000
        lines.append(("sender", "exchange", begin, at, number + 1))
        at += 3000
    return HEAD + "".join(f"{end}\t0\t{kind}\t{start}\t{stop}\t{offset}\n" for end, kind, start, stop, offset in lines)


def keep_events(folder: Path, some: Sequence[Trial], stamps: bool = True) -> Path:
    """Event logs of the trials of the first block, as a run keeps them: their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for trial in some:
        if trial.block == 0:
            stalled = trial.document["result"]["stalls"]["count"] > 0
            (folder / f"{trial.trial}.tsv").write_text(events(stalled, stamps=stamps), encoding="utf-8")
    return folder


def cliff_evidence(speed: float, stalls: int = 0) -> dict[str, Any]:
    """What one trial of a search for cliffs showed: 60 ms, or a standstill of 44 ms for each stall."""
    elapsed = 44_000_000 * stalls or 60_000_000
    return {
        "speed": speed, "bytes": round(speed * elapsed / 1e9), "elapsed_ns": elapsed, "latency_ns": 30_000,
        "late_ns": None, "standstills": stalls, "standstill_ns": 44_000_000 * stalls,
        "standstill_median_ns": 44_000_000 if stalls else None, "between_bytes": 32768 if stalls > 1 else None,
        "longest_hold_ns": None, "longest_ack_ns": None, "stalls": stalls,
        "stall_mechanism": "send_buffer_full" if stalls else None, "data_segments": 40, "bytes_per_segment": 32768.0,
        "retransmits": 0, "acks_received": 30, "snd_mss_bytes": 65483, "rcv_mss_bytes": 65483, "window_bytes": 600000,
        "window_limited_ns": 0, "write_blocked_ns": 44_000_000 * stalls, "cpu_ns": 20_000_000, "sndbuf_bytes": 65536,
        "rcvbuf_bytes": 131072}


def cliff_trials(speed: float, stalls: int = 0, probe: bool = False) -> list[dict[str, Any]]:
    """Three trials around a speed, after a probe where one is wanted."""
    speeds = [0.9 * speed, speed, 1.1 * speed]
    return [{"probe": first and probe, "status": 0, "error": None, "evidence": cliff_evidence(each, stalls)}
            for first, each in zip([True, False, False, False], [speed, *speeds] if probe else speeds, strict=False)]


def cliff_mechanism(slow: float, fast: float) -> dict[str, Any]:
    """A delayed ACK."""
    return {"name": "delayed_ack", "words": "what fits into the send buffer at once waits for a delayed ACK",
            "sentences": ["nothing arrived for 99 % of the time although bytes were under way"],
            "slow": cliff_evidence(slow, 2), "fast": cliff_evidence(fast)}


def _cliff_remedy(name: str, after: float | None) -> dict[str, Any]:
    removes = after is not None and 3 * after >= 4e9
    return {"name": name, "words": name, "not_tried": "it is not set" if after is None else None,
            "value": None if after is None else 1, "before": 6.9e6, "after": after, "removes": removes,
            "helps": removes, "modes": [] if after is None else [{"speed": after, "trials": 3}],
            "trials": [] if after is None else cliff_trials(after)}


def _cliff() -> dict[str, Any]:
    sample = json.loads((FIXTURES / "document.json").read_text(encoding="utf-8"))
    points = [{"value": value, "modes": [{"speed": speed, "trials": 3}], "rounds": 1,
               "trials": cliff_trials(speed, stalls, probe=value == 8192)}
              for value, speed, stalls in ((8192, 7e6, 40), (16384, 7e6, 41), (32768, 6.5e6, 41), (32980, 6.9e6, 40),
                                           (33192, 4e9, 0), (65536, 3e9, 0))]
    points.insert(5, {"value": 46340, "rounds": 2, "trials": cliff_trials(8e6, 4) + cliff_trials(4.1e9),
                      "modes": [{"speed": 8e6, "trials": 3}, {"speed": 4.1e9, "trials": 3}]})
    return {
        **{key: sample[key] for key in ("build", "started_at", "workload", "setting")},
        "schema": "tinygram-cliff/1", "version": "0.1.0",
        "command": ["build/tinygram", "cliff", "--factor", "sndbuf", "--json", "found.json"],
        "status": 0, "error": None, "interrupted": False,
        "search": {"factor": "sndbuf", "speed": "goodput", "from": 8192, "to": 65536, "trials": 3, "ratio": 3.0,
                   "truncated": False},
        "congestion": "cubic", "points": points,
        "cliffs": [{
            "slow": 32980, "fast": 33192, "slow_speed": 6.9e6, "fast_speed": 4e9, "ratio": 579.7, "explained": True,
            "mechanism": cliff_mechanism(6.9e6, 4e9), "examined": [], "before": cliff_trials(6.9e6, 40),
            "remedies": [_cliff_remedy(name, after) for name, after in (
                ("quickack", 3.4e9), ("nodelay", 6.9e6), ("mss", 3.9e9), ("sndbuf", 4.2e9), ("rcvbuf", None),
                ("early_rcvbuf", None))]}],
        "bistable": [{"from": 46340, "to": 46340, "slow_speed": 8e6, "slow_trials": 3, "fast_speed": 4.1e9,
                      "fast_trials": 3, "mechanism": cliff_mechanism(8e6, 4.1e9)}],
        "machine": {**sample["machine"], "kernel": "6.18.0", "congestion_default": "bbr", "hz": 250}}


CLIFF: dict[str, Any] = _cliff()
