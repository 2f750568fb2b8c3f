"""The product-product map where catalogue and shoppers are both too many for an exact solution: a sparse one.

A plus the ridge is a diagonal L and M = X' diag(pairs) X less the intercepts' rank K. Scaled by L^-1/2 from both
sides, M has few directions that are not small beside 1: its largest eigenpairs (lambda, Q) are kept, the rest is
taken for 0. Woodbury then gives (A + ridge)^-1 = L^-1/2 (I - Q diag(lambda / (1 + lambda)) Q') L^-1/2, and

    B = L^-1 C_sparse + P R',    P and R (N, r + K),

whose first part, item-kNN by conditional probabilities, is made of all shoppers and never held at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

from metarec_plugin.train.moments import Moments

RANK = 128
BLOCK_CELLS = 8_000_000  # entries of a dense working array
BLOCK_PAIRS = 4_000_000  # entries of rows of C at once
LOOK = 4  # times as many entries of a row are corrected as are kept


class SpectralSpace:
    """Solve through the largest eigenpairs of the scaled off-diagonal part."""

    def __init__(self, moments: Moments, rank: int | None = None) -> None:
        self._x, self._rank = moments.shoppers.tocsr(), rank or RANK
        self._pairs, self._crosses = moments.pairs, moments.crosses
        self._products = self._x.T.tocsr()  # X', (N, U)
        self._mean_inputs = self._products @ moments.mean_inputs  # (N, K)
        self._mean_targets = self._products @ moments.mean_targets
        self._own = self._products @ (moments.inputs - moments.pairs)  # (N,)

    def solve(self, ridge: np.ndarray) -> SpectralMap:
        """Return B for the (N,) ridge, but for the part of A that the eigenpairs leave out."""
        scale = (1 / np.sqrt(self._own + ridge)).astype(self._x.dtype)  # L^-1/2
        values, vectors = self._largest(scale)
        directions = scale[:, None] * vectors  # L^-1/2 Q, (N, r)
        shrink = values / (1 + values)
        missing = self._products @ self._crosses  # the diagonal, which C has not
        seen = self._cross_product(directions) - missing[:, None] * directions  # C_sparse L^-1/2 Q, (N, r)
        left = scale[:, None] ** 2 * self._mean_inputs  # L^-1 G, and what the inverse takes from it
        left -= directions @ (shrink[:, None] * (directions.T @ self._mean_inputs))
        return SpectralMap(
            self._x,
            self._products,
            self._crosses,
            scale**2,
            np.hstack([-directions * shrink, -left]),
            np.hstack([seen, self._mean_targets]),
            scale**2 * missing,
        )

    def _largest(self, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, pairs, transposed = self._x, self._pairs, self._products
        inputs = scale[:, None] * self._mean_inputs

        def apply(vector: np.ndarray) -> np.ndarray:
            vector = vector.ravel()
            through = scale * (transposed @ (pairs * (x @ (scale * vector))))
            return through - inputs @ (inputs.T @ vector)

        n_products = len(scale)
        operator = LinearOperator((n_products, n_products), matvec=apply, dtype=x.dtype)
        start = np.ones(n_products, dtype=x.dtype)  # so that the same data has the same map
        values, vectors = eigsh(operator, k=min(self._rank, n_products - 1), which="LA", v0=start, tol=1e-3)
        kept = values > 0
        return values[kept], np.ascontiguousarray(vectors[:, kept])

    def _cross_product(self, columns: np.ndarray) -> np.ndarray:
        """Return X' diag(crosses) X columns, (N, r), without an array of shoppers x r."""
        found = np.zeros_like(columns)
        step = max(1, BLOCK_CELLS // max(1, columns.shape[1]))
        for start in range(0, self._x.shape[0], step):
            part = self._x[start : start + step]
            found += part.T @ (self._crosses[start : start + step, None] * (part @ columns))
        return found


class SpectralMap:
    """B = diag(own) X' diag(crosses) X + left @ right.T off the diagonal; left and right are (N, r)."""

    def __init__(
        self,
        shoppers: sp.csr_matrix,
        products: sp.csr_matrix,
        crosses: np.ndarray,
        own: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        on_diagonal: np.ndarray,
    ) -> None:
        self._x, self._products = shoppers, products
        self._weighted = sp.diags_array(crosses) @ shoppers  # (U, N)
        self._own, self._left, self._right = own, left, right
        self._diagonal = on_diagonal + np.einsum("nr,nr->n", left, self._right)
        # What a row of C can hold at most: its buyers' histories one after the other, or the catalogue.
        reach = products @ np.diff(shoppers.indptr).astype(np.float64)
        self._bound = np.minimum(reach, len(own))

    def rows(self, products: np.ndarray) -> np.ndarray:
        """Return the (b, N) rows of the given products."""
        block = self._sparse_rows(products).toarray() + self._left[products] @ self._right.T
        block[np.arange(len(products)), products] = 0
        return block

    def sums(self, supports: sp.csr_matrix) -> np.ndarray:
        """Return supports @ B, (B, N)."""
        reached = (supports @ sp.diags_array(self._own)) @ self._products  # (B, U)
        found = (reached @ self._weighted).toarray() + (supports @ self._left) @ self._right.T
        return found - supports.multiply(self._diagonal).toarray()

    def strongest_entries(
        self,
        spread: np.ndarray,
        keep_weight: np.ndarray,
        width: int,
        done: Callable[[float], None],
        look: int = LOOK,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and values, (N, n) each, of the rows of B * spread: the largest |entry| * keep_weight.

        Looked for among products that share a buyer: what others have, the low rank part alone, is small. A row
        with fewer of them is filled up by its own product with 0.
        """
        n_products, weights = len(self._own), spread * keep_weight
        columns = np.tile(np.arange(n_products, dtype=np.int32)[:, None], (1, width))
        values = np.zeros((n_products, width), dtype=np.float32)
        ends = np.cumsum(self._bound)
        cuts = np.searchsorted(ends, np.arange(BLOCK_PAIRS, ends[-1], BLOCK_PAIRS), side="right")
        cuts = np.unique(np.concatenate([[0], cuts, [n_products]]))

        def fill(place: int) -> int:
            products = np.arange(cuts[place], cuts[place + 1])
            block = self._sparse_rows(products)
            for row, product in enumerate(products.tolist()):
                part = slice(block.indptr[row], block.indptr[row + 1])
                found, entries = block.indices[part], block.data[part]
                others = found != product
                found, entries = found[others], entries[others]
                found, entries = _top(found, entries, entries * weights[found], look * width)
                entries = (entries + self._right[found] @ self._left[product]) * spread[found]
                found, entries = _top(found, entries, np.abs(entries) * keep_weight[found], width)
                columns[product, : len(found)], values[product, : len(found)] = found, entries
            return int(cuts[place + 1])

        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            for filled in pool.map(fill, range(len(cuts) - 1)):
                done(filled / n_products)
        return columns, values

    def _sparse_rows(self, products: np.ndarray) -> sp.csr_matrix:
        """Return the (b, N) rows of L^-1 X' diag(crosses) X, with its diagonal."""
        return sp.csr_matrix(
            sp.diags_array(self._own[products]) @ (self._products[products] @ self._weighted)
        )


def _top(
    columns: np.ndarray, entries: np.ndarray, weights: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    if len(columns) <= most:
        return columns, entries
    kept = np.argpartition(weights, len(weights) - most)[-most:]
    return columns[kept], entries[kept]
