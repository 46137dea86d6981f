"""A job as other tools read numbers: github-action-benchmark, Bencher, benchstat, and JSON Lines.

The gate's verdict does not come from any of them: they keep and draw numbers over time. Each function returns the text
of one file. A measurement without a ratio is left out of a format that has no word for "missing", and a job on an unfit
machine gives the first two nothing to keep.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness import wording
from harness.job import clean, to_json
from harness.verdict import Job, Judged

INVOCATION_SCHEMA: Final = "tinygram-invocation/1"
NAME_MAX: Final = 1000  # Bencher takes 1024 characters, and a name may get a number
_GOARCH: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}


def _named(job: Job) -> list[tuple[str, Judged]]:
    """The measurements that may be kept, with names that differ."""
    names = wording.unlike([wording.name_of(item)[:NAME_MAX] for item in job.judged])
    return [] if wording.disbelieved(job) else list(zip(names, job.judged))


# ---------------------------------------------------------------------------------------------------------------------
# github-action-benchmark


def action_benchmark(job: Job) -> str:
    """For github-action-benchmark with `tool: customSmallerIsBetter`.

    An array of {name, unit, value, range, extra}: value is a number, the others are text (its README, and
    extractCustomBenchmarkResult in src/extract.ts). The action compares with what another machine gave at another time,
    so the value is the time in per cent of base, measured in one job on one machine, and not a time. It refuses an
    empty array ("No benchmark result was found"): a job without a ratio has none.
    """
    entries = [{"name": name, "unit": "% of base", "value": round(share, 4),
                "range": f"{wording.interval(item)}" if wording.interval(item) else "unknown",
                "extra": "\n".join(filter(None, (item.verdict.value, wording.figures(item), wording.why(item),
                                                 wording.build_line(job.base))))}
               for name, item in _named(job) if (share := wording.known((item.ratio or math.nan) * 100)) is not None]
    return to_json(entries)


# ---------------------------------------------------------------------------------------------------------------------
# Bencher


def bencher(job: Job) -> str:
    """Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}} (bencher.dev/bmf.json).

    `latency` is one of Bencher's own measures and in ns: the median time per unit of work of new, between the bounds
    that the interval of the ratio gives. `ratio` is new by base, and what to set thresholds on: it does not depend on
    the machine. Each exact counter is a measure of its own. A name has 1 to 1024 characters, a measure at most 64.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, item in _named(job):
        ratio, new = wording.known(item.ratio), wording.known(item.new_ns)
        bounds = {"lower_value": wording.known(item.low), "upper_value": wording.known(item.high)}
        measures: dict[str, Any] = {}
        if new is not None:
            measures["latency"] = _metric(new, {key: None if bound is None or not ratio else new * bound / ratio
                                                for key, bound in bounds.items()})
        if ratio is not None:
            measures["ratio"] = _metric(ratio, bounds)
        for counter in job.counted:
            if counter.name == item.name and counter.new is not None:
                measures[_slug(counter.counter)] = {"value": counter.new}
        if measures:
            found[name] = measures
    return to_json(found)


def _metric(value: float, bounds: Mapping[str, float | None]) -> dict[str, float]:
    return {"value": value, **{key: bound for key, bound in bounds.items() if wording.known(bound) is not None
                               and bound is not None}}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64] or "counter"


# ---------------------------------------------------------------------------------------------------------------------
# benchstat


def go_benchmarks(job: Job, arm: str) -> str:
    """Go benchmark text of one arm ("base" or "new"), a line an invocation: `benchstat base.txt new.txt` compares them.

    The format is that of golang.org/design/14313-benchmark-format as golang.org/x/perf/benchfmt reads it. The head is
    the same for both arms, since benchstat would put two heads into two tables. One operation is one exchange, or one
    byte of a transfer, so the number of iterations is given as 1. benchstat compares two unpaired samples and knows
    nothing of turns: it finds less than the gate does. Where the times of the invocations were not kept there is one
    line, the median. A name is kept to letters, digits and `_`, and `-P` is the number of CPUs, as Go writes it.
    """
    lines = ["# one operation is one exchange, or one byte of a transfer", "goos: linux",
             f"goarch: {_arch(job)}", "pkg: tinygram/gate"]
    model = job.machine.get("cpu_model")
    lines += [f"cpu: {wording.visible(str(model))}"] if model and wording.visible(str(model)) else []
    cpus = job.machine.get("cpus_online")
    suffix = f"-{cpus}" if isinstance(cpus, int) and not isinstance(cpus, bool) and cpus > 0 else ""
    names = wording.unlike([f"Benchmark{_identifier(item.name)}" for item in job.judged], "_{}")
    for name, item in zip(names, job.judged):
        each, median = (item.base_each_ns, item.base_ns) if arm == "base" else (item.new_each_ns, item.new_ns)
        for ns in each or (median,):
            value = wording.known(ns)
            if value is not None and value > 0:
                lines.append(f"{name}{suffix}\t1\t{value:.6f} ns/op")
    return "\n".join(lines) + "\n"


def _arch(job: Job) -> str:
    found = wording.visible(str(job.machine.get("architecture") or ""))
    return _GOARCH.get(found, found) or "unknown"


def _identifier(name: str) -> str:
    """Letters, digits and _ only, beginning with a capital letter, as the name of a Go function does."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "measurement"
    return plain[0].upper() + plain[1:] if plain[0].isalpha() else f"N{plain}"


# ---------------------------------------------------------------------------------------------------------------------
# JSON Lines


def invocations(job: Job) -> str:
    """One JSON object a line and invocation (jsonlines.org), canaries included.

    An invocation that gave no value has a line too: its values are null, and nobody knows its place in the order.
    """
    lines: list[dict[str, Any]] = []
    for item in (*job.judged, *job.canaries):
        for index, value in enumerate(item.values):
            base, new = _at(item.base_each_ns, index), _at(item.new_each_ns, index)
            lines.append(_line(job, item, index + 1, value, base, new))
        lines += [_line(job, item, None, None, None, None)] * max(item.invalid, 0)
    return "".join(to_json(clean(line), indent=None) for line in lines)


def _at(values: Sequence[float], index: int) -> float | None:
    return values[index] if index < len(values) else None


def _line(job: Job, item: Judged, number: int | None, value: float | None, base: float | None,
          new: float | None) -> dict[str, Any]:
    return {"schema": INVOCATION_SCHEMA, "job": job.id, "measurement": item.name, "canary": item.canary,
            "work": item.work, "method": item.method, "invocation": number, "valid": value is not None,
            "ln_ratio": value, "base_ns": base, "new_ns": new}
