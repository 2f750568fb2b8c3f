"""What is bought together beside what is similar and what is popular: the rest of test shoppers' baskets.

usage: python -m tests.bench.together [--data FOLDER] [--only SET,SET] [--learner NAME] [--budget-seconds N]
       [--baskets N] [--seed N] [--json OUT]
FOLDER holds online-retail. NDCG@10, one vote a shopper, of the rest of a basket given one of its products, and of the
last one given the rest; the similar list is that of the learner, whose lift is chosen on validation shoppers.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np
import polars as pl

django.setup()

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
from metarec_plugin.evaluate.bootstrap import mean_interval, paired_interval
from metarec_plugin.pipeline.candidates import Candidate, make_candidate
from metarec_plugin.pipeline.together import (
    SIMILAR,
    BoughtTogether,
    first_of,
    fit_together,
    lister,
    similar_lister,
)
from metarec_plugin.preprocess.baskets import Baskets, baskets_of
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.files import countable, scan_events
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import fit
from shop.demo import source
from tests.bench.sets import ROOT, demo_events

KINDS = {"online-retail": ("purchase",)}
LIFTS = (0.0, 0.25, 0.5, 0.75)
SETS = ("online-retail", "demo")


def events_of(name: str, data: Path | None) -> tuple[Path, pl.DataFrame]:
    """The data set's file, and its rows that count with the order of each."""
    if name != "demo":
        if data is None:
            raise SystemExit(f"{name} needs --data FOLDER")
        path = data / name / "events.parquet"
        return path, countable(scan_events(path), KINDS.get(name), None)
    path = demo_events(ROOT / "var" / "bench" / "demo.parquet")
    # The file of events has the lines of the package in their order, less which basket each is of.
    baskets = pl.read_parquet(source.folder() / "transactions.parquet", columns=["basket_id"])["basket_id"]
    return path, countable(scan_events(path).with_columns(order=baskets.cast(pl.String)), None, None)


def filled(first: Lister, then: Lister) -> Lister:
    """List what the first lists, filled up by the second, as a placement's strategies do."""

    def listed(known: np.ndarray) -> np.ndarray:
        own = first(known)[:LISTED]
        return (
            own
            if len(own) == LISTED
            else np.concatenate([own, np.setdiff1d(then(known), own, assume_unique=True)])
        )

    return listed


def chosen_lift(candidate: Candidate, together: BoughtTogether) -> float:
    """The lift of the similar list that finds most of validation shoppers' baskets."""
    model, cases = candidate.model(), [first_of(each, SIMILAR) for each in together.cases.values()]
    found = {
        lift: sum(ndcg_by_shopper(similar_lister(model, lift), each).mean() for each in cases)
        for lift in LIFTS
    }
    return max(found, key=lambda lift: found[lift])


def compare(listers: Mapping[str, Lister], cases: BasketCases) -> dict[str, Any]:
    """Each list's NDCG@10 with its 95 % interval by shopper, and how far what is bought together is ahead."""
    values = {name: ndcg_by_shopper(listed, cases) for name, listed in listers.items()}
    rng = np.random.default_rng(0)
    return {
        "baskets": len(cases),
        "shoppers": len(values["together"]),
        "ndcg10": {name: list(mean_interval(each, rng)) for name, each in values.items()},
        "together above": {
            name: list(paired_interval(values["together"], each, rng))
            for name, each in values.items()
            if name != "together"
        },
    }


def measure(
    dataset: Dataset, baskets: Baskets, learner: str, budget_seconds: float, most: int, seed: int
) -> dict[str, Any]:
    started = time.perf_counter()
    together = fit_together(dataset, baskets)
    counted = time.perf_counter() - started
    fitted = fit(learner, dataset, seed=seed, device="cpu", budget_seconds=budget_seconds)
    candidate = make_candidate(dataset, learner, fitted.kind, fitted.arrays)
    lift = chosen_lift(candidate, together)
    training = baskets.of(dataset.train.subjects)
    popular = most_bought(np.bincount(training.products, minlength=dataset.n_products))
    own, similar = lister(Together(together.arrays)), similar_lister(candidate.model(), lift)
    listers = {
        "together": own,
        "together, then popular": filled(own, popular),
        "similar": similar,
        "popular": popular,
    }
    test = baskets.of(dataset.test.subjects)
    return {
        "hash": dataset.hash,
        "products": dataset.n_products,
        "validation": dict(together.report),
        "counting_seconds": counted,
        "learner": learner,
        "similar_lift": lift,
        **{task: compare(listers, basket_cases(test, task, most, seed)) for task in TASKS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--learner", default="mixture")
    parser.add_argument("--budget-seconds", type=float, default=60.0)
    parser.add_argument("--baskets", type=int, default=2_000, help="test baskets, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "together.json")
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in options.only.split(","):
        path, events = events_of(name, options.data)
        dataset = dataset_from_file(path, KINDS.get(name), None, options.seed)
        figures = measure(
            dataset,
            baskets_of(events, dataset),
            options.learner,
            options.budget_seconds,
            options.baskets,
            options.seed,
        )
        print(f"{name}: {figures['validation']['formula']}; counted in {figures['counting_seconds']:.1f} s")
        for task in TASKS:
            print(
                f"  {task} known, {figures[task]['baskets']} baskets of {figures[task]['shoppers']} shoppers"
            )
            for each, (mean, low, high) in figures[task]["ndcg10"].items():
                print(f"    {each:24s} {mean:.4f} [{low:.4f}, {high:.4f}]", flush=True)
        found[name] = {
            "seed": options.seed,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": f"python -m tests.bench.together --only {name} --learner {options.learner} "
            f"--budget-seconds {options.budget_seconds:g} --baskets {options.baskets} --seed {options.seed}",
            **figures,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
