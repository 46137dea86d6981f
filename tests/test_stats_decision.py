"""The decision of a comparison: its looks, its rules, its mirror images, and how often it is wrong."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import stats
from harness.stats import LOOKS, Decision, Looks, StatsError, judge, judge_all
from harness.verdict import Thresholds, Verdict

MIRROR = {Verdict.REGRESSION: Verdict.IMPROVEMENT, Verdict.IMPROVEMENT: Verdict.REGRESSION, Verdict.PASS: Verdict.PASS,
          Verdict.INCONCLUSIVE: Verdict.INCONCLUSIVE, None: None}
NAMES = tuple(f"measurement {number}" for number in range(12))

Values = dict[str, list[float]]


def drawn(chooser: random.Random, slower: float, scatter: float, *, names: Sequence[str] = NAMES) -> Values:
    """48 normal values of ln(new / base) each; slower, scatter: fractions."""
    return {name: [chooser.gauss(math.log1p(slower), scatter) for _ in range(48)] for name in names}


def one(values: Sequence[float], look: int = 1, *, bounds: Thresholds = Thresholds(), declared: int = 1,
        both_sides: bool = False) -> Decision:
    """The decision about one measurement."""
    return judge({"one": values}, {"one": bounds}, look, declared=declared, both_sides=both_sides)["one"]


def spaced(centre: float, half_width: float, count: int = 12) -> list[float]:
    """Values at even distances about a centre."""
    return [centre + half_width * (2 * place / (count - 1) - 1) for place in range(count)]


# Two arms of which neither, or one, is slower; quiet and noisy; twelve at most, so that ties and every verdict occur.
samples = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from((-0.1, -0.03, 0.0, 0.03, 0.1)), st.sampled_from((0.0, 0.01, 0.1)),
              st.integers(0, 2**32)).map(lambda drawn_: [
                  round(random.Random(drawn_[2] + place).gauss(drawn_[0], drawn_[1]), 3) for place in range(48)]),
    min_size=1)


# ---------------------------------------------------------------------------------------------------------------------
# The rules


def test_regression_needs_certainty_and_size() -> None:
    """Certain and 2 %: REGRESSION. Certain and less: PASS, which says so. Neither certain nor ruled out: undecided."""
    large, small, noisy = one(spaced(0.05, 0.01)), one(spaced(0.012, 0.01)), one(spaced(0.03, 0.1))
    assert large.verdict is Verdict.REGRESSION and large.reason is None
    assert large.ratio == pytest.approx(math.exp(0.05))
    assert small.verdict is Verdict.PASS
    assert small.reason is not None and "slower for certain" in small.reason
    assert noisy.verdict is None
    assert noisy.reason is not None and "12 invocations rule out neither" in noisy.reason


def test_thresholds_are_fractions_of_the_time() -> None:
    """Effect and tolerance are met at ratio 1.02 and 1.05, an improvement at 1 / 1.02, so that arms can be swapped."""
    at = math.log1p(0.02)
    assert one([at + 1e-9] * 12).verdict is Verdict.REGRESSION
    assert one([at - 1e-9] * 12).verdict is Verdict.PASS
    assert one([-at - 1e-9] * 12).verdict is Verdict.IMPROVEMENT
    assert one([-at + 1e-9] * 12).verdict is Verdict.PASS
    bounds = Thresholds(effect=0.2, tolerance=0.05)
    assert one([math.log1p(0.05) - 1e-9] * 12, bounds=bounds).verdict is Verdict.PASS
    undecided = one([math.log1p(0.05) + 1e-9] * 12, bounds=bounds)
    assert undecided.verdict is None
    assert undecided.reason is not None and "neither are 20% reached nor 5% ruled out" in undecided.reason


def test_each_measurement_has_its_own_thresholds() -> None:
    """By name; without a name the default."""
    found = judge({"strict": [0.03] * 12, "loose": [0.03] * 12}, {"loose": Thresholds(0.1, 0.2)}, 1)
    assert found["strict"].verdict is Verdict.REGRESSION and found["loose"].verdict is Verdict.PASS


def test_twelve_invocations_are_just_enough_for_twelve_measurements() -> None:
    """All twelve must be slower: 1/4096 is at most .003 / 12. For a thirteenth the first look can only pass."""
    values = [0.05 + 0.001 * place for place in range(12)]
    assert one(values, declared=12).verdict is Verdict.REGRESSION
    assert one([*values[:-1], -0.0001], declared=12).verdict is None
    assert one(values, declared=13).verdict is None
    assert one(values, declared=13).detectable is None
    assert LOOKS.can_find(1, 12) and not LOOKS.can_find(1, 13) and LOOKS.can_find(2, 1000)


def test_holm_lends_what_the_clear_ones_leave() -> None:
    """A weak change beside eleven clear ones has the whole alpha; alone among twelve it has a twelfth."""
    weak = [*[0.1 + 0.001 * place for place in range(11)], -0.09]  # p = 2/4096: all but the smallest
    clear = {f"clear {number}": [0.1 + 0.001 * place for place in range(12)] for number in range(11)}
    assert judge({**clear, "weak": weak}, {}, 1)["weak"].verdict is Verdict.REGRESSION
    assert one(weak, declared=12).verdict is None


def test_undecided_at_the_last_look_is_inconclusive() -> None:
    """With its reason; before it there is no verdict."""
    values = spaced(0.03, 0.2, 48)
    assert one(values, 2).verdict is None
    last = one(values, 3)
    assert last.verdict is Verdict.INCONCLUSIVE
    assert last.reason is not None and "smallest slowdown" in last.reason


def test_no_verdict_rests_on_fewer_than_the_first_looks_invocations() -> None:
    """However clear they are, and however few: a sentence, and INCONCLUSIVE in the end."""
    for count in (0, 1, 11):
        found = one([0.5] * count)
        assert found.verdict is None and found.invocations == count
        assert found.reason is not None and f"{count} valid invocations" in found.reason
        assert (found.low, found.high, found.p_slower, found.detectable) == (None, None, None, None)
        assert (found.ratio is None) == (count == 0)
        assert one([0.5] * count, 3).verdict is Verdict.INCONCLUSIVE


def test_invocations_that_failed_cost_certainty_only() -> None:
    """A look with fewer than its K, but at least the first look's, judges what is there."""
    assert one([0.05 + 0.001 * place for place in range(15)], 2).verdict is Verdict.REGRESSION


