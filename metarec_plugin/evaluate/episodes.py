"""Few-shot episodes: the first k products of a shopper, and the ones that come next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metarec_plugin.preprocess.histories import Histories

KS = (0, 1, 2, 3, 5, 10, 20, 50)
HEADLINE_KS = (1, 2, 3, 5, 10)  # a newcomer's first products: what the gate and every choice look at
QUERY = 20  # products that come next, at most
MIN_QUERY = 5  # and at least: a shopper takes part at k with k + 5 distinct products


@dataclass(frozen=True, eq=False)
class Episodes:
    """One support and query per row, all with the same number k of support products."""

    k: int
    rows: np.ndarray  # (B,) which history each came from
    support: np.ndarray  # (B, k) int32, oldest first
    query: np.ndarray  # (B, 20) int32, padded with -1
    now: np.ndarray | None  # (B,) float64 epoch seconds of the query's first product, or None without times

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | np.ndarray) -> Episodes:
        now = None if self.now is None else self.now[part]
        return Episodes(self.k, self.rows[part], self.support[part], self.query[part], now)

    def batches(self, size: int) -> Iterator[Episodes]:
        return (self[start : start + size] for start in range(0, len(self), size))


# Episodes of B shoppers -> (B, N) float32, higher first; equal scores rank by the lower catalogue index.
Scorer = Callable[[Episodes], np.ndarray]


def episodes(histories: Histories, k: int) -> Episodes:
    """Return the episodes of all shoppers with at least k + 5 distinct products."""
    lengths = histories.lengths()
    rows = np.flatnonzero(lengths >= k + MIN_QUERY)
    start = histories.indptr[rows]
    support = histories.products[start[:, None] + np.arange(k)]
    ahead = k + np.arange(QUERY)
    place = np.minimum(start[:, None] + ahead, max(len(histories.products) - 1, 0))
    query = np.where(ahead < lengths[rows, None], histories.products[place], -1) if len(rows) else place
    now = None if histories.at is None else histories.at[start + k]
    return Episodes(k, rows, support.astype(np.int32), query.astype(np.int32), now)
