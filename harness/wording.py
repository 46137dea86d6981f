"""The words and numbers in which every output of a job says the same: pure functions from records to short texts.

A value that could not be had is an empty text. Nothing here knows a format: escaping belongs to each output.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from harness.verdict import Build, Counted, Job, Judged, Verdict

# C0, C1, DEL, noncharacters, and what turns the direction of a line.
_HIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
                            r"\ufffe\uffff]")
_HALF: Final = re.compile(r"[\ud800-\udfff]")
UNITS: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))


def visible(text: str) -> str:
    r"""The text on one line: white space is one blank, and what cannot be seen is written as \x1b or \u202e.

    What a measurement is called comes from a file; it must not be able to steer a terminal or hide in a page. Half of a
    surrogate pair becomes U+FFFD, as in job.json.
    """
    spaced = re.sub(r"[ \t\r\n\v\f\x85\u2028\u2029]+", " ", _HALF.sub("\ufffd", text)).strip()
    return _HIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}",
                       spaced)


def name_of(item: Judged | Counted) -> str:
    """The name of a measurement, on one line and never empty."""
    return visible(item.name) or "(no name)"


def unlike(names: Sequence[str], mark: str = " ({})") -> list[str]:
    """The same names, each made unlike those before it by a numbered mark: consumers take equal names for one."""
    taken: set[str] = set()
    found = []
    for name in names:
        unique, number = name, 2
        while unique in taken:
            unique, number = name + mark.format(number), number + 1
        taken.add(unique)
        found.append(unique)
    return found


def known(value: float | None) -> float | None:
    """The value, or None for one that is no number."""
    return value if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """The value, or None for one that cannot be a ratio."""
    found = known(value)
    return found if found is not None and found > 0 else None


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.0123 is `1.2 %`; an unknown fraction is empty."""
    value = known((fraction if fraction is not None else math.nan) * 100)
    return "" if value is None else f"{value:.{digits}f} %"


def change(ratio: float | None) -> str:
    """A ratio as a change: 1.0123 is `+1.2 %`, which is slower; 0.98 is `-2.0 %`; unknown is empty."""
    value = known(((ratio if ratio is not None else math.nan) - 1) * 100)
    if value is None:
        return ""
    text = f"{value:+.1f} %"
    return "+0.0 %" if text == "-0.0 %" else text


def interval(item: Judged) -> str:
    """The interval of the change: `-0.3 % to +1.1 %`; an open side is `?`, and no interval at all is empty."""
    low, high = change(item.low), change(item.high)
    return f"{low or '?'} to {high or '?'}" if low or high else ""


def duration(ns: float | None) -> str:
    """Nanoseconds in a unit that suits them, three significant digits; unknown is empty."""
    value = known(ns)
    if value is None:
        return ""
    size, unit = next((pair for pair in UNITS if abs(value) >= pair[0]), UNITS[-1])
    return f"{value / size:.3g} {unit}"


def count(value: int | None) -> str:
    """A count, or empty where nobody knows it."""
    return "" if value is None else str(value)


def counted_as(item: Counted) -> str:
    """`expected 12, base 12, new 40`, without what is not known."""
    parts = (("expected", item.expected), ("base", item.base), ("new", item.new))
    return ", ".join(f"{label} {value}" for label, value in parts if value is not None) or "no value"


def span(numbers: Iterable[int]) -> str:
    """`12`, or `12 to 48`; nothing is empty."""
    found = sorted(set(numbers))
    return "" if not found else str(found[0]) + (f" to {found[-1]}" if len(found) > 1 else "")


def plural(number: int, noun: str) -> str:
    """`1 measurement`, `2 measurements`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def tally(job: Job) -> str:
    """How many measurements have which verdict: `9 PASS, 1 REGRESSION`."""
    found = {verdict: sum(item.verdict == verdict for item in job.judged) for verdict in Verdict}
    return ", ".join(f"{number} {verdict.value}" for verdict, number in found.items() if number) or "nothing was judged"


def headline(job: Job) -> str:
    """The outcome: the name of the status and the job's own sentence."""
    return f"{job.status.name}: {visible(job.sentence)}"


def ref_of(build: Build) -> str:
    """What a build is called: its ref, a full hash by its first 12 digits; the working tree where it has none."""
    if build.ref and build.ref == build.commit:
        return visible(build.commit)[:12]
    return visible(build.ref or "") or ("the working tree" if build.commit else visible(build.program) or "(no name)")


