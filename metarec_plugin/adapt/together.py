"""Bought together, in the request: what goes with the products of a page or a basket."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NOTHING = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class Together:
    """The neighbours of a bundle; `known` says whether it has any."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._products = arrays.get("together.products")  # (N, n) int32
        self._values = arrays.get("together.values")  # (N, n) float32, 0 where a row holds no more
        self.known = self._products is not None

    def scores(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (m,) products that go with the (c,) context products, best first, and their (m,) scores.

        A score is the sum over the context of how far above chance the two are bought in one go; the context itself
        is left out, and so is whatever goes with none of it. Indices outside the catalogue (-1) count for nothing.
        Equal scores rank by the lower index.
        """
        if self._products is None or self._values is None:
            return NOTHING
        context = np.unique(np.asarray(context, dtype=np.int64))
        context = context[(context >= 0) & (context < len(self._products))]
        values = self._values[context]
        products = self._products[context][values > 0]
        found, places = np.unique(products, return_inverse=True)
        total = np.bincount(places, weights=values[values > 0], minlength=len(found))
        outside = ~np.isin(found, context)
        found, total = found[outside].astype(np.int64), total[outside].astype(np.float32)
        order = np.lexsort((found, -total))
        return found[order], total[order]
