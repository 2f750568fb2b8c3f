"""The protocol once more, in plain Python and as slow as it is plain, to hold the fast one to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def ranking(scores: Sequence[float], left_out: Sequence[int]) -> list[int]:
    """The twenty best products: higher scores first, equals by the lower index."""
    candidates = [p for p in range(len(scores)) if p not in set(left_out)]
    return sorted(candidates, key=lambda p: (-scores[p], p))[:20]


def ndcg(ranked: Sequence[int], query: Sequence[int]) -> float:
    gained = sum(1 / math.log2(place + 2) for place, p in enumerate(ranked) if p in query)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(20, len(query))))
    return gained / ideal


def measure(
    score: Callable[[Sequence[int]], Sequence[float]],
    shoppers: Sequence[Sequence[int]],
    k: int,
    n_products: int,
) -> dict[str, object]:
    """NDCG, recall and precision of each shopper with k + 5 products, and the coverage of all lists."""
    found: dict[str, list[float]] = {"ndcg": [], "recall": [], "precision": []}
    shown: set[int] = set()
    for history in shoppers:
        if len(history) < k + 5:
            continue
        support, query = list(history[:k]), list(history[k : k + 20])
        ranked = ranking(score(support), support)
        hits = len(set(ranked) & set(query))
        found["ndcg"].append(ndcg(ranked, query))
        found["recall"].append(hits / min(20, len(query)))
        found["precision"].append(hits / 20)
        shown |= set(ranked)
    return {**found, "coverage": len(shown) / n_products}


def item_knn(shoppers: Sequence[Sequence[int]], n_products: int, shrinkage: float) -> list[list[float]]:
    """The whole square of shrunk cosines between products."""
    buyers = [{u for u, history in enumerate(shoppers) if p in history} for p in range(n_products)]
    square = [[0.0] * n_products for _ in range(n_products)]
    for i in range(n_products):
        for j in range(n_products):
            if i != j:
                norm = math.sqrt(max(1, len(buyers[i]))) * math.sqrt(max(1, len(buyers[j])))
                square[i][j] = len(buyers[i] & buyers[j]) / (norm + shrinkage)
    return square