def build_line(build: Build) -> str:
    """One side of the comparison: `base v0.1.0 (3f2a91c00000), version 0.1.0, gcc 12.2.0, -O2`."""
    said = f"{build.label} {ref_of(build)}"
    if build.commit:
        short = visible(build.commit)[:12]
        inside = [] if ref_of(build) == short else [short]
        inside += ["with changes"] if build.dirty else []
        said += f" ({', '.join(inside)})" if inside else ""
    rest = [f"version {visible(build.version)}" if build.version else "", visible(build.compiler or ""),
            visible(build.flags or "")]
    return ", ".join([said, *filter(None, rest)])


def machine_line(job: Job) -> str:
    """The machine in one line; what could not be read is said to be unknown."""
    def of(key: str) -> str:
        value = job.machine.get(key)
        return "unknown" if value is None or value == "" else visible(str(value))
    cpus = of("cpus_online")
    return (f"{of('cpu_model')}, {cpus} CPU{'' if cpus == '1' else 's'}, kernel {of('kernel')}, "
            f"HZ={of('hz')}, congestion control {of('congestion_default')}, load {of('load_1m')}")


def detectable_line(job: Job) -> str:
    """What this machine could find in this job, as one sentence."""
    found = [(value, name_of(item)) for item in job.judged if (value := known(item.detectable)) is not None]
    if not found:
        return "What this machine can detect is unknown: no measurement has enough invocations."
    (least, best), (most, worst) = min(found), max(found)
    if len(found) == 1 or percent(least) == percent(most):
        return f"This machine can detect a slowdown of {percent(most)}."
    return f"This machine can detect a slowdown of {percent(least)} ({best}) to {percent(most)} ({worst})."


def canary_line(item: Judged) -> str:
    """What base against itself gave."""
    said = ", ".join(filter(None, (change(item.ratio), f"interval {interval(item)}" if interval(item) else "",
                                   f"K = {item.invocations}")))
    outcome = {Verdict.PASS: "quiet, as it should be", Verdict.INCONCLUSIVE: "no answer"}.get(
        item.verdict, "FIRED: the machine makes a difference where there is none")
    return f"{name_of(item)}: {outcome} ({said})"


def why(item: Judged) -> str:
    """Mechanism and reason of a verdict, as far as they are there."""
    return "; ".join(filter(None, (visible(item.mechanism or ""), visible(item.reason or ""))))


def thresholds_text(item: Judged) -> str:
    """By what a measurement was judged."""
    return (f"a change from {percent(item.thresholds.effect)} on counts; "
            f"PASS excludes a slowdown of {percent(item.thresholds.tolerance)}")


def figures(item: Judged) -> str:
    """The figures of a verdict as one sentence, for outputs without a table."""
    if known(item.ratio) is None:
        said = "no ratio"
    else:
        said = f"{change(item.ratio)} time per {visible(item.work) or 'unit of work'}"
    parts = [said, f"{percent(item.confidence, 0)} interval {interval(item)}" if interval(item) else "",
             f"K = {item.invocations}" + (f" and {item.invalid} without a value" if item.invalid else ""),
             f"detectable {percent(item.detectable)}" if percent(item.detectable) else "",
             f"base {duration(item.base_ns)}" if duration(item.base_ns) else "",
             f"new {duration(item.new_ns)}" if duration(item.new_ns) else ""]
    return ", ".join(filter(None, parts))


def told(item: Counted) -> str:
    """What is said about a counter, and what it means."""
    sentence, mechanism = visible(item.sentence), visible(item.mechanism or "")
    return sentence + (" " if sentence.endswith(".") else "; " if sentence else "") * bool(mechanism) + mechanism


def shortened(text: str, most: int) -> str:
    """The text in at most so many columns; what is left out shows as an ellipsis."""
    if width(text) <= most:
        return text
    while width(text) > most - 1:
        text = text[:-1]
    return text + "…"


def drawn(text: str) -> str:
    """One line that gnuplot draws as it is: it would end a cell at a quotation mark, and swallow a backslash."""
    return visible(text).translate({ord('"'): "\u201d", ord("\\"): "\u2216"})


def changed(job: Job) -> list[Counted]:
    """The counters that are not what they should be."""
    return [item for item in job.counted if item.verdict != "same"]


def disbelieved(job: Job) -> tuple[str, ...]:
    """Why no time of this job can be believed; empty where verdicts stand.

    Of the sentences about an unfit machine, one that opens with the name of a measurement without a verdict (and a
    colon) is about that one alone: too little can be detected there, and what was found elsewhere was found.
    """
    alone = tuple(f"{item.name}: " for item in job.judged if item.verdict is Verdict.INCONCLUSIVE)
    return tuple(sentence for sentence in job.unfit if not sentence.startswith(alone))


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
               for char in text)
