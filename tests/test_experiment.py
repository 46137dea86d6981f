"""Experiments: the standard ones are sound, and everything unknown is an error that names where and what."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness import chart, experiment
from harness.experiment import ExperimentError, Factor
from harness.schema import OPTIONS, parse_value

Toml = Callable[..., Path]
STANDARD = sorted(experiment.EXPERIMENTS.glob("*.toml"))
HEAD = 'question = "Why?"\n[workload]\nbytes = "1M"\n'


@pytest.mark.parametrize("path", STANDARD, ids=[path.stem for path in STANDARD])
def test_standard_experiments_are_sound(path: Path) -> None:
    loaded = experiment.load(path, charts=chart.KINDS)
    assert loaded.question.endswith("?")
    assert len(loaded.why) > 80, "the file opens with why it exists"
    assert loaded.blocks >= 3
    assert loaded.charts
    assert loaded.name == path.stem


def test_the_standard_experiments_are_there() -> None:
    assert {path.stem for path in STANDARD} == {"sndbuf", "write_size", "mss", "congestion", "send_with", "smoke"}


def test_sndbuf_covers_what_its_question_asks() -> None:
    factors = {factor.name: factor.levels for factor in
               experiment.load(experiment.EXPERIMENTS / "sndbuf.toml").factors}
    assert factors["nodelay"] == ("on", "off")
    assert [parse_value(OPTIONS["write-size"], level) for level in factors["write-size"]] == [100, 1448, 16384, 65536]
    requests = [parse_value(OPTIONS["sndbuf"], level) for level in factors["sndbuf"]]
    assert (requests[0], requests[-2], requests[-1]) == (2304, 2 * 1024 ** 2, "auto"), "4608 to 4 MiB in effect"


def test_fields_of_an_experiment(toml: Toml) -> None:
    loaded = experiment.load(toml())
    assert loaded.question == "Is it small?"
    assert loaded.why == "Why: to have something small."
    assert loaded.workload == (("file", "default"), ("duration", "10ms"))
    assert loaded.setting == (("cpus", "same"),)
    assert loaded.factors == (Factor("sndbuf", ("4K", "auto")), Factor("nodelay", ("on", "off")))
    assert (loaded.blocks, loaded.seed, loaded.cells, loaded.report, loaded.events) == (3, 7, 4, None, "none")
    assert loaded.charts[0].name == "goodput_sndbuf"


def test_numbers_and_booleans_are_values_too(toml: Toml) -> None:
    loaded = experiment.load(toml(('["4K", "auto"]', '[4096, "auto"]'), ('["on", "off"]', "[true, false]")))
    assert loaded.factors == (Factor("sndbuf", ("4096", "auto")), Factor("nodelay", ("on", "off")))


@pytest.mark.parametrize("old,new,said", [
    ("question =", "qestion =", ["line 2", "unknown key 'qestion'", "at the top", "'question'"]),
    ('question = "Is it small?"', "", ["'question' is missing"]),
    ("[factors]", "[factor]", ["line 12", "unknown key 'factor'", "'factors'"]),
    ("sndbuf = [", "sndbuff = [", ["line 13", "unknown key 'sndbuff' in [factors]", "'sndbuf'"]),
    ("cpus =", "cpu =", ["line 10", "unknown key 'cpu' in [setting]", "'cpus'"]),
    ("duration =", "durations =", ["line 7", "[workload]", "'duration'"]),
    ('duration = "10ms"', 'nodelay = "on"', ["line 7", "'nodelay' is not about the workload", "[setting]"]),
    ("blocks =", "block =", ["line 17", "unknown key 'block' in [repeat]", "'blocks'"]),
    ("title =", "titel =", ["line 22", "'titel'", "'title'"]),
    ('"goodput_sndbuf"', '"godput_sndbuf"', ["line 21", "unknown chart 'godput_sndbuf'", "'goodput_sndbuf'"]),
    ('name = "transfer"', 'name = "transfert"', ["line 5", "unknown workload 'transfert'", "'transfer'"]),
    ('"same"', '"sane"', ["line 10", "unknown value of 'cpus' in [setting]", "'sane'", "same, split, free", "'same'"]),
    ('"4K"', '"4k"', ["line 13", "unknown level of 'sndbuf' in [factors]", "'4k' is not a size", "or auto"]),
    ('["on", "off"]', '["on", "of"]', ["line 14", "unknown level of 'nodelay'", "'of'", "'off'"]),
    ('["on", "off"]', '["on", true]', ["line 14", "'on' of 'nodelay' says the same as 'on'"]),
    ('["4K", "auto"]', '["4K", "4096"]', ["line 13", "'4096' of 'sndbuf' says the same as '4K'"]),
    ('["4K", "auto"]', '[]', ["line 13", "needs a list of levels"]),
    ('["4K", "auto"]', '"4K"', ["line 13", "needs a list of levels", "[setting]"]),
    ('["4K", "auto"]', '[["4K"]]', ["line 13", "is no value"]),
    ('cpus = "same"', 'cpus = ["same", "free"]', ["line 10", "move the list to [factors]"]),
    ('cpus = "same"', 'sndbuf = "4K"', ["line 13", "'sndbuf' stands in [setting] and in [factors]"]),
    ('cpus = "same"', 'json = "-"', ["line 10", "'json' in [setting] is set by the harness"]),
    ('cpus = "same"', 'events = "x"', ["line 10", "events = \"first\""]),
    ('file = "default"', 'bytes = "1M"\nrepeat = 2', ["line 8", "'repeat' and 'duration' exclude each other"]),
    ('file = "default"', "", ["nothing to send"]),
    ("blocks = 3", "blocks = 0", ["line 17", "'blocks' is 0", "from 1"]),
    ("blocks = 3", 'blocks = "3"', ["line 17", "'blocks' is '3'"]),
    ("seed = 7", "seed = -7", ["line 18", "'seed' is -7"]),
    ("seed = 7", "seed = true", ["line 18", "'seed' is True"]),
    ("[[chart]]", "[chart]", ["line 20", "[[chart]]"]),
    ('title = "Goodput"', "", ["needs the key 'title'"]),
    ("[factors]", "[[factors]]", ["line 12", "'factors' must be a table"]),
    ("[workload]", "[workload", ["is not TOML", "line 4"]),
    ('question = "Is it small?"', 'question = "?"\nevents = "frist"', ["line 3", "'frist'", "'first'"]),
])
def test_an_error_names_file_line_key_and_the_nearest(toml: Toml, old: str, new: str, said: list[str]) -> None:
    path = toml((old, new))
    with pytest.raises(ExperimentError) as caught:
        experiment.load(path, charts=chart.KINDS)
    message = str(caught.value)
    assert "small.toml" in message and message.endswith(".")
    for words in said:
        assert words in message
    assert caught.value.status == 2


@given(st.sampled_from(sorted(OPTIONS)), st.data())
def test_a_typing_mistake_never_passes(name: str, data: st.DataObject) -> None:
    """One letter of an option's name changed: either another option, or an error that proposes a real one."""
    place = data.draw(st.integers(0, len(name) - 1))
    wrong = name[:place] + data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz-")) + name[place + 1:]
    if wrong in OPTIONS or wrong in ("events", "json"):
        return
    with pytest.raises(ExperimentError) as caught:
        experiment.parse(f'{HEAD}[factors]\n"{wrong}" = ["on"]\n', Path("typo.toml"))
    message = str(caught.value)
    assert f"unknown key {wrong!r} in [factors]" in message
    proposed = message.rsplit("'", 2)[1]
    assert proposed in OPTIONS


