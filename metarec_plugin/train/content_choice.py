"""How well vectors that are predicted from features rank products pretended to be new, for held-out shoppers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.protocol import exclude
from metarec_plugin.features.transfer import unit
from metarec_plugin.preprocess.histories import Dataset

SHOPPERS = 600  # validation shoppers at each k
KS = (1, 3, 10)


class RankedByVectors:
    """NDCG@20 among n products of the inner products of their vectors and a support's mean vector.

    A support is known by its catalogue vectors; its own products are not ranked.
    """

    def __init__(
        self, dataset: Dataset, vectors: np.ndarray, products: np.ndarray, ks: Sequence[int] = KS
    ) -> None:
        """vectors: (N, d) of the catalogue; products: (n,) that are pretended to be new, ascending."""
        place = np.full(dataset.n_products + 1, -1, dtype=np.int64)  # the last for what fills up a query
        place[products] = np.arange(len(products))
        directions = unit(vectors.astype(np.float32))
        self._cases = []
        for k in ks:
            found = episodes(dataset.validation, k)
            if len(found) > SHOPPERS:
                found = found[np.linspace(0, len(found) - 1, SHOPPERS).astype(int)]
            query = place[found.query]
            kept = (query >= 0).any(axis=1)
            if kept.any():
                towards = directions[found.support[kept]].mean(axis=1)  # (B, d)
                self._cases.append((towards, query[kept], place[found.support[kept]]))

    def __bool__(self) -> bool:
        return bool(self._cases)

    def __call__(self, predicted: np.ndarray) -> np.ndarray:
        """Return the NDCG@20 of each episode, of all k, under (n, d) predicted vectors."""
        found = []
        for towards, query, support in self._cases:
            scores = np.hstack([towards @ predicted.T, np.zeros((len(towards), 1))]).astype(np.float32)
            top = metrics.top_products(
                exclude(scores, np.where(support < 0, len(predicted), support))[:, :-1]
            )
            found.append(metrics.ndcg(metrics.hits(top, query), metrics.relevant(query)))
        return np.concatenate(found)
