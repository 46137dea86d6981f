"""The command line of the harness: run an experiment, draw its charts, report.

    python3 -m harness run EXPERIMENT.toml [--plan] [--seed N] [--blocks N] [--file F]
    python3 -m harness run --continue RUN
    python3 -m harness chart RUN
    python3 -m harness report [EXPERIMENT.toml | RUN ...]
    python3 -m harness cliff FOUND.json [--out DIR]
    python3 -m harness gate BASE [--new REF] [...]
    python3 -m harness compare RUN RUN
    python3 -m harness compare ARM ARM [--pattern P | --bytes SIZE] [...]
    python3 -m harness prove-gate [...]
    python3 -m harness outputs JOB.json [--out DIR]
    python3 -m harness trend [...]

Exit status (the gate has its own, see gate.py): 0 done; 2 usage, or an experiment that cannot be used; 3 the system
refused (no program, nothing to write to); 4 a trial failed; 130 interrupted, and the run can be continued.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from harness import experiment as experiments
from harness import chart, cliff, duel, gate_command, machine, outputs, pair, plan, proof, store, summary, trend
from harness.arguments import positive, whole
from harness.arms import ArmError
from harness.experiment import Experiment, ExperimentError
from harness.phrases import path_text
from harness.plan import Plan, PlannedTrial
from harness.schema import HarnessError
from harness.store import Trial, Writer

DONE: Final = 0
USAGE: Final = 2
FAILED: Final = 4
INTERRUPTED: Final = 130
RESULTS: Final = experiments.ROOT / "results"
_SHOWN_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line chose for every run: where runs go, the program, and what replaces the experiment's."""

    results: Path
    tool: str | None
    file: str | None
    seed: int | None
    blocks: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status. arguments: as in sys.argv[1:]."""
    options = _parser().parse_args(arguments)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    try:
        return int(options.command(options))
    except HarnessError as error:
        _say(f"error: {error}")
        return error.status
    except KeyboardInterrupt:
        _say("interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has gone; that is no error
        return DONE
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m harness", description="Experiments with tinygram.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where runs are stored")
    common.add_argument("--tool", metavar="PATH", help="the program (default: TINYGRAM, or build/tinygram)")
    common.add_argument("--file", metavar="PATH", help="send this file in place of the experiment's (default: FILE)")
    common.add_argument("--seed", type=whole, metavar="N", help="shuffle from this seed")
    common.add_argument("--blocks", type=positive, metavar="N", help="run this number of blocks")

    run = commands.add_parser("run", parents=[common], help="run an experiment")
    run.add_argument("experiment", type=Path, nargs="?", metavar="EXPERIMENT.toml")
    run.add_argument("--plan", action="store_true", help="print the plan and run nothing")
    run.add_argument("--continue", dest="resume", type=Path, metavar="RUN", help="run what an interrupted run lacks")
    run.add_argument("--no-report", action="store_true", help="leave out charts and report")
    run.set_defaults(command=_run)

    chart = commands.add_parser("chart", help="draw the charts and the report of a run anew")
    chart.add_argument("run", type=Path, metavar="RUN")
    chart.set_defaults(command=_chart)

    cliff_map = commands.add_parser("cliff", help="draw the map of what `tinygram cliff --json FOUND.json` found")
    cliff_map.add_argument("found", type=Path, metavar="FOUND.json")
    cliff_map.add_argument("--out", type=Path, metavar="DIR", help="where the chart goes (default: beside the file)")
    cliff_map.set_defaults(command=_cliff)

    report = commands.add_parser("report", parents=[common], help="run experiments and report on all of them")
    report.add_argument("what", type=Path, nargs="*", metavar="EXPERIMENT.toml|RUN",
                        help="default: the standard experiments; a run is reported as it is")
    report.set_defaults(command=_report)

    gate_command.add_command(commands)
    proof.add_command(commands)
    outputs.add_command(commands)
    trend.add_command(commands)
    compare = commands.add_parser("compare", help="set two stored runs side by side, or let two arms take turns",
                                  formatter_class=argparse.RawDescriptionHelpFormatter, epilog=duel.__doc__)
    compare.add_argument("base", metavar="A", help="the folder of a run; or an arm: NAME=VALUE words, or a program")
    compare.add_argument("new", metavar="B")
    compare.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the page goes")
    duel.add_options(compare)
    compare.set_defaults(command=_compare)
    return parser


def _choices(options: argparse.Namespace) -> Choices:
    return Choices(options.results, options.tool, options.file, options.seed, options.blocks)


# ---------------------------------------------------------------------------------------------------------------------
# run


def _run(options: argparse.Namespace) -> int:
    if (options.experiment is None) == (options.resume is None):
        raise ExperimentError("name one experiment to run, or one run to continue: "
                              "run EXPERIMENT.toml, or run --continue RUN.")
    if options.resume is not None:
        if options.plan or any(value is not None for value in (options.seed, options.blocks, options.file)):
            raise ExperimentError("a run is continued by the plan it has; "
                                  "leave out --plan, --seed, --blocks and --file.")
        folder, status = _resume(options.resume, _choices(options))
    elif options.plan:
        print(plan.to_tsv(_planned(load(options.experiment), _choices(options))), end="", flush=True)
        return DONE
    else:
        folder, status = _execute(load(options.experiment), _choices(options))
    if status != INTERRUPTED and not options.no_report:
        _report_on([folder], folder)
        _point_latest(folder.parent.parent, folder)
    return status


def load(path: Path) -> Experiment:
    """The experiment in a file, its charts checked as well. Raises ExperimentError."""
    return experiments.load(path, charts=chart.KINDS)


def file_for(experiment: Experiment, given: str | None) -> Path | None:
    """The file that the experiment sends: given (--file), or the environment's FILE, or its own.

    FILE is for all experiments; those that do not send one file take no notice of it. Raises ExperimentError.
    """
    if given is None and "file" in dict(experiment.workload):
        given = os.environ.get("FILE") or None
    return experiments.resolve_file(experiment, given)


def _planned(experiment: Experiment, choices: Choices) -> Plan:
    """The plan for this machine."""
    return plan.build(experiment, file=file_for(experiment, choices.file), limits=machine.limits(), seed=choices.seed,
                      blocks=choices.blocks)


def _execute(experiment: Experiment, choices: Choices) -> tuple[Path, int]:
    """A new run of an experiment: its folder, and the exit status."""
    tool = pair.find_tool(choices.tool)
    here = machine.capture(tool, pair.describe(tool))
    planned = _planned(experiment, choices)
    with store.create(choices.results, experiment, planned, here) as writer:
        _say(f"{experiment.name}: {experiment.question}")
        _say(f"  {len(planned.trials)} trials: {planned.cells} cells in {planned.blocks} blocks, seed {planned.seed}, "
             f"{planned.file or 'memory'}")
        _say(f"  into {path_text(writer.folder)}")
        for note in planned.notes:
            _say(f"  {note}")
        return _trials(writer, planned.trials, tool, [])


def _resume(folder: Path, choices: Choices) -> tuple[Path, int]:
    """Runs the trials that an interrupted run lacks: its folder, and the exit status."""
    tool = pair.find_tool(choices.tool)
    run, writer = store.resume(folder, machine.capture(tool, pair.describe(tool)))
    with writer:
        if run.word:
            _say(f"  {run.word}")
        _say(f"{run.experiment.name}: {len(run.trials)} of {len(run.plan.trials)} trials are there, "
             f"{len(run.left)} are left")
        return _trials(writer, run.left, tool, run.trials)


def _trials(writer: Writer, left: Sequence[PlannedTrial], tool: Path, earlier: Sequence[Trial]) -> tuple[Path, int]:
    """Runs trials and keeps each as it ends; writes the summary. Returns the folder and the exit status."""
    done = list(earlier)
    began = time.monotonic()
    last = len(left) - 1
    try:
        for index, planned in enumerate(left):
            trial = run_trial(writer, planned, tool)
            done.append(trial)
            if trial.failed:
                _tell_problem(trial, done)
            if index == last or left[index + 1].block != planned.block:
                _say(f"  block {planned.block + 1} of {writer.plan.blocks} done, {time.monotonic() - began:.1f} s")
    except KeyboardInterrupt:
        kept = store.read(writer.folder).trials
        _say(f"  interrupted: {len(kept)} of {len(writer.plan.trials)} trials are kept; continue with\n"
             f"  python3 -m harness run --continue {path_text(writer.folder)}")
        write_summary(writer.folder, writer.plan.experiment, kept)
        return writer.folder, INTERRUPTED
    write_summary(writer.folder, writer.plan.experiment, done)
    failed = sum(trial.failed for trial in done)
    if failed:
        _say(f"  {failed} of {len(done)} trials failed; {path_text(writer.folder / 'trials.jsonl')} says why.")
    return writer.folder, FAILED if failed else DONE


def run_trial(writer: Writer, planned: PlannedTrial, tool: Path) -> Trial:
    """Runs one planned trial and keeps its record. Raises HarnessError, KeyboardInterrupt."""
    outcome = pair.run(tool, planned.arguments, events=writer.events_path(planned))
    trial = store.finished(planned, outcome)
    writer.append(trial)
    return trial


def _tell_problem(trial: Trial, done: Sequence[Trial]) -> None:
    failed = sum(other.failed for other in done)
    if failed <= _SHOWN_PROBLEMS:
        _say(f"  failed: {trial.problem}")
    if failed == _SHOWN_PROBLEMS:
        _say("  further failures are kept but not shown.")


def write_summary(folder: Path, name: str, trials: Sequence[Trial]) -> None:
    """Writes summary.tsv of a run, trials in the order of the plan. Raises StoreError."""
    versions = sorted({str(trial.document["version"]) for trial in trials if trial.document["version"] is not None})
    ordered = sorted(trials, key=lambda trial: trial.position)
    try:
        summary.write_tsv(folder / "summary.tsv", summary.rows(ordered),
                          {"experiment": name, "version": ", ".join(versions) or "unknown"})
    except OSError as error:
        raise store.StoreError(f"{folder / 'summary.tsv'} cannot be written: {error.strerror}. The trials are kept; "
                               f"make room and write it with: python3 -m harness chart {path_text(folder)}") from None


# ---------------------------------------------------------------------------------------------------------------------
# chart and report


def _chart(options: argparse.Namespace) -> int:
    run = store.read(options.run)
    if run.word:
        _say(run.word)
    write_summary(run.folder, run.plan.experiment, run.trials)
    _report_on([run.folder], run.folder)
    return DONE


def _cliff(options: argparse.Namespace) -> int:
    made = cliff.draw(options.found, options.out if options.out is not None else options.found.parent)
    for sentence in cliff.sentences(cliff.read(options.found)):
        _say(sentence)
    _say(f"map: {made.svg}")
    return DONE


def _report(options: argparse.Namespace) -> int:
    choices = _choices(options)
    runs: list[Path] = []
    worst = DONE
    for path in options.what or standard_experiments():
        if path.is_dir():
            runs.append(store.read(path).folder)
            continue
        folder, status = _execute(load(path), choices)
        if status == INTERRUPTED:
            return status
        runs.append(folder)
        worst = max(worst, status)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        folder = store.new_folder(choices.results / "reports", stamp)
    except OSError as error:
        raise store.StoreError(f"no report can be stored below {choices.results}: {error.strerror}.") from None
    maps = [] if options.what else _search_cliffs(folder, choices)
    _report_on(runs, folder, *maps)
    _point_latest(choices.results, folder)
    return worst


def _compare(options: argparse.Namespace) -> int:
    runs = [duel.is_run(word) for word in (options.base, options.new)]
    if not any(runs):
        return duel.run(options.base, options.new, options)
    if not all(runs):
        run, other = (options.base, options.new) if runs[0] else (options.new, options.base)
        raise ArmError(f"{run} is the folder of a run and {other!r} is not; name two runs, or two arms.")
    from harness import compare  # imported late: it loads the template engine, which no arm needs

    return compare.run(Path(options.base), Path(options.new), options.results)


def _search_cliffs(folder: Path, choices: Choices) -> list[Path]:
    """The standard search for cliffs: its document, in `folder`. A report without it is better than none."""
    began = time.monotonic()
    try:
        found = cliff.measure(pair.find_tool(choices.tool), folder / "cliffs-sndbuf.json")
    except chart.ChartError as error:
        _say(f"cliffs: {error}")
        return []
    _say(f"cliffs: {cliff.sentences(cliff.read(found))[0]} ({time.monotonic() - began:.1f} s)")
    return [found]


def standard_experiments() -> list[Path]:
    """The experiments of `make report`: those with a `report` place, in that order."""
    found = [load(path) for path in sorted(experiments.EXPERIMENTS.glob("*.toml"))]
    return [experiment.path for experiment in sorted(
        (experiment for experiment in found if experiment.report is not None),
        key=lambda experiment: (experiment.report or 0, experiment.name))]


def _report_on(runs: Sequence[Path], folder: Path, *maps: Path) -> None:
    """Draws the charts of the runs, and the maps of searches for cliffs, and writes one report over them."""
    from harness import report  # imported late: it loads the template engine, which no trial needs

    began = time.monotonic()
    page = report.report(runs, folder, maps)
    _say(f"report: {path_text(page)} ({time.monotonic() - began:.1f} s)")


def _point_latest(results: Path, folder: Path) -> None:
    """Makes results/latest point at the newest report, in one step."""
    link = results / "latest"
    if link.exists() and not link.is_symlink():
        _say(f"{path_text(link)} is not a link and stays as it is; the report is in {path_text(folder)}.")
        return
    fresh = results / f".latest-{os.getpid()}"
    fresh.symlink_to(os.path.relpath(folder, results))
    fresh.replace(link)
