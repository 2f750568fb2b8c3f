"""Predicted chances of a hit: right where the probabilities are the planted ones, off where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.evaluate.metrics import hits, top_products
from metarec_plugin.evaluate.reliability import predicted, reliability

N, SHOPPERS, QUERY = 60, 1_500, 20


@pytest.fixture(scope="module")
def sampled() -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities of each shopper, and queries of distinct products drawn one after the other by them."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1.5, size=(SHOPPERS, N))
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    # Gumbel's way to draw without replacement: the largest of log p + noise.
    order = np.argsort(-(scores + rng.gumbel(size=scores.shape)), axis=1)
    return scores.astype(np.float32), order[:, :QUERY].astype(np.int32)


def table(scores: np.ndarray, query: np.ndarray):
    top = top_products(scores)
    return reliability(predicted(scores, top, np.full(len(scores), QUERY)), hits(top, query))


def test_the_planted_probabilities_are_reliable(sampled):
    scores, query = sampled
    found = table(scores, query)
    assert found.error < 0.02
    assert all(each.low - 0.03 < each.predicted < each.high + 0.03 for each in found.bins)
    assert [each.predicted for each in found.bins] == sorted(each.predicted for each in found.bins)


def test_probabilities_that_are_too_sure_show_it_in_the_highest_bin(sampled):
    scores, query = sampled
    sure = scores * 3
    found = table(sure, query)
    assert found.error > 0.05
    assert found.bins[-1].predicted > found.bins[-1].observed + 0.02


def test_the_whole_catalogue_is_expected_as_often_as_the_query_is_long(sampled):
    scores, _ = sampled
    everything = np.tile(np.arange(N), (SHOPPERS, 1))
    for m in (1, 7, 20):
        chances = predicted(scores, everything, np.full(SHOPPERS, m))
        assert chances.sum(axis=1) == pytest.approx(np.full(SHOPPERS, m), rel=1e-4)
        assert chances.max() <= 1


def test_a_single_draw_has_the_probability_itself():
    scores = np.log(np.array([[0.5, 0.3, 0.2]]))
    few = np.log(np.full((1, 5_000), 1 / 5_000))
    assert predicted(few, np.array([[3, 4]]), np.array([1]))[0] == pytest.approx([1 / 5_000] * 2, rel=1e-3)
    # All of three products are drawn for certain when three are drawn.
    assert predicted(scores, np.array([[0, 1, 2]]), np.array([3]))[0] == pytest.approx([1, 1, 1], abs=1e-3)


def test_the_support_leaves_its_probability_to_the_others():
    scores = np.log(np.array([[0.6, 0.1, 0.1, 0.1, 0.1]]))
    scores[0, 0] = -np.inf
    assert predicted(scores, np.array([[1, 2]]), np.array([2]))[0] == pytest.approx([0.5, 0.5], rel=1e-4)


def test_a_catalogue_with_fewer_probable_products_than_are_drawn_ends():
    scores = np.full((1, 3_000), -60.0)
    scores[0, :3] = 0
    chances = predicted(scores, np.array([[0, 1, 2, 7]]), np.array([20]))
    assert np.isfinite(chances).all()
    assert chances[0, :3] == pytest.approx([1, 1, 1], abs=1e-3)


def test_bins_are_of_equal_mass_and_the_error_is_the_mean_distance():
    chances = np.array([[0.1] * 10 + [0.3] * 10])
    found = np.array([[True] * 2 + [False] * 8 + [True] * 3 + [False] * 7])
    got = reliability(chances, found, bins=2)
    assert [(b.listed, b.predicted, b.observed) for b in got.bins] == [
        (10, pytest.approx(0.1), pytest.approx(0.2)),
        (10, pytest.approx(0.3), pytest.approx(0.3)),
    ]
    assert got.error == pytest.approx(0.05)


def test_what_is_not_listed_is_in_no_bin():
    got = reliability(np.array([[0.2, np.nan]]), np.array([[True, False]]))
    assert [each.listed for each in got.bins] == [1]
    assert reliability(np.empty((0, 20)), np.empty((0, 20), dtype=bool)).error is None
