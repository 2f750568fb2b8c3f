"""Intervals of ratios: from sums alone they say what resampling shoppers says, and cover as often as they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metarec_plugin.feedback.ratios import Estimate, Sums, added, change, ratio, total

UNITS = 4_000


def shoppers(rng: np.random.Generator, n: int = UNITS) -> tuple[np.ndarray, np.ndarray]:
    """Lists of each shopper, and clicks on them: who clicks much does so on every list, so lists are not alone."""
    lists = 1 + rng.poisson(2.0, n)
    return lists, rng.binomial(lists, rng.beta(1.0, 9.0, n))


def sums(x: np.ndarray, y: np.ndarray) -> Sums:
    return Sums(len(x), x.sum(), (x * x).sum(), y.sum(), (y * y).sum(), (x * y).sum())


def test_it_is_the_delta_method_in_full_precision():
    x, y = (each.astype(np.float64) for each in shoppers(np.random.default_rng(0)))
    covariance = np.cov(np.vstack([y, x]))
    gradient = np.array([1 / x.mean(), -y.mean() / x.mean() ** 2])
    error = math.sqrt(gradient @ covariance @ gradient / len(x))
    found = ratio(sums(x, y))
    assert found.value == pytest.approx(y.sum() / x.sum(), rel=1e-12)
    assert found.error == pytest.approx(error, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.959964 * error, found.value + 1.959964 * error), rel=1e-6
    )


def test_it_is_what_resampling_shoppers_finds_and_wider_than_lists_on_their_own():
    rng = np.random.default_rng(1)
    x, y = shoppers(rng)
    drawn = rng.integers(0, UNITS, (1_000, UNITS))
    resampled = y[drawn].sum(1) / x[drawn].sum(1)
    found = ratio(sums(x, y))
    assert found.error == pytest.approx(resampled.std(), rel=0.07)
    alone = math.sqrt(found.value * (1 - found.value) / x.sum())
    assert found.error > 1.1 * alone


def test_it_covers_the_truth_nineteen_times_in_twenty():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(1_000):
        found = ratio(sums(*shoppers(rng, 400)))
        hits += found.low <= 0.1 <= found.high
    assert 0.93 <= hits / 1_000 <= 0.97


@pytest.mark.parametrize("buy", [0.1, 1.0])
def test_a_total_is_told_with_the_chance_of_other_shoppers_and_of_how_many_come(buy):
    """Simulated: each time other shoppers come, and another number of them. Where all buy, that is most of it."""
    rng = np.random.default_rng(3)

    def day() -> np.ndarray:
        n = rng.poisson(UNITS)
        return rng.gamma(4.0, 5.0, n) * (rng.random(n) < buy)

    found = [total(sums(np.ones(len(y)), y)) for y in (day() for _ in range(1_000))]
    truth = UNITS * buy * 20.0
    spread = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.07)
    assert 0.93 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.97


def test_sums_add_up_over_days():
    x, y = shoppers(np.random.default_rng(4))
    halves = added([sums(x[:2_000], y[:2_000]), sums(x[2_000:], y[2_000:])])
    assert ratio(halves) == ratio(sums(x, y))
    assert added([]) == Sums()


@pytest.mark.parametrize(
    "given", [Sums(), Sums(n=10, x=20, xx=60, y=2, yy=2, xy=4), Sums(n=1_000, x=2_000, xx=6_000)]
)
def test_what_cannot_be_told_has_no_interval(given):
    found = ratio(given)
    assert (found.low, found.high) == (None, None)
    assert found.value == (given.y / given.x if given.x else None)


def test_a_share_is_not_below_nothing():
    found = ratio(Sums(n=100, x=100, xx=100, y=1, yy=1, xy=1))
    assert found.low == 0.0
    assert found.high > 0.01


def test_a_change_is_known_where_both_figures_are():
    moved = change(Estimate(0.12, 0.003), Estimate(0.10, 0.004))
    assert (moved.value, moved.error) == pytest.approx((0.02, 0.005))
    assert moved.differs
    assert not change(Estimate(0.12, 0.03), Estimate(0.10, 0.04)).differs
    assert change(Estimate(0.12, 0.003), Estimate(0.10)).low is None
    assert change(Estimate(), Estimate(0.10, 0.004)).value is None
