"""What cleaning does to quality: models of dirty and of clean rows, asked the same of the same shoppers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metarec_plugin.evaluate.bootstrap import influence, paired_difference, shoppers_of
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, Scorer
from metarec_plugin.evaluate.protocol import Result, evaluate
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.train import fit


def scorer_of(dataset: Dataset, learner: str, seed: int, budget: float) -> Scorer:
    fitted = fit(learner, dataset, seed=seed, device="cpu", budget_seconds=budget)
    return make_candidate(dataset, learner, fitted.kind, fitted.arrays, report=fitted.report).scorer()


def paired(
    scorers: tuple[Scorer, Scorer],
    datasets: tuple[Dataset, Dataset],
    judge: Dataset,
    side: str,
    seed: int = 0,
) -> Mapping[str, Any]:
    """Ask both for the products that both catalogues have, of the judge's shoppers, and compare their NDCG@20.

    Supports, queries and candidates are the same for both; a product that only one catalogue has is in none of them.
    The mean over 1, 2, 3, 5 and 10 known products, the first less the second, paired by shopper.
    """
    common = np.intersect1d(datasets[0].product_keys, datasets[1].product_keys)
    common = np.intersect1d(common, judge.product_keys)
    asked = narrowed(getattr(judge, side), judge.product_keys, common)
    found: list[list[Result]] = []
    for scorer, dataset in zip(scorers, datasets):
        own = np.searchsorted(dataset.product_keys, common)
        narrow = _narrow(scorer, own)
        found.append([evaluate(narrow, asked, k, len(common)) for k in HEADLINE_KS])
    gap = paired_difference(influence(found[0]), influence(found[1]), np.random.default_rng(seed))
    means = [float(np.mean([result.mean for result in each])) for each in found]
    return {
        "products": len(common), "shoppers": len(shoppers_of(found[0])), "first": means[0], "second": means[1],
        "difference": gap.mean, "low": gap.low, "high": gap.high, "p": gap.p,
    }  # fmt: skip


def narrowed(histories: Histories, keys: np.ndarray, common: np.ndarray) -> Histories:
    """The histories less the products that are not common, numbered by their places there."""
    places = np.searchsorted(common, keys)
    there = common[np.minimum(places, len(common) - 1)] == keys
    keep = there[histories.products]
    owner = np.repeat(np.arange(len(histories)), histories.lengths())
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner[keep], minlength=len(histories)))])
    at = None if histories.at is None else histories.at[keep]
    products = places[histories.products[keep]].astype(np.int32)
    return Histories(histories.subjects, indptr.astype(np.int64), products, at, None, histories.min_query)


def _narrow(scorer: Scorer, own: np.ndarray) -> Scorer:
    def scores(part: Episodes) -> np.ndarray:
        support = own[part.support].astype(np.int32) if part.support.size else part.support
        return np.asarray(scorer(replace(part, support=support)))[:, own]

    return scores
