"""Draw training episodes: a support of k products of one shopper, and what came next."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from metarec_plugin.evaluate.episodes import MIN_QUERY, QUERY
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Histories


class Batch(NamedTuple):
    """Episodes with the same k."""

    support: np.ndarray  # (B, k) int64
    query: np.ndarray  # (B, 20) int64, padded with -1


class EpisodeSampler:
    """Shoppers alike, k log-uniform: the first events matter most and are asked for most often.

    Half of the episodes start where a shopper started, as the protocol does; the others at a random place of the
    history, which makes many episodes of one shopper and shows tastes of all seasons.
    """

    def __init__(self, histories: Histories, rng: np.random.Generator, max_support: int = 50) -> None:
        self._histories, self._rng = histories, rng
        self._lengths = histories.lengths()
        longest = int(self._lengths.max(initial=0))
        self._max_support = min(max_support, longest - MIN_QUERY)
        if self._max_support < 1:
            raise InvalidData(
                f"No training shopper has {MIN_QUERY + 1} distinct products of the catalogue; the longest history has "
                f"{longest}. Collect more events, or serve popularity until there are."
            )

    def draw(self, size: int) -> Batch:
        """Return `size` episodes of one k."""
        rng, histories = self._rng, self._histories
        k = int(math.exp(rng.uniform(0, math.log(self._max_support + 1))))
        users = rng.choice(np.flatnonzero(self._lengths >= k + MIN_QUERY), size)
        lengths = self._lengths[users]
        offsets = rng.integers(0, lengths - k - MIN_QUERY + 1) * rng.integers(0, 2, size)
        start = (histories.indptr[users] + offsets)[:, None]
        support = histories.products[start + np.arange(k)]
        ahead = k + np.arange(QUERY)
        inside = offsets[:, None] + ahead < lengths[:, None]
        places = np.minimum(start + ahead, len(histories.products) - 1)
        query = np.where(inside, histories.products[places], -1)
        return Batch(support.astype(np.int64), query.astype(np.int64))
