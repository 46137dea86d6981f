"""Invented jobs of the gate: one with every verdict and every gap, one on an unfit machine, one that is all right."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from harness.history import Entry, Ratio
from harness.verdict import Build, Counted, Job, Judged, Status, Thresholds, Verdict

HOSTILE = "a|b`c*d_e<f>&g\"h'i\\j%k::error::l,m=n\x1b[31m\x00\r\n\u202e@team #1 $x$ :tada: https://x.y \ud800 ]]> é 漢"

MACHINE: dict[str, Any] = {
    "schema": "tinygram-machine/1", "cpu_model": "Invented CPU 3000 @ 2.0 GHz", "cpus_online": 2, "kernel": "6.18.0",
    "architecture": "x86_64", "hz": 250, "congestion_default": "bbr", "load_1m": 0.12, "boot_id": "b0",
    "cpus_allowed": [0, 1], "governor": None}


def judged(name: str, percent: float | None, verdict: Verdict, k: int = 12, spread: float = 0.4,
           work: str = "exchange", **others: Any) -> Judged:
    """A measurement whose new arm takes `percent` more time; None: nothing valid was measured."""
    draw = random.Random(ascii(name))
    if percent is None:
        return Judged(name, f"What does {name} cost?", work, "slices", verdict, None, None, None, 0.99, None, None, 1,
                      0, k, None, Thresholds(), None, None, (), **others)
    values = tuple(math.log1p(percent / 100) + draw.gauss(0, spread / 100) for _ in range(k))
    base = 43000.0 if work == "exchange" else 0.25
    each = tuple(base * (1 + draw.gauss(0, 0.01)) for _ in range(k))
    ratio, half = 1 + percent / 100, 2.6 * spread / 100 / math.sqrt(k)
    slower, faster = (0.0002, 0.9) if percent > 0 else (0.9, 0.0002)
    return Judged(name, f"What does {name} cost?", work, "slices", verdict, ratio, ratio * (1 - half),
                  ratio * (1 + half), 0.99, slower, faster, {12: 1, 24: 2}.get(k, 3), k, 0, 4 * half,
                  Thresholds(), base, base * ratio, values, base_each_ns=each, new_each_ns=tuple(
                      time * math.exp(value) for time, value in zip(each, values)), **others)


BASE = Build("base", "v0.1.0", "3f2a91c" + "0" * 33, False, "/build/base/tinygram", "0.1.0", "gcc 12.2.0", "-O2 -g")
NEW = Build("new", "HEAD", "9bd8e10" + "0" * 33, True, "/build/new/tinygram", None, "gcc 12.2.0", "-O2 -g")
CANARY = judged("exchange-large", 0.04, Verdict.PASS, canary=True)

PASSED = Job(
    id="20261122T200000Z-ab12", started_at="2026-11-22T20:00:00Z", elapsed_s=31.4, seed=7,
    declaration="harness/gate.toml", machine=MACHINE, base=BASE, new=replace(NEW, dirty=False, version="0.1.0"),
    judged=(judged("exchange-small", 0.1, Verdict.PASS), judged("transfer-64k", -0.4, Verdict.PASS, 24, 1.5, "byte")),
    canaries=(CANARY,), counted=(
        Counted("exchange-small", "stalls", 0, 0, 0, "same", "No stall, as expected."),
        Counted("exchange-small", "writes", 400, 400, 400, "same", "400 writes, as expected.")),
    missing=(), unfit=(), status=Status.PASS, sentence="Nothing got slower by 5 % or more.")

EVERY = replace(
    PASSED, id="20261122T201500Z-cd34", elapsed_s=88.0, new=NEW,
    judged=(
        judged("exchange-small", 5.2, Verdict.REGRESSION, mechanism="39 stalls more in 40 exchanges",
               reason="significant, and larger than 2 %"),
        judged("exchange-large", 0.1, Verdict.PASS),
        judged("transfer-64k", -6.3, Verdict.IMPROVEMENT, 24, 1.2, "byte"),
        judged("transfer-1k", 3.1, Verdict.INCONCLUSIVE, 48, 6.0, "byte", reason="the interval reaches from no change "
               "to more than 5 %"),
        judged("request-reply", None, Verdict.INCONCLUSIVE, 3, reason="3 invocations failed: the receiver died of "
               "signal 9; run it alone"),
        judged(HOSTILE, -0.2, Verdict.PASS, mechanism="<script>alert(1)</script> | **bold**"),
        replace(judged("half-known", 1.0, Verdict.INCONCLUSIVE), low=None, high=math.nan, p_slower=math.nan,
                detectable=math.inf, base_each_ns=(), new_each_ns=()),
        judged("exchange-large", 0.3, Verdict.PASS)),
    canaries=(CANARY, judged("transfer-64k", None, Verdict.INCONCLUSIVE, 2, canary=True)),
    counted=(
        Counted("exchange-small", "stalls", 0, 0, 39, "changed", "39 stalls in 40 exchanges, where none is expected.",
                "NODELAY has no effect any more"),
        Counted("exchange-small", "writes", 400, 400, 400, "same", "400 writes, as expected."),
        Counted("transfer-1k", "segments", None, 120, 131, "varies", "Declared exact, but it differs between equal "
                "invocations."),
        Counted("lost", "reads", 3, None, None, "missing", "The result has no count of reads."),
        Counted(HOSTILE, "wri|tes", 1, 1, 2, "changed", "2 writes\nin place of 1.")),
    missing=("measurement `idle` is declared in harness/gate.toml, and no result of it is there: run the gate again.",),
    status=Status.MISSING, sentence="1 measurement is missing, 3 counters changed, 1 measurement got slower.",
    notes=("base was built with another version of make.",))

UNFIT = replace(
    EVERY, id="20261122T203000Z-ef56", judged=EVERY.judged[:3], counted=(), missing=(), notes=(),
    canaries=(judged("exchange-large", 4.0, Verdict.REGRESSION, canary=True),),
    unfit=("the canary fired: base against itself differs by 4.0 %; close what else runs, and run the gate again.",),
    machine={"cpu_model": None}, status=Status.UNFIT, sentence="This machine cannot judge now: the canary fired.")

JOBS = {"passed": PASSED, "every": EVERY, "unfit": UNFIT}


def past(commits: int = 9, seed: int = 3) -> list[Entry]:
    """An invented history: three CPU models, one commit that got slower and was repaired, one gap, one job twice."""
    draw = random.Random(seed)
    found = []
    for number in range(commits):
        for model, offset in (("Invented CPU 3000 @ 2.0 GHz", 0.0), ("Other CPU 9", 0.8), (None, -0.5)):
            if model == "Other CPU 9" and number % 3 == 1 or model is None and number != 5:
                continue
            for again in range(2 if number == 3 else 1):
                at = (datetime(2026, 10, 1, 12) + timedelta(days=5 * number)).isoformat() + "+02:00"
                found.append(Entry(
                    f"job-{number}-{offset}-{again}", at.replace("+02:00", "Z"), "v0.1.0", BASE.commit or "",
                    f"{number + 1:x}a2b3c4" + "0" * 33, at, model, "6.18.0" if number < 6 else "6.19.1", 2,
                    {name: _ratio(name, number, offset, draw) for name in ("ping_pong", "bulk_64k", "two_writes")}))
    return found


def _ratio(name: str, number: int, offset: float, draw: random.Random) -> Ratio:
    percent = {"ping_pong": 7.0 if number in (4, 5) else 0.0, "bulk_64k": -1.0 * number if number > 5 else 0.0,
               "two_writes": 4300.0 if number == 6 else 0.0}[name] + offset + draw.gauss(0, 0.3)
    half = (0.6 if name == "ping_pong" else 1.5) * (1 + percent / 100)
    if name == "bulk_64k" and number == 2:
        return Ratio(None, None, None, 0.99, 0, "INCONCLUSIVE", 0.05)
    verdict = "REGRESSION" if percent > 3 else "IMPROVEMENT" if percent < -3 else "PASS"
    ratio = 1 + percent / 100
    return Ratio(ratio, ratio - half / 100, ratio + half / 100, 0.99, 12 if half < 1 else 24, verdict, 0.05)
