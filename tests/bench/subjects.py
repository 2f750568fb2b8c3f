"""What shoppers' declared features add, at k = 0 and beside item-kNN and the closed form as k grows.

usage: python -m tests.bench.subjects [--data FOLDER] [--seeds 0,1,2] [--json var/bench/subjects.json]
FOLDER holds ml-1m; the demo store's demographics are measured without it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np
import polars as pl

django.setup()

from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.calibration import calibrated, fit_calibration
from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.subject_fitting import (
    SubjectCodes,
    fit_subject_priors,
    subject_codes,
    subject_scorer,
    tune_fading,
)
from metarec_plugin.evaluate.subject_priors import SubjectPriors
from metarec_plugin.features.schema import FIRST
from metarec_plugin.features.table import table_from_file
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.preprocess.files import read_users
from metarec_plugin.train import fit
from shop.demo import source
from tests.bench.sets import ROOT, demo_events

KS = (0, 1, 2, 3, 5, 10)
SAMPLES = 10_000


def demo(seed: int) -> tuple[Dataset, pl.DataFrame]:
    rows = pl.read_parquet(source.folder() / "demographics.parquet")
    users = rows.rename({"household_id": "user_id"}).with_columns(pl.col("user_id").cast(pl.String))
    return dataset_from_file(demo_events(ROOT / "var" / "bench" / "demo.parquet"), seed=seed), users


def ml_1m(folder: Path, seed: int) -> tuple[Dataset, pl.DataFrame]:
    # `split` says on which side of somebody's protocol a user is: nothing that a user declares.
    users = read_users(folder / "ml-1m" / "users.parquet").drop("split")
    return dataset_from_file(folder / "ml-1m" / "events.parquet", min_value=4, seed=seed), users


def scorers(dataset: Dataset) -> dict[str, Scorer]:
    """Popularity, tuned item-kNN and the closed form, all as log probabilities."""
    knn = tune("item_knn", dataset, KS)
    scale = fit_calibration(knn, dataset.validation, dataset.log_prior, KS)
    fitted = fit("closed_form", dataset)
    return {
        "popularity": lambda part: np.tile(dataset.log_prior, (len(part), 1)),
        "item_knn": calibrated(knn, scale, dataset.log_prior),
        "closed_form": make_candidate(dataset, "closed_form", fitted.kind, fitted.arrays, ks=KS).scorer(),
    }


def measure(dataset: Dataset, users: pl.DataFrame) -> dict[str, Any]:
    """Return the fitted weights, and each scorer's NDCG@20 with and without them at each k, paired by shopper."""
    codes = subject_codes(table_from_file(users, key="user_id"), dataset)
    priors = fit_subject_priors(dataset, codes)
    found: dict[str, Any] = {
        "weights": dict(zip(priors.names, priors.weights)),
        "told": float((codes.test >= FIRST).any(axis=1).mean()),
        "entries": len(priors.products),
        "rows": {},
    }
    for name, scorer in scorers(dataset).items():
        ks = KS if name == "popularity" else KS[1:]
        found["rows"][name] = _rows(scorer, priors, codes, dataset, ks)
    return found


def _rows(
    scorer: Scorer, priors: SubjectPriors, codes: SubjectCodes, dataset: Dataset, ks: Sequence[int]
) -> list[dict[str, Any]]:
    faded = tune_fading(scorer, priors, codes, dataset, ks)
    told = subject_scorer(scorer, faded, codes.test)
    rows = []
    for k in ks:
        plain, added = (evaluate(each, dataset.test, k, dataset.n_products) for each in (scorer, told))
        gap = paired_interval(added.ndcg, plain.ndcg, np.random.default_rng(0), samples=SAMPLES)
        row = {"k": k, "left": faded.faded(k), "without": plain.mean, "with": added.mean}
        rows.append({**row, "gap": gap.mean, "low": gap.low, "high": gap.high, "shoppers": len(plain)})
    return rows


def text(name: str, found: dict[str, Any]) -> str:
    weights = ", ".join(f"{feature} {weight:.2f}" for feature, weight in found["weights"].items())
    lines = [f"{name}: {found['told']:.0%} of test shoppers declare something; weights: {weights}"]
    for scorer, rows in found["rows"].items():
        lines += [
            f"  {scorer:12s} k={row['k']:2d} {row['without']:.4f} -> {row['with']:.4f}  {row['gap']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}]  left {row['left']:g}"
            for row in rows
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    for seed in (int(each) for each in options.seeds.split(",")):
        sets = {"demo": demo(seed)} | ({"ml-1m": ml_1m(options.data, seed)} if options.data else {})
        for name, (dataset, users) in sets.items():
            found[f"{name} seed {seed}"] = measure(dataset, users)
            print(text(f"{name} seed {seed}", found[f"{name} seed {seed}"]), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
