"""Give a model what is bought in one go with each product, where the shop's log has baskets to tell it from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.together import Together
from metarec_plugin.evaluate.basket_cases import (
    LISTED,
    TASKS,
    BasketCases,
    Lister,
    basket_cases,
    most_bought,
    ndcg_by_shopper,
)
from metarec_plugin.evaluate.together import FORMULAS, RISE, Formula, neighbours
from metarec_plugin.pipeline.candidates import Candidate
from metarec_plugin.preprocess.baskets import Baskets
from metarec_plugin.preprocess.histories import Dataset

FEWEST = 20  # validation baskets that a formula is chosen by; from fewer the usual one is taken
USUAL = Formula(RISE, 10.0)
MOST = 600  # validation baskets, at most: each is ranked by every formula
SIMILAR = 300  # of them for the report, ranked by a model's own similar list: each costs an adaptation


@dataclass(frozen=True, eq=False)
class BoughtTogether:
    """The arrays that every bundle of a run gets, none where the log tells nothing, and why they are as they are."""

    arrays: Mapping[str, np.ndarray]
    report: Mapping[str, Any]
    cases: Mapping[str, BasketCases] = field(default_factory=dict)  # validation shoppers', by task


def fit_together(
    dataset: Dataset, baskets: Baskets, formulas: Sequence[Formula] = FORMULAS
) -> BoughtTogether:
    """Count the baskets of training shoppers, by the formula that finds most of validation shoppers' baskets.

    Each formula is judged through the code that serves it: NDCG@10 of the rest of a basket given one product, and
    of the last one given the rest, both alike, one vote a shopper.
    """
    training, held_out = (baskets.of(side.subjects) for side in (dataset.train, dataset.validation))
    report: dict[str, Any] = {
        **baskets.source,
        "training_baskets": len(training),
        "validation_baskets": len(held_out),
    }
    rows = (
        neighbours(training, dataset.n_products, list(dict.fromkeys([*formulas, USUAL])))
        if len(training)
        else {}
    )
    rows = {formula: found for formula, found in rows.items() if not found.is_empty}
    if not rows:
        return BoughtTogether(
            {}, {**report, "left_out": "no two products are in two orders or visits more than chance"}
        )
    cases = {task: basket_cases(held_out, task, MOST) for task in TASKS}
    chosen = USUAL if USUAL in rows else next(iter(rows))
    if len(held_out) >= FEWEST:
        listers = {formula: lister(Together(found.arrays())) for formula, found in rows.items()}
        grid = {
            formula: {task: _mean(listed, cases[task]) for task in TASKS}
            for formula, listed in listers.items()
        }
        chosen = max(grid, key=lambda formula: sum(grid[formula].values()))
        popular = most_bought(np.bincount(training.products, minlength=dataset.n_products))
        report["ndcg10"] = {str(formula): figures for formula, figures in grid.items()}
        report["ndcg10_popularity"] = {task: _mean(popular, cases[task]) for task in TASKS}
    report["formula"] = str(chosen)
    return BoughtTogether(rows[chosen].arrays(), report, cases)


def with_together(candidate: Candidate, together: BoughtTogether) -> Candidate:
    """Add the neighbours, and to the report what the candidate's own similar list finds of the same baskets."""
    report = dict(together.report)
    if together.arrays and "ndcg10" in report:
        similar = similar_lister(candidate.model())
        few = {task: first_of(cases, SIMILAR) for task, cases in together.cases.items()}
        report["ndcg10_similar"] = {task: _mean(similar, cases) for task, cases in few.items()}
        own = lister(Together(together.arrays))
        report["ndcg10_beside_similar"] = {task: _mean(own, cases) for task, cases in few.items()}
    arrays = {**candidate.arrays, **together.arrays}
    return replace(candidate, arrays=arrays, report={**candidate.report, "bought_together": report})


def lister(together: Together) -> Lister:
    """List what goes with the known products."""
    return lambda known: together.scores(known)[0]


def similar_lister(model: OnlineModel, lift: float = 0.0) -> Lister:
    """List what the model's adaptation to the known products finds: what a page lists without baskets."""

    def listed(known: np.ndarray) -> np.ndarray:
        return np.asarray(model.rank(model.scores(known), LISTED, known, lift))

    return listed


def first_of(cases: BasketCases, most: int) -> BasketCases:
    """Return a sample of the cases, drawn by chance, as many of them at most."""
    rows = np.sort(np.random.default_rng(0).choice(len(cases), min(len(cases), most), replace=False))
    return BasketCases(
        [cases.known[i] for i in rows.tolist()],
        [cases.hidden[i] for i in rows.tolist()],
        cases.subjects[rows],
    )


def _mean(listed: Lister, cases: BasketCases) -> float:
    return float(ndcg_by_shopper(listed, cases).mean())
