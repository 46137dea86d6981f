"""Numbers as the words of a sentence."""

from __future__ import annotations

import pytest

from harness.phrases import rate_text, time_text


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 B/s"), (999.9, "1 kB/s"), (5.2e6, "5.2 MB/s"), (1.234e9, "1.23 GB/s"), (12e9, "12 GB/s")])
def test_rate_text(value: float, text: str) -> None:
    assert rate_text(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 s"), (3e-7, "300 ns"), (1.65e-5, "16.5 us"), (0.0441, "44.1 ms"), (2.5, "2.5 s")])
def test_time_text(value: float, text: str) -> None:
    assert time_text(value) == text
