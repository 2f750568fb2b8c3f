"""Draw training episodes: a support of k products of one shopper, and what came next."""

from __future__ import annotations

import math
import tempfile
from typing import NamedTuple

import numpy as np

from metarec_plugin.evaluate.episodes import QUERY
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Histories

CHUNK = 1_000_000  # shoppers looked at at once; an order of more of them lies in a file


class Batch(NamedTuple):
    """Episodes with the same k."""

    support: np.ndarray  # (B, k) int64
    query: np.ndarray  # (B, 20) int64, padded with -1
    seed: int = 0  # of what a loss samples besides: the same wherever a part of the batch is worked on

    def share(self, rank: int, size: int) -> Batch:
        """Return the part of one of `size` processes: every size-th episode from `rank` on."""
        return Batch(self.support[rank::size], self.query[rank::size], self.seed)


class EpisodeSampler:
    """Shoppers alike, k log-uniform: the first events matter most and are asked for most often.

    Half of the episodes start where a shopper started, as the protocol does; the others at a random place of the
    history, which makes many episodes of one shopper and shows tastes of all seasons.

    The histories may be memory-mapped (preprocess/stored.py): a draw reads those of its own shoppers only, and
    what is kept in memory does not grow with their number.
    """

    def __init__(self, histories: Histories, rng: np.random.Generator, max_support: int = 50) -> None:
        self._histories, self._rng = histories, rng
        least = histories.min_query
        self._order, self._longer, longest = _by_length(histories.indptr, max_support + least)
        self._max_support = min(max_support, longest - least)
        if self._max_support < 1:
            raise InvalidData(
                f"No training shopper has {least + 1} distinct products of the catalogue; the longest history has "
                f"{longest}. Collect more events, or serve popularity until there are."
            )

    def draw(self, size: int) -> Batch:
        """Return `size` episodes of one k."""
        rng, histories = self._rng, self._histories
        least = histories.min_query
        k = int(math.exp(rng.uniform(0, math.log(self._max_support + 1))))
        users = self._order[rng.integers(0, self._longer[k + least], size)]
        first = histories.indptr[users]
        lengths = histories.indptr[users + 1] - first
        offsets = rng.integers(0, lengths - k - least + 1) * rng.integers(0, 2, size)
        start = (first + offsets)[:, None]
        support = histories.products[start + np.arange(k)]
        ahead = k + np.arange(QUERY)
        inside = offsets[:, None] + ahead < lengths[:, None]
        places = np.minimum(start + ahead, len(histories.products) - 1)
        query = np.where(inside, histories.products[places], -1)
        return Batch(support.astype(np.int64), query.astype(np.int64), int(rng.integers(2**62)))


def _by_length(indptr: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the shoppers, longest history first, lengths above `most` alike; how many have at least n products,
    for n = 0 to `most`; and the longest history.

    Who has n products is then a beginning of the order, from which a draw takes any without a look at the others.
    Counted and filled chunk by chunk, in a file without a name where the order is long.
    """
    n_shoppers = len(indptr) - 1
    chunks = range(0, n_shoppers, CHUNK)
    counts, longest = np.zeros(most + 1, dtype=np.int64), 0
    for start in chunks:
        lengths = np.diff(indptr[start : start + CHUNK + 1])
        longest = max(longest, int(lengths.max()))
        counts += np.bincount(np.minimum(lengths, most), minlength=most + 1)
    longer = np.cumsum(counts[::-1])[::-1]  # (most + 1,)
    order = _scratch(n_shoppers)
    ends = longer - counts  # where the next shopper of each length goes
    for start in chunks:
        lengths = np.minimum(np.diff(indptr[start : start + CHUNK + 1]), most)
        placed = np.argsort(-lengths, kind="stable")
        found = np.bincount(lengths, minlength=most + 1)
        first = 0
        for length in np.flatnonzero(found)[::-1].tolist():
            part = placed[first : first + found[length]]
            order[ends[length] : ends[length] + len(part)] = start + part
            ends[length] += len(part)
            first += len(part)
    return order, longer, longest


def _scratch(n: int) -> np.ndarray:
    """Return n int64 numbers to write on, in a file that is gone with them where they are many."""
    if n <= CHUNK:
        return np.empty(n, dtype=np.int64)
    with tempfile.TemporaryFile() as file:  # the mapping outlives the handle
        return np.memmap(file, dtype=np.int64, mode="w+", shape=(n,))
