"""Which order of a shopper's own past finds what is bought again: the placement "again" on the repeat track."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from metarec_plugin.adapt.repeats import ALONE, due
from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.episodes import DAY, Episodes, episodes
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
    found: dict[str, Any] = {"served": f"{ALONE}, by what is due"}
    for k in KS:
        cases = episodes(dataset.test, k)
        repeated = (cases.query[:, :, None] == cases.support[:, None, :]).any(axis=1)  # (B, k)
        asked = repeated.any(axis=1)
        cases, repeated = cases[np.flatnonzero(asked)], repeated[asked]
        first_ages = _first_ages(dataset, cases)
        by_rule = {str(rule): _ndcg(cases, repeated, prone, rule) for rule in GRID}
        served, count = _ndcg(cases, repeated, prone, ALONE, first_ages), by_rule[str(COUNT)]
        found[str(k)] = {
            "shoppers": len(cases),
            "served": float(served.mean()),
            "times alone": float(count.mean()),
            "served above times alone": list(paired_interval(served, count, rng)),
            "served above the same without what is due": list(
                paired_interval(served, by_rule[str(ALONE)], rng)
            ),
            "all": {rule: float(each.mean()) for rule, each in by_rule.items()},
        }
    return found


def _first_ages(dataset: Dataset, cases: Episodes) -> np.ndarray | None:
    """Return (B, k) days since each product of the support was first bought; None where times are unknown."""
    test = dataset.test
    if test.at is None or cases.now is None:
        return None
    first = test.at[test.indptr[cases.rows][:, None] + np.arange(cases.k)]
    return np.maximum((cases.now[:, None] - first) / DAY, 0)


def _ndcg(
    cases: Episodes,
    repeated: np.ndarray,
    prone: np.ndarray,
    rule: RepeatParams,
    first_ages: np.ndarray | None = None,
) -> np.ndarray:
    counts, ages = cases.counts, cases.ages
    if counts is None or ages is None:
        raise ValueError("episodes of the repeat track have counts and ages; these have none")
    if first_ages is not None:
        counts = counts * due(counts, np.maximum(ages, 0), first_ages)
    own = own_distribution(counts, ages, prone[cases.support], rule)
    order = np.argsort(-own, axis=1, kind="stable")[:, :LISTED]
    gain = np.take_along_axis(repeated, order, axis=1) / np.log2(np.arange(order.shape[1]) + 2)
    ideal = np.cumsum(1 / np.log2(np.arange(LISTED) + 2))[np.minimum(repeated.sum(axis=1), LISTED) - 1]
    return gain.sum(axis=1) / ideal
