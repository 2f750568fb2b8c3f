"""Does it say what comes next how often a shopper has bought so far? Measured beside item-kNN, on stores with times.

usage: python -m tests.bench.pace [--data FOLDER] [--seeds 0,1,2] [--json var/bench/pace.json]
The pace is the days of the support per product, cut into five bands by training shoppers; each band has the log
ratios of its training shoppers' next products, as declared features have (evaluate/prior_fitting.py).
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

django.setup()

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.calibration import calibrated, fit_calibration
from metarec_plugin.evaluate.episodes import DAY, Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.dataset import Dataset, Histories, dataset_from_file
from tests.bench.sets import ROOT, demo_events

KS = (1, 2, 3, 5, 10, 20)
BANDS = 5
PSEUDO_COUNTS, WEIGHTS = (0.3, 1.0, 3.0, 10.0), (0.0, 0.25, 0.5, 1.0)


def pace(histories: Histories, cases: Episodes) -> np.ndarray:
    """Return (B,) days per product of the support."""
    if histories.at is None or cases.now is None:
        raise ValueError("a pace needs times")
    return (cases.now - histories.at[histories.indptr[cases.rows]]) / DAY / cases.k


def band_ratios(query: np.ndarray, bands: np.ndarray, n_products: int, pseudo: float) -> np.ndarray:
    """Return (bands, N) of log(1 + count / (alpha p0)) of the (B, 20) queries in each band."""
    counts = np.stack([np.bincount(_asked(query[bands == b]), minlength=n_products) for b in range(BANDS)])
    prior = counts.sum(axis=0) + 0.5
    prior = prior / prior.sum()
    return np.log1p(counts / (pseudo * n_products * prior)).astype(np.float32)


def _asked(query: np.ndarray) -> np.ndarray:
    return query[query >= 0]


def qualities(scorer: Scorer, cases: Episodes, added: Sequence[np.ndarray], bands: np.ndarray) -> np.ndarray:
    """Return (settings, B) NDCG@20 of the scorer with each of the (bands, N) additions."""
    found = []
    size = batch_size(added[0].shape[1])
    for start in range(0, len(cases), size):
        part, own = cases[start : start + size], bands[start : start + size]
        plain = np.asarray(scorer(part), dtype=np.float32)
        tops = [metrics.top_products(exclude(plain + each[own], part.excluded)) for each in added]
        relevant = metrics.relevant(part.query)
        found.append([metrics.ndcg(metrics.hits(top, part.query), relevant) for top in tops])
    return np.concatenate([np.array(each) for each in found], axis=1)


def measure(dataset: Dataset) -> list[dict[str, Any]]:
    knn = tune("item_knn", dataset, KS)
    scale = fit_calibration(knn, dataset.validation, dataset.log_prior, KS)
    scorer = calibrated(knn, scale, dataset.log_prior)
    rows = []
    for k in KS:
        train, validation, test = (
            episodes(side, k) for side in (dataset.train, dataset.validation, dataset.test)
        )
        edges = np.quantile(pace(dataset.train, train), np.arange(1, BANDS) / BANDS)
        of_train, of_validation, of_test = (
            np.searchsorted(edges, pace(side, cases))
            for side, cases in (
                (dataset.train, train), (dataset.validation, validation), (dataset.test, test),
            )
        )  # fmt: skip
        grid = [
            np.float32(weight) * band_ratios(train.query, of_train, dataset.n_products, pseudo)
            for pseudo in PSEUDO_COUNTS
            for weight in WEIGHTS
        ]
        best = grid[int(qualities(scorer, validation, grid, of_validation).mean(axis=1).argmax())]
        plain, added = qualities(scorer, test, [np.zeros_like(best), best], of_test)
        gap = paired_interval(added, plain, np.random.default_rng(0))
        rows.append(
            {"k": k, "without": plain.mean(), "with": added.mean(), **gap._asdict(), "shoppers": len(test)}
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="holds online-retail; without it only the demo store is measured"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    for seed in (int(each) for each in options.seeds.split(",")):
        sets = {"demo": dataset_from_file(demo_events(ROOT / "var" / "bench" / "demo.parquet"), seed=seed)}
        if options.data:
            events = options.data / "online-retail" / "events.parquet"
            sets["online-retail"] = dataset_from_file(events, ("purchase",), seed=seed)
        for name, dataset in sets.items():
            found[f"{name} seed {seed}"] = measure(dataset)
            for row in found[f"{name} seed {seed}"]:
                print(
                    f"{name} seed {seed} k={row['k']:2d} {row['without']:.4f} -> {row['with']:.4f} "
                    f"{row['mean']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]",
                    flush=True,
                )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
