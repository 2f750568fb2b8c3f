"""One piece of work whose time and memory are measured, in a process of its own: see tests.bench.growth.

usage: python -m tests.bench.growth_work WORK STORE FOLDER
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

import numpy as np

from metarec_plugin.preprocess.stored import open_dataset, write_dataset

Figures = dict[str, Any]
BATCH, DIMENSIONS, STEPS, SUPPORT = 128, 64, 2, 10
Store = Mapping[str, int]


def generate(store: Store, folder: Path) -> Figures:
    from tests.bench import stores

    plan = stores.Store(store["products"], store["users"], store["events"])
    return {"notes": {"rows": stores.write_store(plan, folder)}}


def read_and_clean(store: Store, folder: Path) -> Figures:
    """Read the event file, clean and number it, split it, and leave the arrays for the others."""
    from metarec_plugin.preprocess.dataset import dataset_from_file

    began = time.perf_counter()
    dataset = dataset_from_file(folder / "events", clean=True)
    seconds = time.perf_counter() - began
    peak = _peak_mb()
    write_dataset(folder / "dataset", dataset)
    shutil.rmtree(folder / "events")
    notes = {
        "products": dataset.n_products,
        "events": sum(len(s.products) for s in (dataset.train, dataset.test)),
    }
    return {"seconds": seconds, "peak_mb": peak, "notes": notes}


def closed_form(store: Store, folder: Path) -> Figures:
    from metarec_plugin.train.closed_form import fit_closed_form

    report = fit_closed_form(open_dataset(folder / "dataset"), rng=np.random.default_rng(0)).report
    return {"notes": {"space": report["space"], "ridges": len(report["validation_ndcg20"])}}


def maml_start(store: Store, folder: Path) -> Figures:
    from metarec_plugin.train.maml import first_vectors

    np.save(folder / "vectors.npy", first_vectors(open_dataset(folder / "dataset"), DIMENSIONS, 0))
    return {}


def maml_step(store: Store, folder: Path) -> Figures:
    """Median seconds of a step of the outer loop, drawing included; an epoch is as many as the shoppers fill."""
    import torch

    from metarec_plugin.train.losses import form_of
    from metarec_plugin.train.maml import Maml, MamlConfig
    from metarec_plugin.train.sampling import EpisodeSampler

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    dataset = open_dataset(folder / "dataset")
    log_prior = dataset.log_prior
    learner = Maml(MamlConfig(steps=STEPS), np.load(folder / "vectors.npy"), log_prior)
    sampler, optimizer = EpisodeSampler(dataset.train, np.random.default_rng(0)), learner.optimizer()
    times = []
    for _ in range(7):
        began = time.perf_counter()
        loss = learner.loss(sampler.draw(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    step = statistics.median(times[2:])
    notes = {"epoch_seconds": round(step * len(dataset.train) / BATCH, 1), "sum": form_of(dataset.n_products)}
    return {"seconds": step, "notes": notes}


def adapt_and_rank(store: Store, folder: Path) -> Figures:
    """Median seconds of one subject's request: two inner steps and a list of twenty, in numpy."""
    from tests.bench.speed import synthetic

    n_products = open_dataset(folder / "dataset").n_products
    model, rng, times = synthetic("gradient", n_products, STEPS), np.random.default_rng(0), []
    for _ in range(60):
        support = rng.choice(n_products, SUPPORT, replace=False)
        began = time.perf_counter()
        model.rank(model.scores(support), 20, exclude=support, lift=0.3)
        times.append(time.perf_counter() - began)
    return {"seconds": statistics.median(times[10:])}


def loss(store: Store, folder: Path) -> Figures:
    """The error of the estimated log-sum against the exact one, and the time of a gradient, by samples."""
    import torch

    from metarec_plugin.train.losses import draw_sample, query_loss, sampled_log_sum

    n_products, generator = store["products"], torch.Generator().manual_seed(0)
    # Logits spread by one in standard deviation around a power law of popularity, as those of trained learners.
    vectors = torch.randn(n_products, DIMENSIONS, generator=generator) / DIMENSIONS**0.5
    states = torch.randn(BATCH, DIMENSIONS, generator=generator)
    bias = -torch.arange(1, n_products + 1).float().log()
    places = torch.randint(n_products, (BATCH, 30), generator=generator)
    support, query = places[:, :10], places[:, 10:]
    chosen = torch.einsum("bd,bqd->bq", states, vectors[query]) + bias[query]
    exact = torch.logsumexp((states @ vectors.T + bias).scatter(1, support, -torch.inf), dim=1)
    rows: list[Figures] = []
    for form in ("exact", "blockwise", "sampled"):
        parts = [part.clone().requires_grad_() for part in (states, vectors, bias)]
        times = []
        for seed in range(4):
            began = time.perf_counter()
            query_loss(*parts, support, query, seed=seed, form=form).backward()
            times.append(time.perf_counter() - began)
        rows.append({"form": form, "seconds": min(times)})
    for head, samples in ((256, 256), (1024, 1024), (4096, 4096), (8192, 8192), (16384, 16384)):
        found = torch.stack(
            [
                sampled_log_sum(
                    states, vectors, bias, support, chosen, query, draw_sample(bias, seed, head, samples)
                )
                for seed in range(10)
            ]
        )
        error = found - exact
        rows.append(
            {
                "head": head,
                "samples": samples,
                "rms_error": float(error.square().mean().sqrt()),
                "bias": float(error.mean()),
                "of": float(exact.mean()),
            }
        )
    return {"rows": rows}


WORK: Mapping[str, Callable[[Store, Path], Figures]] = {
    "generate": generate,
    "read_clean": read_and_clean,
    "closed_form": closed_form,
    "maml_start": maml_start,
    "maml_step": maml_step,
    "adapt_rank": adapt_and_rank,
}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KB


def main(work: str, store: Store, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    figures = {**WORK, "loss": loss}[work](store, folder)
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": _peak_mb(), **figures}))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
