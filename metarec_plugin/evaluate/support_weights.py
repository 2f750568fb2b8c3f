"""Choose on validation shoppers how much kinds, quantity, value, dwell and age weigh the products of a support."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.calibration import z
from metarec_plugin.evaluate.episodes import DAY, Episodes, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.preprocess.weighing import Evidence, SupportWeights, support_weights

# (B, k) episodes and weights -> (B, N) raw scores, of which shift and scale do not matter.
WeighedScorer = Callable[[Episodes, np.ndarray], np.ndarray]
RATIOS = (
    0.1,
    0.2,
    0.3,
    0.5,
    0.7,
    1.0,
    1.4,
    2.0,
    2.8,
)  # weights of the prior, on z-scores, a k's best is taken


@dataclass(frozen=True, eq=False)
class Weighed:
    """One side's shoppers with what is known of their supports."""

    histories: Histories
    evidence: Evidence  # (nnz,)
    log_prior: np.ndarray  # (N,)

    def ndcg(
        self, scorer: WeighedScorer, rule: SupportWeights, k: int, ratios: Sequence[float] = RATIOS
    ) -> np.ndarray:
        """Return the (R, B) NDCG@20 of each shopper at each ratio of the prior."""
        prior = z(self.log_prior[None])
        found: list[np.ndarray] = []
        for part in episodes(self.histories, k).batches(batch_size(len(self.log_prior), 256)):
            places = self.histories.indptr[part.rows][:, None] + np.arange(k)
            ages = _ages(self.histories, part, places)
            scores = z(scorer(part, support_weights(self.evidence[places], ages, rule)))
            relevant = metrics.relevant(part.query)
            tops = [
                metrics.top_products(exclude(scores + np.float32(ratio) * prior, part.excluded))
                for ratio in ratios
            ]
            found.append(np.array([metrics.ndcg(metrics.hits(top, part.query), relevant) for top in tops]))
        return np.concatenate(found, axis=1) if found else np.empty((len(ratios), 0))


def _ages(histories: Histories, part: Episodes, places: np.ndarray) -> np.ndarray:
    """Return (B, k) days between each support product and the query, NaN where unknown."""
    if histories.at is None or part.now is None:
        return np.full(places.shape, np.nan)
    return np.maximum((part.now[:, None] - histories.at[places]) / DAY, 0)


def choose_weights(
    validation: Weighed,
    scorer: WeighedScorer,
    first: SupportWeights,
    options: Mapping[str, Iterable[Any]],
    ks: Sequence[int],
) -> tuple[SupportWeights, dict[str, float]]:
    """Return the rule with the best validation NDCG@20, the mean over the ks, and the figures of all that were tried.

    Fields of the rule are taken one after the other, each over its options with those before it as chosen.
    """
    tried: dict[str, float] = {}
    best = first
    best_quality = tried[str(first)] = quality(validation, scorer, first, ks)
    for name, values in options.items():
        for rule in [replace(best, **{name: value}) for value in values]:
            if str(rule) in tried:
                continue
            tried[str(rule)] = quality(validation, scorer, rule, ks)
            if tried[str(rule)] > best_quality:
                best, best_quality = rule, tried[str(rule)]
    return best, tried


def quality(part: Weighed, scorer: WeighedScorer, rule: SupportWeights, ks: Sequence[int]) -> float:
    """Return the mean NDCG@20 over the ks, at each with its best weight of the prior."""
    means = [part.ndcg(scorer, rule, k) for k in ks]
    return float(np.mean([each.mean(axis=1).max() for each in means if each.shape[1]]))
