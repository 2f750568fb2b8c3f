"""Time adaptation and ranking of one subject in process, beside `implicit`'s fold-in, with one BLAS thread.

usage: python -m tests.bench.speed [--products 10000,100000] [--supports 1,5,10,50] [--models "mixture;MAML-NN"]
                                   [--runs 201] [--processor-time] [--json OUT]
Without --runs 201 of each, fewer where products are many. --processor-time counts only when this process had a core,
for a machine that others use too. --models takes what is in MODELS, the parts of a mixture too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is loaded

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.evaluate.trends import HALF_LIVES, MOST_CELLS, MOST_SNAPSHOTS
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import LAYOUTS
from metarec_plugin.train.joined_rows import joined_width

DIMENSIONS, LIST = 64, 20
SUPPORTS = (1, 5, 10, 50)
RUNS, FEWEST, WARM_UP = 201, 31, 5
SIZES = {"d": DIMENSIONS, "e": DIMENSIONS, "h": 64, "R": 12, "G": 2, "M": 4, "D": 3, "H": len(HALF_LIVES)}
REFERENCE = "implicit ALS fold-in"

Call = Callable[[np.ndarray], object]
Medians = dict[str, float]  # milliseconds by name


def synthetic(
    kind: str, n_products: int, steps: int = 0, seed: int = 0, learners: Mapping[str, int] | None = None
) -> OnlineModel:
    """A model of the given size with random arrays: time does not depend on what they say.

    learners: of a mixture, each with its gradient steps.
    """
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
            "offset": rng.standard_normal(n_products, dtype=np.float32),
            "row_products": rng.integers(0, n_products, (n_products, width), dtype=np.int32),
            "row_values": rng.random((n_products, width), dtype=np.float32),
            "power": np.float32(0.5) * np.ones((), dtype="f4"),
        }
    elif kind == "mixture":
        arrays |= _mixture(n_products, learners or {}, rng)
    else:
        arrays |= _learner(kind, n_products, steps, rng)
    return OnlineModel(Bundle("synthetic", {"kind": kind, "learner": kind}, arrays))


def _learner(kind: str, n_products: int, steps: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays of a learner that keeps a vector for each subject; without steps the layout asks for one of size 0."""
    sizes = {**SIZES, "N": n_products, "T": max(1, steps)}
    arrays = {
        name: 0.1 * rng.standard_normal([sizes[letter] for letter in shape], dtype=np.float32)
        for name, (_, shape) in LAYOUTS[kind].items()
        if name not in LAYOUTS["popularity"]
    }
    arrays["step_sizes"][steps:] = 0
    return arrays


