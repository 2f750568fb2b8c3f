"""Which products shoppers come to soon after one another: the counts equal a count by hand, in order and in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from metarec_plugin.evaluate import covisits
from metarec_plugin.evaluate.covisits import WINDOW, cosine, covisit_maps, followers
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories

N = 12


def random_sequences(seed: int = 0, shoppers: int = 40) -> list[list[int]]:
    """Histories of 0 to 12 distinct products."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(N)[: rng.integers(0, N + 1)].tolist() for _ in range(shoppers)]


def counted(sequences: Sequence[Sequence[int]], window: int) -> np.ndarray:
    """Every pair of places, one by one."""
    total = np.zeros((N, N))
    for sequence in sequences:
        for place, before in enumerate(sequence):
            for after in sequence[place + 1 : place + 1 + window]:
                total[before, after] += 1
    return total


def dataset_of(sequences: list[list[int]]) -> Dataset:
    nobody = histories([])
    return Dataset(np.array([f"p{i:02d}" for i in range(N)]), histories(sequences), nobody, nobody)


@pytest.mark.parametrize("window", [1, 2, 5, N, 100])
def test_followers_are_those_within_the_window_and_of_the_same_shopper(window):
    sequences = random_sequences()
    found = followers(histories(sequences), N, window).toarray()
    np.testing.assert_array_equal(found, counted(sequences, window))
    assert found.trace() == 0


def test_a_window_reaches_as_far_as_a_query():
    line = histories([list(range(30))])
    found = followers(line, 30).toarray()
    assert (found[0, 1 : WINDOW + 1] == 1).all()
    assert not found[0, WINDOW + 1 :].any()


@pytest.mark.parametrize("pairs", [1, 7, 50])
def test_counts_made_in_pieces_are_the_same(monkeypatch, pairs):
    sequences = random_sequences(1)
    monkeypatch.setattr(covisits, "_PAIRS", pairs)
    pieces = list(covisits._pairs(histories(sequences), 3))
    assert len(pieces) > 1
    assert max(len(befores) for befores, _ in pieces) <= max(3, pairs)
    np.testing.assert_array_equal(followers(histories(sequences), N, 3).toarray(), counted(sequences, 3))


def test_nobody_has_no_followers():
    assert followers(histories([]), N).nnz == 0
    assert followers(histories([[3]]), N).nnz == 0


def test_the_order_matters_for_what_comes_after_and_not_for_what_is_near():
    # 0 is always bought before 1; 2 and 3 come in either order.
    maps = covisit_maps(dataset_of([[0, 1]] * 6 + [[2, 3], [3, 2]] * 3))
    after, near = maps["after"].toarray(), maps["near"].toarray()
    assert after[0, 1] == pytest.approx(1.0)  # 6 / sqrt(6 * 6)
    assert after[1, 0] == 0
    assert after[2, 3] == after[3, 2] == pytest.approx(0.5)
    np.testing.assert_allclose(near, near.T)
    assert near[0, 1] == near[2, 3] == pytest.approx(1.0)
    backwards = covisit_maps(dataset_of([[1, 0]] * 6 + [[2, 3], [3, 2]] * 3))
    np.testing.assert_allclose(backwards["near"].toarray(), near)
    np.testing.assert_allclose(backwards["after"].toarray()[:2, :2], after[:2, :2].T)


def test_counts_are_divided_by_the_root_of_both_popularities_and_never_by_nothing():
    counts = followers(histories([[0, 1], [0, 2]]), N)
    found = cosine(counts, np.array([4, 9, 0, *[1] * (N - 3)], dtype=np.float32)).toarray()
    assert found[0, 1] == pytest.approx(1 / 6)
    assert found[0, 2] == pytest.approx(1 / 2)  # a product that nobody has counts as if one had it
    assert np.isfinite(found).all()


def test_only_training_shoppers_are_counted():
    train = dataset_of([[0, 1]])
    held_out = histories([[4, 5], [5, 4]])
    both = Dataset(train.product_keys, train.train, held_out, held_out)
    for name, found in covisit_maps(both).items():
        assert sorted(set(zip(*found.nonzero()))) == ([(0, 1), (1, 0)] if name == "near" else [(0, 1)])
