"""The answer of an experiment of any workload; and what the observer itself does to what it measures.

Transfers are answered in answer.py, exchanges in exchanges.py and pipeline.py, streams in queues.py.
"""

from __future__ import annotations

from statistics import median

from harness import answer as answers
from harness.effect import CHANCE
from harness.exchanges import about_exchanges
from harness.experiment import Experiment
from harness.observer import MEASURES, ratios, stamped
from harness.panels import Measure, Points
from harness.parts import Line, bars, lines
from harness.phrases import joined
from harness.pipeline import about_pipeline
from harness.queues import about_holds, about_queues
from harness.sentences import Answer
from harness.stats import sign_chance


def observer_sentence(line: Line, measure: Measure, what: str) -> str:
    """What kernel timestamps do to one measure of one setting: the median of the pairs, and how far they reach."""
    found = [ratio for ratio, _ in ratios(line, measure)]
    if not found:
        return ""
    middle = median(found)
    ups = sum((ratio > 1) + (ratio == 1) / 2 for ratio in found)
    clear = sign_chance(ups, len(found)) <= CHANCE
    verb = "raise" if middle > 1 else "lower"
    told = f"{verb} {what} by {abs(middle - 1) * 100:.2g} %" if clear else f"make no clear difference to {what}"
    return f"{told} ({min(found):.2f} to {max(found):.2f} times, {len(found)} pairs)"


def about_observer(points: Points) -> Answer:
    """How much kernel timestamps change what they measure."""
    head = []
    for line in lines(points):
        parts = [observer_sentence(line, measure, what) for measure, what in zip(
            MEASURES, ("the latency of the median exchange", "that of the latest tenth", "the CPU time"), strict=True)]
        if any(parts):
            head.append(f"{line.heading}, {line.label}: kernel timestamps {joined([part for part in parts if part])}.")
    lost = [point for point in points if stamped(point) and not bars(point.trial.document["result"].get("split"))]
    reasons = [f"The kernel gave no timestamps in {len(lost)} trials that asked for them."] if lost else []
    return Answer(tuple(head) or ("There are no pairs of trials with and without kernel timestamps.",), tuple(reasons))


def answer(experiment: Experiment, points: Points) -> Answer:
    """The answer to the question of an experiment of any workload. points: its finished trials."""
    workload = {point.row.workload for point in points}
    if workload not in ({"exchange"}, {"stream"}):
        return answers.answer(experiment, points)
    if len({stamped(point) for point in points}) > 1:
        return about_observer(points)
    if workload == {"stream"}:
        return about_holds(points) if any(map(stamped, points)) else about_queues(points)
    return about_pipeline(points) if len({point.row.outstanding for point in points}) > 1 else about_exchanges(points)