def test_measurements_that_never_vary() -> None:
    """Zero spread is no error: equal arms pass, others are judged."""
    assert one([0.0] * 12).verdict is Verdict.PASS
    found = one([0.07] * 12)
    assert found.verdict is Verdict.REGRESSION and found.low == found.high == found.ratio
    assert found.detectable == pytest.approx(0.02)


def test_numbers_of_a_decision_hang_together() -> None:
    """Interval about the estimate, one-sided bounds within it, p-values adjusted upwards."""
    found = one(spaced(0.01, 0.05, 24), 2, declared=5)
    assert found.low is not None and found.high is not None and found.ratio is not None
    assert found.at_least is not None and found.at_most is not None
    assert found.low <= found.at_least <= found.ratio <= found.at_most <= found.high
    assert found.p_slower is not None and found.adjusted_slower is not None
    assert found.adjusted_slower == min(1, 5 * found.p_slower)
    assert (found.look, found.invocations, found.confidence) == (2, 24, 0.99)


# ---------------------------------------------------------------------------------------------------------------------
# Laws


@given(samples)
def test_swapped_arms_swap_regression_and_improvement(values: Values) -> None:
    """Within one look the two are mirror images; nothing else changes places."""
    swapped = {name: [-value for value in sample] for name, sample in values.items()}
    for look, count in enumerate(LOOKS.invocations, 1):
        here = judge({name: sample[:count] for name, sample in values.items()}, {}, look)
        there = judge({name: sample[:count] for name, sample in swapped.items()}, {}, look)
        for name in values:
            one_, other = here[name], there[name]
            assert (one_.verdict is Verdict.REGRESSION) == (other.verdict is Verdict.IMPROVEMENT)
            assert (one_.verdict is Verdict.IMPROVEMENT) == (other.verdict is Verdict.REGRESSION)
            assert (one_.p_slower, one_.adjusted_slower) == (other.p_faster, other.adjusted_faster)
            assert one_.ratio is not None and one_.low is not None and one_.high is not None
            assert other.ratio == pytest.approx(1 / one_.ratio)
            assert (other.low, other.high) == (pytest.approx(1 / one_.high), pytest.approx(1 / one_.low))
            assert other.detectable == one_.detectable


