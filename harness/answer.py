"""From the trials of a run to the sentences that answer its question.

What the write size does is told here; buffers.py tells it of the send buffer, levels.py of every other factor.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.buffers import about_buffers
from harness.effect import compare, typical, values
from harness.experiment import Experiment
from harness.grouping import buffer_context, by_nodelay, by_size
from harness.levels import about_levels
from harness.panels import GOODPUT, Points
from harness.phrases import rate_text, time_text
from harness.sentences import (LATENCY, NEAR_BEST, Answer, delayed_ack_sentence, modes_sentence, nodelay_sentence,
                               segments_sentence)


def about_write_sizes(points: Points, factors: Sequence[str]) -> Answer:
    """What the write size does, and NODELAY with it. factors: those that really vary."""
    sizes = by_size(points)
    base = [(name, by_nodelay(group)[1] or group) for name, group in sizes]
    middles = [(name, middle) for name, group in base for middle in [typical(group, GOODPUT)] if middle is not None]
    head = []
    if len(middles) > 1:
        (first, low), (best, high) = middles[0], max(middles, key=lambda item: item[1])
        effect = compare(dict(base)[best], dict(base)[first], GOODPUT, lambda point: "")
        if effect is not None and effect.verdict == "higher":
            near = next(name for name, middle in middles if middle >= NEAR_BEST * high)
            head.append(f"Goodput grows with the write size, from {rate_text(low)} with writes of {first} to "
                        f"{rate_text(high)} with writes of {best}; {near} is the first to come within 20 % of that.")
        else:
            head.append(f"The write size makes no clear difference to goodput: {rate_text(low)} with writes of "
                        f"{first}, at best {rate_text(high)} with writes of {best}.")
    if all(by_nodelay(points)):
        for measure, what in ((GOODPUT, "goodput"), (LATENCY, "the latency of the median chunk")):
            effects = [(name, compare(*by_nodelay(group), measure, buffer_context)) for name, group in sizes]
            head.append(nodelay_sentence(effects, what))
    return Answer.of(head, [segments_sentence(sizes), delayed_ack_sentence(points), modes_sentence(points, factors)])


def _plain(points: Points) -> Answer:
    found = values(points, GOODPUT)
    latency = typical(points, LATENCY)
    told = f"{len(found)} trials: goodput {rate_text(min(found))} to {rate_text(max(found))}"
    middle = typical(points, GOODPUT)
    told += f", median {rate_text(middle)}" if middle is not None else ", in two modes"
    return Answer((told + (f"; the median chunk takes {time_text(latency)}." if latency is not None else "."),))


def answer(experiment: Experiment, points: Points) -> Answer:
    """The answer to the question of an experiment.

    points: its finished trials. Which sentences there are follows from the factors that really vary; what they say
    follows from the trials. Returns one sentence that says so where no trial finished.
    """
    if not points:
        return Answer(("No trial finished, so there is no answer.",))
    factors = [factor.name for factor in experiment.factors if len({p.level(factor.name) for p in points}) > 1]
    if set(factors) & {"sndbuf", "send-sndbuf"}:
        return about_buffers(points, factors)
    if "write-size" in factors and set(factors) <= {"write-size", "nodelay", "send-nodelay"}:
        return about_write_sizes(points, factors)
    return about_levels(points, factors) if factors else _plain(points)
