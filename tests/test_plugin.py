"""Experiments as pytest items: readable names in plan order, -k by level, records kept, the tool's sentence shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import experiment, plan, plugin, store, summary

Toml = Callable[..., Path]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run_pytest(fake_tool: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs pytest in a process of its own, from the top level."""
    def run(*arguments: object, behaviour: str = "ok") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-o", f"cache_dir={tmp_path / 'cache'}",
             *map(str, arguments), "--tinygram-tool", str(fake_tool), "--tinygram-results", str(tmp_path / "results")],
            cwd=ROOT, env={**os.environ, "FAKE_TINYGRAM": behaviour}, capture_output=True, text=True, timeout=60)
    return run


def names(output: str) -> list[str]:
    return re.findall(r"::(b\d+-\S+)", output)


def test_items_are_the_plan(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml) -> None:
    path = toml()
    done = run_pytest(path, "--collect-only", "-q")
    planned = plan.build(experiment.load(path)).trials
    assert names(done.stdout) == [f"b{trial.block}-{trial.id}" for trial in planned]
    assert "b0-sndbuf=4K,nodelay=on" in names(done.stdout)


def test_items_run_their_trials(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml,
                                tmp_path: Path) -> None:
    done = run_pytest(toml())
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout
    (folder,) = (tmp_path / "results" / "small").iterdir()
    run = store.read(folder)
    assert [trial.trial for trial in run.trials] == [planned.trial for planned in run.plan.trials]
    assert len(summary.read_tsv(folder / "summary.tsv")) == 12
    assert f"12 of 12 trials of small are in {folder}" in done.stdout


@pytest.mark.parametrize("expression,expected", [
    ("nodelay=on", lambda name: "nodelay=on" in name),
    ("nodelay=on and sndbuf=4K", lambda name: "sndbuf=4K,nodelay=on" in name),
    ("not (nodelay=on or sndbuf=auto)", lambda name: "sndbuf=4K,nodelay=off" in name),
    ("sndbuf=4K,nodelay=on", lambda name: "sndbuf=4K,nodelay=on" in name),
    ("b1-sndbuf=4K,nodelay=on", lambda name: name == "b1-sndbuf=4K,nodelay=on"),
    ("b2 and nodelay=ON", lambda name: name.startswith("b2-") and "nodelay=on" in name),
    ("auto", lambda name: "auto" in name),
])
def test_levels_select_with_k(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml, expression: str,
                              expected: Callable[[str], bool]) -> None:
    path = toml()
    done = run_pytest(path, "-q", "--collect-only", "-k", expression)
    every = [f"b{trial.block}-{trial.id}" for trial in plan.build(experiment.load(path)).trials]
    assert names(done.stdout) == [name for name in every if expected(name)] != []


def test_a_level_is_matched_whole(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml) -> None:
    path = toml(('["4K", "auto"]', '["100", "1000"]'))
    assert len(names(run_pytest(path, "-q", "--collect-only", "-k", "sndbuf=100").stdout)) == 6


def test_ordinary_expressions_are_left_alone() -> None:
    for expression in ("", "test_one and not slow", "a.b[c]"):
        assert plugin.keyword_expression(expression) == expression


EXCHANGES = '''question = "Which?"
[workload]
name = "exchange"
[[variant]]
name = "A+"
[[variant]]
name = "B"
nodelay = "on"
[factors]
pattern = ["w100,w400,r1", "k8(w100,r1)"]
[repeat]
blocks = 1
'''


@pytest.mark.parametrize("expression,expected", [
    ("pattern=k8(w100,r1)", ["A+/k8", "B/k8"]), ("pattern=w100,w400,r1", ["A+/w100", "B/w100"]),
    ("variant=B and (pattern=k8(w100,r1))", ["B/k8"]), ("(variant=A+) and not pattern=k8(w100,r1)", ["A+/w100"])])
