"""Two clicks on the demo store: how far a department's share of the list rises, at which cost in NDCG@20.

usage: python -m tests.bench.adaptation [--learners mixture,closed_form,maml,item_knn] [--json OUT]
The data are the demo store's own, read from its source files as `load_demo` offers them: what is not for sale is
left out, and shoppers are split as in a store run.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import django
import numpy as np
import polars as pl

if __name__ == "__main__":  # a test has set Django up already
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.evaluate.bootstrap import mean_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS
from metarec_plugin.evaluate.lift import lift_curve
from metarec_plugin.preprocess.dataset import build_dataset
from metarec_plugin.preprocess.files import countable, distinct
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.preprocess.splits import split_hashed
from shop.demo import source
from shop.demo.departments import shelf

DRAWS, MIN_PRODUCTS, SHOWN, SEED = 200, 80, 10, 0


@dataclass(frozen=True, eq=False)
class DemoStore:
    dataset: Dataset
    departments: np.ndarray  # (N,) codes
    names: tuple[str, ...]  # of the codes


def demo_store() -> DemoStore:
    """The demo's dataset without a database: the same lines, products for sale and split as a store run."""
    folder = source.folder()
    products = pl.read_parquet(folder / "products.parquet")
    shelves = {
        str(row["product_id"]): shelf(row["department"], row["product_category"], row["product_type"])
        for row in products.iter_rows(named=True)
    }
    sold = [key for key, place in shelves.items() if place.is_sold]
    lines = pl.read_parquet(folder / "transactions.parquet").select(
        subject=pl.col("household_id").cast(pl.String),
        product=pl.col("product_id").cast(pl.String),
        at="transaction_timestamp",
        quantity="quantity",
        price=pl.col("sales_value") / pl.col("quantity"),
    )
    events = distinct(countable(lines.filter(pl.col("product").is_in(sold)), None, None))
    dataset = build_dataset(events, split_hashed(events, SEED))
    names, departments = np.unique(
        [shelves[key].department for key in dataset.product_keys.tolist()], return_inverse=True
    )
    return DemoStore(dataset, departments, tuple(names.tolist()))


@dataclass(frozen=True, eq=False)
class Draws:
    """(D,) departments and (D, 2) products of each, by popularity within the department."""

    departments: np.ndarray
    support: np.ndarray


def draw(store: DemoStore, draws: int = DRAWS, seed: int = SEED) -> Draws:
    rng = np.random.default_rng(seed)
    large = np.flatnonzero(np.bincount(store.departments) >= MIN_PRODUCTS)
    chosen = rng.choice(large, draws)
    prior = np.exp(store.dataset.log_prior.astype(np.float64))
    support = []
    for department in chosen:
        inside = np.flatnonzero(store.departments == department)
        weights = prior[inside] / prior[inside].sum()
        support.append(rng.choice(inside, 2, replace=False, p=weights))
    return Draws(chosen, np.array(support))


@dataclass(frozen=True, eq=False)
class Turned:
    """Lists before and after two clicks, (D, 10) each; shares of the drawn department, (D,)."""

    before: np.ndarray
    after: np.ndarray
    lists: np.ndarray

    @property
    def rise(self) -> np.ndarray:
        return self.after - self.before


def turn(
    model: OnlineModel, store: DemoStore, draws: Draws, lift: float, *, adaptation: bool = True
) -> Turned:
    """Rank for each draw before and after its two products are known; without adaptation both are one list."""
    nobody = np.empty(0, dtype=np.int64)
    before = model.rank(model.scores(nobody), SHOWN, nobody, lift)
    lists = np.array(
        [
            model.rank(model.scores(pair if adaptation else nobody), SHOWN, pair, lift)
            for pair in draws.support
        ]
    )
    wanted = draws.departments[:, None]
    return Turned(
        before=(store.departments[before][None] == wanted).mean(axis=1),
        after=(store.departments[lists] == wanted).mean(axis=1),
        lists=lists,
    )


def common_share(turned: Turned, draws: Draws) -> float:
    """Mean share of products that the lists of two different departments have in common."""
    pairs = (
        len(np.intersect1d(turned.lists[i], turned.lists[j])) / SHOWN
        for i, j in combinations(range(len(turned.lists)), 2)
        if draws.departments[i] != draws.departments[j]
    )
    return float(np.mean(list(pairs)))


def measure(
    name: str, model: OnlineModel, store: DemoStore, draws: Draws, allowed_loss: float = 0.10
) -> dict[str, Any]:
    """The row of one learner at the lift that the home placement would take, and its curve over the lift."""
    curve = lift_curve(
        model.scorer(), store.dataset.validation, store.dataset.log_prior, allowed_loss=allowed_loss
    )
    turned = turn(model, store, draws, curve.chosen)
    rise = mean_interval(turned.rise, np.random.default_rng(SEED))
    at = {point.lift: point for point in curve.points}
    return {
        "learner": name,
        "lift": curve.chosen,
        "loss": 1 - at[curve.chosen].ndcg / at[0.0].ndcg,
        "ndcg": at[0.0].ndcg,
        "before": float(turned.before.mean()),
        "after": float(turned.after.mean()),
        "rise": rise.mean,
        "low": rise.low,
        "high": rise.high,
        "common": common_share(turned, draws),
        "curve": [
            {
                "lift": point.lift,
                "ndcg": point.ndcg,
                "coverage": point.coverage,
                "rise": float(turn(model, store, draws, point.lift).rise.mean()),
            }
            for point in curve.tenths
        ],
    }


def models(store: DemoStore, learners: Sequence[str], budget_seconds: float = 60.0) -> dict[str, OnlineModel]:
    """The named learners and item-kNN, trained and calibrated as in a store run."""
    from metarec_plugin.evaluate.baselines import tune
    from metarec_plugin.evaluate.item_knn import item_knn_arrays
    from metarec_plugin.pipeline.candidates import make_candidate
    from metarec_plugin.train import fit

    found = {}
    for learner in learners:
        if learner == "item_knn":
            shrinkage = tune("item_knn", store.dataset, HEADLINE_KS).best_strength()
            kind, arrays = "linear", item_knn_arrays(store.dataset, shrinkage)
        else:
            fitted = fit(learner, store.dataset, seed=SEED, device="cpu", budget_seconds=budget_seconds)
            kind, arrays = fitted.kind, fitted.arrays
        found[learner] = make_candidate(store.dataset, learner, kind, arrays).model()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", default="mixture,closed_form,maml,item_knn")
    parser.add_argument("--budget-seconds", type=float, default=60.0)
    parser.add_argument("--json")
    options = parser.parse_args()
    store = demo_store()
    draws = draw(store)
    rows = [
        measure(name, model, store, draws)
        for name, model in models(store, options.learners.split(","), options.budget_seconds).items()
    ]
    for row in rows:
        print(
            f"{row['learner']:<12} lift {row['lift']:.3g}  loss {row['loss']:.1%}  share {row['before']:.1%} -> "
            f"{row['after']:.1%}  rise {100 * row['rise']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]  "
            f"common {row['common']:.1%}"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {"draws": DRAWS, "min_products": MIN_PRODUCTS, "seed": SEED, "rows": rows}, file, indent=1
            )


if __name__ == "__main__":
    main()
