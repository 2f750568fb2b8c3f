"""Who made a model rank a product: what each expert, and each product of the support, adds to its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Parts:
    """What is added to m products' raw scores. What is in neither array is the prior's, the same for all shoppers."""

    by: np.ndarray  # (m, E, k): from each product of the support through each expert
    trend: np.ndarray | None = None  # (m,): from what sells lately


Explain = Callable[[np.ndarray], Parts]  # of (m,) products


@dataclass(frozen=True, eq=False)
class Speakers:
    """Shares of m products' scores, and the product of the support that had the largest part in each.

    shares: (m, X), in the unit of the scores; they add up to score - lift * log prior but for one constant.
    because: (m,), -1 where the support as a whole did not speak for the product. expert: (m,) places in `experts`,
    of the expert with the largest share among those that heard the support; where it did not speak, of the trend if
    that lifts the product more than the prior does, else of the prior.
    """

    experts: tuple[str, ...]
    shares: np.ndarray
    because: np.ndarray
    expert: np.ndarray

    def name(self, row: int) -> str:
        return self.experts[self.expert[row]]

    def alone(self, row: int) -> str:
        """Name what would be left without support: `trend` if that lifts the product more than the prior does."""
        prior, trend = self.shares[row, 0], self.shares[row, 1] if "trend" in self.experts else 0.0
        return "trend" if trend > max(prior, 0.0) else "prior"


def speakers(
    parts: Parts, names: tuple[str, ...], factor: float, total: np.ndarray, support: np.ndarray
) -> Speakers:
    """Share out (m,) totals. names: of the E experts; factor: from raw scores to the unit of the totals."""
    by = parts.by * factor  # (m, E, k)
    heard = by.sum(axis=2)  # (m, E)
    spoke = heard.sum(axis=1) > 0
    trends = [] if parts.trend is None else [parts.trend * factor]
    prior = total - heard.sum(axis=1) - sum(trends)
    alone = np.stack([prior, *trends], axis=1)  # (m, 1 or 2)
    lifted = np.logical_and(trends[0] > prior, trends[0] > 0) if trends else np.zeros(len(total), dtype=bool)
    because = np.full(len(total), -1)
    because[spoke] = support[by[spoke].sum(axis=1).argmax(axis=1)] if spoke.any() else -1
    return Speakers(
        experts=("prior", *("trend" for _ in trends), *names),
        shares=np.concatenate([alone, heard], axis=1),
        because=because,
        expert=np.where(spoke, alone.shape[1] + heard.argmax(axis=1), lifted.astype(np.int64)),
    )


def entries_of(
    products: np.ndarray, columns: np.ndarray, n_products: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find (m,) products in the (k, n) columns of the support's rows.

    Returns three arrays of one length: the place in `products`, the row, the place in the row.
    """
    place = np.zeros(n_products, dtype=np.int16)  # a page of zeros costs nothing until it is touched
    place[products] = np.arange(1, len(products) + 1)
    at = place.take(columns.ravel())  # (k * n,)
    hits = np.flatnonzero(at)
    rows, places = np.divmod(hits, columns.shape[1])
    return at[hits] - 1, rows, places
