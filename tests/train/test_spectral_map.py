"""The map of a store too large for an exact one: exact where its rank is full, and near at a small one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from metarec_plugin.preprocess.dataset import Dataset
from metarec_plugin.train import linear_maps, spectral_map
from metarec_plugin.train.closed_form import fit_closed_form, strongest_entries
from metarec_plugin.train.linear_maps import LinearMap, ProductSpace
from metarec_plugin.train.moments import Moments, episode_moments
from metarec_plugin.train.spectral_map import SpectralSpace
from tests.bench.stores import Store
from tests.evaluate.shoppers import histories, planted
from tests.train.enumeration import shoppers

N = 14
RIDGE = np.linspace(0.3, 2.0, N)


def dense(linear: LinearMap, n_products: int) -> np.ndarray:
    return linear.rows(np.arange(n_products))


@pytest.fixture(scope="module")
def store() -> Dataset:
    """Shoppers of a made-up store with departments, popularity and sequences, on 600 products."""
    plan = Store(products=600, users=3000, events=60_000)
    rows: dict[int, dict[int, None]] = {}
    for block in plan.blocks():
        for user, product in zip(block["user_id"].to_list(), block["product_id"].to_list()):
            rows.setdefault(user, {})[product] = None
    side = histories([list(row) for row in rows.values()])
    few, many = np.arange(300), np.arange(300, len(side))
    keys = np.array([f"p{i:04d}" for i in range(600)])
    return Dataset(keys, side.select(many), side.select(few), side.select(few))


@pytest.fixture(scope="module")
def moments(store) -> Moments:
    return episode_moments(store.train.matrix(store.n_products))


def ridge_of(moments: Moments, strength: float) -> np.ndarray:
    diagonal = moments.diagonal
    return np.float32(strength) * (np.sqrt(diagonal * diagonal.mean()) + np.float32(1e-3 * diagonal.mean()))


def test_what_the_left_out_directions_cost_goes_as_the_rank_rises(moments, store):
    exact = dense(ProductSpace(moments).solve(ridge_of(moments, 10)), store.n_products)
    errors = []
    for rank in (2, 20, 200):
        found = dense(SpectralSpace(moments, rank).solve(ridge_of(moments, 10)), store.n_products)
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.04
    assert errors[2] < 0.02


def test_it_is_nearer_than_the_exact_map_of_a_quarter_of_the_shoppers(moments, store):
    exact = dense(ProductSpace(moments).solve(ridge_of(moments, 10)), store.n_products)
    some = episode_moments(store.train.matrix(store.n_products)[::4])
    sampled = dense(ProductSpace(some).solve(ridge_of(some, 10)), store.n_products)
    found = dense(SpectralSpace(moments, 64).solve(ridge_of(moments, 10)), store.n_products)
    assert 10 * np.linalg.norm(found - exact) < np.linalg.norm(sampled - exact)


def test_with_all_positive_directions_and_a_large_ridge_it_is_the_exact_map():
    small = episode_moments(shoppers((1, 2, 3, 4, 4, 6, 7, 11, 12), N), dtype=np.float64)
    exact = dense(ProductSpace(small).solve(1000 * RIDGE), N)
    found = dense(SpectralSpace(small, N - 1).solve(1000 * RIDGE), N)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3 * np.abs(exact).max())


def test_sums_are_those_of_the_rows(moments, store):
    linear = SpectralSpace(moments, 20).solve(ridge_of(moments, 10))
    rows = dense(linear, store.n_products)
    assert (np.diagonal(rows) == 0).all()
    supports = sp.csr_matrix(
        np.random.default_rng(0).random((7, store.n_products)) * (np.arange(600) % 90 == 0)
    )
    np.testing.assert_allclose(linear.sums(supports.astype("f4")), supports @ rows, rtol=0, atol=1e-5)
    np.testing.assert_allclose(linear.rows(np.array([7, 2])), rows[[7, 2]], atol=1e-6)


def test_the_export_has_the_largest_entries_among_products_with_common_buyers(moments, store, monkeypatch):
    monkeypatch.setattr(spectral_map, "BLOCK_PAIRS", 20_000)
    monkeypatch.setattr("metarec_plugin.train.closed_form.row_width", lambda n: 12)
    linear = SpectralSpace(moments, 20).solve(ridge_of(moments, 10))
    spread, weight = np.linspace(1, 3, 600), np.linspace(2, 1, 600)
    done: list[float] = []
    columns, values = strongest_entries(linear, spread, weight, done.append)
    assert done == sorted(done)
    assert len(done) > 3
    assert done[-1] == 1.0
    whole = dense(linear, 600) * spread
    bought = store.train.matrix(600)
    together = (bought.T @ bought).toarray() > 0
    kept = np.zeros(600)
    for product in range(600):
        np.testing.assert_allclose(values[product], whole[product, columns[product]], rtol=1e-4, atol=1e-7)
        assert len(set(columns[product])) == 12
        best = np.sort(np.abs(whole[product] * weight) * together[product])[-12:].sum()
        kept[product] = (np.abs(values[product]) * weight[columns[product]]).sum() / best
    assert kept.mean() > 0.98


def test_a_row_with_few_common_buyers_is_filled_up_with_nothing(monkeypatch):
    side = histories([[0, 1], [0, 1], [2, 3], [3, 2, 4], [0, 5], [1, 5]])
    small = episode_moments(side.matrix(6))
    linear = SpectralSpace(small, 2).solve(np.ones(6, dtype="f4"))
    columns, values = linear.strongest_entries(np.ones(6), np.ones(6), 4, lambda share: None)
    assert set(columns[4]) == {2, 3, 4}
    assert (values[4][columns[4] == 4] == 0).all()


def test_planted_groups_are_recovered_by_it_too(monkeypatch):
    monkeypatch.setattr(linear_maps, "MAX_SQUARE", 0)
    monkeypatch.setattr(linear_maps, "MAX_SHOPPERS", 0)
    plan = planted(groups=2, products=10, shoppers=100, length=6)
    fitted = fit_closed_form(plan, rng=np.random.default_rng(0))
    assert fitted.report["space"] == "SpectralSpace"
    for product in np.flatnonzero(plan.popularity):
        row = np.zeros(plan.n_products)
        np.add.at(row, fitted.arrays["row_products"][product], fitted.arrays["row_values"][product])
        assert (np.argsort(-row)[:4] % 2 == product % 2).all(), product


def test_the_same_data_has_the_same_map(moments):
    one, other = (SpectralSpace(moments, 10).solve(ridge_of(moments, 10)) for _ in range(2))
    np.testing.assert_array_equal(one.rows(np.arange(50)), other.rows(np.arange(50)))
