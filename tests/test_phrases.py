"""Numbers as the words of a sentence."""

from __future__ import annotations

import pytest

from harness.phrases import count_text, joined, range_text, rate_text, time_text


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 B/s"), (999.9, "1 kB/s"), (5.2e6, "5.2 MB/s"), (1.234e9, "1.23 GB/s"), (12e9, "12 GB/s")])
def test_rate_text(value: float, text: str) -> None:
    assert rate_text(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 s"), (3e-7, "300 ns"), (1.65e-5, "16.5 us"), (0.0441, "44.1 ms"), (2.5, "2.5 s")])
def test_time_text(value: float, text: str) -> None:
    assert time_text(value) == text


def test_a_range_is_one_word_where_both_ends_read_alike() -> None:
    assert range_text([3.0, 0.5, 1.04], count_text) == "0.5 to 3"
    assert range_text([1.0, 1.0001], count_text) == "1"
    assert range_text([], count_text) == "an unknown value"


def test_joined() -> None:
    assert [joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
