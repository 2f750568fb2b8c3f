"""Approximate search beside exact: how much of its list is found, what that costs in NDCG, how much time it saves.

usage: python -m tests.bench.approximate [--products 100000,200000,1000000] [--trained 100000] [--supports 200]
                                         [--json OUT]
Up to --trained products a mixture is trained on a planted store (tests.bench.stores) and asked by its test shoppers.
Beyond that vectors are planted: departments, shelves and products' own parts, popularity by a power law. Their maps say
nothing, so that only what is approximated ranks; they cost what they always do. Times are of this process on its core.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import tests.bench.speed  # isort: skip  # one BLAS thread, set before numpy is loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np

django.setup()

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.evaluate.calibration import NEUTRAL, fit_calibration
from metarec_plugin.evaluate.episodes import QUERY, episodes
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.pipeline.approximate import recall
from metarec_plugin.pipeline.candidates import encode_keys
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.train import fit
from metarec_plugin.train.cells import cell_arrays
from tests.bench.sets import ROOT
from tests.bench.stores import Store, shelf, write_store

LIFTS, KS = (0.0, 0.3, 0.7), (1, 3, 10)
USERS, EVENTS = 0.6, 40  # of a trained store, for each product
CALIBRATED_BY = 300  # validation shoppers
DEPARTMENT, SHELF, OWN = 0.5, 0.3, 0.2  # shares of a planted vector's variance
Arrays = dict[str, np.ndarray]
Figures = dict[str, Any]


def model(arrays: Arrays) -> OnlineModel:
    return OnlineModel(Bundle("bench", {"kind": "mixture", "learner": "mixture"}, arrays))


def trained(n_products: int) -> tuple[Arrays, Dataset]:
    """A mixture trained for 30 seconds' worth on a planted store, calibrated on some validation shoppers."""
    with tempfile.TemporaryDirectory(prefix="approximate-") as name:
        folder = Path(name)
        write_store(Store(n_products, int(USERS * n_products), EVENTS * n_products), folder)
        dataset = dataset_from_file(folder / "events", clean=True)
    fitted = fit("mixture", dataset, seed=0, device="cpu", budget_seconds=30)
    arrays = {
        "product_keys": encode_keys(dataset.product_keys), "log_prior": dataset.log_prior, **fitted.arrays
    }  # fmt: skip
    few = dataset.validation.select(np.arange(min(CALIBRATED_BY, len(dataset.validation))))
    raw = model({**arrays, **replace(NEUTRAL, prior_weight=np.zeros(1, np.float32)).arrays()})
    calibration = fit_calibration(raw.scorer(), few, dataset.log_prior, KS, weighs_prior=True)
    return {**arrays, **calibration.arrays()}, dataset


def planted(n_products: int) -> tuple[Arrays, list[np.ndarray]]:
    """A mixture of planted vectors, and supports: of two departments, by popularity."""
    rng, store = np.random.default_rng(0), Store(n_products, 1, 1)
    place = np.argsort(store.keys)
    sizes = np.diff(store.bounds)
    department = np.searchsorted(store.bounds, place, side="right") - 1
    shelves = shelf(place, department, store.bounds)
    size = sizes[department]
    popularity = size**0.5 / (place - store.bounds[department] + 1) / np.log(size + 1)
    log_prior = np.log(popularity / popularity.sum()).astype(np.float32)
    arrays = tests.bench.speed.synthetic("mixture", n_products, learners={"maml": 2, "maml_nn": 0}).arrays
    arrays = {**arrays, "log_prior": log_prior, "trend.scores": np.zeros_like(arrays["trend.scores"])}
    arrays["maps.values"] = np.zeros_like(arrays["maps.values"])
    for name in ("maml", "maml_nn"):
        arrays[f"{name}.vectors"] = _vectors(department, shelves, rng)
        arrays[f"{name}.bias"] = log_prior
    arrays |= _learners(arrays, log_prior)
    weights = np.zeros_like(arrays["gate.weights"])
    weights[0, [0, -2, -1]] = 1.05, 0.7, 0.7  # what gates of trained mixtures give, whatever the support
    arrays["gate.weights"] = weights
    arrays["calibration_scale"][:], arrays["calibration_prior"][:] = 3, 0.3
    return arrays, [_support(department, log_prior, k, rng) for k in KS * 100]


