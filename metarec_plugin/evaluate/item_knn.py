"""Item-kNN: products that share buyers, from rows of co-purchase counts made on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from metarec_plugin.evaluate.widening import Strength, scalars
from metarec_plugin.preprocess.histories import Dataset

ROW_ENTRIES = 16_000_000  # of a bundle's map, over all rows: 128 MB
MIN_ROW = 64
SHRINKAGES = (0.0, 20.0, 100.0, 400.0)
_HELD = 24_000_000  # counts kept: 192 MB
_BLOCK = 4_000_000  # counts made at once
_DENSE = 32_000_000  # cells up to which rows are spread out: 128 MB


class ItemKnn:
    """Sums of rows of C_ij = (buyers of both) / (sqrt(buyers of i) sqrt(buyers of j) + shrinkage), C_ii = 0.

    Source: Sarwar et al. 2001 (cosine) with the shrinkage of Koren 2008, section 2.1. Rows are made from the
    sparse histories and the last ones kept, so that there never is a products x products square.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._bought = dataset.train.matrix(dataset.n_products)  # (U, N)
        self._buyers = self._bought.T.tocsr()  # (N, U)
        self._norm = np.sqrt(dataset.popularity).clip(1)  # (N,) float32
        # What a row can hold at most: its buyers' histories one after the other, or the catalogue.
        reach = self._buyers @ dataset.train.lengths().astype(np.float64)
        self._bound = np.minimum(reach, dataset.n_products)
        self._rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._held = 0

    def raws(self, support: np.ndarray, strengths: Sequence[Strength]) -> list[np.ndarray]:
        """Return, for each shrinkage, the (B, N) float32 sums of the rows of the (B, k) support."""
        out = [np.empty((len(support), len(self._norm)), dtype=np.float32) for _ in strengths]
        for part in self._parts(support, slice(0, len(support))):
            products, places = np.unique(support[part], return_inverse=True)
            b, k = support[part].shape
            pick = sp.csr_matrix(
                (np.ones(b * k, np.float32), places.ravel(), np.arange(0, b * k + 1, k)),
                shape=(b, len(products)),
            )
            counts = self._counts(products)
            spread = counts.shape[0] * counts.shape[1] <= _DENSE
            for scores, rows in zip(out, self._weighted(counts, products, scalars(strengths))):
                # Both ways add the rows in the order of the support, as float32.
                scores[part] = pick @ rows.toarray() if spread else (pick @ rows).toarray()
        return out

    def rows(self, products: np.ndarray, shrinkage: float) -> sp.csr_matrix:
        """Return the (n, N) rows of C for the given products."""
        return next(self._weighted(self._counts(products), products, (shrinkage,)))

    def blocks(self, shrinkage: float) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
        """Yield (products, their rows of C) over the whole catalogue, a bounded block at a time."""
        for products in self._split(np.arange(len(self._norm))):
            yield products, next(self._weighted(self._made(products), products, (shrinkage,)))

    def _weighted(
        self, counts: sp.csr_matrix, products: np.ndarray, strengths: Sequence[float]
    ) -> Iterator[sp.csr_matrix]:
        norms = np.repeat(self._norm[products], np.diff(counts.indptr))
        norms *= self._norm[counts.indices]
        for shrinkage in strengths:
            values = norms + shrinkage
            np.divide(counts.data, values, out=values)
            yield sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)

    def _parts(self, support: np.ndarray, whole: slice) -> Iterator[slice]:
        """Halve the batch until the rows that a part needs fit what may be held."""
        if whole.stop - whole.start <= 1 or self._bound[np.unique(support[whole])].sum() <= _HELD:
            yield whole
            return
        middle = (whole.start + whole.stop) // 2
        yield from self._parts(support, slice(whole.start, middle))
        yield from self._parts(support, slice(middle, whole.stop))

    def _counts(self, products: np.ndarray) -> sp.csr_matrix:
        missing = np.array([p for p in products.tolist() if p not in self._rows], dtype=np.int64)
        if self._held + self._bound[missing].sum() > _HELD:
            self._rows.clear()
            self._held, missing = 0, products
        for block in self._split(missing):
            made = self._made(block)
            self._held += made.nnz
            for i, product in enumerate(block.tolist()):
                part = slice(made.indptr[i], made.indptr[i + 1])
                self._rows[product] = (made.indices[part], made.data[part])
        rows = [self._rows[p] for p in products.tolist()]
        indptr = np.concatenate([[0], np.cumsum([len(indices) for indices, _ in rows])])
        indices = np.concatenate([indices for indices, _ in rows])
        data = np.concatenate([data for _, data in rows])
        return sp.csr_matrix((data, indices, indptr), shape=(len(products), len(self._norm)))

    def _split(self, products: np.ndarray) -> Iterator[np.ndarray]:
        groups = np.cumsum(self._bound[products]) // _BLOCK
        for group in np.unique(groups):
            yield products[groups == group]

    def _made(self, products: np.ndarray) -> sp.csr_matrix:
        counts = (self._buyers[products] @ self._bought).tocsr()
        counts.data[counts.indices == np.repeat(products, np.diff(counts.indptr))] = 0
        return counts


def row_width(n_products: int) -> int:
    """Return how many entries of each row of a product-product map a bundle keeps."""
    return min(n_products, max(MIN_ROW, ROW_ENTRIES // n_products))


def item_knn_arrays(dataset: Dataset, shrinkage: float) -> dict[str, np.ndarray]:
    """Return the bundle arrays of item-kNN: offset (N,), row_products and row_values (N, n), power ().

    Of each row the n largest entries by absolute value are kept, n = row_width(N).
    """
    n_products = dataset.n_products
    n = row_width(n_products)
    row_products = np.zeros((n_products, n), dtype=np.int32)
    row_values = np.zeros((n_products, n), dtype=np.float32)
    for products, rows in ItemKnn(dataset).blocks(shrinkage):
        for i, product in enumerate(products.tolist()):
            part = slice(rows.indptr[i], rows.indptr[i + 1])
            indices, values = rows.indices[part], rows.data[part]
            if len(values) > n:
                kept = np.argpartition(-np.abs(values), n - 1)[:n]
                indices, values = indices[kept], values[kept]
            row_products[product, : len(indices)] = indices
            row_values[product, : len(values)] = values
    return {
        "offset": np.zeros(n_products, dtype=np.float32),
        "row_products": row_products,
        "row_values": row_values,
        "power": np.zeros((), dtype=np.float32),
    }
