"""What the moment adds as an input of the mixture's gate, beside k and how well known the support is.

usage: python -m tests.bench.gate_context [--data FOLDER] [--seed 0] [--json var/bench/gate_context.json]
FOLDER holds online-retail; the demo store is measured without it. Both gates are fitted on validation shoppers from the
same first weights, the one with three more inputs: a weekend, a morning (before 12), an evening (from 18 o'clock). They
are judged on test shoppers, among each expert's best 120 products. The files' times are local and carry no zone.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np
import torch
from torch import Tensor

django.setup()

from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.episodes import DAY, HEADLINE_KS, Episodes
from metarec_plugin.evaluate.experts import MAPS
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.train import expert_columns, fit
from metarec_plugin.train.expert_columns import Question
from metarec_plugin.train.gate import Cases, GateConfig, fit_gate, gate_cases, hard_ndcg
from metarec_plugin.train.mixture import FIRST
from tests.bench.sets import ROOT, demo_events

CONTEXT = ("weekend", "morning", "evening")


def demo(folder: Path | None, seed: int) -> Dataset:
    return dataset_from_file(demo_events(ROOT / "var" / "bench" / "demo.parquet"), seed=seed)


def online_retail(folder: Path | None, seed: int) -> Dataset:
    assert folder is not None
    return dataset_from_file(folder / "online-retail" / "events.parquet", ("purchase",), seed=seed)


LOADERS: dict[str, Callable[[Path | None, int], Dataset]] = {"demo": demo, "online-retail": online_retail}


def moments(now: np.ndarray) -> np.ndarray:
    """(B,) epoch seconds -> (B, 3) float32, 1 where a moment is what CONTEXT names."""
    found = []
    for at in now.tolist():
        moment = datetime.fromtimestamp(at, UTC)
        found.append((moment.weekday() >= 5, moment.hour < 12, moment.hour >= 18))
    return np.array(found, dtype=np.float32).reshape(-1, len(CONTEXT))


def measure(dataset: Dataset, seed: int) -> dict[str, Any]:
    """Return NDCG@20 of test shoppers by either gate, the difference with its interval, and what the inputs weigh."""
    arrays = fit("mixture", dataset, seed=seed).arrays
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors["log_prior"] = torch.from_numpy(dataset.log_prior)
    names = expert_columns.names_of(arrays, MAPS)

    @torch.no_grad()
    def columns(part: Episodes) -> tuple[Tensor, Tensor]:
        assert part.now is not None, "the data set has times"
        supports = torch.from_numpy(part.support.astype(np.int64))
        days = torch.from_numpy((part.now / DAY).astype(np.float32))
        plain = expert_columns.inputs(tensors, supports)
        inputs = torch.cat([plain, torch.from_numpy(moments(part.now))], dim=1)
        return expert_columns.columns(tensors, Question(supports, days)), inputs

    config = GateConfig()

    def cases_of(histories: Any) -> list[Cases]:
        rng = np.random.default_rng(seed)
        return gate_cases(histories, columns, dataset.n_products, config, rng, HEADLINE_KS)

    def fitted(cases: list[Cases], inputs: int) -> Tensor:
        first = torch.zeros(inputs, len(names))
        first[0] = torch.tensor([FIRST.get(name, 0.0) for name in names])
        return fit_gate(cases, first, config, torch.Generator().manual_seed(seed))[0]

    validation, test = cases_of(dataset.validation), cases_of(dataset.test)
    n_plain = validation[0].inputs.shape[1] - len(CONTEXT)
    without = fitted([_with(each, n_plain) for each in validation], n_plain)
    with_context = fitted(validation, n_plain + len(CONTEXT))
    rng, found, ours, theirs = np.random.default_rng(0), {}, [], []
    for each in test:
        by_plain = hard_ndcg(_with(each, n_plain), without).numpy()
        by_context = hard_ndcg(each, with_context).numpy()
        gap = paired_interval(by_context, by_plain, rng)
        found[str(each.k)] = {"shoppers": len(each), "plain": float(by_plain.mean()), **gap._asdict()}
        ours.append(dict(zip(each.shopper.tolist(), by_context.tolist())))
        theirs.append(dict(zip(each.shopper.tolist(), by_plain.tolist())))
    means = [_means(side) for side in (ours, theirs)]
    gap = paired_interval(*means, rng)
    found["mean"] = {"shoppers": len(means[0]), "plain": float(means[1].mean()), **gap._asdict()}
    largest = {name: float(row.abs().max()) for name, row in zip(CONTEXT, with_context[n_plain:])}
    return {"hash": dataset.hash, "seed": seed, "k": found, "largest_weight": largest}


def _with(cases: Cases, inputs: int) -> Cases:
    """The same cases with the first of the gate's inputs only."""
    parts = (cases.listed, cases.relevant, cases.asked, cases.shopper)
    return Cases(cases.k, cases.columns, cases.inputs[:, :inputs], *parts)


def _means(by_k: list[dict[int, float]]) -> np.ndarray:
    """Each shopper's mean over the k that the history reaches, ascending by shopper."""
    shoppers = sorted(set().union(*by_k))
    return np.array([np.mean([each[who] for each in by_k if who in each]) for who in shoppers])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "gate_context.json")
    options = parser.parse_args()
    found = {}
    for name, load in LOADERS.items():
        if name == "demo" or options.data is not None:
            found[name] = measured = measure(load(options.data, options.seed), options.seed)
            for k, each in measured["k"].items():
                print(
                    f"{name} k = {k}: {each['plain']:.4f} {each['mean']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}]"
                )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
