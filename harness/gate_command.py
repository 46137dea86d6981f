"""The command line of the gate.

    python3 -m harness gate BASE [--new REF | --new-program P] [--declaration F] [--seed N] [--out DIR]
    python3 -m harness gate --base-program P [--new-program P]
    python3 -m harness gate --accept-counters

Exit status: 0 pass, 1 regression, 2 usage, 3 inconclusive, 4 machine unfit, 5 exact counter changed, 6 a measurement is
missing, 130 interrupted. gate.py says which of several wins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harness import counters, declaration, forest, gate, outputs, stats, terminal
from harness.arguments import whole
from harness.arms import Arm, ArmError
from harness.builds import BuildsError, Forge, Toolchain
from harness.counters import CountersError
from harness.declaration import Declaration, DeclarationError
from harness.experiment import ROOT
from harness.gate import GateError, Request, Sides, World
from harness.schema import HarnessError
from harness.stats import Looks
from harness.verdict import Status

JOBS: Final = ROOT / "results" / "gate"
# Errors whose status is the gate's own; that of any other would be read as a verdict.
_OWN: Final = (ArmError, BuildsError, CountersError, DeclarationError, GateError)


def add_command(commands: Any) -> None:
    """Adds `gate` to the subcommands of an argparse parser; the namespace's `command` is then `run`."""
    parser = commands.add_parser("gate", help="tell whether a build is slower than another",
                                 formatter_class=argparse.RawDescriptionHelpFormatter, epilog=gate.__doc__)
    parser.add_argument("base", nargs="?", metavar="BASE", help="the commit that is the measure")
    parser.add_argument("--new", metavar="REF", help="the commit that is judged (default: the working tree as it is)")
    parser.add_argument("--base-program", type=Path, metavar="PATH", help="a program in place of BASE")
    parser.add_argument("--new-program", type=Path, metavar="PATH", help="a program in place of the working tree")
    parser.add_argument("--declaration", type=Path, default=declaration.DEFAULT, metavar="FILE.toml",
                        help="what is measured (default: harness/gate.toml)")
    parser.add_argument("--expectations", type=Path, default=counters.EXPECTATIONS, metavar="FILE.json",
                        help="what exact counters must be (default: results/baseline/counters.json)")
    parser.add_argument("--accept-counters", action="store_true",
                        help="write the expectations as the new build counts, and measure nothing")
    parser.add_argument("--seed", type=whole, metavar="N", help="shuffle from this seed (default: a random one)")
    parser.add_argument("--looks", type=_looks, default=stats.LOOKS, metavar="K,K,K",
                        help="invocations at each look (default: 12,24,48)")
    parser.add_argument("--out", type=Path, default=JOBS, metavar="DIR", help="where the job's folder goes")
    parser.add_argument("--twins", action="store_true", help="base and new may be one and the same")
    parser.add_argument("--dirty", action="store_true", help="judge a working tree with changes that are in no commit")
    parser.add_argument("--one-cpu", action="store_true", help="measure where this process may use one CPU only")
    parser.add_argument("--cc", metavar="CC", help="compiler of both builds (default: the Makefile's)")
    parser.add_argument("--cflags", metavar="FLAGS", help="flags of both builds (default: the Makefile's)")
    parser.add_argument("--inject-spin", type=whole, metavar="PERMILLE", help=argparse.SUPPRESS)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, world: World | None = None) -> int:
    """Runs the gate; returns its exit status. world: tests play others."""
    try:
        return _run(options, world or World(say=_say))
    except HarnessError as error:
        _say(f"error: {error}")
        return error.status if isinstance(error, _OWN) else int(Status.UNFIT)


def _run(options: argparse.Namespace, world: World) -> int:
    declared = declaration.load(options.declaration)
    forge = Forge(toolchain=Toolchain(options.cc, options.cflags))
    sides = Sides(options.base, options.base_program, options.new, options.new_program)
    _one_of_each(sides)
    if options.accept_counters:
        return _accept(declared, sides, forge, options, world)
    folder = gate.new_folder(options.out)
    try:
        request = _prepare(declared, sides, forge, options)
        _say(f"{declared.question} {len(declared.measurements)} measurements, seed {request.seed}, into {folder}")
        job = gate.run_job(request, folder, world)
        outputs.write(job, folder)
        link, said = forest.beside(job, folder)
        if link is not None:
            outputs.write(job, folder, link)
        elif said:
            world.say(said)
    except KeyboardInterrupt:
        if (folder / gate.RAW).exists():
            _say(f"{folder / gate.RAW} keeps the invocations so far; the job has no verdict: run it again.")
        raise
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where nothing was put into it
    print(terminal.text(job), end="")
    return int(job.status)


def _prepare(declared: Declaration, sides: Sides, forge: Forge, options: argparse.Namespace) -> Request:
    if not options.dirty:
        _refuse_changes(sides, forge)
    if not options.one_cpu:
        _refuse_one_cpu()
    request = gate.prepare(declared, sides, seed=options.seed, looks_=options.looks, spin=options.inject_spin,
                           twins=options.twins, forge=forge)
    return replace(request, expectations=options.expectations)


def _refuse_changes(sides: Sides, forge: Forge) -> None:
    """A verdict about a commit must be about what is in it. Raises GateError."""
    judges_the_tree = sides.new_ref is None and sides.new_program is None
    against_another = sides.base_ref is not None or sides.base_program is not None
    if judges_the_tree and against_another and forge.has_git() and forge.dirty():
        raise GateError("the working tree has changes that are in no commit (git status lists them), so what is "
                        "measured would belong to none: commit them, or judge the tree as it is with --dirty (make "
                        "gate GATE=--dirty).")


def _refuse_one_cpu() -> None:
    """The arms have one CPU to themselves; all else needs another one. Raises GateError."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        raise GateError(f"this process may use one CPU only, number {allowed[0]}, and would share it with the arms "
                        "that it measures: give it a second one (taskset, the container's CPUs), or take what this "
                        "CPU can tell with --one-cpu.", Status.UNFIT)


def _accept(declared: Declaration, sides: Sides, forge: Forge, options: argparse.Namespace, world: World) -> int:
    """Writes the expectations anew, as the new build counts."""
    new = gate.build_new(declared, sides, forge)
    arm = Arm(program=Path(new.program)).over(declared.new)
    after, told = counters.accept(declared.exact(arm, arm), counters.load(options.expectations),
                                  world.count or counters.run_pair(Path(new.program)))
    counters.save(options.expectations, after)
    for sentence in told or ["every exact counter is as it was."]:
        print(sentence)
    _say(f"written: {options.expectations}; look at its diff, and say in the commit why it changes.")
    return int(Status.PASS)


def _one_of_each(sides: Sides) -> None:
    for name, ref, program in (("base", sides.base_ref, sides.base_program), ("new", sides.new_ref, sides.new_program)):
        if ref is not None and program is not None:
            raise GateError(f"{name} is named twice, as the commit {ref!r} and as the program {program}; leave one "
                            "out.")


def _looks(text: str) -> Looks:
    numbers = tuple(whole(word) for word in text.split(","))
    try:
        return Looks(numbers, stats.LOOKS.alpha[:len(numbers)], stats.LOOKS.confidence)
    except stats.StatsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
