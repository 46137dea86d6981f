"""A job for a person at a terminal: one line a measurement, then counters, canary, machine, and the outcome last."""

from __future__ import annotations

import textwrap
from collections.abc import Container, Sequence
from typing import Final

from harness import wording
from harness.verdict import Job, Judged

WRAP: Final = 118
NAME_MAX: Final = 44
_HEADER: Final = ("measurement", "change", "interval", "verdict", "K", "detectable", "why")
_TO_THE_RIGHT: Final = frozenset((1, 4, 5))


def text(job: Job) -> str:
    """The whole table. No colours and no control characters, whatever a measurement is called."""
    parts = [*_measurements(job), *_counters(job), *_listed("missing", job.missing),
             *_listed("machine unfit", job.unfit),
             *_canaries(job), *_about(job), *_listed("notes", job.notes)]
    outcome = textwrap.wrap(wording.headline(job), WRAP)
    return "\n".join([*parts, "", *outcome]) + "\n"


def _measurements(job: Job) -> list[str]:
    if not job.judged:
        return ["No measurement was judged."]
    return columns([_HEADER, *(_row(item) for item in job.judged)], _TO_THE_RIGHT)


def _row(item: Judged) -> tuple[str, ...]:
    return (wording.shortened(wording.name_of(item), NAME_MAX), wording.change(item.ratio), wording.interval(item),
            item.verdict.value, str(item.invocations), wording.percent(item.detectable), wording.why(item))


def columns(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """The rows as lines; what does not fit of the last column stands below its row. right: columns of numbers."""
    widths = [max(wording.width(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = []
        for place, (cell, wide) in enumerate(zip(row, widths)):
            blank = " " * (wide - wording.width(cell))
            cells.append(blank + cell if place in right else cell + blank)
        line = "  ".join([*cells, row[-1]]).rstrip()
        fits = wording.width(line) <= WRAP
        lines += [line] if fits else ["  ".join(cells).rstrip(), *_indented(row[-1], "    ")]
    return lines


def _counters(job: Job) -> list[str]:
    if not job.counted:
        return []
    changed = wording.changed(job)
    lines = ["", f"exact counters: {len(job.counted) - len(changed)} of {len(job.counted)} are as expected"]
    for item in changed:
        lines += _indented(f"{wording.name_of(item)}, {wording.visible(item.counter)} {item.verdict} "
                           f"({wording.counted_as(item)}): {wording.told(item)}")
    return lines


def _canaries(job: Job) -> list[str]:
    if not job.canaries:
        return ["", "canary: none was run, so nobody knows what this machine makes of no change at all"]
    return ["", "canary (base against itself)", *(line for item in job.canaries
                                                  for line in _indented(wording.canary_line(item)))]


def _about(job: Job) -> list[str]:
    took = wording.known(job.elapsed_s)
    return ["", *_indented(wording.build_line(job.base), ""), *_indented(wording.build_line(job.new), ""),
            *_indented(f"machine: {wording.machine_line(job)}", ""),
            *_indented(wording.detectable_line(job), ""),
            f"job {wording.visible(job.id)}, {wording.visible(job.started_at)}, seed {job.seed}"
            + (f", {took:.0f} s" if took is not None else "")]


def _listed(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", title, *(line for sentence in sentences for line in _indented(wording.visible(sentence)))] \
        if sentences else []


def _indented(text: str, by: str = "  ") -> list[str]:
    return textwrap.wrap(text, WRAP, initial_indent=by, subsequent_indent=by + "    ", break_on_hyphens=False,
                         break_long_words=False)
