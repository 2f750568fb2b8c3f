"""Which products shoppers come to soon after one another: counts over a window of steps, for maps of products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from metarec_plugin.preprocess.histories import Dataset, Histories

WINDOW = 20  # steps: as far as a query reaches
_PAIRS = 20_000_000  # made at once: about 240 MB


def followers(histories: Histories, n_products: int, window: int = WINDOW) -> sp.csr_matrix:
    """Return (N, N) float32 counts: how often j came within `window` distinct products after i."""
    total = sp.csr_matrix((n_products, n_products), dtype=np.float32)
    for befores, afters in _pairs(histories, window):
        ones = np.ones(len(befores), dtype=np.float32)
        total = total + sp.coo_matrix((ones, (befores, afters)), shape=total.shape).tocsr()
    return total


def cosine(counts: sp.csr_matrix, popularity: np.ndarray) -> sp.csr_matrix:
    """Divide counts_ij by the root of the (N,) popularity of i and of j."""
    scale = sp.diags_array(np.maximum(popularity, 1).astype(np.float32) ** -0.5)
    return sp.csr_matrix(scale @ counts @ scale)


def covisit_maps(dataset: Dataset, window: int = WINDOW) -> dict[str, sp.csr_matrix]:
    """Return the (N, N) maps by name: what follows a product, and what stands near it on either side.

    The few steps tell apart what is bought in one visit, or one season, from what one person buys in a life: on
    time-ordered histories they say more than the whole history does.
    """
    after = followers(dataset.train, dataset.n_products, window)
    return {
        "near": cosine(sp.csr_matrix(after + after.T), dataset.popularity),
        "after": cosine(after, dataset.popularity),
    }


def _pairs(histories: Histories, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (n,) products and the (n,) ones up to `window` places later in the same history, in bounded pieces."""
    products = histories.products
    size = max(1, _PAIRS // window)
    left = np.repeat(histories.indptr[1:], histories.lengths()) - np.arange(len(products)) - 1  # places ahead
    for start in range(0, len(products), size):
        places = np.arange(start, min(start + size, len(products)))
        ahead = np.minimum(left[places], window)
        befores = np.repeat(places, ahead)
        steps = np.arange(len(befores)) - np.repeat(np.cumsum(ahead) - ahead, ahead) + 1
        yield products[befores], products[befores + steps]
