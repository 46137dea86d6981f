"""The loop of a comparison: rounds of invocations of all contests, a look after 12, 24 and 48 of them, and a verdict.

In a round every contest that still needs a value has one invocation; the order is shuffled anew each time, so that
drift of the machine hits all alike. Only contests without a verdict go on to the next look.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness import mechanism, stats
from harness.arms import Contest, Invocation
from harness.stats import Decision, Looks
from harness.verdict import Judged, Verdict

Invoker = Callable[[Contest, int, int | None], Invocation]  # contest, seed, units of a slice or None

SPARE: Final = 4            # one invocation in so many may be invalid and is made up for
FREE: Final = 3             # invocations that choose the units of a slice
IN_A_ROW: Final = 3         # a contest is given up after so many invalid invocations one after the other
_SEEDS: Final = 2 ** 31


@dataclass(slots=True)
class Progress:
    """How far one contest has come."""

    contest: Contest
    valid: list[Invocation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    in_a_row: int = 0
    decision: Decision | None = None
    spent_s: float = 0.0
    machine_at_fault: str | None = None
    given_up: bool = False  # the first look found too few values: there is no verdict to be had

    @property
    def values(self) -> list[float]:
        """d of each valid invocation, in the order of time."""
        return [one.value for one in self.valid if one.value is not None]

    @property
    def units(self) -> int | None:
        """Units of a slice: the median of what the first three valid invocations chose; None: the next one chooses.

        One that was disturbed just then chooses far too few, and would spoil all others if it stood alone.
        """
        chosen = sorted(one.units for one in self.valid[:FREE] if one.units is not None)
        return chosen[FREE // 2] if len(chosen) == FREE else None

    @property
    def decided(self) -> bool:
        """Whether it has a verdict."""
        return self.decision is not None and self.decision.verdict is not None

    def wants(self, count: int) -> bool:
        """Whether it needs, and may have, another invocation before a look at `count` of them."""
        return (len(self.valid) < count and self.in_a_row < IN_A_ROW and self.machine_at_fault is None
                and not self.given_up and len(self.problems) <= count // SPARE)

    def take(self, invocation: Invocation) -> None:
        """One more invocation."""
        self.spent_s += invocation.wall_s
        if invocation.value is not None:
            self.valid.append(invocation)
            self.in_a_row = 0
            return
        self.problems.append(invocation.problem or "it gave no reason.")
        self.in_a_row += 1
        if invocation.machine_at_fault:
            self.machine_at_fault = invocation.problem

    def lasts(self, count: int) -> float:
        """Seconds until it has `count` invocations, by those that it has had."""
        tried = len(self.valid) + len(self.problems)
        return self.spent_s / tried * max(0, count - len(self.valid)) if tried else 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """What came out: judged contests and canaries in the order given, and for each of the contests that have too few
    valid invocations a sentence. machine_at_fault: sentences about what the system refused."""

    judged: tuple[Judged, ...]
    canaries: tuple[Judged, ...]
    too_few: tuple[str, ...]
    machine_at_fault: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a comparison goes on. until: time.monotonic() after which no look may end. gate: a pass need not rule out
    that new is faster, and only changes are explained."""

    looks: Looks = stats.LOOKS
    until: float | None = None
    gate: bool = True


def play(contests: Sequence[Contest], canaries: Sequence[Contest], invoke: Invoker, chooser: random.Random,
         rules: Rules = Rules(), keep: Callable[[Invocation], None] = lambda invocation: None,
         say: Callable[[str], None] = lambda text: None) -> Played:
    """Plays all contests to their verdicts.

    invoke: makes one invocation. chooser: shuffles, and seeds each invocation. keep: is given each invocation as it
    ends. say: is given a line after each look.
    """
    real, canary = [Progress(one) for one in contests], [Progress(one) for one in canaries]
    stopped: str | None = None
    for look, count in enumerate(rules.looks.invocations, 1):
        active = [one for one in (*real, *canary) if not one.decided]
        stopped = _too_late(active, count, rules.until) if look > 1 else None
        if stopped:
            break
        _rounds(active, count, invoke, chooser, keep)
        for one in active:
            one.given_up = len(one.valid) < rules.looks.invocations[0]
        _judge(real, look, rules, len(real))
        _judge(canary, look, rules, len(canary))
        open_ = [one for one in real if not one.decided]
        say(f"look {look}: {count} invocations, {len(real) - len(open_)} of {len(real)} measurements decided")
        if not any(one.wants(rules.looks.invocations[-1]) for one in open_):
            break
    least = rules.looks.invocations[0]
    return Played(
        tuple(_judged(one, stopped, rules.gate) for one in real),
        tuple(_judged(one, stopped, rules.gate) for one in canary),
        tuple(f"{one.contest.key}: {_few(one, least)}" for one in (*real, *canary) if len(one.valid) < least),
        tuple(dict.fromkeys(one.machine_at_fault for one in (*real, *canary) if one.machine_at_fault)))


