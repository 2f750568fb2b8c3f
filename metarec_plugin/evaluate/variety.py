"""What lists hold besides hits: how rarely bought their products are, and how unlike each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from metarec_plugin.preprocess.histories import Dataset

_ENTRIES = 20_000_000  # entries of the lists' summed vectors held at once: 160 MB


@dataclass(frozen=True, eq=False)
class Variety:
    """The two measures' ground: what each product is expected to sell, and a vector of unit length for each.

    A product without a vector (no buyer, no feature) has a row of zeros: it is like no other.
    """

    surprise: np.ndarray  # (N,) float64: -log2 p0
    vectors: sp.csr_matrix  # (N, D) float32, rows of length 1 or 0
    of: str  # "features" or "buyers": what the vectors were made of

    def novelty(self, top: np.ndarray) -> np.ndarray:
        """Return (B,) the mean of -log2 p0 over the listed products, in bits; NaN for an empty list.

        p0 is the probability that the dataset gives a product for a shopper of whom nothing is known. Source:
        Vargas and Castells 2011, section 4.1 (popularity-based item novelty, self-information).
        """
        listed = top >= 0
        with np.errstate(invalid="ignore"):
            return np.where(listed, self.surprise[top], 0.0).sum(axis=1) / listed.sum(axis=1)

    def diversity(self, top: np.ndarray) -> np.ndarray:
        """Return (B,) 1 - the mean cosine over all pairs of a (B, 20) list; NaN with fewer than two products.

        The pairs' sum is (|sum of the vectors|^2 - sum of |vector|^2) / 2, so no pair is looked at. Source:
        Ziegler et al. 2005, equation 5 (intra-list similarity).
        """
        lists, back = np.unique(top, axis=0, return_inverse=True)  # popularity has one list for everybody
        return np.concatenate([self._diversity(part) for part in self._parts(lists)])[back.ravel()]

    def _diversity(self, lists: np.ndarray) -> np.ndarray:
        listed = lists >= 0
        n = listed.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(n)])
        products = lists[listed]
        pick = sp.csr_matrix(
            (np.ones(len(products), np.float32), products, indptr), shape=(len(lists), self.vectors.shape[0])
        )
        total = pick @ self.vectors  # (b, D)
        lengths = np.asarray(total.multiply(total).sum(axis=1)).ravel().astype(np.float64)
        alone = pick @ (np.diff(self.vectors.indptr) > 0).astype(np.float64)
        pairs = n * (n - 1.0)
        cosine = np.full(len(lists), np.nan)
        np.divide(lengths - alone, pairs, out=cosine, where=pairs > 0)
        return 1 - cosine

    def _parts(self, lists: np.ndarray) -> Iterator[np.ndarray]:
        width = np.diff(self.vectors.indptr)
        entries = np.where(lists >= 0, width[lists], 0).sum(axis=1)
        groups = np.cumsum(np.minimum(entries, self.vectors.shape[1])) // _ENTRIES
        for group in np.unique(groups):
            yield lists[groups == group]


def variety_of(dataset: Dataset, features: sp.csr_matrix | None = None) -> Variety:
    """Return the measures of a dataset; features: (N, D) of the catalogue's products, else their buyers count."""
    vectors = dataset.train.matrix(dataset.n_products).T if features is None else features
    if vectors.shape[0] != dataset.n_products:
        raise ValueError(
            f"a row of features a product: {dataset.n_products:,} expected; found {vectors.shape[0]:,}"
        )
    return Variety(
        surprise=-dataset.log_prior.astype(np.float64) / np.log(2),
        vectors=_unit_rows(vectors),
        of="buyers" if features is None else "features",
    )


def _unit_rows(vectors: sp.spmatrix) -> sp.csr_matrix:
    rows = sp.csr_matrix(vectors, dtype=np.float32)
    rows.eliminate_zeros()
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    rows.data *= np.repeat(scale, np.diff(rows.indptr)).astype(np.float32)
    return rows
