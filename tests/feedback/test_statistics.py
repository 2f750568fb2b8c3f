"""Statistics by simulation: as many false alarms as promised and no more, and lifts found as often as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.distributions import chi_square_tail, student_quantile
from metarec_plugin.feedback.power import detectable, subjects_for_mean, subjects_for_rate
from metarec_plugin.feedback.statistics import (
    Moments,
    any_time_critical,
    compare_any_time,
    compare_at_horizon,
    sample_ratio,
)

TESTS, LOOKS = 1_000, 50
SPLIT = {"control": 0.5, "bold": 0.5}


def rate(n, done) -> Moments:
    return Moments(int(n), float(done), float(done), binary=True)


def mean(values) -> Moments:
    return Moments(
        len(values), float(values.sum()), float((values**2).sum()), active=int((values != 0).sum())
    )


def spent(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Revenue of subjects: most buy nothing, the baskets of the others are skewed."""
    return (rng.random(shape) < 0.1) * rng.lognormal(3, 0.8, shape)


@pytest.mark.parametrize("freedom", [1, 2, 5.5, 40, 1_500])
@pytest.mark.parametrize("p", [0.9, 0.975, 0.9995])
def test_students_quantile_is_scipys(p, freedom):
    assert student_quantile(p, freedom) == pytest.approx(scipy.stats.t.ppf(p, freedom), rel=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 3, 8])
@pytest.mark.parametrize("value", [0.0, 0.3, 5.0, 60.0])
def test_the_tail_of_chi_square_is_scipys(value, freedom):
    assert chi_square_tail(value, freedom) == pytest.approx(scipy.stats.chi2.sf(value, freedom), rel=1e-9)


def test_moments_are_those_of_the_values():
    values = np.array([0.0, 2.0, 7.0])
    found = Moments()
    for value in values:
        found = found.plus(float(value))
    assert (found.n, found.mean, found.active) == (3, pytest.approx(values.mean()), 2)
    assert found.variance == pytest.approx(values.var(ddof=1))


def within(alarms: int, at_most: float = 0.05) -> bool:
    """Whether so many alarms of TESTS may come of a rate of five per cent: all but one time in a thousand."""
    return (
        scipy.stats.binom.ppf(0.0005, TESTS, at_most)
        <= alarms
        <= scipy.stats.binom.ppf(0.9995, TESTS, at_most)
    )


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_a_fixed_test_of_equals_alarms_at_its_nominal_rate(share):
    done = np.random.default_rng(0).binomial(4_000, share, (TESTS, 2))
    assert within(sum(compare_at_horizon(rate(4_000, a), rate(4_000, b)).different for a, b in done))


def test_a_fixed_test_of_equal_revenue_alarms_at_its_nominal_rate():
    values = spent(np.random.default_rng(1), TESTS, 2, 1_200)
    assert within(sum(compare_at_horizon(mean(a), mean(b)).different for a, b in values))


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_a_sequential_test_of_equals_alarms_no_more_often_at_fifty_looks(share):
    done = np.random.default_rng(2).binomial(200, share, (TESTS, LOOKS, 2)).cumsum(axis=1)
    n = 200 * np.arange(1, LOOKS + 1)

    def ever(compare) -> int:
        return sum(
            any(compare(rate(m, a), rate(m, b)).different for m, (a, b) in zip(n, each)) for each in done
        )

    assert ever(compare_any_time) <= scipy.stats.binom.ppf(0.9995, TESTS, 0.05)
    assert ever(compare_at_horizon) > 0.2 * TESTS  # what looking at a fixed test each day would do


def test_a_sequential_test_of_skewed_amounts_and_unequal_shares_alarms_no_more_often():
    """A variant of a tenth of the shoppers, whose few buyers say little at the first looks."""
    rng, alarms, tests = np.random.default_rng(9), 0, 400

    def looks(n: int) -> list[Moments]:
        values = (rng.random((LOOKS, n)) < 0.04) * rng.lognormal(3, 1.2, (LOOKS, n))
        totals, squares = (each.sum(axis=1).cumsum() for each in (values, values**2))
        active = (values > 0).sum(axis=1).cumsum()
        ends = n * np.arange(1, LOOKS + 1)
        return [Moments(m, t, q, active=a) for m, t, q, a in zip(ends, totals, squares, active)]

    for _ in range(tests):
        alarms += any(compare_any_time(*each).different for each in zip(looks(900), looks(100)))
    assert alarms <= scipy.stats.binom.ppf(0.9995, tests, 0.05)


def test_few_amounts_are_told():
    few, many = (mean(spent(np.random.default_rng(10), n)) for n in (900, 9_000))
    assert "100 subjects of a variant have an amount" in compare_any_time(many, few).note
    assert not compare_any_time(many, few).different
    assert compare_at_horizon(many, few).note.startswith("rough")
    assert compare_at_horizon(many, many).note == ""