@given(samples)
def test_swapped_arms_swap_every_verdict_where_both_sides_count(values: Values) -> None:
    """The symmetric rule: over all looks, and PASS too."""
    swapped = {name: [-value for value in sample] for name, sample in values.items()}
    here, there = judge_all(values, {}, both_sides=True), judge_all(swapped, {}, both_sides=True)
    for name in values:
        assert there[name].verdict is MIRROR[here[name].verdict]
        assert there[name].look == here[name].look


def test_a_pass_says_nothing_of_faster() -> None:
    """The one asymmetry: what is faster and noisy passes at once; its mirror image, and the symmetric rule, go on."""
    noisy = spaced(-0.06, 0.09)
    assert one(noisy, declared=12).verdict is Verdict.PASS
    assert one([-value for value in noisy], declared=12).verdict is None
    assert one(noisy, declared=12, both_sides=True).verdict is None
    assert one(spaced(0.0, 0.02), both_sides=True).verdict is Verdict.PASS


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_invocations_and_measurements_changes_nothing(values: Values, chooser: random.Random) -> None:
    """Within a look the values are a set, and so are the measurements."""
    names = chooser.sample(sorted(values), len(values))
    mixed = {name: chooser.sample(values[name], len(values[name])) for name in names}
    assert judge(mixed, {}, 3) == judge(values, {}, 3)
    assert list(judge(mixed, {}, 3)) == names


@given(samples, st.floats(1e-3, 1e3))
def test_the_unit_of_time_changes_nothing(values: Values, unit: float) -> None:
    """Both arms in other units: every ratio, and so every verdict, stays."""
    def logs(scale: float) -> Values:
        return {name: [round(math.log((50.0 * math.exp(value) * scale) / (50.0 * scale)), 9) for value in sample]
                for name, sample in values.items()}
    assert judge(logs(unit), {}, 2) == judge(logs(1.0), {}, 2)


@given(samples)
def test_a_slower_arm_never_looks_better(values: Values) -> None:
    """Slowing every invocation down by 1 % turns no REGRESSION into anything else, and no PASS into IMPROVEMENT."""
    for name, sample in values.items():
        if len(set(map(abs, sample))) < len(sample):
            continue  # with ties the distribution of the ranks itself changes
        before, after = one(sample, 3), one([value + 0.01 for value in sample], 3)
        assert before.verdict is not Verdict.REGRESSION or after.verdict is Verdict.REGRESSION
        assert after.verdict is not Verdict.IMPROVEMENT or before.verdict is Verdict.IMPROVEMENT


@given(samples)
def test_looks_in_turn_keep_the_first_verdict(values: Values) -> None:
    """judge_all is judge at 12, at 24 of what is left, at 48: nobody is judged twice, everybody has a verdict."""
    found = judge_all(values, {})
    assert list(found) == list(values)
    left = dict(values)
    for look, count in enumerate(LOOKS.invocations, 1):
        here = judge({name: sample[:count] for name, sample in left.items()}, {}, look, declared=len(values))
        for name in list(left):
            if here[name].verdict is not None:
                assert found[name] == here[name]
                del left[name]
    assert not left


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_no_verdict(bad: float) -> None:
    """The sentence names the measurement and the value; nothing passes in silence."""
    with pytest.raises(StatsError, match=r"exchange: value 3 of 12 is (nan|-?inf)"):
        judge({"fine": [0.0] * 12, "exchange": [0.0, 0.0, bad, *[0.0] * 9]}, {}, 1)


def test_looks_that_make_no_sense_are_refused() -> None:
    """As are a look that is not there and a family that is too small."""
    for arguments, words in ((((12, 24), (0.01,)), "as many"), (((24, 12), (0.01, 0.01)), "rise"),
                             (((0, 12), (0.01, 0.01)), "rise"), (((), ()), "as many"),
                             (((12,), (0.0,)), "above 0"), (((12,), (1.0,)), "below 1"),
                             (((12,), (0.01,), 1.5), "confidence")):
        with pytest.raises(StatsError, match=words):
            Looks(*arguments)  # type: ignore[arg-type]
    for look in (0, 4):
        with pytest.raises(StatsError, match=f"no look {look}"):
            judge({}, {}, look)
    with pytest.raises(StatsError, match="only 1 are declared"):
        judge({"a": [], "b": []}, {}, 1, declared=1)


def test_looks_cannot_be_changed() -> None:
    """A frozen record, with the alphas of the gate adding up to 1 %."""
    with pytest.raises(AttributeError):
        LOOKS.alpha = (1.0,)  # type: ignore[misc]
    assert sum(LOOKS.alpha) == pytest.approx(0.01)


