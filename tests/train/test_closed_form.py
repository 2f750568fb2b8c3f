"""The closed form solves the enumerated problem exactly, in either space, and exports what counts of it."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from metarec_plugin.evaluate import item_knn
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.train import closed_form, linear_maps, spectral_map
from metarec_plugin.train.closed_form import climb, fit_closed_form, strongest_entries
from metarec_plugin.train.linear_maps import LinearMap, ProductSpace, ShopperSpace, solver
from metarec_plugin.train.moments import POWER, SUPPORT_SIZES, Moments, episode_moments
from metarec_plugin.train.spectral_map import SpectralSpace
from tests.evaluate.shoppers import histories, planted
from tests.train.enumeration import covariances, enumerate_episodes, ridge_solution, shoppers

LENGTHS = (1, 2, 3, 4, 4, 6, 7, 11, 12)
N = 14
RIDGE = np.linspace(0.3, 2.0, N)


def moments(x: sp.csr_matrix) -> Moments:
    return episode_moments(x, dtype=np.float64)


def dense(linear: LinearMap, n_products: int = N) -> np.ndarray:
    return linear.rows(np.arange(n_products))


@pytest.mark.parametrize(
    "lengths, enumerated",
    [(LENGTHS, (1, 2, 3, 5, 10)), ((21, 22), (20,)), ((51, 52, 9), (50,))],
)
def test_second_moments_are_those_of_all_subsets(lengths, enumerated):
    assert set(enumerated) <= set(SUPPORT_SIZES)
    x = shoppers(lengths, max(lengths) + 2)
    sizes = SUPPORT_SIZES if len(enumerated) > 1 else enumerated
    found = episode_moments(x, sizes, dtype=np.float64)
    inner, cross = covariances(enumerate_episodes(x, enumerated, POWER))
    s, t = found.shopper_forms()
    own, missing = x.T @ (found.inputs - found.pairs), x.T @ found.crosses
    np.testing.assert_allclose(x.T @ s @ x + np.diag(own), inner, atol=1e-12)
    np.testing.assert_allclose(x.T @ t @ x - np.diag(missing), cross, atol=1e-12)


def test_the_diagonal_counts_how_often_a_product_is_an_input():
    x = shoppers(LENGTHS, N)
    e = enumerate_episodes(x, (1, 2, 3, 5, 10), POWER)
    np.testing.assert_allclose(moments(x).diagonal, e.weights @ e.inputs**2, atol=1e-12)


@pytest.mark.parametrize("space", [ProductSpace, ShopperSpace])
def test_the_map_is_the_ridge_solution_with_a_free_intercept_for_each_size(space):
    x = shoppers(LENGTHS, N)
    expected = ridge_solution(enumerate_episodes(x, (1, 2, 3, 5, 10), POWER), RIDGE)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(space(moments(x)).solve(RIDGE)), expected, atol=1e-10)


@pytest.mark.parametrize("space", [ProductSpace, ShopperSpace])
def test_sums_of_single_products_are_the_rows_and_no_product_asks_for_itself(space):
    linear = space(moments(shoppers(LENGTHS, N))).solve(RIDGE)
    rows = dense(linear)
    np.testing.assert_allclose(linear.sums(sp.eye_array(N, format="csr")), rows, atol=1e-12)
    assert (np.diagonal(rows) == 0).all()
    assert np.abs(rows).max() > 0.01
    mixed = sp.csr_array(np.random.default_rng(0).random((5, N)) * (np.arange(N) % 3 == 0))
    np.testing.assert_allclose(linear.sums(mixed), mixed @ rows, atol=1e-12)
    np.testing.assert_allclose(linear.rows(np.array([7, 2])), rows[[7, 2]], atol=1e-12)


def test_solving_again_with_another_ridge_does_not_depend_on_the_first():
    for space in (ProductSpace, ShopperSpace):
        once = space(moments(shoppers(LENGTHS, N)))
        once.solve(100 * RIDGE)
        again = space(moments(shoppers(LENGTHS, N)))
        np.testing.assert_array_equal(dense(once.solve(RIDGE)), dense(again.solve(RIDGE)))


def test_the_smaller_square_is_solved_and_of_two_large_ones_neither(monkeypatch):
    wide, tall = moments(shoppers((3,) * 5, 9)), moments(shoppers((3,) * 9, 5))
    assert isinstance(solver(wide), ShopperSpace)
    assert isinstance(solver(tall), ProductSpace)
    monkeypatch.setattr(linear_maps, "MAX_SQUARE", 4)
    assert isinstance(solver(tall), ShopperSpace)
    monkeypatch.setattr(linear_maps, "MAX_SHOPPERS", 8)
    assert isinstance(solver(tall), SpectralSpace)
    monkeypatch.setattr(linear_maps, "MAX_SHOPPERS", 9)
    monkeypatch.setattr(linear_maps, "MAX_GAINS", 44)  # nor an array of 9 shoppers and 5 products
    assert isinstance(solver(tall), SpectralSpace)


def test_above_the_limit_no_array_of_products_by_products_is_made(monkeypatch):
    monkeypatch.setattr(closed_form, "BLOCK_ROWS", 16)
    monkeypatch.setattr(item_knn, "ROW_ENTRIES", 1)
    monkeypatch.setattr(spectral_map, "RANK", 8)
    store = planted(groups=3, products=500, shoppers=50, length=8)  # 30 to train on, of 1,500 products
    square = store.n_products**2 * 4

    def peak(space: str) -> int:
        tracemalloc.start()
        try:
            report = fit_closed_form(store, rng=np.random.default_rng(0)).report
            assert (report["shoppers"], report["space"]) == (30, space)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(linear_maps, "MAX_SQUARE", 1400)
    assert peak("ShopperSpace") < square / 2
    monkeypatch.setattr(linear_maps, "MAX_SHOPPERS", 20)
    assert peak("SpectralSpace") < square / 2
    # The measure does see such an array where it is allowed: more shoppers than MAX_SHOPPERS, few products.
    monkeypatch.setattr(linear_maps, "MAX_SQUARE", 1500)
    assert peak("ProductSpace") > square


def narrow(monkeypatch, width: int) -> None:
    monkeypatch.setattr(item_knn, "MIN_ROW", width)
    monkeypatch.setattr(item_knn, "ROW_ENTRIES", 1)
    monkeypatch.setattr(closed_form, "BLOCK_ROWS", 5)


def test_exported_rows_hold_the_largest_entries(monkeypatch):
    narrow(monkeypatch, 4)
    linear = ProductSpace(moments(shoppers(LENGTHS, N))).solve(RIDGE)
    spread = np.linspace(1, 3, N)
    done: list[float] = []
    columns, values = strongest_entries(linear, spread, np.ones(N), done.append)
    whole = dense(linear) * spread
    assert columns.shape == values.shape == (N, 4)
    for row, kept, value in zip(whole, columns, values):
        assert len(set(kept)) == 4
        np.testing.assert_allclose(value, row[kept], rtol=1e-6)
        np.testing.assert_allclose(np.sort(np.abs(value)), np.sort(np.abs(row))[-4:], rtol=1e-6)
    assert done == [5 / N, 10 / N, 1.0]


def test_entries_are_kept_by_their_size_times_the_weight(monkeypatch):
    narrow(monkeypatch, 3)
    linear = ProductSpace(moments(shoppers(LENGTHS, N))).solve(RIDGE)
    weight = np.where(np.isin(np.arange(N), (1, 6, 8)), 1.0, 1e-9)
    columns, values = strongest_entries(linear, np.ones(N), weight, lambda share: None)
    others = ~np.isin(np.arange(N), (1, 6, 8))  # of the three, one's own entry is 0
    assert {tuple(sorted(row)) for row in columns[others]} == {(1, 6, 8)}
    np.testing.assert_allclose(values[0], dense(linear)[0, columns[0]], rtol=1e-6)  # and not weighted


def test_a_small_map_is_exported_whole():
    linear = ProductSpace(moments(shoppers(LENGTHS, N))).solve(RIDGE)
    columns, values = strongest_entries(linear, np.ones(N), np.ones(N), lambda share: None)
    np.testing.assert_array_equal(columns, np.tile(np.arange(N), (N, 1)))
    np.testing.assert_allclose(values, dense(linear), rtol=1e-6)


@pytest.mark.parametrize("n_products, width", [(10, 10), (4000, 4000), (16_000, 1000), (1_000_000, 64)])
def test_the_export_stays_within_its_entries_but_for_the_narrowest_row(n_products, width):
    assert item_knn.row_width(n_products) == width


@pytest.mark.parametrize("best", range(4))
def test_the_best_ridge_is_found_from_where_the_search_starts(best):
    tried: list[int] = []

    def compare(strength: int) -> tuple[float, int]:
        tried.append(strength)
        return -abs(strength - best), strength

    quality, chosen = climb(range(4), 2, compare)
    assert chosen == best == max(quality, key=quality.__getitem__)
    assert len(tried) == len(set(tried))  # each solution is dear


@pytest.mark.parametrize("groups, shoppers_", [(2, 100), (2, 16)])
def test_planted_groups_are_recovered_after_one_event(groups, shoppers_):
    store = planted(groups=groups, products=10, shoppers=shoppers_, length=6)
    arrays = fit_closed_form(store, rng=np.random.default_rng(0)).arrays
    seen = np.flatnonzero(store.popularity)
    for product in seen:
        row = np.zeros(store.n_products)
        row[arrays["row_products"][product]] = arrays["row_values"][product]
        top = np.argsort(-row)[:4]
        assert (top % groups == product % groups).all(), product


@pytest.mark.parametrize("sequences", [[], [[0], [1], [0]]])
def test_shoppers_without_two_products_are_refused_in_words(sequences):
    store = dataclasses.replace(
        planted(groups=2, products=4, shoppers=20, length=4), train=histories(sequences)
    )
    with pytest.raises(InvalidData, match=f"none of the {len(sequences)} training shoppers has"):
        fit_closed_form(store, rng=np.random.default_rng(0))


def test_without_validation_shoppers_the_first_ridge_is_taken():
    store = dataclasses.replace(
        planted(groups=2, products=6, shoppers=60, length=5), validation=histories([])
    )
    assert fit_closed_form(store, rng=np.random.default_rng(0)).report["ridge"] == 10.0
