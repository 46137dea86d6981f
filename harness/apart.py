"""One invocation for programs that cannot take turns: shuffled pairs of short `tinygram pair` processes.

What varies from one process to the next (placement in memory, the port, the scheduler's mood) stays in each time, where
slices of one process would cancel it. So the same number of invocations finds only much larger effects.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness import pair
from harness.arms import Arm, Contest, Invocation, command_line
from harness.pair import ToolError

METHOD: Final = "pairs"
PAIRS: Final = 6             # of processes in one invocation
_TIMEOUT: Final = "10s"
_DURATION: Final = "15ms"    # of one process

NOTE: Final = ("one of the two programs cannot take turns (`version --json` says no \"turns\"), so each time is that "
               "of a short process of its own: the detectable effect is larger than with slices.")


def takes_turns(program: Path) -> bool:
    """Whether a program has the protocol of `tinygram slices`; False for one that does not even tell its version."""
    try:
        done = subprocess.run([str(program), "version", "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=10, check=True)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return False
    turns = answer.get("turns") if isinstance(answer, Mapping) else None
    return isinstance(turns, int) and turns >= 1


def invoke(driver: Path, contest: Contest, seed: int, units: int | None = None) -> Invocation:
    """One invocation: PAIRS pairs of processes, in an order shuffled from the seed. driver: where an arm names none."""
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    chooser = random.Random(seed)
    times: dict[str, list[float]] = {"base": [], "new": []}
    results: dict[str, Mapping[str, Any]] = {}
    wall_s = 0.0
    problem = None
    for _ in range(PAIRS):
        order = ["base", "new"]
        chooser.shuffle(order)
        for name in order:
            arm = contest.base if name == "base" else contest.new
            try:
                outcome = pair.run(arm.program or driver, arguments(contest, arm), launcher=arm.launcher)
            except ToolError as error:
                problem = str(error)
                break
            wall_s += outcome.wall_s
            spent = time_per_work(outcome.document, contest.work)
            if spent is None:
                problem = f"arm {name}: {outcome.document['error'] or 'the result has no time per unit of work.'}"
                break
            times[name].append(spent)
            results[name] = outcome.document["result"]
        if problem:
            break
    raw = {"base_ns": times["base"], "new_ns": times["new"]}
    if problem:
        return Invocation(contest.key, METHOD, seed, started_at, wall_s, None, None, None, None, problem, raw)
    value = statistics.median(math.log(new / base) for base, new in zip(times["base"], times["new"], strict=True))
    return Invocation(contest.key, METHOD, seed, started_at, wall_s, value, statistics.median(times["base"]),
                      statistics.median(times["new"]), None, None, raw, False, (results["base"], results["new"]))


def arguments(contest: Contest, arm: Arm) -> list[str]:
    """The options of one short process."""
    options = {name: value for name, value in contest.pair_options(arm) if name not in ("count", "repeat")}
    return command_line({**options, "duration": _DURATION, "timeout": _TIMEOUT}.items())


def time_per_work(document: Mapping[str, Any], work: str) -> float | None:
    """ns per exchange or per byte in a result document; None where it has none."""
    result = document["result"]
    done, elapsed = result["messages" if work == "exchange" else "bytes"], result["elapsed_ns"]
    if document["status"] != 0 or not done or not elapsed:
        return None
    return float(elapsed) / float(done)
