"""Score, rank and measure: one scorer on one side's shoppers at one k, over the full catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import QUERY, Episodes, Scorer, episodes
from metarec_plugin.preprocess.histories import Histories

BATCH_CELLS = 16_000_000  # episodes x products held at once: 64 MB of float32


@dataclass(frozen=True, eq=False)
class Result:
    """One measurement; the arrays have one entry per shopper that took part."""

    k: int
    rows: np.ndarray  # (B,) which history
    ndcg: np.ndarray  # (B,)
    precision: np.ndarray  # (B,) hits / 20
    recall: np.ndarray  # (B,) hits / min(20, relevant)
    recall_plain: np.ndarray  # (B,) hits / relevant
    coverage: float  # share of the catalogue that is in somebody's list
    user_coverage: float  # share of shoppers whose list is adapted, not the one without support

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mean(self) -> float:
        return float(self.ndcg.mean()) if len(self) else math.nan

    @property
    def standard_error(self) -> float:
        return float(self.ndcg.std() / math.sqrt(len(self))) if len(self) else math.nan


def evaluate(
    scorer: Scorer, histories: Histories, k: int, n_products: int, batch: int = 512, adapts: bool = True
) -> Result:
    """Measure a scorer on every shopper with k + 5 products.

    A list counts as adapted if it differs from the scorer's list for an empty support; `adapts=False` says
    that a scorer never looks at the support.
    """
    cases = episodes(histories, k)
    lists = [np.empty((0, metrics.CUT), dtype=np.int32)]
    lists += [metrics.top_products(s) for s in _scored(scorer, cases, n_products, batch)]
    top = np.concatenate(lists)  # (B, 20)
    found, relevant = metrics.hits(top, cases.query), metrics.relevant(cases.query)
    adapted = np.zeros(len(cases), dtype=bool)
    if adapts and k and len(cases):
        adapted = (top != fallback_lists(scorer, cases.support)).any(axis=1)
    return Result(
        k=k,
        rows=cases.rows,
        ndcg=metrics.ndcg(found, relevant),
        precision=metrics.precision(found),
        recall=metrics.recall(found, relevant),
        recall_plain=metrics.recall_plain(found, relevant),
        coverage=len(np.unique(top[top >= 0])) / n_products,
        user_coverage=float(adapted.mean()) if len(cases) else math.nan,
    )


def batch_size(n_products: int, most: int = 512) -> int:
    """Return how many episodes to score at once."""
    return max(1, min(most, BATCH_CELLS // max(1, n_products)))


def exclude(scores: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Put the (B, k) support out of the ranking, in place."""
    np.put_along_axis(scores, support, -np.inf, axis=1)
    return scores


def _scored(scorer: Scorer, cases: Episodes, n_products: int, batch: int) -> Iterator[np.ndarray]:
    for part in cases.batches(batch_size(n_products, batch)):
        yield exclude(np.array(scorer(part), dtype=np.float32), part.support)


def fallback_lists(scorer: Scorer, support: np.ndarray) -> np.ndarray:
    """Return the (B, 20) lists that each shopper would get without support, less the (B, k) support."""
    query = np.full((1, QUERY), -1, dtype=np.int32)
    nobody = Episodes(0, np.zeros(1, dtype=int), np.empty((1, 0), dtype=np.int32), query, None)
    longer = metrics.CUT + support.shape[1]
    best = metrics.top_products(np.array(scorer(nobody), dtype=np.float32), longer)[0]  # (20 + k,)
    left = ~(best[None, :, None] == support[:, None, :]).any(axis=2)  # (B, 20 + k)
    order = np.argsort(~left, axis=1, kind="stable")[:, : metrics.CUT]
    return best[order]