# ---------------------------------------------------------------------------------------------------------------------
# How often it is wrong, and how fast it is


def share(values: Callable[[], Values], true: Callable[[Mapping[str, Decision]], bool], jobs: int) -> float:
    """The share of simulated jobs of which `true` holds."""
    return sum(true(judge_all(values(), {})) for _ in range(jobs)) / jobs


def any_is(*verdicts: Verdict) -> Callable[[Mapping[str, Decision]], bool]:
    """Whether a job has one of the verdicts."""
    return lambda found: any(decision.verdict in verdicts for decision in found.values())


def test_family_wise_error_is_kept_whatever_the_threshold() -> None:
    """Equal arms, without the threshold on the effect: a job has a significant change in at most 2 % (1 % a side)."""
    chooser, alarms, jobs = random.Random(11), 0, 400
    loose = dict.fromkeys(NAMES, Thresholds(effect=1e-9, tolerance=1e-8))
    for _ in range(jobs):
        found = judge_all(drawn(chooser, 0.0, 0.01), loose)
        alarms += any(decision.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT) for decision in found.values())
    assert alarms <= 16, f"{alarms} of {jobs}"


def test_equal_arms_seldom_alarm_and_seldom_stay_open() -> None:
    """Quiet exchanges (.6 %) and noisy transfers (4.3 %): false verdicts in at most 1 %, INCONCLUSIVE in 2 %."""
    chooser = random.Random(12)

    def values() -> Values:
        return {**drawn(chooser, 0.0, 0.006, names=NAMES[:6]), **drawn(chooser, 0.0, 0.043, names=NAMES[6:])}
    assert share(values, any_is(Verdict.REGRESSION, Verdict.IMPROVEMENT), 200) <= 0.01
    assert share(values, any_is(Verdict.INCONCLUSIVE), 200) <= 0.02


def test_five_percent_is_found() -> None:
    """In one exchange among twelve measurements always, in one transfer in most jobs; its estimate is near."""
    chooser, found = random.Random(13), {"exchange": 0, "transfer": 0}
    for _ in range(150):
        decisions = judge_all({**drawn(chooser, 0.0, 0.006, names=NAMES[:10]),
                               **drawn(chooser, 0.05, 0.006, names=["exchange"]),
                               **drawn(chooser, 0.05, 0.043, names=["transfer"])}, {})
        for name in found:
            found[name] += decisions[name].verdict is Verdict.REGRESSION
        ratio = decisions["exchange"].ratio
        assert ratio is not None and abs(ratio - 1.05) < 0.01
    assert found["exchange"] == 150 and found["transfer"] >= 140, found


def test_what_is_slower_by_the_tolerance_seldom_passes() -> None:
    """At each look with at most 1 %; three looks at what is noisy: at most 3 %, and some luck of the simulation."""
    chooser, bounds = random.Random(14), {"one": Thresholds(effect=0.5, tolerance=0.05)}
    passed = sum(judge_all(drawn(chooser, 0.05, 0.05, names=["one"]), bounds)["one"].verdict is Verdict.PASS
                 for _ in range(1000))
    assert passed <= 45


def test_strays_are_borne() -> None:
    """One invocation in ten ten times as slow, in either arm: equal arms still pass, and 5 % is still found."""
    chooser = random.Random(15)

    def strayed(slower: float) -> list[float]:
        return [chooser.gauss(math.log1p(slower), 0.006) + chooser.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1)) * 2.3
                for _ in range(48)]
    for _ in range(40):
        found = judge_all({"equal": strayed(0.0), "slower": strayed(0.05)}, {})
        assert found["equal"].verdict is not Verdict.REGRESSION
        assert found["slower"].verdict in (Verdict.REGRESSION, Verdict.INCONCLUSIVE)


def test_judging_a_job_takes_no_time() -> None:
    """12 measurements of 48 invocations, tables included: 50 ms at most on an idle machine; here the best of five."""
    values, best = drawn(random.Random(16), 0.0, 0.02), math.inf
    for _ in range(5):
        for table in (stats._rank_counts, stats._rank_tails, stats._bound_rank, stats._needed_shift):
            table.cache_clear()
        began = time.process_time()
        judge(values, {}, 3)
        best = min(best, time.process_time() - began)
    assert best < 0.05
