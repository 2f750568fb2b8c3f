"""What is bought in one go with a product more often than chance would have it: rows of neighbours from baskets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from metarec_plugin.preprocess.baskets import Baskets

WIDTH = 50  # neighbours of a product, at most
_ENTRIES = 10_000_000  # over all rows of one formula: 80 MB; rows are shorter from 200,000 products on
FEWEST = 2  # baskets with both: what happened once is an anecdote
_BLOCK = 4_000_000  # counts made at once

LIFT, RISE, SURPRISE = "lift", "rise", "surprise"


class Formula(NamedTuple):
    """How n_ij baskets with both, where e_ij were to be expected, become a score; above 0 is above chance.

    lift: log((n_ij + s) / (e_ij + s)), the ratio shrunk by s baskets either way (the posterior mean of a ratio under
    a gamma prior of mean 1 as s grows with the expectation; DuMouchel 1999 shrinks the same ratio).
    rise: (n_ij - e_ij) / (n_i + s), by how much the share of baskets with j is higher where i is (the leverage of
    Piatetsky-Shapiro 1991, conditional on i and shrunk).
    surprise: (n_ij - e_ij) / sqrt(e_ij + s), the excess in standard deviations of a Poisson count.
    """

    name: str
    s: float

    def __str__(self) -> str:
        return f"{self.name}, s {self.s:g}"

    def scores(self, both: np.ndarray, expected: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return (n,) scores of pairs: baskets with both, expected, and with the first."""
        if self.name == LIFT:
            return np.log((both + self.s) / (expected + self.s))
        if self.name == RISE:
            return (both - expected) / (own + self.s)
        if self.name == SURPRISE:
            return (both - expected) / np.sqrt(expected + self.s)
        raise ValueError(f"a formula is {LIFT}, {RISE} or {SURPRISE}; found {self.name!r}")


FORMULAS = tuple(
    Formula(name, s)
    for name, strengths in ((LIFT, (5.0, 50.0)), (RISE, (0.0, 10.0)), (SURPRISE, (1.0, 10.0)))
    for s in strengths
)


class Neighbours(NamedTuple):
    """Of each product those bought with it, best first; filled up with product 0 of value 0."""

    products: np.ndarray  # (N, n) int32
    values: np.ndarray  # (N, n) float32, above 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Return them as a bundle's arrays."""
        return {"together.products": self.products, "together.values": self.values}

    @property
    def is_empty(self) -> bool:
        return not (self.values > 0).any()


def neighbours(
    baskets: Baskets, n_products: int, formulas: Sequence[Formula], width: int = WIDTH
) -> Mapping[Formula, Neighbours]:
    """Return the rows that each formula makes of the baskets, counted once: a block of products at a time.

    Baskets are of different sizes, and in large ones everything meets everything. Expected is therefore what
    filling the same baskets at random gives: e_ij = n_i n_j sum(s (s - 1)) / sum(s)^2 over sizes s, so that all
    e_ij add up to all n_ij.
    """
    width = max(1, min(width, n_products - 1, _ENTRIES // max(n_products, 1)))
    found = {
        formula: Neighbours(
            np.zeros((n_products, width), dtype=np.int32), np.zeros((n_products, width), dtype=np.float32)
        )
        for formula in formulas
    }
    own = np.bincount(baskets.products, minlength=n_products).astype(np.float64)
    sizes = baskets.sizes().astype(np.float64)
    chance = (sizes * (sizes - 1)).sum() / max(sizes.sum() ** 2, 1.0)
    for first, second, both in _pairs(baskets, n_products):
        expected = chance * own[first] * own[second]
        above = (both >= FEWEST) & (both > expected)
        first, second, both, expected = first[above], second[above], both[above], expected[above]
        for formula, rows in found.items():
            scores = formula.scores(both, expected, own[first])
            order = np.lexsort((second, -scores, first))
            owners = first[order]
            place = np.arange(len(order)) - np.searchsorted(owners, owners)
            kept = place < width
            rows.products[owners[kept], place[kept]] = second[order][kept]
            rows.values[owners[kept], place[kept]] = scores[order][kept]
    return found


def _pairs(baskets: Baskets, n_products: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (n,) products, other products and float64 baskets with both, whole rows of products at a time."""
    held = baskets.matrix(n_products)  # (B, N)
    by_product = held.T.tocsr()  # (N, B)
    bound = np.minimum(by_product @ baskets.sizes().astype(np.float64), n_products)
    groups = np.cumsum(bound) // _BLOCK
    for group in np.unique(groups):
        products = np.flatnonzero(groups == group)
        counts = sp.coo_matrix(by_product[products] @ held)
        first, second = products[counts.row], counts.col.astype(np.int64)
        other = first != second
        yield first[other], second[other], counts.data[other].astype(np.float64)