def _rounds(active: Sequence[Progress], count: int, invoke: Invoker, chooser: random.Random,
            keep: Callable[[Invocation], None]) -> None:
    """Invocations until each of the active contests has `count`, or may have no more."""
    while waiting := [one for one in active if one.wants(count)]:
        chooser.shuffle(waiting)
        for one in waiting:
            invocation = invoke(one.contest, chooser.randrange(1, _SEEDS), one.units)
            one.take(invocation)
            keep(invocation)
            if one.machine_at_fault:
                for other in active:  # what the machine refuses to one it refuses to all
                    other.machine_at_fault = one.machine_at_fault
                return


def _judge(family: Sequence[Progress], look: int, rules: Rules, declared: int) -> None:
    undecided = [one for one in family if not one.decided]
    if not undecided:
        return
    decisions = stats.judge({one.contest.name: one.values for one in undecided},
                            {one.contest.name: one.contest.thresholds for one in undecided}, look, looks=rules.looks,
                            declared=declared, both_sides=not rules.gate)
    for one in undecided:
        one.decision = decisions[one.contest.name]


def _too_late(active: Sequence[Progress], count: int, until: float | None) -> str | None:
    """Why the next look would end too late, a clause; None: it may begin."""
    if until is None:
        return None
    left, needed = until - time.monotonic(), sum(one.lasts(count) for one in active if one.wants(count))
    if needed <= left:
        return None
    return f"the next look would take {needed:.0f} s, and {max(0.0, left):.0f} s were left"


def _few(one: Progress, least: int) -> str:
    first = f" The first said: {one.problems[0]}" if one.problems else ""
    return (f"{len(one.valid)} of {len(one.valid) + len(one.problems)} invocations gave a value, and a verdict needs "
            f"{least}.{first}")


def _judged(one: Progress, stopped: str | None, gate: bool) -> Judged:
    contest, decision = one.contest, one.decision
    verdict = decision.verdict if decision is not None and decision.verdict is not None else Verdict.INCONCLUSIVE
    reasons = [decision.reason if decision is not None else None,
               stopped if verdict is Verdict.INCONCLUSIVE else None,
               f"{len(one.problems)} invocations gave no value, the first: {one.problems[0]}" if one.problems else None]
    changed = verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT)
    counters = [invocation.counters for invocation in one.valid if invocation.counters is not None]
    base_each = tuple(each.base_ns for each in one.valid if each.base_ns is not None)
    new_each = tuple(each.new_ns for each in one.valid if each.new_ns is not None)
    return Judged(
        name=contest.name, question=contest.question, work=contest.work,
        method=one.valid[0].method if one.valid else "slices", verdict=verdict,
        ratio=decision.ratio if decision else None, low=decision.low if decision else None,
        high=decision.high if decision else None, confidence=decision.confidence if decision else 0.99,
        p_slower=decision.p_slower if decision else None, p_faster=decision.p_faster if decision else None,
        look=decision.look if decision else 1, invocations=len(one.valid), invalid=len(one.problems),
        detectable=decision.detectable if decision else None, thresholds=contest.thresholds,
        base_ns=statistics.median(base_each) if base_each else None,
        new_ns=statistics.median(new_each) if new_each else None, values=tuple(one.values),
        mechanism=mechanism.explain(counters, contest.work) if counters and (changed or not gate) else None,
        reason="; ".join(reason for reason in reasons if reason) or None, canary=contest.canary,
        base_each_ns=base_each, new_each_ns=new_each)
