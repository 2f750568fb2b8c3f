"""Intervals by resampling shoppers."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from metarec_plugin.evaluate.bootstrap import (
    holm,
    influence,
    mean_interval,
    mean_intervals,
    paired_difference,
    paired_interval,
    shoppers_of,
)


@dataclass
class Part:
    rows: np.ndarray
    ndcg: np.ndarray


def test_interval_matches_the_normal_one_on_many_shoppers():
    values = np.random.default_rng(1).normal(0.3, 0.2, size=2_000)
    interval = mean_interval(values, np.random.default_rng(0))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_pairing_takes_away_what_shoppers_have_in_common():
    rng = np.random.default_rng(2)
    easy = rng.random(500)
    paired = paired_interval(easy + 0.01, easy, np.random.default_rng(0))
    assert paired.low == pytest.approx(0.01)
    assert paired.high == pytest.approx(0.01)
    shuffled = paired_interval(easy + 0.01, rng.permutation(easy), np.random.default_rng(0))
    assert shuffled.low < 0 < shuffled.high


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random(50)
    assert mean_interval(values, np.random.default_rng(7)) == mean_interval(values, np.random.default_rng(7))


def test_resampling_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(4).random(100)
    whole = mean_interval(values, np.random.default_rng(0), samples=1_000)
    monkeypatch.setattr("metarec_plugin.evaluate.bootstrap._CELLS", 700)
    assert mean_interval(values, np.random.default_rng(0), samples=1_000) == pytest.approx(whole)


def test_unpaired_arrays_are_refused():
    with pytest.raises(ValueError, match="one length"):
        paired_interval(np.zeros(3), np.zeros(4), np.random.default_rng(0))


def test_columns_share_their_resamples_and_give_each_its_own_interval():
    values = np.random.default_rng(5).random((80, 3))
    together = mean_intervals(values, np.random.default_rng(0), samples=500)
    alone = [mean_interval(column, np.random.default_rng(0), samples=500) for column in values.T]
    assert together == [pytest.approx(each) for each in alone]


def test_no_difference_has_a_p_value_of_one():
    values = np.random.default_rng(6).random(60)
    gap = paired_difference(values, values, np.random.default_rng(0), samples=500)
    assert (gap.p, gap.low, gap.high, gap.share) == (1.0, 0.0, 0.0, 0.0)


def test_the_p_value_agrees_with_the_normal_test():
    rng = np.random.default_rng(7)
    theirs = rng.normal(1.0, 0.1, 800)
    ours = theirs + rng.normal(0.006, 0.1, 800)
    gap = paired_difference(ours, theirs, np.random.default_rng(0))
    z = (ours - theirs).mean() / ((ours - theirs).std(ddof=1) / np.sqrt(800))
    assert gap.p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=0.02)
    swapped = paired_difference(theirs, ours, np.random.default_rng(0))
    assert swapped.p == pytest.approx(gap.p, abs=0.02)


def test_a_certain_difference_has_the_smallest_p_value_that_so_many_resamples_can_tell():
    theirs = np.random.default_rng(8).random(50)
    gap = paired_difference(theirs + 0.5, theirs, np.random.default_rng(0), samples=999)
    assert gap.p == pytest.approx(2 / 1000)


def test_the_share_is_of_the_second_figure_and_its_interval_leaves_out_what_the_difference_does():
    theirs = np.random.default_rng(9).normal(0.2, 0.02, 400)
    gap = paired_difference(1.05 * theirs, theirs, np.random.default_rng(0), samples=500)
    assert (gap.share, gap.share_low, gap.share_high) == pytest.approx((0.05, 0.05, 0.05))
    nothing = paired_difference(theirs, np.zeros(400), np.random.default_rng(0), samples=50)
    assert np.isnan(nothing.share)


def test_holm_equals_the_worked_example():
    # Sorted .005, .01, .03, .04 times 4, 3, 2, 1 is .02, .03, .06, .04; the last may not fall below .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_influence_averages_to_the_mean_over_the_parts_and_keeps_every_shopper():
    many, few = Part(np.arange(6), np.arange(6) / 10), Part(np.array([1, 4]), np.array([0.2, 0.8]))
    values = influence([many, few])
    assert len(values) == 6
    assert values.mean() == pytest.approx((0.25 + 0.5) / 2)
    assert shoppers_of([few, many]).tolist() == [0, 1, 2, 3, 4, 5]


def test_influence_of_one_part_is_the_shoppers_own_figures():
    part = Part(np.array([2, 5, 9]), np.array([0.1, 0.4, 0.7]))
    assert influence([part]) == pytest.approx([0.1, 0.4, 0.7])


def test_the_spread_of_the_influence_is_that_of_drawing_shoppers_with_all_their_parts():
    rng = np.random.default_rng(10)
    taste = rng.random(300)
    parts = [Part(np.arange(300), taste), Part(np.arange(100, 300), taste[100:])]
    values = influence(parts)
    drawn = [rng.integers(0, 300, 300) for _ in range(4_000)]
    means = [(taste[d].mean() + taste[d[d >= 100]].mean()) / 2 for d in drawn]
    assert values.std() / np.sqrt(300) == pytest.approx(np.std(means), rel=0.05)
