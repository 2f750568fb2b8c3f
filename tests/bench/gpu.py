"""What a GPU gives: steps of meta-training, batch adaptation and whole mixtures, beside the CPU of the same machine.

usage: python -m tests.bench.gpu [--data FOLDER] [--products 10000,100000,300000] [--subjects 10000]
                                 [--users 20000] [--budget-seconds 25] [--json var/bench/gpu.json]
FOLDER holds ml-1m/events.parquet; without it only the planted store is trained on. The CPU takes all its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import django
import numpy as np
import torch

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.evaluate.bootstrap import mean_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.pipeline.candidates import encode_keys
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.publish.layout import LAYOUTS
from metarec_plugin.train import fit
from metarec_plugin.train.losses import form_of
from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.maml_nn import MamlNN, MamlNNConfig
from metarec_plugin.train.sampling import Batch
from metarec_plugin.train.trainer import Trainer, TrainerConfig
from tests.bench.sets import ROOT
from tests.bench.stores import Store, write_store

TASKS, STEPS, SUPPORT, QUERY, DIMENSIONS = 256, 5, 10, 20, 64
WARM_UP, RUNS = 3, 7  # outer steps
SUBJECTS_AT_ONCE = 1000
WAYS = {"cpu": ("cpu", "float32"), "gpu": ("cuda", "float32"), "gpu_low": ("cuda", "bfloat16")}
LEARNERS: dict[str, Callable[..., Maml | MamlNN]] = {
    "maml": lambda *arrays: Maml(MamlConfig(steps=STEPS), *arrays),
    "maml_nn": lambda *arrays: MamlNN(MamlNNConfig(), *arrays),
}
Figures = dict[str, Any]


class Clock:
    """Hands out episodes of random products, and notes when: from one to the next is an outer step, whole."""

    def __init__(self, n_products: int, steps: int) -> None:
        rng = np.random.default_rng(1)
        self._batches = [
            np.stack([rng.choice(n_products, SUPPORT + QUERY, replace=False) for _ in range(TASKS)])
            for _ in range(steps)
        ]
        self.drawn: list[float] = []

    def draw(self, size: int) -> Batch:
        products = self._batches[len(self.drawn)]
        self.drawn.append(time.perf_counter())
        return Batch(products[:, :SUPPORT], products[:, SUPPORT:], len(self.drawn))


def step(name: str, n_products: int, way: str) -> Figures:
    """Median milliseconds of the trainer's step: loss, gradient, optimizer and running mean of the weights."""
    device, precision = WAYS[way]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n_products, DIMENSIONS), dtype=np.float32) / np.float32(DIMENSIONS**0.5)
    prior = -np.log(np.arange(1, n_products + 1, dtype=np.float32))
    start_peak()
    learner, steps = LEARNERS[name](vectors, prior).to(device), WARM_UP + RUNS + 1
    learner.set_step_size(1.0)
    clock = Clock(n_products, steps)
    config = TrainerConfig(batch=TASKS, max_steps=steps, validate_at=(steps,), precision=precision)
    outcome = Trainer(learner, clock, rng, lambda scorer: 0.0, config).run(1e9)
    times = [1e3 * seconds for seconds in np.diff(clock.drawn)[WARM_UP:]]
    found = {"ms": statistics.median(times), "range": [min(times), max(times)], "loss": outcome.curve[-1][1]}
    return {**found, "peak_mb": peak_mb()} if device == "cuda" else found


def mixture(dataset: Dataset, device: str, budget_seconds: float) -> tuple[Figures, dict[str, np.ndarray]]:
    """Train the default learner within the budget; NDCG@20 of its raw scores for validation and test shoppers."""
    start_peak()
    began = time.perf_counter()
    fitted = fit("mixture", dataset, device=device, budget_seconds=budget_seconds)
    seconds = time.perf_counter() - began
    one = np.ones(1, dtype=np.float32)  # no calibration: it changes no ranking of a mixture alone
    common = {"product_keys": encode_keys(dataset.product_keys), "log_prior": dataset.log_prior}
    calibration = {"calibration_k": one, "calibration_scale": one, "calibration_prior": 0 * one}
    arrays = {**common, **calibration, **fitted.arrays}
    model = BatchModel("mixture", arrays, device)
    experts = fitted.report["experts"]
    found = {
        "device": device,
        "seconds": seconds,
        "precision": experts["maml"]["precision"],
        "experts": {
            name: {key: experts[name][key] for key in ("steps", "seconds", "best_step", "stopped_by")}
            for name in ("maml", "maml_nn")
        },
        "validation": ndcg(model, dataset.validation, dataset.n_products),
        "test": ndcg(model, dataset.test, dataset.n_products),
    }
    return ({**found, "peak_mb": peak_mb()} if device == "cuda" else found), arrays


