"""Item-kNN by asymmetric cosine: how much a product's own popularity counts on each side is tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from metarec_plugin.evaluate.item_knn import ItemKnn

EXPONENTS = (0.0, 0.25, 0.5, 0.75)


class AsymmetricKnn(ItemKnn):
    """Sums of rows of C_ij = (buyers of both) / (n_i^a n_j^(1 - a)), C_ii = 0, i of the support, n its buyers.

    a = 1/2 is the cosine; a = 1 the share of i's buyers who have j; a = 0 the share of j's buyers who have i.
    Source: Aiolli 2013, section 3.2.2 (asymmetric cosine, item-based).
    """

    def _weighted(
        self, counts: sp.csr_matrix, products: np.ndarray, strengths: Sequence[float]
    ) -> Iterator[sp.csr_matrix]:
        own = np.repeat(self._norm[products], np.diff(counts.indptr))  # square roots of the buyers
        theirs = self._norm[counts.indices]
        for exponent in strengths:
            weights = own ** np.float32(2 * exponent) * theirs ** np.float32(2 - 2 * exponent)
            yield sp.csr_matrix((counts.data / weights, counts.indices, counts.indptr), shape=counts.shape)
