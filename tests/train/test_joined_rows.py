"""Several maps on one set of columns: against dense arithmetic, within their width, kept by what matters to any."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from metarec_plugin.train import joined_rows
from metarec_plugin.train.joined_rows import (
    LARGEST,
    MIN_ROW,
    ROW_ENTRIES,
    deviations,
    joined,
    joined_width,
    narrowed,
    rows_of,
)

N = 15


def dense_map(seed: int, share: float = 0.6) -> np.ndarray:
    """An (N, N) map with zeros in it, and a diagonal that must never be kept."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((N, N)) < share, rng.normal(size=(N, N)), 0.0).astype("f4")


def dense_of(products: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, n) rows -> (N, N); entries at the same place would add up."""
    out = np.zeros((len(products), N), dtype="f4")
    for row, (columns, entries) in enumerate(zip(products, values)):
        np.add.at(out[row], columns, entries)
    return out


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.eye(N, dtype=bool), 0, matrix)


def test_rows_wide_enough_hold_the_whole_map_off_the_diagonal():
    matrix = dense_map(0)
    products, values = rows_of(sp.csr_matrix(matrix), np.ones(N), N)
    assert (products.dtype, values.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(dense_of(products, values), off_diagonal(matrix))


@pytest.mark.parametrize("width", [1, 4])
def test_narrow_rows_keep_what_is_large_and_well_known(width):
    matrix, keep = dense_map(1, share=1.0), np.linspace(0.1, 2.0, N)
    products, values = rows_of(sp.csr_matrix(matrix), keep, width)
    assert products.shape == values.shape == (N, width)
    for row, columns in enumerate(products):
        strength = off_diagonal(np.abs(matrix))[row] * keep
        np.testing.assert_array_equal(columns, np.argsort(-strength, kind="stable")[:width])
        np.testing.assert_array_equal(values[row], matrix[row, columns])


def test_the_weight_changes_what_is_kept():
    matrix = np.zeros((N, N), dtype="f4")
    matrix[0, [1, 2]] = [3.0, 2.0]
    plain, weighted = np.ones(N), np.where(np.arange(N) == 1, 0.5, 1.0)
    assert rows_of(sp.csr_matrix(matrix), plain, 1)[0][0, 0] == 1
    assert rows_of(sp.csr_matrix(matrix), weighted, 1)[0][0, 0] == 2


def test_rows_are_narrowed_to_what_is_large_and_well_known_only_where_time_is_short():
    rows = rows_of(sp.csr_matrix(dense_map(1, share=1.0)), np.ones(N), N)
    keep = np.linspace(0.1, 2.0, N)
    assert narrowed(rows, keep, 4, 4)[0] is rows[0]
    products, values = narrowed(rows, keep, 2, 4)
    wanted, _ = rows_of(sp.csr_matrix(dense_map(1, share=1.0)), keep, 2)
    np.testing.assert_array_equal(np.sort(products), np.sort(wanted))
    assert values.shape == (N, 2)


def test_a_row_without_entries_says_nothing():
    products, values = rows_of(sp.csr_matrix((N, N)), np.ones(N), 3)
    assert not products.any()
    assert not values.any()


def test_deviations_are_those_of_the_dense_rows():
    matrix = off_diagonal(dense_map(2))
    _, values = rows_of(sp.csr_matrix(matrix), np.ones(N), N)
    np.testing.assert_allclose(deviations(values, N), matrix.std(axis=1), atol=1e-6)


HALF = 2.0**-11  # relative: what a 16-bit float may be off by


def unit_of(spread: np.ndarray, matrix: np.ndarray) -> float:
    """What a joined map was multiplied with: one power of two, the same in its values and its deviations."""
    said = matrix.std(axis=1) > 0
    unit = float(np.median(spread[said] / matrix.std(axis=1)[said])) if said.any() else 1.0
    assert np.log2(unit) == pytest.approx(round(np.log2(unit)), abs=1e-4)
    return 2.0 ** round(np.log2(unit))


def test_a_joined_map_has_a_unit_in_which_its_largest_entry_is_far_from_overflow_and_its_small_ones_from_nothing():
    matrix = off_diagonal(dense_map(13)) * np.float32(1e-7)
    matrix[0, 1] = 1e3 * np.abs(matrix).max()
    tiny = rows_of(sp.csr_matrix(matrix), np.ones(N), N)
    products, values, spread = joined([tiny, tiny], np.ones(N), N)
    assert values.dtype == np.float16
    assert LARGEST / 2 < np.abs(values.astype("f4")).max() <= LARGEST
    found = dense_of(products, values[:, 0]) / unit_of(spread[:, 0], matrix)
    np.testing.assert_allclose(found, matrix, rtol=HALF)


@pytest.mark.parametrize("largest", [0.0, 1e-40, 1e38, np.inf])
def test_a_map_of_any_size_has_a_unit(largest):
    matrix = off_diagonal(np.full((N, N), largest, dtype="f4"))
    rows = rows_of(sp.csr_matrix(matrix), np.ones(N), N)
    with np.errstate(all="ignore"):
        _, values, spread = joined([rows], np.ones(N), N)
    assert np.isfinite(values).all() == np.isfinite(largest)  # inf stays inf, for the bundle's check to name
    if np.isfinite(largest):
        assert np.isfinite(spread).all()


def test_joined_maps_are_the_dense_ones_side_by_side():
    matrices = [off_diagonal(dense_map(seed, share)) for seed, share in ((3, 0.2), (4, 0.5), (5, 0.0))]
    maps = [rows_of(sp.csr_matrix(matrix), np.ones(N), N) for matrix in matrices]
    products, values, spread = joined(maps, np.ones(N), N)
    assert values.shape == (N, 3, N)
    for m, matrix in enumerate(matrices):
        unit = unit_of(spread[:, m], matrix)
        np.testing.assert_allclose(dense_of(products, values[:, m]) / unit, matrix, rtol=HALF)
        np.testing.assert_allclose(spread[:, m] / unit, matrix.std(axis=1), atol=1e-6)


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_joined_row_keeps_the_columns_that_matter_most_to_any_map(width):
    # The second map is a hundred times as large: in its own deviations it says no more than the first.
    matrices = [off_diagonal(dense_map(6)), 100 * off_diagonal(dense_map(7))]
    keep = np.random.default_rng(8).uniform(0.2, 2.0, N)
    maps = [rows_of(sp.csr_matrix(matrix), np.ones(N), N) for matrix in matrices]
    products, values, spread = joined(maps, keep, width)
    assert products.shape == (N, width)
    for row in range(N):
        weight = np.max([np.abs(matrix[row]) / matrix[row].std() for matrix in matrices], axis=0) * keep
        wanted = np.argsort(-weight, kind="stable")[:width]
        assert set(products[row]) == set(wanted)
        for m, matrix in enumerate(matrices):
            unit = unit_of(spread[:, m], matrix)
            np.testing.assert_allclose(values[row, m] / unit, matrix[row, products[row]], rtol=HALF)
    # What is left out counts towards the deviation all the same: it is what the whole row could say.
    for m, matrix in enumerate(matrices):
        np.testing.assert_allclose(
            spread[:, m] / unit_of(spread[:, m], matrix), matrix.std(axis=1), rtol=1e-5
        )


@pytest.mark.parametrize("widths", [(2, 3), (N, N)], ids=["fewer entries than products", "more"])
def test_joined_maps_say_what_each_says(widths):
    matrices = [off_diagonal(dense_map(11)), off_diagonal(dense_map(12))]
    maps = [rows_of(sp.csr_matrix(matrix), np.ones(N), width) for matrix, width in zip(matrices, widths)]
    products, values, spread = joined(maps, np.ones(N), N)
    for m, own in enumerate(maps):
        unit = unit_of(spread[:, m], dense_of(*own))
        np.testing.assert_allclose(dense_of(products, values[:, m]) / unit, dense_of(*own), rtol=HALF)


def test_rows_of_different_widths_join_and_pieces_make_no_difference(monkeypatch):
    matrices = [off_diagonal(dense_map(9)), off_diagonal(dense_map(10))]
    maps = [rows_of(sp.csr_matrix(matrix), np.ones(N), width) for matrix, width in zip(matrices, (3, 7))]
    whole = joined(maps, np.ones(N), 8)
    monkeypatch.setattr(joined_rows, "_CELLS", 25)  # two rows at once
    for found, wanted in zip(joined(maps, np.ones(N), 8), whole):
        np.testing.assert_array_equal(found, wanted)


def test_few_products_keep_whole_rows_and_many_keep_within_the_memory_but_never_too_few():
    assert joined_width(500) == 500
    assert joined_width(4_000) * 4_000 == ROW_ENTRIES
    assert joined_width(10_000) == 800
    assert joined_width(1_000_000) == MIN_ROW
