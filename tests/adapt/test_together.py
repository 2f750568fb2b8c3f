"""Bought together in the request: sums over the page's products, known or not."""

from __future__ import annotations

import numpy as np

from metarec_plugin.adapt.together import Together

ARRAYS = {
    "together.products": np.array([[1, 2], [0, 3], [1, 0], [0, 0], [0, 0]], dtype=np.int32),
    "together.values": np.array([[0.5, 0.25], [0.5, 0.5], [0.25, 0], [0, 0], [0.125, 0]], dtype=np.float32),
}


def asked(*context: int) -> list[tuple[int, float]]:
    products, scores = Together(ARRAYS).scores(np.array(context, dtype=np.int64))
    return list(zip(products.tolist(), scores.tolist()))


def test_one_product_has_its_own_row_and_several_have_their_sum_without_themselves():
    assert asked(0) == [(1, 0.5), (2, 0.25)]
    assert asked(0, 2) == [(1, 0.75)]
    assert asked(0, 1) == [(3, 0.5), (2, 0.25)]
    assert asked(1, 0, 0) == asked(0, 1)


def test_equals_rank_by_the_lower_index():
    assert asked(1) == [(0, 0.5), (3, 0.5)]


def test_unknown_products_and_those_without_a_row_count_for_nothing():
    assert asked() == asked(-1) == asked(99) == asked(3) == []
    assert asked(-1, 0, 99, 3) == asked(0)
    assert asked(4) == [(0, 0.125)]  # what a row is filled up with is not listed beside it


def test_a_bundle_without_the_arrays_knows_nothing():
    assert Together(ARRAYS).known
    none = Together({})
    assert not none.known
    products, scores = none.scores(np.array([0, 1]))
    assert len(products) == len(scores) == 0
