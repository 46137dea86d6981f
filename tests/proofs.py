"""Invented jobs of a proof: what the gate says when nothing changed, when 5 % was injected, when NODELAY is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import jobs

from harness.ledger import Entry, entry
from harness.verdict import Counted, Job, Judged, Status, Thresholds, Verdict

CODE = "0123456789ab"
WORKS = {"ping_pong": "exchange", "writev": "exchange", "bulk_64k": "byte"}


def measured(name: str, ratio: float | None, verdict: Verdict, look: int = 1) -> Judged:
    """One measurement with its estimate."""
    count = (12, 24, 48)[look - 1]
    low, high = (None, None) if ratio is None else (ratio - 0.01, ratio + 0.01)
    return Judged(name, "What does it cost?", WORKS[name], "slices", verdict, ratio, low, high, 0.99, 0.5, 0.5, look,
                  count, 0, 0.0312, Thresholds(), 100.0, 100.0, (0.00012,) * count)


def job(injected: int = 0, kind: str = "aa-idle", seed: int = 1) -> Job:
    """The job that a good gate makes of a kind."""
    verdict = Verdict.REGRESSION if injected else Verdict.PASS
    off = random.Random(seed).uniform(-0.003, 0.003)
    lost = kind.startswith("nodelay-")
    stalls = Counted("writev", "stalls", 0, 0, 39 if lost else 0, "changed" if lost else "same", "39 stalls")
    status = Status.COUNTER if lost else Status.REGRESSION if injected else Status.PASS
    return replace(jobs.PASSED, seed=seed, elapsed_s=30.0 + off, status=status, sentence=f"{status.name}.", canaries=(),
                   judged=tuple(measured(name, 1 + injected / 1000 + off, verdict) for name in WORKS),
                   counted=(stalls,))


def made(kind: str = "aa-idle", seed: int = 1, **changes: Any) -> Entry:
    """The entry of such a job."""
    injected = {"inject-50": 50, "inject-100": 100}.get(kind, 0)
    return replace(entry(job(injected, kind, seed), kind=kind, injected=injected, code=CODE, load=0.1), **changes)


def says(one: Entry, verdict: Verdict, ratio: float | None = 1.031) -> Entry:
    """The entry with another verdict about its first measurement, and the status that follows from it."""
    status = {Verdict.REGRESSION: 1, Verdict.INCONCLUSIVE: 3}.get(verdict, 0)
    return replace(one, status=status, judged=(replace(one.judged[0], verdict=verdict.value, ratio=ratio),
                                               *one.judged[1:]))


def unfit(one: Entry) -> Entry:
    """The entry of a job on a machine that could not judge."""
    return replace(one, status=4, unfit=("the canary ping_pong fired.",), sentence="This machine cannot judge.")


def repeated(kind: str, count: int, first: int = 1) -> list[Entry]:
    """So many good jobs of a kind."""
    return [made(kind, seed) for seed in range(first, first + count)]