def ndcg(model: BatchModel, side: Histories, n_products: int) -> list[float]:
    """Mean NDCG@20 over the headline k, with its interval over the shoppers that reach every one of them."""

    def scores(part: Episodes) -> np.ndarray:
        return model.scores(list(part.support))

    found = [evaluate(scores, side, k, n_products, adapts=False) for k in HEADLINE_KS]
    rows = found[-1].rows  # the largest k
    each = np.mean([result.ndcg[np.isin(result.rows, rows)] for result in found], axis=0)
    return list(mean_interval(each, np.random.default_rng(0)))


def adaptation(kind: str, arrays: dict[str, np.ndarray], supports: Sequence[np.ndarray]) -> Figures:
    """Median seconds of three rounds through all subjects, scores brought home, and how far the devices differ."""
    seconds, first, peak = {}, {}, 0.0
    for device in ("cpu", "cuda"):
        start_peak()
        model, times = BatchModel(kind, arrays, device), []
        first[device] = model.scores(supports[:SUBJECTS_AT_ONCE])  # to warm up
        for _ in range(3):
            began = time.perf_counter()
            for start in range(0, len(supports), SUBJECTS_AT_ONCE):
                model.scores(supports[start : start + SUBJECTS_AT_ONCE])
            times.append(time.perf_counter() - began)
        seconds[device], peak = statistics.median(times), peak_mb()
    difference = float(np.abs(first["cuda"] - first["cpu"]).max())
    sizes = {"products": len(arrays["log_prior"]), "subjects": len(supports)}
    return {"kind": kind, **sizes, **seconds, "difference": difference, "peak_mb": peak}


def start_peak() -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def peak_mb() -> float:
    return torch.cuda.max_memory_allocated() / 2**20


def planted_store(products: int, users: int) -> Dataset:
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        write_store(Store(products, users, 40 * users), Path(folder))
        return dataset_from_file(Path(folder) / "events", clean=True)


def parts_of(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The bundle of the gradient kind that is one of a mixture's experts."""
    own = {name.removeprefix("maml."): array for name, array in arrays.items() if name.startswith("maml.")}
    return {name: arrays[name] for name in LAYOUTS["popularity"]} | own


def supports_of(side: Histories, subjects: int) -> list[np.ndarray]:
    """The first products of shoppers, up to 50 and one by one more of them, over again until there are enough."""
    return [side[place % len(side)][: 1 + place % 50].astype(np.int64) for place in range(subjects)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the open data sets")
    parser.add_argument(
        "--products", default="10000,100000,300000", help="sizes of the catalogue of the steps"
    )
    parser.add_argument("--users", type=int, default=20_000, help="of the planted store of 3,000 products")
    parser.add_argument("--subjects", type=int, default=10_000, help="that are adapted in batches")
    parser.add_argument("--budget-seconds", type=float, default=25.0, help="of a mixture")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "gpu.json")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here.")
    figures: Figures = {
        "gpu": torch.cuda.get_device_name(),
        "cores": torch.get_num_threads(),
        "torch": torch.__version__,
        "tasks": TASKS,
        "runs": RUNS,
        "budget_seconds": options.budget_seconds,
        "steps": [],
        "mixtures": {},
        "adaptation": [],
    }

    def note(part: list[Figures], found: Figures) -> None:
        """What was measured stays where a later part fails."""
        part.append(found)
        print(json.dumps(found), flush=True)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    for n_products in map(int, options.products.split(",")):
        for name in LEARNERS:
            ways = {way: step(name, n_products, way) for way in WAYS}
            note(
                figures["steps"],
                {"learner": name, "products": n_products, "sum": form_of(n_products), **ways},
            )
    stores = {"planted": planted_store(3_000, options.users)}
    if options.data:
        stores["ml-1m"] = dataset_from_file(options.data / "ml-1m" / "events.parquet", min_value=4.0)
    for name, dataset in stores.items():
        sizes: Figures = {"products": dataset.n_products, "train_users": len(dataset.train), "rows": []}
        figures["mixtures"][name] = sizes
        for device in ("cuda", "cpu"):
            found, arrays = mixture(dataset, device, options.budget_seconds)
            note(sizes["rows"], found)
        if name == "planted":
            supports = supports_of(dataset.test, options.subjects)
            note(figures["adaptation"], adaptation("gradient", parts_of(arrays), supports))
            note(figures["adaptation"], adaptation("mixture", arrays, supports))


if __name__ == "__main__":
    main()
