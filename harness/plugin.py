"""Experiments as pytest items: each trial of a TOML file that is named on the command line is one item, in plan order.

    pytest harness/experiments/sndbuf.toml -k "nodelay=on and write-size=100"

Every item runs its trial and keeps the record in a run under results/, as `python3 -m harness run` does; what -k left
out can be run later with `python3 -m harness run --continue`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from harness import cli, machine, pair, plan, store
from harness import experiment as experiments
from harness.experiment import Experiment
from harness.plan import Plan, PlannedTrial
from harness.schema import HarnessError
from harness.store import Trial, Writer


class TrialFailed(Exception):
    """A trial whose tool did not end with status 0; the text is the tool's sentence."""


@dataclass(slots=True)
class Session:
    """The runs that this pytest session writes, one an experiment."""

    writers: dict[str, Writer] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)

    def run(self, item: TrialItem) -> Trial:
        """Runs one item's trial and keeps it; the first item of an experiment opens the run."""
        tool = pair.find_tool(item.config.getoption("tinygram_tool"))
        name = str(item.path)
        if name not in self.writers:
            here = machine.capture(tool, pair.describe(tool))
            results = Path(item.config.getoption("tinygram_results"))
            self.writers[name] = store.create(results, item.experiment, item.plan, here)
            self.trials[name] = []
        trial = cli.run_trial(self.writers[name], item.planned, tool)
        self.trials[name].append(trial)
        return trial

    def close(self) -> None:
        """Writes the summaries and closes the runs."""
        for name, writer in self.writers.items():
            writer.close()
            cli.write_summary(writer.folder, writer.plan.experiment, self.trials[name])


# What pytest's grammar does not take, and what stands for it: levels such as `200@5000` and `k8(w100,r1)` hold all.
_KEYWORD: Final = str.maketrans("=,()@", ":/[]\\")

SESSION: Final = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where runs go, which program, which file."""
    group = parser.getgroup("tinygram", "experiments of tinygram")
    group.addoption("--tinygram-results", default=str(cli.RESULTS), metavar="DIR", help="where runs are stored")
    group.addoption("--tinygram-tool", metavar="PATH", help="the program (default: TINYGRAM, or build/tinygram)")
    group.addoption("--tinygram-file", metavar="PATH",
                    help="send this file in place of the experiment's (default: FILE)")


def pytest_configure(config: pytest.Config) -> None:
    """Opens the session, and lets -k say `nodelay=on`."""
    config.stash[SESSION] = Session()
    config.option.keyword = keyword_expression(config.option.keyword)


def keyword_expression(expression: str) -> str:
    """An expression of -k with `name=level` in a form that pytest's grammar takes (it knows neither = nor a comma).

    A level is matched whole: write-size=100 does not select write-size=1000. See `keyword` for the other half.
    """
    return re.sub(r"[^\s()]*=(?:\bk\d+\([^\s()]*\)|[^\s()])*", lambda match: keyword(match.group()), expression)


def keyword(name: str) -> str:
    """`sndbuf=16K,nodelay=on` as a keyword that -k can look for: `/sndbuf:16K/nodelay:on/`."""
    return "/" + name.strip(",").translate(_KEYWORD) + "/"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ExperimentFile | None:
    """Collects a TOML file that is named on the command line, or all where the folder of experiments is."""
    if file_path.suffix != ".toml":
        return None
    named = {(parent.config.invocation_params.dir / argument.split("::")[0]).resolve()
             for argument in parent.config.args}
    if file_path.resolve() not in named and not (
            file_path.parent == experiments.EXPERIMENTS and experiments.EXPERIMENTS in named):
        return None
    collected: ExperimentFile = ExperimentFile.from_parent(parent, path=file_path)
    return collected


class ExperimentFile(pytest.File):
    """An experiment: collects the trials of its plan."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item a trial, in the order of the plan."""
        experiment = cli.load(self.path)
        file = cli.file_for(experiment, self.config.getoption("tinygram_file"))
        planned = plan.build(experiment, file=file, limits=machine.limits())
        for trial in planned.trials:
            yield TrialItem.from_parent(self, name=f"b{trial.block}-{trial.id}", experiment=experiment, plan=planned,
                                        planned=trial)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """An experiment that cannot be used is a sentence, not a traceback."""
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class TrialItem(pytest.Item):
    """One trial."""

    def __init__(self, *, experiment: Experiment, plan: Plan, planned: PlannedTrial, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.experiment = experiment
        self.plan = plan
        self.planned = planned
        self.extra_keyword_matches.update((keyword(self.name), keyword(planned.id)))

    def runtest(self) -> None:
        """Runs the trial; raises TrialFailed with the tool's sentence."""
        trial = self.config.stash[SESSION].run(self)
        if trial.failed:
            raise TrialFailed(trial.problem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The tool's sentence, not a traceback through the harness."""
        if isinstance(excinfo.value, TrialFailed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the item comes from, for reports."""
        return self.path, None, self.name


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Closes the runs, also after an interruption."""
    session.config.stash[SESSION].close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says where the trials are."""
    runs = config.stash[SESSION]
    for name, writer in runs.writers.items():
        done, planned = len(runs.trials[name]), len(writer.plan.trials)
        terminalreporter.write_line(f"{done} of {planned} trials of {writer.plan.experiment} are in {writer.folder}")
        if done < planned:
            terminalreporter.write_line(f"the others: python3 -m harness run --continue {writer.folder}")
