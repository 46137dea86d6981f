"""Numbers for other tools: each format as its consumer reads it, and only numbers that deserve to be kept."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import consumers
import jobs
import pytest

from harness import feeds
from harness.verdict import Verdict


def action(made: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = consumers.strict_json(feeds.action_benchmark(made))
    return found


def bencher(made: Any) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = consumers.strict_json(feeds.bencher(made))
    return found


def test_the_action_gets_ratios_and_no_times() -> None:
    small = action(jobs.EVERY)[0]
    assert {key: small[key] for key in ("name", "unit", "value", "range")} == {
        "name": "exchange-small", "unit": "% of base", "value": 105.2, "range": "+4.9 % to +5.5 %"}
    assert small["extra"].startswith("REGRESSION\n+5.2 % time per exchange")


def test_bencher_gets_ordered_bounds() -> None:
    found = bencher(jobs.EVERY)
    for measures in found.values():
        for metric in measures.values():
            assert metric.get("lower_value", -math.inf) <= metric["value"] <= metric.get("upper_value", math.inf)
    assert found["exchange-small"]["ratio"]["value"] == 1.052
    assert found["exchange-small"]["latency"]["value"] == 45236.0
    assert found["exchange-small"]["stalls"] == {"value": 39}
    assert set(found["half-known"]["ratio"]) == {"value"}


def test_what_is_missing_is_left_out() -> None:
    assert "request-reply" not in bencher(jobs.EVERY)
    assert "request-reply" not in [entry["name"] for entry in action(jobs.EVERY)]


def test_equal_names_are_told_apart() -> None:
    assert {"exchange-large", "exchange-large (2)"} <= set(bencher(jobs.EVERY))
    long = tuple(replace(item, name="x" * 2000) for item in jobs.PASSED.judged)
    assert [len(name) for name in bencher(replace(jobs.PASSED, judged=long))] == [1000, 1004]


def test_an_unfit_machine_feeds_nobody() -> None:
    assert action(jobs.UNFIT) == [] and bencher(jobs.UNFIT) == {}


def test_benchstat_gets_every_invocation() -> None:
    base, new = (consumers.go_benchmarks(feeds.go_benchmarks(jobs.EVERY, arm)) for arm in ("base", "new"))
    assert base[0] == new[0] == {"goos": "linux", "goarch": "amd64", "pkg": "tinygram/gate",
                                 "cpu": "Invented CPU 3000 @ 2.0 GHz"}
    for results, arm in ((base[1], "base_each_ns"), (new[1], "new_each_ns")):
        small = [result for result in results if result.name == "BenchmarkExchange_small"]
        assert [result.values["ns/op"] for result in small] == pytest.approx(getattr(jobs.EVERY.judged[0], arm))
        assert {(result.procs, result.iterations) for result in small} == {("2", 1)}
    assert [result.name for result in base[1]] == [result.name for result in new[1]]


def test_benchstat_gets_the_median_where_no_more_was_kept() -> None:
    found = [result for result in consumers.go_benchmarks(feeds.go_benchmarks(jobs.EVERY, "new"))[1]
             if result.name == "BenchmarkHalf_known"]
    assert [result.values["ns/op"] for result in found] == pytest.approx([jobs.EVERY.judged[6].new_ns])


def test_names_are_names_of_functions() -> None:
    names = ["", "a b", "a-b", "9", "é", "a/b=c", "Ä", "A_b"]
    made = replace(jobs.PASSED, judged=tuple(jobs.judged(name, 1.0, Verdict.PASS, 1) for name in names))
    found = [result.name for result in consumers.go_benchmarks(feeds.go_benchmarks(made, "new"))[1]]
    assert found == ["BenchmarkMeasurement", "BenchmarkA_b", "BenchmarkA_b_2", "BenchmarkN9", "BenchmarkMeasurement_2",
                     "BenchmarkA_b_c", "BenchmarkMeasurement_3", "BenchmarkA_b_3"]


@pytest.mark.parametrize(("machine", "head", "procs"), [
    ({}, {"goarch": "unknown"}, ""), ({"architecture": "aarch64", "cpus_online": True}, {"goarch": "arm64"}, ""),
    ({"architecture": "riscv64", "cpus_online": 8, "cpu_model": "a\nb: c"},
     {"goarch": "riscv64", "cpu": "a b: c"}, "8"),
])
def test_the_head_describes_the_machine(machine: dict[str, Any], head: dict[str, str], procs: str) -> None:
    found, results = consumers.go_benchmarks(feeds.go_benchmarks(replace(jobs.PASSED, machine=machine), "base"))
    assert found == {"goos": "linux", "pkg": "tinygram/gate", **head}
    assert {result.procs for result in results} == {procs}


def test_every_invocation_is_a_line() -> None:
    lines = [consumers.strict_json(line) for line in feeds.invocations(jobs.EVERY).splitlines()]
    small = [line for line in lines if line["measurement"] == "exchange-small"]
    assert [line["invocation"] for line in small] == list(range(1, 13))
    assert tuple(line["ln_ratio"] for line in small) == jobs.EVERY.judged[0].values
    assert all(line["ln_ratio"] == pytest.approx(math.log(line["new_ns"] / line["base_ns"])) for line in small)
    failed = [line for line in lines if not line["valid"]]
    assert [line["measurement"] for line in failed] == ["request-reply"] * 3 + ["transfer-64k"] * 2
    assert all(line["ln_ratio"] is line["base_ns"] is line["invocation"] is None for line in failed)
    assert sum(line["canary"] for line in lines) == 14