def test_a_sequential_test_of_purchases_that_come_late_alarms_no_more_often():
    """Subjects go on buying after they were counted: what they did by each look is what is compared."""
    rng, alarms, tests = np.random.default_rng(3), 0, 200
    n, arrived = 4_000, np.repeat(np.arange(20), 200)
    for _ in range(tests):
        arm, taste = rng.integers(0, 2, n), rng.gamma(0.3, 0.1, n)
        amounts = rng.poisson(taste, (20, n)) * 20.0 * (arrived <= np.arange(20)[:, None])
        totals = amounts.cumsum(axis=0)
        looks = ((totals[look, : 200 * (look + 1)], arm[: 200 * (look + 1)]) for look in range(20))
        alarms += any(compare_any_time(mean(t[a == 0]), mean(t[a == 1])).different for t, a in looks)
    assert alarms <= scipy.stats.binom.ppf(0.9995, tests, 0.05)


@pytest.mark.parametrize(("before", "lift"), [(0.05, 0.2), (0.01, 0.3), (0.2, -0.1)])
def test_the_promised_power_is_kept(before, lift):
    n = subjects_for_rate(before, lift)
    done = np.random.default_rng(4).binomial(n // 2, (before, before * (1 + lift)), (10 * TESTS, 2))
    found = [compare_at_horizon(rate(n // 2, a), rate(n // 2, b)) for a, b in done]
    assert np.mean([each.different and each.difference * lift > 0 for each in found]) >= 0.78


def test_the_promised_power_is_kept_for_revenue():
    rng, lift = np.random.default_rng(5), 0.4
    many = spent(rng, 200_000)
    n = subjects_for_mean(many.mean(), many.std(), lift)
    values = spent(rng, TESTS, 2, n // 2)
    values[:, 1] += many.mean() * lift  # a shift keeps the deviation
    assert np.mean([compare_at_horizon(mean(a), mean(b)).low > 0 for a, b in values]) >= 0.78


def test_a_confidence_sequence_is_tightest_where_it_is_asked_to_be():
    others = [any_time_critical(5_000, best_at=n) for n in (50, 1_000, 4_000, 6_000, 50_000, 10**7)]
    assert any_time_critical(5_000, best_at=5_000) == pytest.approx(3.0352, abs=1e-4)
    assert min(others) > any_time_critical(5_000, best_at=5_000)


def test_a_sequential_test_finds_a_lift_too():
    rng, n = np.random.default_rng(6), 2 * subjects_for_rate(0.05, 0.2)
    pairs = zip(rng.binomial(n // 2, 0.05, 300), rng.binomial(n // 2, 0.06, 300))
    found = [compare_any_time(rate(n // 2, a), rate(n // 2, b), best_at=n).low > 0 for a, b in pairs]
    assert np.mean(found) >= 0.8


def test_what_is_detectable_is_what_needs_so_many_subjects():
    n = subjects_for_mean(10.0, 30.0, 0.1)
    assert detectable(math.sqrt(2 * 30.0**2 / (n / 2))) == pytest.approx(1.0, rel=1e-3)


def test_intervals_cover_the_lift_as_often_as_they_say():
    done = np.random.default_rng(7).binomial(8_000, (0.05, 0.06), (TESTS, 2))
    found = [compare_at_horizon(rate(8_000, a), rate(8_000, b)) for a, b in done]
    assert within(sum(not each.low <= 0.01 <= each.high for each in found))
    assert within(sum(not each.lift_low <= 0.2 <= each.lift_high for each in found))


def test_a_control_that_may_be_zero_has_no_relative_lift_and_says_so():
    found = compare_at_horizon(rate(500, 0), rate(500, 30))
    assert found.lift is None
    assert "no relative lift" in found.note
    assert 0.03 < found.low < found.difference == 0.06


def test_nothing_to_tell_chance_by_is_no_difference():
    found = compare_at_horizon(mean(np.zeros(50)), mean(np.zeros(50)))
    assert not found.different
    assert "same value" in found.note
    assert not compare_any_time(rate(99, 0), rate(500, 500)).different


@pytest.mark.parametrize(
    "asked",
    [(0.0, 0.1), (0.05, 0.0), (0.9, 0.5), (0.05, math.nan)],
    ids=["no rate", "no lift", "above 1", "nan"],
)
def test_a_size_that_cannot_be_is_refused(asked):
    with pytest.raises(InvalidRule):
        subjects_for_rate(*asked)


@pytest.mark.parametrize(
    ("control", "bold", "alarm"),
    [(5_200, 4_800, True), (52_000, 48_000, True), (50_100, 49_900, False), (520, 480, False), (9, 0, False)],
)
def test_the_split_alarms_where_it_is_not_chance(control, bold, alarm):
    assert sample_ratio({"control": control, "bold": bold}, SPLIT).alarm is alarm


def test_equal_splits_alarm_once_in_a_thousand():
    counts = np.random.default_rng(8).binomial(20_000, 0.5, 5_000)
    alarms = sum(sample_ratio({"control": n, "bold": 20_000 - n}, SPLIT).alarm for n in counts.tolist())
    assert alarms <= scipy.stats.binom.ppf(0.9995, 5_000, 0.001)


def test_a_split_among_a_part_of_the_shoppers_is_held_to_that_part():
    ratio = sample_ratio({"control": 1_000, "bold": 3_000}, {"control": 0.1, "bold": 0.3})
    assert ratio.p == pytest.approx(1.0)
    assert sample_ratio({"control": 1_000, "bold": 3_000, "gone": 1}, {"control": 0.1, "bold": 0.3}).alarm
