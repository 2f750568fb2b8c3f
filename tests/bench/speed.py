"""Time adaptation and ranking of one subject in process, beside `implicit`'s fold-in, with one BLAS thread.

usage: python -m tests.bench.speed [--products 10000,100000] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is loaded

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import LAYOUTS

DIMENSIONS, SUPPORT, LIST = 64, 10, 20
RUNS, WARM_UP = 201, 20


def synthetic(kind: str, n_products: int, steps: int = 0, seed: int = 0) -> OnlineModel:
    """A model of the given size with random arrays: time does not depend on what they say."""
    rng = np.random.default_rng(seed)
    arrays = {
        "product_keys": np.array([f"{i:09d}" for i in range(n_products)], dtype="S9"),
        "log_prior": np.log(rng.dirichlet(np.ones(n_products))).astype("f4"),
        "calibration_k": np.array([0, 1, 50], dtype="f4"),
        "calibration_scale": np.ones(3, dtype="f4"),
        "calibration_prior": np.ones(3, dtype="f4"),
    }
    if kind == "linear":
        width = min(n_products, max(64, 16_000_000 // n_products))
        arrays |= {
            "offset": rng.normal(size=n_products).astype("f4"),
            "row_products": rng.integers(0, n_products, (n_products, width), dtype=np.int32),
            "row_values": rng.random((n_products, width), dtype=np.float32),
            "power": np.float32(0.5) * np.ones((), dtype="f4"),
        }
    elif kind == "amortised":
        sizes = {
            "N": n_products,
            "d": DIMENSIONS,
            "e": DIMENSIONS,
            "h": 64,
            "R": 12,
            "T": max(1, steps),
            "G": 2,
        }
        arrays |= {
            name: (0.1 * rng.normal(size=[sizes[letter] for letter in shape])).astype("f4")
            for name, (_, shape) in LAYOUTS[kind].items()
            if name not in arrays
        }
        arrays["step_sizes"][steps:] = 0
    else:
        arrays |= {
            "vectors": 0.1 * rng.normal(size=(n_products, DIMENSIONS)).astype("f4"),
            "bias": np.zeros(n_products, dtype="f4"),
            "start": np.zeros(DIMENSIONS, dtype="f4"),
            "step_sizes": np.ones((steps, DIMENSIONS), dtype="f4"),
            "growth": np.zeros((steps, DIMENSIONS), dtype="f4"),
            "start_gradient": np.zeros(DIMENSIONS, dtype="f4"),
        }
    return OnlineModel(Bundle("synthetic", {"kind": kind, "learner": kind}, arrays))


def median_ms(calls: list[Callable[[np.ndarray], object]], n_products: int) -> list[float]:
    """Median milliseconds of each call; the calls take turns, so a slow moment meets all of them."""
    rng = np.random.default_rng(1)
    times: list[list[float]] = [[] for _ in calls]
    for run in range(WARM_UP + RUNS):
        support = rng.choice(n_products, SUPPORT, replace=False)
        for call, record in zip(calls, times):
            start = time.perf_counter()
            call(support)
            if run >= WARM_UP:
                record.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(record) for record in times]


def implicit_fold_in(n_products: int) -> Callable[[np.ndarray], object]:
    """`recommend(recalculate_user=True)` of implicit's ALS over random factors of the same size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up about BLAS threads, which are set above
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(factors=DIMENSIONS, num_threads=1)
    rng = np.random.default_rng(2)
    model.item_factors = 0.1 * rng.normal(size=(n_products, DIMENSIONS)).astype("f4")
    model.user_factors = np.zeros((1, DIMENSIONS), dtype="f4")

    def call(support: np.ndarray) -> object:
        row = sp.csr_matrix((np.ones(len(support), "f4"), support, [0, len(support)]), shape=(1, n_products))
        return model.recommend(0, row, N=LIST, recalculate_user=True, filter_already_liked_items=True)

    return call


def measure(n_products: int) -> dict[str, float]:
    models = {
        "closed form": synthetic("linear", n_products),
        "MAML, 1 step": synthetic("gradient", n_products, 1),
        "MAML, 2 steps": synthetic("gradient", n_products, 2),
        "MAML, 3 steps": synthetic("gradient", n_products, 3),
        "MAML-NN": synthetic("amortised", n_products, 0),
        "MAML-NN, 1 step": synthetic("amortised", n_products, 1),
    }

    def adapt_and_rank(model: OnlineModel) -> Callable[[np.ndarray], object]:
        return lambda support: model.rank(model.scores(support), LIST, exclude=support, lift=0.3)

    calls = [adapt_and_rank(model) for model in models.values()] + [implicit_fold_in(n_products)]
    with threadpool_limits(1):
        medians = median_ms(calls, n_products)
    return dict(zip([*models, "implicit ALS fold-in"], medians))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", default="10000,100000")
    parser.add_argument("--json")
    options = parser.parse_args()
    results = {}
    for n_products in map(int, options.products.split(",")):
        results[n_products] = measure(n_products)
        for name, ms in results[n_products].items():
            ratio = ms / results[n_products]["implicit ALS fold-in"]
            print(f"{n_products:>9,} products  {name:<22} {ms:8.3f} ms  {ratio:5.2f} x implicit")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
