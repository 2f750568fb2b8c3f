"""What low ratings say: the same lists without the disliked, and with what is like them pushed down.

A shopper's dislikes are those rated before the next high rating in the order of the file. This tells a scorer more
than the yardstick does, so the figures stand in a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.bootstrap import influence, paired_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, episodes
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.train.fitted import Fitted

KS = (*HEADLINE_KS, 20)
STRENGTHS = (-1.0, -0.5, -0.25, 0.0, 0.1, 0.25, 0.5, 1.0)  # below 0 a dislike speaks for what is like it
HIGHEST = (2.0, 3.0)  # rating that counts as a dislike


class PerShopper:
    def __init__(self, rows: np.ndarray, ndcg: np.ndarray) -> None:
        self.rows, self.ndcg = rows, ndcg


def dislikes(dataset: Dataset, ratings: pl.DataFrame, fitted: Fitted) -> dict[str, Any]:
    candidate = make_candidate(dataset, fitted.learner, fitted.kind, fitted.arrays)
    return {f"rating <= {high:g}": _at(dataset, ratings, candidate.model(), high) for high in HIGHEST}


def _at(dataset: Dataset, ratings: pl.DataFrame, model: OnlineModel, high: float) -> dict[str, Any]:
    validation = {k: _ndcg(dataset.validation, dataset, ratings, model, high, k) for k in KS}
    test = {k: _ndcg(dataset.test, dataset, ratings, model, high, k) for k in KS}
    means = np.mean([validation[k][1].mean(axis=1) for k in HEADLINE_KS], axis=0)  # (1 + strengths,)
    chosen = 1 + int(means[1:].argmax())
    none, left_out = (
        {k: PerShopper(rows, ndcg[place]) for k, (rows, ndcg, _) in test.items()}
        for place in (0, 1 + STRENGTHS.index(0.0))
    )
    pushed = {k: PerShopper(rows, ndcg[chosen]) for k, (rows, ndcg, _) in test.items()}
    return {
        "known dislikes": {str(k): known for k, (_, _, known) in test.items()},
        "nothing": {str(k): float(each.ndcg.mean()) for k, each in none.items()},
        "left out": {str(k): float(each.ndcg.mean()) for k, each in left_out.items()},
        "left out above nothing": _compare(left_out, none),
        "strength": STRENGTHS[chosen - 1],
        "validation": dict(zip(map(str, STRENGTHS), means[1:].tolist())),
        "pushed": {str(k): float(each.ndcg.mean()) for k, each in pushed.items()},
        "pushed above left out": _compare(pushed, left_out),
    }


def _compare(ours: Mapping[int, PerShopper], theirs: Mapping[int, PerShopper]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    mean = paired_interval(*(influence([each[k] for k in HEADLINE_KS]) for each in (ours, theirs)), rng)
    return {
        "mean": list(mean),
        "by_k": {str(k): list(paired_interval(ours[k].ndcg, theirs[k].ndcg, rng)) for k in KS},
    }


def _ndcg(
    side: Histories, dataset: Dataset, ratings: pl.DataFrame, model: OnlineModel, high: float, k: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return rows, (1 + S, B) NDCG@20: with nothing known, then at each strength, and the mean number of dislikes."""
    cases = episodes(side, k)
    known = _known(side, dataset, ratings, cases, high)
    nobody = model.scores(np.empty(0, dtype=np.int64))
    found = np.empty((1 + len(STRENGTHS), len(cases)))
    relevant = metrics.relevant(cases.query)
    for row, (support, disliked) in enumerate(zip(cases.support, known)):
        scores = model.scores(support)
        against = model.scores(disliked) - nobody if len(disliked) else np.zeros_like(scores)
        ranked = np.stack([scores, *(scores - np.float32(strength) * against for strength in STRENGTHS)])
        ranked[:, support] = -np.inf
        ranked[1:, disliked] = -np.inf
        hits = metrics.hits(metrics.top_products(ranked), np.tile(cases.query[row], (len(ranked), 1)))
        found[:, row] = metrics.ndcg(hits, np.full(len(ranked), relevant[row]))
    return cases.rows, found, float(np.mean([len(each) for each in known]))


def _known(
    side: Histories, dataset: Dataset, ratings: pl.DataFrame, cases: Episodes, high: float
) -> list[np.ndarray]:
    """The products rated low before the query's first product, in the order of the file."""
    keys = pl.DataFrame({"product": dataset.product_keys, "index": np.arange(dataset.n_products)})
    placed = ratings.with_row_index("place").join(keys, on="product", how="inner", maintain_order="left")
    by_subject = {
        subject: (rows["place"].to_numpy(), rows["index"].to_numpy(), rows["value"].to_numpy())
        for (subject,), rows in placed.filter(pl.col("subject").is_in(side.subjects.tolist())).partition_by(
            "subject", as_dict=True
        ).items()
    }  # fmt: skip
    found = []
    for row, query in zip(cases.rows, cases.query):
        places, products, values = by_subject[str(side.subjects[row])]
        before = places < places[np.flatnonzero(products == query[0])[0]]
        found.append(products[before & (values <= high)])
    return found
