"""Several product-product maps on one set of columns a row, so that one look-up reads them all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

ROW_ENTRIES = 8_000_000  # over all rows: 96 MB with four maps
LARGEST = 2.0**14  # entry of a map, of 16-bit floats: what is a 2^28th of it still has all their digits
MIN_ROW = 64
MOST_DOUBLINGS = 100  # a unit is a 32-bit float itself
_CELLS = 250_000  # joined at once: sorting what fits the cache takes a third of the time

Rows = tuple[np.ndarray, np.ndarray]  # products and values, (N, n) each; entries of 0 say nothing


def joined_width(n_products: int) -> int:
    """Return how many columns of a joined row are kept."""
    return min(n_products, max(MIN_ROW, ROW_ENTRIES // n_products))


def rows_of(matrix: sp.csr_matrix, keep: np.ndarray, width: int) -> Rows:
    """Return the largest |entry| * keep of each row off the diagonal, (N, n) each; short rows end in zeros."""
    matrix = sp.csr_matrix(matrix)
    n_products = matrix.shape[0]
    products = np.zeros((n_products, width), dtype=np.int32)
    values = np.zeros((n_products, width), dtype=np.float32)
    for row in range(n_products):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        found, entries = matrix.indices[part], matrix.data[part]
        strength = np.abs(entries) * keep[found]
        strength[found == row] = 0
        said = np.flatnonzero(strength)
        if len(said) > width:  # only what is kept is put in order, not all that a row holds
            said = said[np.argpartition(strength[said], len(said) - width)[-width:]]
        said = said[np.argsort(-strength[said], kind="stable")]
        products[row, : len(said)], values[row, : len(said)] = found[said], entries[said]
    return products, values


def narrowed(rows: Rows, keep: np.ndarray, brought: int, width: int) -> Rows:
    """Return the rows with the `brought` largest |entry| * keep of each, or as they are if that is the joined width."""
    products, values = rows
    if brought >= min(width, products.shape[1]):
        return rows
    strength = np.abs(values) * keep[products]
    kept = np.argpartition(strength, products.shape[1] - brought, axis=1)[:, -brought:]
    return np.take_along_axis(products, kept, axis=1), np.take_along_axis(values, kept, axis=1)


def deviations(values: np.ndarray, n_products: int) -> np.ndarray:
    """Return the (N,) deviation over the catalogue of rows of which the (N, n) entries are kept."""
    mean = values.sum(axis=1, dtype=np.float64) / n_products
    square = (values.astype(np.float64) ** 2).sum(axis=1) / n_products
    return np.sqrt(np.maximum(square - mean**2, 0)).astype(np.float32)


def joined(maps: Sequence[Rows], keep: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return products (N, n) int32, values (N, M, n) float16 and deviations (N, M) of M maps.

    Each map is multiplied with one number, a power of two that makes its largest entry about LARGEST: what a map says
    is measured in deviations, so its unit is free, and 16 bits halve what a web process reads and holds.

    Of each row the columns are kept that matter most to one of the maps: the largest entry in deviations of its
    row, times keep (N,). A column that a map does not have is 0 there.
    """
    n_products, m = len(keep), len(maps)
    spread = np.stack([deviations(values, n_products) for _, values in maps], axis=1)  # (N, M)
    unit = np.array([_unit(values) for _, values in maps], dtype=np.float32)  # (M,)
    products = np.zeros((n_products, width), dtype=np.int32)
    values = np.zeros((n_products, m, width), dtype=np.float16)
    entries = sum(columns.shape[1] for columns, _ in maps)
    size = max(1, _CELLS // entries)
    for start in range(0, n_products, size):
        part = slice(start, min(start + size, n_products))
        products[part], found = _joined([(c[part], v[part]) for c, v in maps], spread[part], keep, width)
        values[part] = found * unit[:, None]
    return products, values, spread * unit


def _unit(values: np.ndarray) -> float:
    """The power of two that brings the largest of the values to at most LARGEST."""
    largest = float(np.abs(values).max(initial=0.0))
    if not 0 < largest < math.inf:
        return 1.0
    return float(2.0 ** min(math.floor(math.log2(LARGEST / largest)), MOST_DOUBLINGS))


def _joined(maps: Sequence[Rows], spread: np.ndarray, keep: np.ndarray, width: int) -> Rows:
    b, n_products = len(spread), len(keep)
    columns = np.concatenate([c for c, _ in maps], axis=1)  # (b, all)
    entries = np.concatenate([v for _, v in maps], axis=1)
    source = np.concatenate([np.full(c.shape[1], place) for place, (c, _) in enumerate(maps)])
    said = np.flatnonzero(entries.ravel())
    cells = (np.arange(b)[:, None] * n_products + columns).ravel()[said]
    source, entries = np.broadcast_to(source, columns.shape).ravel()[said], entries.ravel()[said]
    # The cells of which a map says something, ascending: by row, then by column.
    if n_products <= columns.shape[1]:  # writing them all down is quicker than sorting those said
        table = np.zeros((b * n_products, len(maps)), dtype=np.float32)
        table[cells, source] = entries
        cells = np.flatnonzero(table.any(axis=1))
        table = table[cells]
    else:
        cells, back = np.unique(cells, return_inverse=True)
        table = np.zeros((len(cells), len(maps)), dtype=np.float32)
        table[back, source] = entries
    row, column = np.divmod(cells, n_products)
    weight = (np.abs(table) / np.maximum(spread[row], 1e-12)).max(axis=1) * keep[column]
    order = np.lexsort((-weight, row))
    lengths = np.bincount(row, minlength=b)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = place < width
    products = np.zeros((b, width), dtype=np.int32)
    values = np.zeros((b, len(maps), width), dtype=np.float32)
    products[row[kept], place[kept]] = column[order][kept]
    values[row[kept], :, place[kept]] = table[order][kept]
    return products, values
