"""Numbers, lists and paths as the words of a sentence; each value in SI units."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path


def scaled_text(value: float, unit: str) -> str:
    """A value in SI units with three digits: 3.2 GB/s, 41 us."""
    for prefix, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("u", 1e-6)):
        if abs(value) >= scale * 0.9995 and not (unit == "s" and scale > 1):
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value / 1e-9:.3g} n{unit}" if value else f"0 {unit}"


def rate_text(value: float) -> str:
    """Bytes a second."""
    return scaled_text(value, "B/s")


def time_text(value: float) -> str:
    """Seconds."""
    return scaled_text(value, "s")


def number_text(ratio: float) -> str:
    """A ratio with two digits: 0.25, 1.4, 220."""
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2g}"


def times_text(ratio: float) -> str:
    """A ratio: 0.25 times, 1.4 times, 220 times."""
    return f"{number_text(ratio)} times"


def bytes_text(value: float) -> str:
    """A mean number of bytes: 512 B, 18.4 KiB."""
    return f"{value:.0f} B" if value < 10240 else f"{value / 1024:.3g} KiB"


def percent_text(share: float) -> str:
    """A share of 1 as a percentage."""
    return f"{100 * share:.0f} %"


def count_text(value: float) -> str:
    """A mean number of things: 2, 0.333, 1.04."""
    return f"{value:.3g}"


def range_text(found: Sequence[float], text: Callable[[float], str]) -> str:
    """The least and the most: 1.2 to 4; one of them where both read alike."""
    if not found:
        return "an unknown value"
    return " to ".join(dict.fromkeys(text(value) for value in (min(found), max(found))))


def joined(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def path_text(path: Path) -> str:
    """The path as a person would type it from here."""
    seen = os.path.relpath(path)
    return str(path) if seen.startswith("..") else seen