def test_patterns_and_variants_select_with_k(run_pytest: Callable[..., subprocess.CompletedProcess[str]],
                                             tmp_path: Path, expression: str, expected: list[str]) -> None:
    """Levels may hold parentheses and commas."""
    path = tmp_path / "exchanges.toml"
    path.write_text(EXCHANGES)
    done = run_pytest(path, "-q", "--collect-only", "-k", expression)
    found = re.findall(r"b0-variant=(\S+?),pattern=(k8|w100)", done.stdout)
    assert sorted(f"{variant}/{pattern}" for variant, pattern in found) == expected, done.stdout


def test_a_rate_selects_with_k() -> None:
    assert plugin.keyword_expression("stream=200@5000") == plugin.keyword("stream=200@5000")
    assert re.fullmatch(r"[\w:+\-.\[\]\\/]+", plugin.keyword("stream=200@5000,pattern=k8(v1+2,r1)")), \
        "these are the characters that pytest's grammar takes"


def test_what_was_left_out_can_be_run_later(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml,
                                            tmp_path: Path) -> None:
    done = run_pytest(toml(), "-k", "nodelay=on")
    assert "6 of 12 trials of small are in" in done.stdout
    (folder,) = (tmp_path / "results" / "small").iterdir()
    assert f"run --continue {folder}" in done.stdout
    assert len(store.read(folder).left) == 6


def test_a_failure_shows_the_tools_sentence(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml,
                                            tmp_path: Path) -> None:
    done = run_pytest(toml(), "-k", "b0-sndbuf=4K,nodelay=on", behaviour="refuse")
    assert done.returncode == 1
    assert "status 3: SO_SNDBUF: 4194304 was asked for and 425984 is in effect" in done.stdout
    assert "Traceback" not in done.stdout and "runtest" not in done.stdout
    (folder,) = (tmp_path / "results" / "small").iterdir()
    assert store.read(folder).trials[0].failed, "a failed trial is kept too"


def test_a_wrong_experiment_is_a_sentence(run_pytest: Callable[..., subprocess.CompletedProcess[str]],
                                          toml: Toml) -> None:
    done = run_pytest(toml(("sndbuf =", "sndbuff =")))
    assert done.returncode == 2
    assert "unknown key 'sndbuff' in [factors]; the nearest valid key is 'sndbuf'" in done.stdout
    assert "Traceback" not in done.stdout


def test_only_what_is_named_is_collected(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml,
                                         tmp_path: Path) -> None:
    """A run of the ordinary tests never starts an experiment."""
    toml()
    assert "collected 0 items" in run_pytest(tmp_path, "--collect-only").stdout
    assert names(run_pytest(ROOT / "tests", "--collect-only", "-q").stdout) == []


def test_one_item_by_its_id(run_pytest: Callable[..., subprocess.CompletedProcess[str]], toml: Toml) -> None:
    done = run_pytest(f"{toml()}::b1-sndbuf=auto,nodelay=off", "-v")
    assert names(done.stdout) == ["b1-sndbuf=auto,nodelay=off"] and "1 passed" in done.stdout


@pytest.mark.parametrize("command", [["pytest"], [sys.executable, "-m", "pytest"]], ids=["script", "module"])
def test_it_works_from_the_top_level_as_promised(command: list[str], tmp_path: Path) -> None:
    """Without any option that names the plugin."""
    script = Path(sys.executable).parent / "pytest"
    if command == ["pytest"]:
        if not script.exists():
            pytest.skip(f"there is no script {script}, so only python3 -m pytest can be tried")
        command = [str(script)]
    done = subprocess.run([*command, "-q", "--collect-only", "harness/experiments/sndbuf.toml", "-k", "nodelay=on"],
                          cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"})
    assert done.returncode == 0, done.stdout + done.stderr
    found = names(done.stdout)
    assert len(found) >= 60 and all("nodelay=on" in name for name in found)


def test_the_folder_of_experiments_collects_all(run_pytest: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run_pytest("harness/experiments", "-q", "--collect-only", "-k", "b0")
    assert {match for match in re.findall(r"(\w+)\.toml::", done.stdout)} == {
        path.stem for path in experiment.EXPERIMENTS.glob("*.toml")} > {"sndbuf", "stall"}
