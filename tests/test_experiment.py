"""Experiments: the standard ones are sound, and everything unknown is an error that names where and what."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness import chart, experiment, plan
from harness.experiment import ExperimentError, Factor, Variant
from harness.schema import OPTIONS, parse_value

Toml = Callable[..., Path]
STANDARD = sorted(experiment.EXPERIMENTS.glob("*.toml"))
HEAD = 'question = "Why?"\n[workload]\nbytes = "1M"\n'


@pytest.mark.parametrize("path", STANDARD, ids=[path.stem for path in STANDARD])
def test_standard_experiments_are_sound(path: Path) -> None:
    loaded = experiment.load(path, charts=chart.KINDS)
    assert loaded.question.endswith("?")
    assert len(loaded.why) > 80, "the file opens with why it exists"
    assert loaded.blocks >= 3 or loaded.events == "all", "one block is enough only for a picture of single trials"
    assert loaded.charts
    assert loaded.name == path.stem


def test_the_standard_experiments_are_there() -> None:
    assert {path.stem for path in STANDARD} == {
        "sndbuf", "write_size", "mss", "congestion", "send_with", "smoke",
        "stall", "remedies", "timeline", "observer", "hold", "pipeline", "queue", "servers"}


def test_the_report_answers_about_buffers_and_about_nodelay() -> None:
    places = {loaded.name: loaded.report for loaded in map(experiment.load, STANDARD) if loaded.report is not None}
    assert sorted(places, key=lambda name: places[name]) == [
        "sndbuf", "write_size", "mss", "congestion", "send_with", "stall", "remedies", "timeline", "observer"]
    assert len(set(places.values())) == len(places), "no two have one place"


@pytest.mark.parametrize("name", ["stall", "remedies"])
def test_every_remedy_is_tried_with_every_request(name: str) -> None:
    """Whatever the remedy, each exchange moves the same bytes: a head of 100, the body, and a reply of 1."""
    loaded = experiment.load(experiment.EXPERIMENTS / f"{name}.toml")
    assert [variant.name for variant in loaded.variants] == ["Nagle", "NODELAY", "CORK", "MSG_MORE", "writev",
                                                             "QUICKACK"]
    bodies = dict((factor.name, factor.levels) for factor in loaded.factors)["body"]
    assert bodies == ("400", "4000"), "below and above an Ethernet's MSS"
    for variant in loaded.variants:
        for body in bodies:
            options = dict(loaded.options((("variant", variant.name), ("body", body))))
            sizes = [int(size) for size in re.findall(r"[wmv+](\d+)", options["pattern"])]
            assert sizes == [100, int(body)] and options["pattern"].endswith(",r1")
            assert int(options["count"]) > 16, "the first 16 exchanges are reported apart"
            assert options.get("nodelay", "auto") == ("on" if variant.name == "NODELAY" else "auto")
            assert ("rearm-quickack" in options) is (variant.name == "QUICKACK")
            assert ("c" in options["pattern"].split(",")) is (variant.name == "CORK")


def test_experiments_of_one_question_change_one_thing() -> None:
    """Where the question is not about them, the congestion control and the placement are those of the others."""
    for path in STANDARD:
        loaded = experiment.load(path)
        if loaded.workload_name != "transfer":
            assert ("congestion", "cubic") in loaded.setting
        if loaded.workload_name != "transfer" and loaded.name != "servers":  # of which each way may use every CPU
            assert ("cpus", "same") in loaded.setting


def test_a_stalled_exchange_is_not_repeated_for_long() -> None:
    """A stall takes 44 ms: what may stall runs a few dozen times, so that the report lasts no longer than it must."""
    seconds = 0.0
    for path in STANDARD:
        loaded = experiment.load(path)
        for trial in plan.build(loaded).trials if loaded.workload_name == "exchange" else ():
            options = dict(zip((name[2:] for name in trial.arguments[::2]), trial.arguments[1::2]))
            twice = re.match(r"w\d+,w(\d+)", options.get("pattern", ""))
            if twice is not None and "rearm-quickack" not in options and options.get("nodelay") != "on" and not (
                    int(twice[1]) > 1448 and options.get("mss") == "1460"):
                assert int(options["count"]) <= 30
                seconds += 0.044 * int(options["count"])
    assert 1 < seconds < 25


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


REMEDIES = '''# Why: to have variants.
question = "Which?"

[workload]
name = "exchange"
count = 20
think = "0ms-1ms"

[setting]
cpus = "same"
nodelay = "off"

[[variant]]
name = "Nagle"
pattern = "w100,w{body},r1"

[[variant]]
name = "NODELAY"
pattern = "w100,w{body},r1"
nodelay = true
count = 30

[factors]
body = [400, "4K"]
mss = ["auto", "1448"]
'''


def remedies(*replacements: tuple[str, str]) -> experiment.Experiment:
    text = REMEDIES
    for old, new in replacements:
        assert old in text, f"{old!r} is not in the experiment"
        text = text.replace(old, new, 1)
    return experiment.parse(text, Path("remedies.toml"))


def test_variants_and_placeholders_are_factors() -> None:
    loaded = remedies()
    assert loaded.workload_name == "exchange"
    assert loaded.factors == (Factor("variant", ("Nagle", "NODELAY")), Factor("body", ("400", "4K")),
                              Factor("mss", ("auto", "1448")))
    assert loaded.variants[1] == Variant("NODELAY", (("pattern", "w100,w{body},r1"), ("nodelay", "on"),
                                                     ("count", "30")))
    assert loaded.cells == 8
    assert [loaded.varies_option(factor.name) for factor in loaded.factors] == [False, False, True]


def test_a_variant_wins_over_workload_and_setting_and_places_are_filled() -> None:
    loaded = remedies()
    assert loaded.options((("variant", "Nagle"), ("body", "400"), ("mss", "auto"))) == (
        ("count", "20"), ("think", "0ms-1ms"), ("cpus", "same"), ("nodelay", "off"),
        ("pattern", "w100,w400,r1"), ("mss", "auto"))
    assert loaded.options((("variant", "NODELAY"), ("body", "4K"), ("mss", "1448"))) == (
        ("count", "30"), ("think", "0ms-1ms"), ("cpus", "same"), ("nodelay", "on"),
        ("pattern", "w100,w4K,r1"), ("mss", "1448"))


def test_a_placeholder_needs_no_variant_and_may_have_the_name_of_a_foreign_option() -> None:
    """`rate` is an option of an exchange; in a stream it is a part of the value, and no argument."""
    loaded = experiment.parse('question = "?"\n[workload]\nname = "stream"\nstream = "{size}@{rate}"\n'
                              'count = 9\n[factors]\nsize = ["1K"]\nrate = [10, 20]\n', Path("x.toml"))
    assert loaded.parameters == ("size", "rate")
    assert loaded.options((("size", "1K"), ("rate", "20"))) == (("stream", "1K@20"), ("count", "9"))


@pytest.mark.parametrize("old,new,said", [
    ("{body}", "{bdy}", ["line 15", "{bdy} in the value of 'pattern'", "the nearest is 'body'"]),
    ('"w100,w{body},r1"\nnodelay', '"w100,w400,r1"\nnodelay', ["line 18", "variant 'NODELAY' has no place", "{body}"]),
    ("body = [", "bodi = [", ["line 15", "{body}", "write body = ["]),
    ('[400, "4K"]', '[400, "4k"]', ["line 15", "'w4k' is no item", "unknown value of 'pattern'"]),
    ('[400, "4K"]', '[400, 400]', ["line 24", "'400' of 'body' stands there twice"]),
    ('[400, "4K"]', '[]', ["line 24", "needs a list of levels"]),
    ('[400, "4K"]', '[400, 1.5]', ["line 24", "is no value for 'body'"]),
    ("body = [", 'mode = [1]\nbody = [', ["line 24", "unknown key 'mode' in [factors]", "{mode}"]),
    ("body = [", 'variant = ["x"]\nbody = [', ["line 24", "unknown key 'variant' in [factors]"]),
    ('name = "NODELAY"', 'name = "Nagle"', ["line 18", "two variants 'Nagle'"]),
    ('name = "NODELAY"', 'name = "NO DELAY"', ["line 18", "needs the key 'name'", "'NO DELAY'"]),
    ('name = "NODELAY"\n', "", ["needs the key 'name'", "None"]),
    ("nodelay = true\ncount = 30", "", ["line 18", "variant 'NODELAY' says the same as 'Nagle'"]),
    ("nodelay = true", "nodelya = true", ["line 20", "unknown key 'nodelya' in [[variant]]", "'nodelay'"]),
    ("nodelay = true", "nodelay = 1", ["line 20", "unknown value of 'nodelay' in [[variant]]"]),
    ("nodelay = true", 'mss = "536"', ["line 20", "'mss' stands in [factors] and in the variant 'NODELAY'"]),
    ("nodelay = true", 'write-size = "1K"', ["line 20", "'write-size' in [[variant]] belongs to the workload transfer",
                                             "'exchange'"]),
    ("nodelay = true", "rate = 10", ["line 7", "'rate' and 'think' exclude each other"]),
    ("nodelay = true", 'json = "-"', ["line 20", "is set by the harness"]),
    ('pattern = "w100,w{body},r1"\n\n', "\n", ["needs the key 'pattern'", "variant 'Nagle'"]),
    ("[[variant]]\nname = \"Nagle\"\npattern", "[variant]\nname = \"Nagle\"\npattern", ["is not TOML"]),
    ('name = "exchange"', 'name = "exchagne"', ["line 5", "unknown workload 'exchagne'", "'exchange'"]),
    ('name = "exchange"', 'name = "stream"', ["belongs to the workload exchange", "'stream'"]),
    ('name = "exchange"\n', "", ["belongs to the workload exchange", "'transfer'"]),
    ('"0ms-1ms"', '"2ms-1ms"', ["line 7", "'2ms-1ms' is not a time to think"]),
    ('think = "0ms-1ms"', 'file = "default"', ["line 7", "'file' in [workload] belongs to the workload transfer"]),
])
def test_an_error_in_variants_and_places(old: str, new: str, said: list[str]) -> None:
    with pytest.raises(ExperimentError) as caught:
        remedies((old, new))
    message = str(caught.value)
    assert "remedies.toml" in message and message.endswith(".")
    for words in said:
        assert words in message


def test_a_stream_needs_a_stream_and_an_end() -> None:
    head = 'question = "?"\n[workload]\nname = "stream"\n'
    for more, said in (('count = 1\n', "needs the key 'stream'"), ('stream = "1@1"\n', "needs an end"),
                       ('stream = "1@1"\nduration = "1s"\nthink = "1ms"\n', "belongs to the workload exchange"),
                       ('stream = "1x1"\ncount = 1\n', "is not a stream"),
                       ('stream = "1@1"\ncount = 1\nschedule = "poison"\n', "the nearest is 'poisson'")):
        with pytest.raises(ExperimentError, match=said):
            experiment.parse(head + more, Path("x.toml"))
    assert experiment.parse(head + 'stream = "1@1"\ncount = 1\n', Path("x.toml")).workload_name == "stream"


def test_a_file_is_no_variant() -> None:
    text = 'question = "?"\n[workload]\nbytes = "1M"\n[[variant]]\nname = "a"\nfile = "x"\n'
    with pytest.raises(ExperimentError, match="line 6: 'file' cannot be in a"):
        experiment.parse(text, Path("x.toml"))


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
