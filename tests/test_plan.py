"""Plans: complete shuffled blocks, the same plan from the same seed, and a file that holds all of it."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness import experiment, plan
from harness.experiment import ExperimentError
from harness.plan import Limits, Plan, PlanError

Toml = Callable[..., Path]
HEAD = 'question = "Why?"\n[workload]\nbytes = "1M"\n'
LEVELS = {"sndbuf": ["4K", "8192", "1M", "auto"], "nodelay": ["on", "off"], "write-size": ["100", "16K"],
          "send-with": ["write", "sendfile", "splice"], "cpus": ["same", "free", "0,1"]}


def quoted(levels: list[str]) -> str:
    return "[" + ", ".join(f'"{level}"' for level in levels) + "]"


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of invented experiments."""
    names = draw(st.lists(st.sampled_from(sorted(LEVELS)), unique=True, max_size=4))
    lines = [f"{name} = {quoted(draw(st.lists(st.sampled_from(LEVELS[name]), unique=True, min_size=1)))}"
             for name in names]
    blocks, seed = draw(st.integers(1, 6)), draw(st.integers(0, 2 ** 63 - 1))
    text = f"{HEAD}[factors]\n" + "\n".join(lines) + f"\n[repeat]\nblocks = {blocks}\nseed = {seed}\n"
    return plan.build(experiment.parse(text, Path("drawn.toml")))


@given(plans())
def test_every_block_holds_every_cell_once(drawn: Plan) -> None:
    cells = {trial.cell: trial.id for trial in drawn.trials}
    assert len(drawn.trials) == len(cells) * drawn.blocks == drawn.cells * drawn.blocks
    for block in range(drawn.blocks):
        part = drawn.trials[block * drawn.cells:(block + 1) * drawn.cells]
        assert {trial.block for trial in part} == {block}
        assert sorted(trial.cell for trial in part) == list(range(drawn.cells))
    assert [trial.position for trial in drawn.trials] == list(range(len(drawn.trials)))
    assert len({trial.trial for trial in drawn.trials}) == len(drawn.trials)
    assert len(set(cells.values())) == len(cells), "each cell has its own id"
    assert all(trial.id == cells[trial.cell] for trial in drawn.trials)


@given(plans())
def test_the_file_holds_the_whole_plan(drawn: Plan) -> None:
    assert plan.from_tsv(plan.to_tsv(drawn)) == drawn


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2 ** 32))
def test_same_seed_same_order(cells: int, blocks: int, seed: int) -> None:
    first = plan.shuffled_blocks(cells, blocks, random.Random(seed))
    assert first == plan.shuffled_blocks(cells, blocks, random.Random(seed))


def test_the_order_is_shuffled_and_depends_on_the_seed() -> None:
    orders = [tuple(cell for _, cell in plan.shuffled_blocks(20, 1, random.Random(seed))) for seed in range(50)]
    assert len(set(orders)) == 50
    assert tuple(range(20)) not in orders


def test_every_place_in_a_block_is_equally_likely() -> None:
    """No cell is first more often than the others: chi-square of 4 degrees of freedom, 1 in 1000 above 18.5."""
    firsts = [plan.shuffled_blocks(5, 1, random.Random(seed))[0][1] for seed in range(1000)]
    assert sum((firsts.count(cell) - 200) ** 2 / 200 for cell in range(5)) < 18.5


def test_blocks_differ_from_each_other() -> None:
    order = plan.shuffled_blocks(12, 4, random.Random(1))
    assert len({tuple(cell for block, cell in order if block == number) for number in range(4)}) == 4


