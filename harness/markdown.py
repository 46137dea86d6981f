"""A job as Markdown for the summary of a CI step, and as annotations of a workflow.

The summary opens with the outcome; then the table, counters, canary and machine, and what was measured in every
invocation, folded. GitHub takes at most 1 MiB a step (docs.github.com, "Adding a job summary"): where it would be more,
the folded part is left out and said to be.

An annotation is a line `::error title=TITLE::MESSAGE` (docs.github.com, "Workflow commands"). The runner splits the
properties at commas and at the first `=`, and the message off at the first `::` (actions/runner, ActionCommand.cs); so
%, CR and LF are escaped everywhere, and `:` and `,` in properties as well, as actions/toolkit does (core/command.ts).
It shows 10 annotations a kind and step; what is more is counted in the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from harness import wording
from harness.verdict import Job, Judged, Status, Verdict

SUMMARY_MAX_BYTES: Final = 1_000_000
ANNOTATIONS_MAX: Final = 10
_MARKS: Final = {Verdict.REGRESSION: "🔴", Verdict.PASS: "🟢", Verdict.IMPROVEMENT: "🔵", Verdict.INCONCLUSIVE: "⚪"}
_SIGNS: Final = {Status.PASS: "✅", Status.INCONCLUSIVE: "⚠️", Status.UNFIT: "⚠️"}


# ---------------------------------------------------------------------------------------------------------------------
# The summary


def summary(job: Job, forest: str | None = None) -> str:
    """The page. forest: a link to the forest plot of the ratios, if it was drawn."""
    head = "\n\n".join(filter(None, (
        f"## {_SIGNS.get(job.status, '❌')} {escape(wording.headline(job))}",
        f"{_build(job)}: {escape(wording.tally(job))}.",
        _listed("The machine cannot judge", job.unfit), _listed("Missing", job.missing),
        _measurements(job), f"![Ratios with their intervals]({_link(forest)})" if forest else "",
        _counters(job), _canaries(job), _about(job), _listed("Notes", job.notes))))
    raw = _raw(job)
    page = f"{head}\n\n{raw}\n"
    if len(page.encode()) > SUMMARY_MAX_BYTES:
        page = f"{head}\n\nThe raw numbers do not fit here; they are in job.json.\n"
    return page


def escape(text: str) -> str:
    """The text as plain words of GitHub's Markdown, in a table cell too.

    Punctuation that means something is escaped with a backslash; `<`, `>` and `&` become entities; `@name` does not
    call anybody, an address does not become a link, and `:word:` no picture.
    """
    shown = wording.visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", shown)
    shown = re.sub(r"@(?=\w)|:(?=//)|:(?=[a-z+-][\w+-]*:)", lambda found: f"{found[0]}<!-- -->", shown)
    return re.sub(r"^([#+-]|\d+[.)])", lambda found: found[0][:-1] + "\\" + found[0][-1], shown)


def _link(target: str) -> str:
    """A link that ends where it should."""
    return re.sub(r"[^\w./:?&=#~%-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode(
        errors="replace")), target, flags=re.ASCII)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    lines = [header, ["--:" if place in right else "---" for place in range(len(header))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _build(job: Job) -> str:
    """The two builds, as code, in which nothing but a backquote means anything."""
    new, base = (wording.ref_of(build).replace("`", "'") for build in (job.new, job.base))
    return f"`{new}` against `{base}`"


def _measurements(job: Job) -> str:
    if not job.judged:
        return "No measurement was judged."
    rows = [[escape(wording.name_of(item)), f"{_MARKS[item.verdict]} {item.verdict.value}",
             wording.change(item.ratio), wording.interval(item), str(item.invocations),
             wording.percent(item.detectable), escape(wording.why(item))] for item in job.judged]
    return _table(("measurement", "verdict", "change", "interval", "K", "detectable", "why"), rows, (2, 4, 5)) + (
        "\n\n*change*: time for the same work, new against base; + is slower. *interval*: at "
        f"{wording.percent(job.judged[0].confidence, 0)} confidence. *K*: invocations. *detectable*: the smallest "
        "slowdown that would have been found.")


def _counters(job: Job) -> str:
    if not job.counted:
        return ""
    changed = wording.changed(job)
    line = f"**Exact counters**: {len(job.counted) - len(changed)} of {len(job.counted)} are as expected."
    rows = [[escape(wording.name_of(item)), escape(item.counter), item.verdict, wording.count(item.expected),
             wording.count(item.base), wording.count(item.new),
             escape(wording.told(item))] for item in changed]
    return line if not rows else line + "\n\n" + _table(
        ("measurement", "counter", "verdict", "expected", "base", "new", "what it means"), rows, (3, 4, 5))


def _canaries(job: Job) -> str:
    told = "; ".join(escape(wording.canary_line(item)) for item in job.canaries)
    return f"**Canary** (base against itself): {told or 'none was run'}."


def _about(job: Job) -> str:
    return "\n\n".join((f"**Machine**: {escape(wording.machine_line(job))}. {escape(wording.detectable_line(job))}",
                        f"{escape(wording.build_line(job.base))}; {escape(wording.build_line(job.new))}. "
                        f"Job {escape(job.id)}, {escape(job.started_at)}, seed {job.seed}."))


def _listed(title: str, sentences: Sequence[str]) -> str:
    lines = "\n".join(f"- {escape(each)}" for each in sentences)
    return f"**{title}**\n\n{lines}" if lines else ""


def _raw(job: Job) -> str:
    """Every invocation, folded."""
    rows = [[escape(wording.name_of(item)), str(item.look), wording.duration(item.base_ns),
             wording.duration(item.new_ns), _p(item.p_slower), _p(item.p_faster),
             ", ".join(f"{value * 100:+.2f}" for value in item.values if wording.known(value) is not None)]
            for item in (*job.judged, *job.canaries)]
    table = _table(("measurement", "look", "base", "new", "p slower", "p faster", "100 ln(new / base) of each "
                    "invocation"), rows, (1, 2, 3, 4, 5))
    return f"<details>\n<summary>Raw numbers</summary>\n\n{table}\n\n</details>"


def _p(value: float | None) -> str:
    return "" if value is None or wording.known(value) is None else f"{value:.3g}"


# ---------------------------------------------------------------------------------------------------------------------
# Annotations


def annotation_lines(job: Job) -> str:
    """One line an annotation, the outcome first; nothing but errors that matter, warnings and improvements."""
    errors = [("machine unfit", sentence) for sentence in job.unfit]
    errors += [("missing", sentence) for sentence in job.missing]
    errors += [(f"{wording.visible(item.counter)} of {wording.name_of(item)} {item.verdict}", item.sentence)
               for item in wording.changed(job)]
    timed = [] if wording.disbelieved(job) else job.judged
    errors += _about_each(timed, Verdict.REGRESSION)
    warnings = _about_each(timed, Verdict.INCONCLUSIVE)
    notices = _about_each(timed, Verdict.IMPROVEMENT)
    outcome = f"tinygram gate: {job.status.name}", job.sentence
    if job.status is Status.PASS:
        notices.insert(0, outcome)
    elif job.status is Status.INCONCLUSIVE:
        warnings.insert(0, outcome)
    else:
        errors.insert(0, outcome)
    return "".join(line for kind, found in (("error", errors), ("warning", warnings), ("notice", notices))
                   for line in _lines(kind, found))


def _about_each(items: Sequence[Judged], verdict: Verdict) -> list[tuple[str, str]]:
    return [(f"{verdict.value} {wording.name_of(item)}",
             ". ".join(filter(None, (wording.figures(item), wording.why(item)))))
            for item in items if item.verdict is verdict]


def _lines(kind: str, found: Sequence[tuple[str, str]]) -> list[str]:
    shown = list(found)
    if len(shown) > ANNOTATIONS_MAX:
        left = len(shown) - ANNOTATIONS_MAX + 1
        shown = [*shown[:ANNOTATIONS_MAX - 1], (f"{left} more", f"{left} more are in the summary of the job.")]
    return [f"::{kind} title={_property(wording.visible(title))}::{_data(message)}\n" for title, message in shown]


def _data(text: str) -> str:
    lines = "\n".join(map(wording.visible, text.splitlines()))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
