"""`compare A B` for two arms: one workload, two settings (or two programs), a table and why.

    python3 -m harness compare nodelay=on nodelay=off --pattern w100,w400,r1
    python3 -m harness compare "nodelay=on sndbuf=64K" /usr/local/bin/tinygram --bytes 1M --write-size 1000

An arm is a text of NAME=VALUE words, of which one may be the path of a program. What was measured is kept with its
charts below results/compare/. Exit status: 0 a verdict was reached, 2 usage, 3 inconclusive, or what was measured
cannot be kept, 4 the machine is unfit, 6 too few invocations gave a value.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from harness import duel_page, gate, machine, pair, store, wording
from harness.arms import Arm, ArmError, Contest, Values, checked, parse_setting
from harness.duel_page import Answer, KeepError
from harness.gate import World
from harness.schema import OPTIONS, RESERVED_OPTIONS
from harness.verdict import Judged, Status, Verdict

_OWN: Final = (*RESERVED_OPTIONS, "seed", "timeout")
_SHOWN: Final = ("pattern", "bytes", "write-size", "nodelay", "sndbuf", "congestion", "family")


def parse_arm(text: str, prefix: str | None = None) -> Arm:
    """The arm of `nodelay=on`, `/path/of/a/program` or both. prefix: words before the program. Raises ArmError."""
    programs = [word for word in text.split() if "=" not in word]
    if len(programs) > 1:
        raise ArmError(f"{text!r} names {len(programs)} programs; an arm is NAME=VALUE words and one program at most.")
    found = shutil.which(programs[0]) if programs else None
    if programs and found is None:
        raise ArmError(f"{programs[0]!r} is neither a setting (NAME=VALUE, such as nodelay=on), nor a program, nor the "
                       "folder of a run.")
    setting = parse_setting(" ".join(word for word in text.split() if "=" in word))
    return Arm(setting, Path(found).resolve() if found is not None else None, tuple((prefix or "").split()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what a comparison of arms takes: every option of the program but those that the harness sets."""
    parser.add_argument("--seed", type=int, metavar="N", help="of arms: shuffle from this seed")
    parser.add_argument("--base-prefix", metavar="COMMAND", help="of arms: words before the program of A")
    parser.add_argument("--new-prefix", metavar="COMMAND", help="of arms: words before the program of B")
    for name in OPTIONS:
        if name not in _OWN:
            parser.add_argument(f"--{name}", metavar="VALUE", dest=f"option {name}",
                                help="of arms: as of `tinygram pair`" if name in _SHOWN else argparse.SUPPRESS)


def workload(options: argparse.Namespace) -> Values:
    """The options of the program that the command line gave. Raises ArmError when there is no workload."""
    given = tuple((name, checked(name, value, "the workload")) for name in OPTIONS
                  if (value := getattr(options, f"option {name}", None)) is not None)
    if not {"pattern", "bytes", "file"} & set(dict(given)):
        raise ArmError("which workload? Two arms are compared by what they do: add for example --pattern w100,w400,r1 "
                       "or --bytes 1M --write-size 1000.")
    return given


def run(base: str, new: str, options: argparse.Namespace, world: World = World()) -> int:
    """Compares two arms and prints what came out. Returns the exit status. Raises ArmError, GateError."""
    arms = parse_arm(base, options.base_prefix), parse_arm(new, options.new_prefix)
    if arms[0] == arms[1]:
        raise ArmError(f"{base!r} and {new!r} are one and the same arm; name two that differ.")
    refused = world.pinning()
    if refused:
        raise gate.GateError(refused, Status.UNFIT)
    contest = Contest("arms", "How long does the same work take?", workload(options), *arms)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2 ** 31)
    folder = _folder(getattr(options, "results", None))
    try:
        judged, played, notes = gate.compare_arms(contest, seed, folder, world)
    finally:
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only where nothing was put into it
    said, remarks = lines(contest, judged, (base, new), seed), (*played.too_few, *played.machine_at_fault, *notes)
    for line in said:
        print(line)
    for note in remarks:
        print(f"note: {note}")
    if folder is not None:
        driver = contest.new.program or contest.base.program or pair.find_tool()
        duel_page.keep(Answer(contest, (base, new), seed, judged, tuple(said), remarks,
                              machine.capture(driver).to_json()), folder)
        page = os.path.relpath(folder / "arms.md")
        print(f"compare: {folder / 'arms.md' if page.startswith('..') else page}")
    if played.machine_at_fault:
        return int(Status.UNFIT)
    if played.too_few:
        return int(Status.MISSING)
    return int(Status.INCONCLUSIVE if judged.verdict is Verdict.INCONCLUSIVE else Status.PASS)


def _folder(results: Path | None) -> Path | None:
    """A new folder for what is measured, before anything is. Raises KeepError."""
    if results is None:
        return None
    try:
        return store.new_folder(results / "compare", datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    except OSError as error:
        raise KeepError(f"no comparison can be stored below {results}: {error.strerror}. Name another folder with "
                        "--results DIR.") from None


def lines(contest: Contest, judged: Judged, names: tuple[str, str], seed: int) -> list[str]:
    """The table: ratio, interval, verdict, detectable effect and why."""
    words = {Verdict.REGRESSION: "slower", Verdict.IMPROVEMENT: "faster", Verdict.PASS: "no change that matters",
             Verdict.INCONCLUSIVE: "undecided"}
    work = " ".join(f"--{name} {value}" for name, value in contest.options)
    rows = [("A", names[0], wording.duration(judged.base_ns)), ("B", names[1], wording.duration(judged.new_ns))]
    wide = max(len(name) for _, name, _ in rows)
    ratio = "unknown" if judged.ratio is None else f"{judged.ratio:.4g}"
    bounds = ("no interval" if judged.low is None or judged.high is None
              else f"{judged.confidence:.0%} interval {judged.low:.4g} to {judged.high:.4g}")
    return [f"{work}: time a unit of work ({'an exchange' if judged.work == 'exchange' else 'a byte'})",
            *(f"  {label}  {name:<{wide}}  {spent}" for label, name, spent in rows),
            f"  B / A  {ratio} ({bounds}): {words[judged.verdict]}",
            f"  K = {judged.invocations}, detectable {wording.percent(judged.detectable)}, seed {seed}",
            *([f"  why: {judged.mechanism}"] if judged.mechanism and judged.verdict is not Verdict.PASS else []),
            *([f"  {judged.reason}"] if judged.reason else [])]


def is_run(text: str) -> bool:
    """Whether a word of the command line is the folder of a stored run, and so no arm."""
    return os.path.isdir(text)
