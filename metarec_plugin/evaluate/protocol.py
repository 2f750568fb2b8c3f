"""Score, rank and measure: one scorer on one side's shoppers at one k, over the full catalogue."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import QUERY, Episodes, Scorer, episodes
from metarec_plugin.evaluate.reliability import predicted
from metarec_plugin.evaluate.variety import Variety
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
    reciprocal_rank: np.ndarray  # (B,) 1 / place of the first hit
    adapted: np.ndarray  # (B,) bool: is the list another than without support?
    seconds: float  # scoring and ranking, all shoppers together
    novelty: np.ndarray | None = None  # (B,) bits; None where nobody asked
    diversity: np.ndarray | None = None  # (B,) 1 - mean cosine; None where nobody asked
    found: np.ndarray | None = None  # (B, 20) bool hits beside `chances`
    chances: np.ndarray | None = None  # (B, 20) predicted probability of each listed product being a hit

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mean(self) -> float:
        return float(self.ndcg.mean()) if len(self) else math.nan

    @property
    def standard_error(self) -> float:
        return float(self.ndcg.std() / math.sqrt(len(self))) if len(self) else math.nan


def evaluate(
    scorer: Scorer,
    histories: Histories,
    k: int,
    n_products: int,
    batch: int = 512,
    adapts: bool = True,
    *,
    variety: Variety | None = None,
    probabilities: bool = False,
) -> Result:
    """Measure a scorer on every shopper with k + 5 products.

    A list counts as adapted if it differs from the scorer's list for an empty support; `adapts=False` says
    that a scorer never looks at the support. variety: measures novelty and diversity; probabilities: the
    scores are log probabilities over the catalogue, of which the chances of the listed ones are kept.
    """
    cases = episodes(histories, k)
    relevant = metrics.relevant(cases.query)
    lists = [np.empty((0, metrics.CUT), dtype=np.int32)]
    chances = [np.empty((0, metrics.CUT))]
    done, seconds = 0, 0.0
    for part in cases.batches(batch_size(n_products, batch)):
        started = time.perf_counter()
        scores = exclude(np.array(scorer(part), dtype=np.float32), part.excluded)
        lists.append(metrics.top_products(scores))
        seconds += time.perf_counter() - started
        if probabilities:
            chances.append(predicted(scores, lists[-1], relevant[done : done + len(part)]))
        done += len(part)
    top = np.concatenate(lists)  # (B, 20)
    found = metrics.hits(top, cases.query)
    adapted = np.zeros(len(cases), dtype=bool)
    if adapts and k and len(cases):
        adapted = (top != fallback_lists(scorer, cases.excluded)).any(axis=1)
    return Result(
        k=k,
        rows=cases.rows,
        ndcg=metrics.ndcg(found, relevant),
        precision=metrics.precision(found),
        recall=metrics.recall(found, relevant),
        recall_plain=metrics.recall_plain(found, relevant),
        coverage=len(np.unique(top[top >= 0])) / n_products,
        user_coverage=float(adapted.mean()) if len(cases) else math.nan,
        reciprocal_rank=metrics.reciprocal_rank(found),
        adapted=adapted,
        seconds=seconds,
        novelty=None if variety is None else variety.novelty(top),
        diversity=None if variety is None or not len(cases) else variety.diversity(top),
        found=found if probabilities else None,
        chances=np.concatenate(chances) if probabilities else None,
    )


def batch_size(n_products: int, most: int = 512) -> int:
    """Return how many episodes to score at once."""
    return max(1, min(most, BATCH_CELLS // max(1, n_products)))


def exclude(scores: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Put the (B, k) support out of the ranking, in place."""
    np.put_along_axis(scores, support, -np.inf, axis=1)
    return scores


def fallback_lists(scorer: Scorer, support: np.ndarray) -> np.ndarray:
    """Return the (B, 20) lists that each shopper would get without support, less the (B, k) support."""
    query = np.full((1, QUERY), -1, dtype=np.int32)
    nobody = Episodes(0, np.zeros(1, dtype=int), np.empty((1, 0), dtype=np.int32), query, None)
    longer = metrics.CUT + support.shape[1]
    best = metrics.top_products(np.array(scorer(nobody), dtype=np.float32), longer)[0]  # (20 + k,)
    left = ~(best[None, :, None] == support[:, None, :]).any(axis=2)  # (B, 20 + k)
    order = np.argsort(~left, axis=1, kind="stable")[:, : metrics.CUT]
    return best[order]