@given(st.text(max_size=8))
def test_any_text_is_a_level_or_a_clean_error(text: str) -> None:
    written = "".join(f"\\U{ord(character):08x}" for character in text if not 0xD800 <= ord(character) < 0xE000)
    try:
        loaded = experiment.parse(f'{HEAD}[factors]\nwrite-size = ["{written}"]\n', Path("x.toml"))
    except ExperimentError:
        return
    assert loaded.factors[0].levels[0].rstrip("KMG").isdigit()


@pytest.mark.parametrize("name", ["latest", "baseline", "Two Words", "a-b", "reports", ".hidden"])
def test_a_name_that_cannot_be_a_folder_of_runs(toml: Toml, name: str) -> None:
    with pytest.raises(ExperimentError, match="cannot be the name of an experiment"):
        experiment.load(toml(name=f"{name}.toml"))


def test_a_missing_file_proposes_its_neighbour(toml: Toml, tmp_path: Path) -> None:
    toml()
    with pytest.raises(ExperimentError, match=r"no such experiment; the nearest in .* is small\.toml"):
        experiment.load(tmp_path / "smal.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ExperimentError, match="cannot be read"):
        experiment.load(path)


def test_default_file_is_a_real_one(toml: Toml) -> None:
    path = experiment.resolve_file(experiment.load(toml()))
    assert path is not None and path.is_file() and not path.is_symlink() and path.stat().st_size > 0
    if Path("/usr/bin/python3").exists():
        assert path == Path("/usr/bin/python3").resolve()


def test_default_file_falls_back(toml: Toml, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "DEFAULT_FILES", (Path("/nonexistent/python3"), Path(sys.executable)))
    assert experiment.resolve_file(experiment.load(toml())) == Path(sys.executable).resolve()
    monkeypatch.setattr(experiment, "DEFAULT_FILES", (Path("/nonexistent/python3"),))
    with pytest.raises(ExperimentError, match="--file PATH"):
        experiment.resolve_file(experiment.load(toml()))


def test_file_is_named_by_the_experiment_or_over_it(toml: Toml, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"y")
    loaded = experiment.load(toml(('"default"', '"mine"')))
    assert experiment.resolve_file(loaded) == tmp_path / "mine", "relative to the experiment"
    assert experiment.resolve_file(loaded, str(tmp_path / "other")) == tmp_path / "other"


def test_memory_has_no_file(toml: Toml) -> None:
    loaded = experiment.load(toml(('file = "default"', 'bytes = "1M"')))
    assert experiment.resolve_file(loaded) is None
    with pytest.raises(ExperimentError, match="does not send one fixed file"):
        experiment.resolve_file(loaded, "/bin/sh")


def test_files_that_cannot_be_sent(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    for name, said in (("missing", "No such file"), ("empty", "it is empty"), ("fifo", "not a regular file"),
                       (".", "not a regular file")):
        with pytest.raises(ExperimentError, match=said):
            experiment.readable_file(tmp_path / name)
    with pytest.raises(ExperimentError, match="not a regular file"):
        experiment.readable_file(Path("/dev/zero"))
