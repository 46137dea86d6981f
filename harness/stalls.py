"""What stalled in the trials of an exchange or a stream: how often, and what it waited for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.panels import Point, Points

STALLED: Final = 0.5
# What a stall waited for, as it ends a sentence.
MECHANISMS: Final = {
    "nagle_delayed_ack": "Nagle's algorithm holds the later write until the earlier one is acknowledged, and the "
                         "receiver delays that ACK",
    "corked": "the cork holds the last segment until the kernel's time for it is up",
    "send_buffer_full": "write() waits for room in the send buffer",
    "window_closed": "the receiver's window is closed",
    "retransmission": "a segment is sent again",
    "reply_held": "the request arrives in time, and the reply is held at the receiver",
    "reader_late": "the bytes wait for the receiver's read()",
    "unknown": "the kernel's timestamps do not tell for what"}


def stall_share(point: Point) -> float | None:
    """Share of the exchanges or messages of a trial that stalled; None where it was not counted."""
    result = point.trial.document["result"]
    stalls, messages = result.get("stalls"), result.get("messages")
    count = stalls.get("count") if isinstance(stalls, Mapping) else None
    return None if count is None or not messages else float(count) / messages


def mechanisms(points: Points) -> dict[str, int]:
    """How many stalls each mechanism caused, most first; those without any are left out."""
    found: dict[str, int] = {}
    for point in points:
        stalls = point.trial.document["result"].get("stalls")
        for name, count in ((stalls.get("by_mechanism") if isinstance(stalls, Mapping) else None) or {}).items():
            found[name] = found.get(name, 0) + (count or 0)
    return {name: found[name] for name in sorted(found, key=lambda name: -found[name]) if found[name]}
