"""Ranking and metrics against numbers worked out by hand and against a plain sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarec_plugin.evaluate import metrics
from metarec_plugin.exceptions import InvalidData
from tests.evaluate.reference import ranking

LOG3 = 1 / np.log2(3)


def padded(*products: int) -> np.ndarray:
    return np.array([[*products, *[-1] * (20 - len(products))]], dtype=np.int32)


def test_metrics_of_a_list_worked_out_by_hand():
    # Hits in places 1 and 3 of 20, five relevant.
    found = metrics.hits(padded(*range(20)), padded(0, 2, 50, 51, 52))
    ideal = 1 + LOG3 + 1 / 2 + 1 / np.log2(5) + 1 / np.log2(6)
    assert metrics.ndcg(found, np.array([5]))[0] == pytest.approx((1 + 1 / 2) / ideal, abs=1e-12)
    assert metrics.precision(found)[0] == pytest.approx(2 / 20)
    assert metrics.recall(found, np.array([5]))[0] == pytest.approx(2 / 5)
    assert metrics.recall_plain(found, np.array([5]))[0] == pytest.approx(2 / 5)


def test_a_perfect_list_scores_one_however_short_the_query():
    found = metrics.hits(padded(*range(20)), padded(0, 1, 2))
    assert metrics.ndcg(found, np.array([3]))[0] == pytest.approx(1.0)


def test_recall_is_bounded_by_the_list_and_plain_recall_is_not():
    found = np.ones((1, 20), dtype=bool)
    assert metrics.recall(found, np.array([40]))[0] == 1.0
    assert metrics.recall_plain(found, np.array([40]))[0] == 0.5


def test_reciprocal_rank_is_of_the_first_hit_and_zero_without_one():
    found = np.zeros((3, 20), dtype=bool)
    found[0, [2, 5]] = True
    found[1, 0] = True
    assert metrics.reciprocal_rank(found).tolist() == pytest.approx([1 / 3, 1, 0])


def test_padding_never_counts_as_a_hit():
    assert not metrics.hits(padded(1, 2), padded(3)).any()


def test_equal_scores_rank_by_the_lower_index():
    scores = np.zeros((1, 5_000), dtype=np.float32)
    scores[0, [4_000, 77]] = 1
    assert metrics.top_products(scores)[0].tolist() == [77, 4_000, *range(18)]


@pytest.mark.parametrize("size", [1, 5, 19, 20, 21, 255, 256, 257, 1_000, 3_005])
@pytest.mark.parametrize("levels", [1, 2, 30, 1_000_000])
def test_ranking_equals_a_stable_sort(size: int, levels: int):
    scores = np.random.default_rng(size).integers(0, levels, size=(7, size)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    top = metrics.top_products(scores)
    assert np.array_equal(top[:, : expected.shape[1]], expected)
    assert (top[:, expected.shape[1] :] == -1).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]), min_size=1, max_size=600), st.data())
def test_ranking_equals_the_plain_reference(scores: list[float], data: st.DataObject):
    left_out = data.draw(st.sets(st.integers(0, len(scores) - 1), max_size=5))
    array = np.array([scores], dtype=np.float32)
    array[0, list(left_out)] = -np.inf
    top = metrics.top_products(array)[0]
    assert top[top >= 0].tolist() == ranking(scores, list(left_out))


def test_nan_is_refused_with_a_word():
    scores = np.zeros((2, 300), dtype=np.float32)
    scores[1, 299] = np.nan
    with pytest.raises(InvalidData, match="NaN"):
        metrics.top_products(scores)