def _mixture(n_products: int, learners: Mapping[str, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Four maps, the trends and the learners, in the sizes that training gives them."""
    width = joined_width(n_products)
    snapshots = max(1, min(MOST_SNAPSHOTS, MOST_CELLS // (SIZES["H"] * n_products)))
    arrays = {
        "maps.products": rng.integers(0, n_products, (n_products, width), dtype=np.int32),
        "maps.values": rng.random((n_products, SIZES["M"], width), dtype=np.float32).astype(np.float16),
        "maps.deviations": 0.5 + rng.random((n_products, SIZES["M"]), dtype=np.float32),
        "maps.decays": np.array([1.0, 0.8, 0.5], dtype=np.float32),
        "gate.centre": np.array(-8, dtype=np.float32),
        "gate.spread": np.ones((), dtype=np.float32),
        "trend.days": np.arange(snapshots, dtype=np.float32),
        "trend.scores": rng.standard_normal((snapshots, SIZES["H"], n_products), dtype=np.float32),
    }
    for name, steps in learners.items():
        own = _learner({"maml": "gradient", "maml_nn": "amortised"}[name], n_products, steps, rng)
        arrays |= {f"{name}.{key}": array for key, array in own.items()}
    columns = 1 + SIZES["H"] + SIZES["M"] * SIZES["D"] + len(learners)
    return {**arrays, "gate.weights": rng.random((4, columns), dtype=np.float32)}


def median_ms(
    calls: Mapping[str, Call],
    n_products: int,
    supports: Sequence[int] = SUPPORTS,
    runs: int = RUNS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, Medians]:
    """Median milliseconds of each call by the size of the support.

    The calls take turns, so a slow moment meets all of them.
    """
    rng = np.random.default_rng(1)
    times: dict[int, dict[str, list[float]]] = {k: {name: [] for name in calls} for k in supports}
    for run in range(WARM_UP + runs):
        for k in supports:
            support = rng.choice(n_products, k, replace=False)
            for name, call in calls.items():
                start = clock()
                call(support)
                if run >= WARM_UP:
                    times[k][name].append(1e3 * (clock() - start))
    return {
        k: {name: statistics.median(own) for name, own in by_name.items()} for k, by_name in times.items()
    }


def implicit_fold_in(n_products: int) -> Call:
    """`recommend(recalculate_user=True)` of implicit's ALS over random factors of the same size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up about BLAS threads, which are set above
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(factors=DIMENSIONS, num_threads=1)
    rng = np.random.default_rng(2)
    model.item_factors = 0.1 * rng.standard_normal((n_products, DIMENSIONS), dtype=np.float32)
    model.user_factors = np.zeros((1, DIMENSIONS), dtype="f4")

    def call(support: np.ndarray) -> object:
        row = sp.csr_matrix((np.ones(len(support), "f4"), support, [0, len(support)]), shape=(1, n_products))
        return model.recommend(0, row, N=LIST, recalculate_user=True, filter_already_liked_items=True)

    return call


MODELS: dict[str, Callable[[int], OnlineModel]] = {
    "closed form": lambda n: synthetic("linear", n),
    "MAML, 1 step": lambda n: synthetic("gradient", n, 1),
    "MAML, 2 steps": lambda n: synthetic("gradient", n, 2),
    "MAML, 3 steps": lambda n: synthetic("gradient", n, 3),
    "MAML-NN": lambda n: synthetic("amortised", n, 0),
    "MAML-NN, 1 step": lambda n: synthetic("amortised", n, 1),
    "mixture": lambda n: synthetic("mixture", n, learners={"maml": 2, "maml_nn": 0}),
}
USUAL = tuple(MODELS)
# What a mixture would cost with less in it.
MODELS |= {
    "mixture, MAML-NN with a step": lambda n: synthetic("mixture", n, learners={"maml": 2, "maml_nn": 1}),
    "mixture, MAML alone": lambda n: synthetic("mixture", n, learners={"maml": 2}),
    "mixture, MAML-NN alone": lambda n: synthetic("mixture", n, learners={"maml_nn": 0}),
}


def measure(
    n_products: int,
    names: Sequence[str] = USUAL,
    supports: Sequence[int] = SUPPORTS,
    runs: int = RUNS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, Medians]:
    def adapt_and_rank(model: OnlineModel) -> Call:
        return lambda support: model.rank(model.answer(support).logits, LIST, exclude=support, lift=0.3)

    calls = {name: adapt_and_rank(MODELS[name](n_products)) for name in names}
    with threadpool_limits(1):
        return median_ms(
            {**calls, REFERENCE: implicit_fold_in(n_products)}, n_products, supports, runs, clock
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", default="10000,100000")
    parser.add_argument("--supports", default=",".join(map(str, SUPPORTS)))
    parser.add_argument("--models", default=";".join(USUAL), help="names, with ; between them")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    supports = tuple(map(int, options.supports.split(",")))
    results = {}
    for n_products in map(int, options.products.split(",")):
        runs = options.runs or min(RUNS, max(FEWEST, 20_000_000 // n_products))
        found = measure(n_products, options.models.split(";"), supports, runs, clock)
        results[n_products] = found
        print(f"{n_products:,} products: ms, and times implicit's, at k = {', '.join(map(str, supports))}")
        for name in found[supports[0]]:
            cells = [f"{found[k][name]:8.3f} {found[k][name] / found[k][REFERENCE]:5.2f}x" for k in supports]
            print(f"  {name:<32}", *cells)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
