"""What two runs differ in: all of it, the job first, and what each difference forbids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import synthetic
import two_runs

from harness.differences import EVERYTHING, INSTEAD, NOTHING, TIMINGS, Difference, differences, not_judged


def found(base: Path, new: Path) -> dict[tuple[str, str], Difference]:
    return {(one.group, one.name): one for one in differences(*two_runs.read(base, new))}


def changed(tmp_path: Path, **values: Any) -> tuple[Path, Path]:
    """Two runs; machine.json of the second has other values."""
    base, new = two_runs.both(tmp_path, two_runs.transfers())
    return base, two_runs.edited(new, "machine.json", lambda machine: machine.update(values))


def test_the_job_always_differs_and_comes_first(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.transfers())
    (one,) = differences(*two_runs.read(base, new))
    assert (one.group, one.base, one.new, one.forbids) == ("job", base.name, new.name, TIMINGS)


def test_what_passes_is_no_difference(tmp_path: Path) -> None:
    runs = changed(tmp_path, captured_at="2020-01-01T00:00:00Z", load_1m=7.5, uptime_s=1.0, tcp_metrics=["x"],
                   memory_available_bytes=1)
    assert list(found(*runs)) == [("job", "run")]


@pytest.mark.parametrize(("key", "value", "forbids", "group"), [
    ("kernel", "9.9", TIMINGS, "machine"), ("boot_id", "another", TIMINGS, "machine"),
    ("cpu_model", None, TIMINGS, "machine"), ("compiler_flags", "-O0", TIMINGS, "build"),
    ("git_commit", "0" * 40, NOTHING, "build"), ("memory_bytes", 1, TIMINGS, "machine")])
def test_machine_and_build(tmp_path: Path, key: str, value: object, forbids: str, group: str) -> None:
    one = found(*changed(tmp_path, **{key: value}))[group, key]
    assert one.forbids == forbids
    assert one.new == ("unknown" if value is None else str(value))


def test_a_sysctl_has_both_values(tmp_path: Path) -> None:
    base, new = two_runs.both(tmp_path, two_runs.transfers())
    for run, value in ((base, "4096"), (new, "8192")):
        two_runs.edited(run, "machine.json", lambda machine: machine["sysctl"].update({"net.core.wmem_max": value}))
    one = found(base, new)["machine", "sysctl net.core.wmem_max"]
    assert (one.base, one.new, one.forbids) == ("4096", "8192", TIMINGS)


def test_experiment_and_setting(tmp_path: Path) -> None:
    made = two_runs.exchanges(blocks=2)
    other = two_runs.exchanges(blocks=3, bodies=("400",))
    text = other.text.replace('count = "100"', 'count = "50"').replace('nodelay = "on"', 'nodelay = "off"')
    new = synthetic.stored(tmp_path / "new", made, two_runs.trials(made))
    (new / "experiment.toml").write_text(text)
    one = found(two_runs.stored(tmp_path / "base", made, two_runs.trials(made)), new)
    assert one["experiment", "count"].forbids == EVERYTHING
    assert (one["experiment", "count"].base, one["experiment", "count"].new) == ("100", "50")
    assert one["setting", "variant NODELAY: nodelay"].forbids == EVERYTHING
    assert one["experiment", "levels of body"].forbids == NOTHING


def test_blocks_forbid_nothing(tmp_path: Path) -> None:
    runs = [two_runs.stored(tmp_path / str(blocks), made, two_runs.trials(made))
            for blocks in (2, 3) for made in [two_runs.transfers(blocks)]]
    assert found(*runs)["experiment", "blocks"].forbids == NOTHING


@pytest.mark.parametrize(("values", "words"), [
    ({}, "one after the other"), ({"boot_id": "another"}, "two boots"), ({"kernel": "9.9"}, "two machines or systems"),
    ({"governor": "powersave-not"}, "set up in another way (governor)"),
    ({"kernel": "9.9", "boot_id": "b"}, "(kernel)")])
def test_why_timings_are_not_judged_is_one_sentence(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    sentence = not_judged(differences(*two_runs.read(*changed(tmp_path, **values))))
    assert words in sentence
    assert sentence.startswith("The timings are drawn, and not judged, because ")
    assert sentence.count(". ") == 0 and sentence.endswith(".")


def test_it_says_what_to_do_instead() -> None:
    assert "make gate BASE=" in INSTEAD and "compare nodelay=on nodelay=off" in INSTEAD
