"""Why one arm is slower: what the counters of both arms say, as one clause, in counts a unit of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.schema import MECHANISMS

Result = Mapping[str, Any]
Counters = Sequence[tuple[Result, Result]]  # `result` of base and new, one pair an invocation

CHANGE: Final = 1.2   # a count a unit that grew, or shrank, by less than this explains nothing
STALLED: Final = 0.01  # nor do stalls in a smaller share of the work
BLOCKED: Final = 0.1  # nor does time in write() that grew by less than this share of the time of the work


def explain(counters: Counters, work: str) -> str | None:
    """What differs between the arms: stalls, segments, calls, time blocked, or at last the CPU time; None: nothing.

    work: `exchange`, or `byte`, whose counts are told a chunk.
    """
    unit = "exchange" if work == "exchange" else "chunk"
    article = "an" if unit == "exchange" else "a"
    found = [_stalls(counters, unit), _per_unit(counters, "data_segments", f"data segments {article} {unit}"),
             _per_unit(counters, "writes", f"writes {article} {unit}"), _blocked(counters, f"{article} {unit}")]
    said = [clause for clause in found if clause]
    return "; ".join(said) if said else _processor(counters, f"{article} {unit}")


def _rates(counters: Counters, *path: str) -> tuple[float, float] | None:
    """A count of either arm by its units of work; None where an invocation lacks it."""
    found = []
    for side in (0, 1):
        total = units = 0.0
        for pair in counters:
            value: Any = pair[side]
            for key in path:
                value = value.get(key) if isinstance(value, Mapping) else None
            done = pair[side].get("messages")
            if value is None or not done:
                return None
            total += value
            units += done
        if not units:
            return None
        found.append(total / units)
    return found[0], found[1]


def _per_unit(counters: Counters, name: str, words: str) -> str | None:
    rates = _rates(counters, name)
    if rates is None or max(rates) < CHANGE * min(rates):
        return None
    return f"{rates[0]:.3g} -> {rates[1]:.3g} {words}"


def _stalls(counters: Counters, unit: str) -> str | None:
    rates = _rates(counters, "stalls", "count")
    if rates is None or abs(rates[1] - rates[0]) < STALLED:
        return None
    worse = 1 if rates[1] > rates[0] else 0
    by_name = {words: (_rates(counters, "stalls", "by_mechanism", name) or (0.0, 0.0))[worse]
               for name, words in MECHANISMS}
    chief = max(by_name, key=lambda words: by_name[words])
    return f"stalls in {rates[0]:.0%} -> {rates[1]:.0%} of the {unit}s, {chief}"


def _blocked(counters: Counters, words: str) -> str | None:
    rates, spent = _rates(counters, "write_blocked_ns"), _rates(counters, "elapsed_ns")
    if rates is None or spent is None or abs(rates[1] - rates[0]) < BLOCKED * min(spent):
        return None
    return f"{rates[0] / 1e3:.3g} -> {rates[1] / 1e3:.3g} us blocked in write() {words}"


def _processor(counters: Counters, words: str) -> str | None:
    sender, receiver = _rates(counters, "cpu_sender_ns"), _rates(counters, "cpu_receiver_ns")
    if sender is None or receiver is None:
        return None
    base, new = (one + other for one, other in zip(sender, receiver))
    return f"{base / 1e3:.3g} -> {new / 1e3:.3g} us of CPU time {words}"
