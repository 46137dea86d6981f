"""Whether this machine can judge: what must hold before a job, and what must not change while it runs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLOCK_STEP_S: Final = 0.05  # both clocks are slewed alike, so their distance moves only when one of them is set


@dataclass(frozen=True, slots=True)
class Conditions:
    """The machine at one moment. boot_id: of this boot. allowed, online: CPUs. clocksource: of the kernel.

    wall_s: the time of day minus the monotonic clock. asleep_s: time that the machine has been suspended.
    """

    boot_id: str | None
    allowed: tuple[int, ...]
    online: str | None
    clocksource: str | None
    wall_s: float
    asleep_s: float


def now() -> Conditions:
    """The machine as it is. Raises nothing."""
    monotonic = time.monotonic()
    return Conditions(
        _text("/proc/sys/kernel/random/boot_id"), tuple(sorted(os.sched_getaffinity(0))),
        _text("/sys/devices/system/cpu/online"),
        _text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        time.time() - monotonic, time.clock_gettime(time.CLOCK_BOOTTIME) - monotonic)


def changes(before: Conditions, after: Conditions) -> list[str]:
    """What changed while the job ran so that its times cannot be believed, sentences."""
    found = []
    if before.boot_id != after.boot_id:
        found.append("the boot_id changed during the job: the machine was restarted or restored from an image. Run the "
                     "job again.")
    lost = sorted(set(before.allowed) - set(after.allowed))
    if lost:
        found.append(f"CPU {', '.join(map(str, lost))} was taken away during the job (offline, or by a cpuset). Run "
                     "the job again when the CPUs stay.")
    elif before.online != after.online:
        found.append(f"the CPUs online were {before.online} and are {after.online}: one went offline or came during "
                     "the job. Run the job again.")
    if before.clocksource != after.clocksource:
        found.append(f"the kernel left the clock source {before.clocksource} for {after.clocksource} during the job: "
                     "it distrusts the clock. Run the job again.")
    step = after.wall_s - before.wall_s
    slept = after.asleep_s - before.asleep_s
    if abs(slept) > CLOCK_STEP_S:
        found.append(f"the machine was suspended for {slept:.1f} s during the job. Run the job again.")
    elif abs(step) > CLOCK_STEP_S:
        found.append(f"the clock was set by {step:+.2f} s during the job: dates and times of its records do not agree. "
                     "Run the job again when the clock is synchronised.")
    return found


def pinning() -> str | None:
    """Why no process can be pinned to a CPU here, a sentence; None where it can. One CPU is enough: both ends share it.
    """
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
    except OSError as error:
        return (f"no process can be pinned to a CPU here ({error.strerror}), and unpinned times cannot be judged: the "
                "container or the scheduler of this machine forbids sched_setaffinity().")
    finally:
        try:
            os.sched_setaffinity(0, before)
        except OSError:
            pass
    return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None