def _vectors(department: np.ndarray, shelves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 64) float32 of variance 1 in all, the first dimensions the largest, as the spectra of trained vectors are."""
    spectrum = np.arange(1, 65, dtype=np.float32) ** -0.5
    spectrum /= np.sqrt((spectrum**2).sum())

    def normal(rows: int, share: float) -> np.ndarray:
        return rng.standard_normal((rows, 64), dtype=np.float32) * (spectrum * np.float32(share**0.5))

    vectors = normal(len(department), OWN)
    vectors += normal(int(department.max()) + 1, DEPARTMENT)[department]
    vectors += normal(int(shelves.max()) + 1, SHELF)[shelves]
    return vectors


def _learners(arrays: Arrays, log_prior: np.ndarray) -> Arrays:
    """MAML from nobody by two steps; MAML-NN by the mean of the support's vectors, as long as MAML's."""
    nobody = np.zeros(64, dtype=np.float32)
    silent = ("attention", "recency", "hidden", "hidden_size", "hidden_bias", "output", "output_bias")
    made = {f"maml_nn.{name}": np.zeros_like(arrays[f"maml_nn.{name}"]) for name in silent}
    return made | {
        "maml.start": nobody, "maml.growth": np.zeros((2, 64), dtype=np.float32),
        "maml.start_gradient": np.exp(log_prior) @ arrays["maml.vectors"],
        "maml.step_sizes": np.full((2, 64), 3, dtype=np.float32),
        "maml_nn.inputs": arrays["maml_nn.vectors"], "maml_nn.skip": np.eye(64, dtype=np.float32),
        "maml_nn.gain": np.array([np.log(6), 0], dtype=np.float32),
    }  # fmt: skip


def _support(department: np.ndarray, log_prior: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    own = np.flatnonzero(np.isin(department, rng.choice(department.max() + 1, 2, replace=False)))
    chances = np.exp(log_prior[own].astype(np.float64))
    return rng.choice(own, min(k, len(own)), replace=False, p=chances / chances.sum())


def measure(n_products: int, by_training: bool, n_supports: int) -> Figures:
    found: Figures = {"vectors": "trained" if by_training else "planted"}
    if by_training:
        arrays, dataset = trained(n_products)
        asked = {k: episodes(dataset.test, k)[: n_supports // len(KS)] for k in KS}
        supports = [support for each in asked.values() for support in each.support]
    else:
        arrays, supports = planted(n_products)
        supports = supports[:n_supports]
    began = time.process_time()
    cells = cell_arrays("mixture", arrays, arrays["log_prior"])
    found["seconds_of_cells"] = time.process_time() - began
    found["cells"] = len(cells["maml.cell_bias"])
    found["cells_mb"] = sum(array.nbytes for array in cells.values()) / 1e6
    found["unexplained"] = unexplained(
        arrays["maml.vectors"], cells["maml.cell_of"], cells["maml.cell_vectors"]
    )
    exact, approximate = model(arrays), model(arrays | cells)
    found |= {"products": len(exact), "supports": len(supports)}
    found["recall20"] = dict(zip(map(str, LIFTS), recall(approximate, exact, supports, LIFTS)))
    found["milliseconds"] = times(exact, approximate, supports[:60])
    if by_training:
        shoppers = dataset.test.select(np.arange(min(n_supports, len(dataset.test))))
        found["ndcg20"] = {
            name: {str(k): evaluate(each.scorer(), shoppers, k, len(exact)).mean for k in KS}
            for name, each in (("exact", exact), ("approximate", approximate))
        }
    return found


def unexplained(vectors: np.ndarray, of: np.ndarray, cells: np.ndarray) -> float:
    """The share of the vectors' variance that cells leave out, of products that share one."""
    shared = np.bincount(of)[of] > 1
    left, all_of_it = vectors[shared] - cells[of[shared]], vectors[shared] - vectors[shared].mean(axis=0)
    return float(np.square(left).sum() / np.square(all_of_it).sum())


def times(exact: OnlineModel, approximate: OnlineModel, supports: Sequence[np.ndarray]) -> dict[str, float]:
    """Median milliseconds of processor time to adapt and rank, by turns."""
    found: dict[str, list[float]] = {"exact": [], "approximate": []}
    for support in supports:
        for name, each in (("exact", exact), ("approximate", approximate)):
            began = time.process_time()
            each.rank(each.answer(support).logits, QUERY, support, 0.3)
            found[name].append(1e3 * (time.process_time() - began))
    return {name: statistics.median(own) for name, own in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", default="100000,200000,1000000")
    parser.add_argument("--trained", type=int, default=100_000, help="up to so many a mixture is trained")
    parser.add_argument("--supports", type=int, default=200)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "approximate.json")
    options = parser.parse_args()
    command = shlex.join(["python", "-m", "tests.bench.approximate", *sys.argv[1:]])
    rows: list[Figures] = []
    for n_products in map(int, options.products.split(",")):
        rows.append(measure(n_products, n_products <= options.trained, options.supports))
        print(json.dumps(rows[-1], indent=1), flush=True)
        found = {"command": command, "date": date.today().isoformat(), "rows": rows}
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
