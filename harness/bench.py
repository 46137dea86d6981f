"""make bench: what tinygram claims of itself, measured against bare loops and against its peers.

Every claim is a list of ratios or of durations, one a round (rounds.py). A row shows the median, the 95 % interval of
the median and the range. These numbers hold for this machine and this hour: nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from harness import pair
from harness.bench_arms import CONGESTION, Bench, BenchError
from harness.bench_claims import CLAIMS
from harness.peers import PEERS, ROUND_TRIPS
from harness.quiet import Quiet
from harness.rounds import Row, interval_of_median
from harness.schema import HarnessError

SCHEMA: Final = "tinygram-bench/1"


def line(row: Row) -> str:
    """A row as text."""
    low, high = interval_of_median(row.values)
    asked = "-" if row.asked is None else f"{'>=' if row.at_least else '<='} {row.asked:g}"
    return (f"{row.claim:<62} {row.unit:>5} {asked:>8} {row.median:8.3f}  {low:.3f} .. {high:.3f}"
            f"  ({min(row.values):.3f} .. {max(row.values):.3f})  {len(row.values):2d}  {row.verdict}")


def absent() -> list[str]:
    """The packages of the peers that are not installed."""
    return sorted({peer.package for peer in (*PEERS, *ROUND_TRIPS) if not peer.is_there()})


@contextmanager
def folder_beside(tool: Path) -> Iterator[Path]:
    """A folder on the disk of the build (not in memory, where /tmp may be), gone afterwards."""
    with tempfile.TemporaryDirectory(dir=tool.parent, prefix="bench.") as name:
        yield Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the bench; returns 0 when all was measured, 3 when something was refused, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.bench", description="What tinygram claims, measured.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="rounds of each comparison (default 15)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="shuffle from this seed")
    parser.add_argument("--only", choices=list(CLAIMS), action="append", help="measure this alone; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number as JSON")
    parser.add_argument("--patience", type=float, default=60.0, metavar="SECONDS",
                        help="wait at most so long, in all, for others to rest (default 60)")
    options = parser.parse_args(arguments)
    if options.rounds < 3:
        parser.error("--rounds: fewer than 3 rounds show no spread")
    try:
        return _measure(options)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


def _measure(options: argparse.Namespace) -> int:
    tool = pair.find_tool()
    if shutil.which("taskset") is None:
        raise BenchError("taskset is missing: install util-linux.")
    with folder_beside(tool) as folder:
        first = pair.run(tool, ("--bytes", "1M", "--cpus", "same", "--congestion", CONGESTION)).document
        if first.get("status") != 0:
            raise BenchError(f"the first trial failed: {first.get('error')}")
        bench = Bench(tool, first["setting"]["placement"]["sender"][0], first["workload"]["read_size"], options.rounds,
                      random.Random(options.seed), folder, Quiet(options.patience))
        print(f"tinygram {first['version']}, {first['build']['compiler']}, {first['machine']['cpu_model']}, "
              f"Linux {first['machine']['kernel']}, {CONGESTION}, both ends on CPU {bench.cpu}, "
              f"load {os.getloadavg()[0]:.2f}")
        for package in absent():
            print(f"absent, and so not measured: {package}; to add it: apt-get install -y {package.split()[0]}")
        print(f"{'claim':<62} {'unit':>5} {'asked':>8} {'median':>8}  95 % of median  (range)  n  verdict")
        rows = [*_rows(bench, options.only or list(CLAIMS))]
        if bench.quiet.disturbed:
            print(f"Somebody else was working before {bench.quiet.disturbed} of {bench.quiet.asked} measurements: "
                  "repeat this on a quiet machine before you believe a verdict.")
    if options.json:
        options.json.write_text(json.dumps(_document(options, first, rows), indent=1) + "\n", encoding="utf-8")
    print("make report (asked: 120 s on 2 CPUs) and make test (asked: 5 minutes) tell their own time.")
    return 0


def _rows(bench: Bench, wanted: Sequence[str]) -> Iterator[Row]:
    for name in wanted:
        for row in CLAIMS[name](bench):
            print(line(row), flush=True)
            yield row


def _document(options: argparse.Namespace, first: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    shown = [{**asdict(row), "median": row.median, "interval": interval_of_median(row.values),
              "verdict": row.verdict} for row in rows]
    return {"schema": SCHEMA, "version": first["version"], "build": first["build"], "machine": first["machine"],
            "seed": options.seed, "rounds": options.rounds, "absent": absent(), "rows": shown}


if __name__ == "__main__":
    sys.exit(main())