def test_arguments_are_the_options_and_nothing_else(toml: Toml, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_bytes(b"x" * 10)
    made = plan.build(experiment.load(toml()), file=file)
    trial = next(trial for trial in made.trials if trial.id == "sndbuf=4K,nodelay=off")
    assert trial.arguments == ("--file", str(file), "--duration", "10ms", "--cpus", "same", "--sndbuf", "4K",
                               "--nodelay", "off", "--timeout", "20s")
    assert (made.file, made.file_bytes) == (file, 10)
    assert shlex.quote(str(file)) in plan.to_tsv(made), "the command can be pasted into a shell"
    assert plan.from_tsv(plan.to_tsv(made)) == made


def test_a_timeout_of_the_experiment_is_kept(toml: Toml) -> None:
    made = plan.build(experiment.load(toml(('cpus = "same"', 'timeout = "3s"'))))
    assert made.trials[0].arguments.count("--timeout") == 1
    assert "3s" in made.trials[0].arguments


def test_seed_and_blocks_can_be_replaced(toml: Toml) -> None:
    loaded = experiment.load(toml())
    made = plan.build(loaded, seed=8, blocks=2)
    assert (made.seed, made.blocks, len(made.trials)) == (8, 2, 8)
    assert [trial.cell for trial in made.trials] != [trial.cell for trial in plan.build(loaded, blocks=2).trials]
    assert plan.build(loaded, seed=0).seed == 0, "seed 0 is a seed"


def test_an_experiment_without_factors_has_one_cell() -> None:
    made = plan.build(experiment.parse(HEAD, Path("one.toml")))
    assert [trial.id for trial in made.trials] == ["only"] * 5
    assert plan.from_tsv(plan.to_tsv(made)) == made


def test_requests_above_the_ceiling_become_one_level(toml: Toml) -> None:
    """On a machine with a small net.core.wmem_max, no trial is planned that the kernel would cut or that is double."""
    loaded = experiment.load(toml(('["4K", "auto"]', '["4K", "128K", "1M", "2M", "auto"]')))
    made = plan.build(loaded, limits=Limits(wmem_max=212992))
    levels = list(dict.fromkeys(dict(trial.levels)["sndbuf"] for trial in sorted(made.trials, key=lambda t: t.cell)))
    assert levels == ["4K", "128K", "212992", "auto"]
    assert "1M, 2M would be cut to net.core.wmem_max = 212992" in made.notes[0]
    assert plan.from_tsv(plan.to_tsv(made)).notes == made.notes
    wide = plan.build(loaded, limits=Limits(wmem_max=4 << 20))
    assert wide.cells == 10 and wide.notes == ()


def test_the_ceiling_that_is_a_level_too_is_not_doubled(toml: Toml) -> None:
    loaded = experiment.load(toml(('["4K", "auto"]', '["208K", "1M"]')))
    made = plan.build(loaded, limits=Limits(wmem_max=212992))
    assert {dict(trial.levels)["sndbuf"] for trial in made.trials} == {"208K"}


def test_available_stands_for_what_the_machine_has(toml: Toml) -> None:
    loaded = experiment.load(toml(("sndbuf = [\"4K\", \"auto\"]", 'congestion = ["cubic", "available"]')))
    made = plan.build(loaded, limits=Limits(congestion=("reno", "cubic")))
    assert {dict(trial.levels)["congestion"] for trial in made.trials} == {"cubic", "reno"}
    assert made.notes == ("congestion: available is reno, cubic here.",)
    with pytest.raises(ExperimentError, match="no congestion control can be set"):
        plan.build(loaded, limits=Limits())


def test_a_file_that_varies_is_found_beside_the_experiment(toml: Toml, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    loaded = experiment.load(toml(('file = "default"\n', ""), ("sndbuf =", "file ="), ('["4K", "auto"]', '["one"]')))
    assert dict(plan.build(loaded).trials[0].levels)["file"] == str(tmp_path / "one")
    (tmp_path / "one").unlink()
    with pytest.raises(ExperimentError, match="cannot be sent"):
        plan.build(loaded)


def test_events_are_kept_where_the_experiment_says(toml: Toml) -> None:
    made = plan.build(experiment.load(toml()))
    for keep, kept in (("none", 0), ("first", 4), ("all", 12)):
        chosen = replace(made, keep_events=keep)
        assert sum(chosen.keeps_events(trial) for trial in chosen.trials) == kept


def test_a_variant_and_a_filled_place_are_options_of_the_trial() -> None:
    text = ('question = "?"\n[workload]\nname = "exchange"\npattern = "k{outstanding}(w100,r1)"\n'
            '[setting]\nmss = "1448"\n'
            '[[variant]]\nname = "A"\n[[variant]]\nname = "B"\nnodelay = "on"\nmss = "auto"\n'
            '[factors]\noutstanding = [1, 8]\nrecv-nodelay = ["on"]\n')
    made = plan.build(experiment.parse(text, Path("x.toml")))
    trials = {trial.id: trial for trial in made.trials}
    assert set(trials) == {f"variant={variant},outstanding={k},recv-nodelay=on" for variant in "AB" for k in (1, 8)}
    assert trials["variant=B,outstanding=8,recv-nodelay=on"].arguments == (
        "--pattern", "k8(w100,r1)", "--mss", "auto", "--nodelay", "on", "--recv-nodelay", "on", "--timeout", "20s")
    assert trials["variant=A,outstanding=1,recv-nodelay=on"].arguments == (
        "--pattern", "k1(w100,r1)", "--mss", "1448", "--recv-nodelay", "on", "--timeout", "20s")
    assert made.factors == ("variant", "outstanding", "recv-nodelay")
    assert plan.from_tsv(plan.to_tsv(made)) == made
    assert "'k8(w100,r1)'" in plan.to_tsv(made), "the command can be pasted into a shell"


@pytest.mark.parametrize("damage", [
    lambda text: text.replace("tinygram-plan/1", "tinygram-plan/2"),
    lambda text: text.replace("# seed 7\n", ""),
    lambda text: "\n".join(text.splitlines()[:-1]),
    lambda text: text.replace("tinygram pair", "rm -rf", 1),
    lambda text: text.replace("\tb0-c", "\t", 1).replace("\t", "", 1),
    lambda text: "",
])
def test_a_damaged_plan_is_refused(toml: Toml, damage: Callable[[str], str]) -> None:
    text = plan.to_tsv(plan.build(experiment.load(toml())))
    with pytest.raises(PlanError, match="is damaged and cannot be continued"):
        plan.from_tsv(damage(text))
