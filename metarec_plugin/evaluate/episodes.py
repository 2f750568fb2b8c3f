"""Few-shot episodes: the first k products of a shopper, and the ones that come next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metarec_plugin.preprocess.histories import Histories, Occurrences

KS = (0, 1, 2, 3, 5, 10, 20, 50)
HEADLINE_KS = (1, 2, 3, 5, 10)  # a newcomer's first products: what the gate and every choice look at
QUERY = 20  # products that come next, at most
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class Episodes:
    """One support and query per row, all with the same number k of support products."""

    k: int
    rows: np.ndarray  # (B,) which history each came from
    support: np.ndarray  # (B, k) int32, oldest first
    query: np.ndarray  # (B, 20) int32, padded with -1
    now: np.ndarray | None  # (B,) float64 epoch seconds of the query's first product, or None without times
    repeats: bool = False  # products of the support may be in the query, and are ranked
    counts: np.ndarray | None = None  # (B, k) float32 events with each product so far; None: one each
    ages: np.ndarray | None = (
        None  # (B, k) float32 days since the last of them, events where times are unknown
    )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | np.ndarray) -> Episodes:
        now, counts, ages = (None if a is None else a[part] for a in (self.now, self.counts, self.ages))
        return Episodes(
            self.k, self.rows[part], self.support[part], self.query[part], now, self.repeats, counts, ages
        )

    @property
    def excluded(self) -> np.ndarray:
        """What is no answer: the (B, k) support, or (B, 0) where people buy again."""
        return self.support[:, :0] if self.repeats else self.support

    def batches(self, size: int) -> Iterator[Episodes]:
        return (self[start : start + size] for start in range(0, len(self), size))


# Episodes of B shoppers -> (B, N) float32, higher first; equal scores rank by the lower catalogue index.
Scorer = Callable[[Episodes], np.ndarray]


def episodes(histories: Histories, k: int) -> Episodes:
    """Return the episodes of all shoppers with at least k + 5 distinct products, k + `min_query` to be exact.

    Where histories hold occurrences, the query is what comes next whether new or not, and a shopper takes part
    with as many distinct products after the support.
    """
    if histories.occurrences is not None:
        return _with_repeats(histories, histories.occurrences, k)
    lengths = histories.lengths()
    rows = np.flatnonzero(lengths >= k + histories.min_query)
    start = histories.indptr[rows]
    support = histories.products[start[:, None] + np.arange(k)]
    ahead = k + np.arange(QUERY)
    place = np.minimum(start[:, None] + ahead, max(len(histories.products) - 1, 0))
    query = np.where(ahead < lengths[rows, None], histories.products[place], -1) if len(rows) else place
    now = None if histories.at is None else histories.at[start + k]
    return Episodes(k, rows, support.astype(np.int32), query.astype(np.int32), now)


def _with_repeats(histories: Histories, events: Occurrences, k: int) -> Episodes:
    """Return episodes whose support ends where the k-th distinct product is first met."""
    firsts = np.flatnonzero(events.before < 0)  # (nnz,): where each distinct product is first met
    rows = np.flatnonzero(histories.lengths() >= k)
    # The first event after the support, of each shopper who has one.
    start = firsts[histories.indptr[rows] + k - 1] + 1 if k else events.indptr[rows]
    taken, ahead = spans(start, events.indptr[rows + 1])
    fresh = events.before[ahead] < start[taken]  # not met yet since the query began
    taken, ahead = taken[fresh], ahead[fresh]
    found = np.bincount(taken, minlength=len(rows))
    place = np.arange(len(taken)) - np.repeat(np.cumsum(found) - found, found)
    query = np.full((len(rows), QUERY), -1, dtype=np.int32)
    listed = place < QUERY
    products = histories.products[histories.indptr[rows][taken] + events.places[ahead]]
    query[taken[listed], place[listed]] = products[listed]
    part = np.flatnonzero(found >= histories.min_query)
    rows, start, query = rows[part], start[part], query[part]
    support = histories.products[histories.indptr[rows][:, None] + np.arange(k)]
    now = None if events.at is None else events.at[start]
    counts, ages = _counts_and_ages(events, rows, start, k)
    return Episodes(k, rows, support.astype(np.int32), query, now, True, counts, ages)


def _counts_and_ages(
    events: Occurrences, rows: np.ndarray, start: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, k) numbers of events with each product before `start`, and the age of the last of them."""
    taken, past = spans(events.indptr[rows], start)
    cell = taken * max(k, 1) + events.places[past]
    counts = np.bincount(cell, minlength=len(rows) * k).reshape(len(rows), k)
    latest = np.zeros(len(rows) * k, dtype=np.int64)
    np.maximum.at(latest, cell, past)
    last = latest.reshape(len(rows), k)
    ages = (start[:, None] - 1 - last).astype(np.float64)
    if events.at is not None:
        days = (events.at[start][:, None] - events.at[last]) / DAY
        ages = np.where(np.isnan(days), ages, days)
    return counts.astype(np.float32), ages.astype(np.float32)


def spans(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for all entries of the ranges start to stop one after the other, their range and the entry."""
    lengths = np.maximum(stop - start, 0)
    taken = np.repeat(np.arange(len(start)), lengths)
    offsets = np.arange(len(taken)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return taken, start[taken] + offsets
