"""Novelty and diversity against numbers worked out by hand and against a loop over all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.variety import variety_of
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories, planted


@pytest.fixture(scope="module")
def small() -> Dataset:
    # Product 0 has the buyers a, b, c; 1 has a, b; 2 has d; 3 has nobody.
    train = histories([[0, 1], [0, 1], [0], [2]])
    return Dataset(np.array(["p0", "p1", "p2", "p3"]), train, histories([]), histories([]))


def padded(*products: int) -> np.ndarray:
    return np.array([[*products, *[-1] * (20 - len(products))]], dtype=np.int32)


def test_novelty_is_the_mean_surprise_in_bits(small: Dataset):
    p0 = np.array([3.5, 2.5, 1.5, 0.5]) / 8
    expected = -(np.log2(p0[0]) + np.log2(p0[3])) / 2
    assert variety_of(small).novelty(padded(0, 3))[0] == pytest.approx(expected, rel=1e-6)


def test_products_with_the_same_buyers_are_alike_and_with_others_are_not(small: Dataset):
    variety = variety_of(small)
    assert variety.of == "buyers"
    assert variety.diversity(padded(0, 1))[0] == pytest.approx(1 - 2 / np.sqrt(6), abs=1e-6)
    assert variety.diversity(padded(1, 2))[0] == pytest.approx(1)
    assert variety.diversity(padded(0, 1, 2))[0] == pytest.approx(1 - 2 / np.sqrt(6) / 3, abs=1e-6)


def test_a_product_that_nobody_bought_is_like_no_other(small: Dataset):
    assert variety_of(small).diversity(padded(2, 3))[0] == pytest.approx(1)


def test_declared_features_go_before_buyers(small: Dataset):
    features = sp.csr_matrix(np.array([[1.0, 0], [0, 2], [3, 0], [1, 1]]))
    variety = variety_of(small, features)
    assert variety.of == "features"
    assert variety.diversity(np.vstack([padded(0, 2), padded(0, 1), padded(0, 3)])) == pytest.approx(
        [0, 1, 1 - 1 / np.sqrt(2)], abs=1e-6
    )


def test_features_of_other_products_are_refused(small: Dataset):
    with pytest.raises(ValueError, match="4 expected; found 3"):
        variety_of(small, sp.csr_matrix(np.eye(3)))


def test_diversity_equals_a_loop_over_all_pairs(monkeypatch: pytest.MonkeyPatch):
    dataset = planted(shoppers=120)
    monkeypatch.setattr("metarec_plugin.evaluate.variety._ENTRIES", 500)  # several parts
    tops = np.stack([np.random.default_rng(i).permutation(dataset.n_products)[:20] for i in range(7)] * 2)
    columns = dataset.train.matrix(dataset.n_products).toarray()
    norms = np.linalg.norm(columns, axis=0)
    cosines = columns.T @ columns / np.maximum(np.outer(norms, norms), 1e-9)
    expected = [1 - np.mean([cosines[i, j] for i, j in itertools.combinations(top, 2)]) for top in tops]
    assert variety_of(dataset).diversity(tops.astype(np.int32)) == pytest.approx(expected, abs=1e-5)


def test_a_list_of_one_has_no_diversity_and_an_empty_one_no_novelty(small: Dataset):
    variety = variety_of(small)
    assert np.isnan(variety.diversity(padded(1))[0])
    assert np.isnan(variety.novelty(padded())[0])


def test_measured_beside_the_ranking_only_where_asked():
    dataset = planted(shoppers=80)
    popular = np.tile(dataset.log_prior, (1, 1))

    def scorer(part):
        return np.repeat(popular, len(part), axis=0)

    asked = evaluate(scorer, dataset.test, 1, dataset.n_products, variety=variety_of(dataset))
    assert len(asked.novelty) == len(asked.diversity) == len(asked)
    rarest = evaluate(
        lambda part: -scorer(part), dataset.test, 1, dataset.n_products, variety=variety_of(dataset)
    )
    assert rarest.novelty.mean() > asked.novelty.mean()
    assert evaluate(scorer, dataset.test, 1, dataset.n_products).novelty is None
