"""Which order of a shopper's own past finds what is bought again: the placement "again" on the repeat track."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from metarec_plugin.adapt.repeats import ALONE
from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.episodes import Episodes, episodes
from metarec_plugin.evaluate.repeat_tuning import propensity
from metarec_plugin.evaluate.repeats import RepeatParams, own_distribution
from metarec_plugin.preprocess.histories import Dataset

KS = (5, 10, 20, 50)
LISTED = 10
COUNT = RepeatParams(1.0)  # times alone
GRID = [
    RepeatParams(1.0, *each)
    for each in itertools.product((7.0, 30.0, 90.0, 365.0, np.inf), (0.0, 1.0), (0.0, 1.0))
]


def again(dataset: Dataset) -> dict[str, Any]:
    """NDCG@10 among the support's products, of shoppers whose next events hold one of them."""
    prone = propensity(dataset.train, dataset.n_products)
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"served": str(ALONE)}
    for k in KS:
        cases = episodes(dataset.test, k)
        repeated = (cases.query[:, :, None] == cases.support[:, None, :]).any(axis=1)  # (B, k)
        asked = repeated.any(axis=1)
        cases, repeated = cases[np.flatnonzero(asked)], repeated[asked]
        by_rule = {str(rule): _ndcg(cases, repeated, prone, rule) for rule in GRID}
        served, count = by_rule[str(ALONE)], by_rule[str(COUNT)]
        found[str(k)] = {
            "shoppers": len(cases),
            "served": float(served.mean()),
            "times alone": float(count.mean()),
            "served above times alone": list(paired_interval(served, count, rng)),
            "all": {rule: float(each.mean()) for rule, each in by_rule.items()},
        }
    return found


def _ndcg(cases: Episodes, repeated: np.ndarray, prone: np.ndarray, rule: RepeatParams) -> np.ndarray:
    own = own_distribution(cases.counts, cases.ages, prone[cases.support], rule)  # type: ignore[arg-type]
    order = np.argsort(-own, axis=1, kind="stable")[:, :LISTED]
    gain = np.take_along_axis(repeated, order, axis=1) / np.log2(np.arange(order.shape[1]) + 2)
    ideal = np.cumsum(1 / np.log2(np.arange(LISTED) + 2))[np.minimum(repeated.sum(axis=1), LISTED) - 1]
    return gain.sum(axis=1) / ideal
