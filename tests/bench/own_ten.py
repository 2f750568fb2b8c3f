"""The protocol of RecBole-MetaRec's ML-1M table: ten of a user's own rated products ranked, the five liked best asked.

Source of protocol and rows: RecBole-MetaRec's result page for MovieLens-1M (users with 13 to 100 ratings, 8:1:1 by
user, ten random ratings as query). Many of the ten have equal ratings and many scorers give equal scores, so that
the order of the file could decide: here every tie, of labels and of scores, is broken at random many times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

TEN, CUT = 10, 5
INTERVAL = (13, 100)
DRAWS = 50  # of the ten and of the ties, for each user
PRIOR_RATINGS = 5.0  # that a product's mean is shrunk by
METRICS = ("precision@5", "ndcg@5", "mrr@5")
PUBLISHED = {
    "MeLU": {"precision@5": 0.5061, "ndcg@5": 0.5044, "mrr@5": 0.7016},
    "MAMO": {"precision@5": 0.5923, "ndcg@5": 0.6079, "mrr@5": 0.8073},
    "TaNP": {"precision@5": 0.6036, "ndcg@5": 0.6145, "mrr@5": 0.7993},
}
Score = Callable[[np.ndarray], np.ndarray]  # product codes -> scores of the same shape


def measure(scores: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return each row's metrics of (B, 10) scores against (B, 10) ratings, ties broken by the generator."""
    liked = _first_five(values, rng)
    order = np.lexsort((rng.random(scores.shape), -scores))[:, :CUT]
    found = np.take_along_axis(liked, order, axis=1)  # (B, 5)
    discount = 1 / np.log2(np.arange(CUT) + 2)
    return {
        "precision@5": found.mean(axis=1),
        "ndcg@5": (found * discount).sum(axis=1) / discount.sum(),
        "mrr@5": np.where(found.any(axis=1), 1 / (1 + found.argmax(axis=1)), 0.0),
    }


def _first_five(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (B, 10) bool: the five highest of each row."""
    order = np.lexsort((rng.random(values.shape), -values))[:, :CUT]
    liked = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(liked, order, True, axis=1)
    return liked


def one_seed(rows: pl.DataFrame, seed: int) -> dict[str, dict[str, float]]:
    """Return the metrics of each scorer over the test users of one split."""
    rng = np.random.default_rng(seed)
    users = rows["user_id"].unique().sort().to_numpy().copy()
    rng.shuffle(users)
    held_out = users[: len(users) // 10]
    train = rows.filter(~pl.col("user_id").is_in(held_out.tolist()))
    keys = rows["product_id"].unique().sort()
    codes = dict(zip(keys.to_list(), range(len(keys))))
    scorers: dict[str, Score] = {
        "random": lambda products: rng.random(products.shape),
        "constant": lambda products: np.zeros(products.shape),
        "item mean": lambda products: means[products],
        "item count": lambda products: counts[products],
    }
    at = train["product_id"].replace_strict(codes).to_numpy()
    counts = np.bincount(at, minlength=len(keys)).astype(float)
    sums = np.bincount(at, train["value"].to_numpy(), minlength=len(keys))
    means = (sums + PRIOR_RATINGS * train["value"].mean()) / (counts + PRIOR_RATINGS)
    groups = rows.filter(pl.col("user_id").is_in(held_out.tolist())).group_by("user_id", maintain_order=True)
    found: dict[str, dict[str, list[float]]] = {name: {m: [] for m in METRICS} for name in scorers}
    for _, own in groups:
        products = own["product_id"].replace_strict(codes).to_numpy()
        values = own["value"].to_numpy()
        # Each draw is another query of ten; the rest would be the support, which these scorers do not read.
        picks = np.argsort(rng.random((DRAWS, len(products))), axis=1)[:, :TEN]
        for name, score in scorers.items():
            for metric, each in measure(score(products[picks]), values[picks], rng).items():
                found[name][metric].append(float(each.mean()))
    return {name: {m: float(np.mean(each)) for m, each in by.items()} for name, by in found.items()}


def reproduce(ratings: pl.DataFrame, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the published rows, ours averaged over the seeds, and what it shows."""
    count = pl.len().over("user_id")
    rows = ratings.filter((count >= INTERVAL[0]) & (count <= INTERVAL[1]))
    by_seed = {seed: one_seed(rows, seed) for seed in seeds}
    measured = {
        name: {m: float(np.mean([found[name][m] for found in by_seed.values()])) for m in METRICS}
        for name in by_seed[seeds[0]]
    }
    mean, best = measured["item mean"], max(PUBLISHED, key=lambda name: PUBLISHED[name]["precision@5"])
    verdict = "above" if mean["precision@5"] > PUBLISHED[best]["precision@5"] else "not above"
    return {
        "metrics": list(METRICS),
        "published": PUBLISHED,
        "measured": measured,
        "by_seed": {str(seed): found for seed, found in by_seed.items()},
        "data": {"ratings": len(rows), "users": rows["user_id"].n_unique()},
        "says": (
            f"The mean rating of each product, which knows nothing of the user, reaches a precision@5 of "
            f"{mean['precision@5']:.4f}, {verdict} the best published meta-learner ({best}, "
            f"{PUBLISHED[best]['precision@5']:.4f}), and the published MeLU ({PUBLISHED['MeLU']['precision@5']:.4f}) "
            f"is at the level of chance ({measured['random']['precision@5']:.4f}): ranking a user's own ten rated "
            "products does not tell whether a method adapts, so no claim of ours rests on it."
        ),
    }
