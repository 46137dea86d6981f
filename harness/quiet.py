"""A quiet moment: waiting until nobody else works, and counting how often that was in vain."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final


class Quiet:
    """Waits until nobody else works, and counts how often that was in vain.

    Looks at /proc/stat for LOOK_S; all CPUs together may be busy for a tenth of one CPU. Never waits longer than
    `patience_s` in all: on a machine that never rests the numbers are taken as they come, and the table says so.
    """

    LOOK_S: Final = 0.03
    BUSY: Final = 0.1

    def __init__(self, patience_s: float) -> None:
        self.asked = 0
        self.disturbed = 0
        self._left_s = patience_s

    def wait(self) -> None:
        """Returns when it is quiet, or when the patience is used up."""
        self.asked += 1
        while self._busy() > self.BUSY:
            self._left_s -= self.LOOK_S
            if self._left_s <= 0:
                self.disturbed += 1
                return

    def _busy(self) -> float:
        """CPUs in use by anybody, on average over LOOK_S."""
        before = self._busy_ticks()
        time.sleep(self.LOOK_S)
        return (self._busy_ticks() - before) / os.sysconf("SC_CLK_TCK") / self.LOOK_S

    @staticmethod
    def _busy_ticks() -> int:
        user, nice, system, _, _, irq, softirq, steal = (
            int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9])
        return user + nice + system + irq + softirq + steal
