"""The mixture: maps of products, learned subjects' vectors and trends, weighed by a gate. The default learner."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metarec_plugin.evaluate.covisits import covisit_maps
from metarec_plugin.evaluate.episodes import KS, Episodes
from metarec_plugin.evaluate.experts import LEARNERS, MAPS
from metarec_plugin.evaluate.item_knn import item_knn_arrays
from metarec_plugin.evaluate.priors import DAY
from metarec_plugin.evaluate.trends import trend_arrays
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import expert_columns
from metarec_plugin.train.device import one_thread
from metarec_plugin.train.doubt import judged, kept
from metarec_plugin.train.effort import gate_effort
from metarec_plugin.train.expert_columns import Question
from metarec_plugin.train.fitted import Fitted, Progress
from metarec_plugin.train.gate import Cases, GateConfig, fit_gate, gate_cases
from metarec_plugin.train.joined_rows import joined, joined_width, narrowed, rows_of
from metarec_plugin.train.taste import taste

SHRINKAGE = 20.0  # of the buyers that two products share
KEEPING = (
    0.75  # rare products have the largest entries and are seldom bought: kept by |entry| * prior^keeping
)
DECAYS = (1.0, 0.8, 0.5)  # of a product's weight for each newer one in the support

# Where the gate starts from, and stays near while there is little evidence: what four stores' gates have in common.
FIRST = {
    "prior": 0.9, "trend 0": 0.3, "trend 1": 0.2, "learned 1": 0.4, "shared 1": 0.2, "near 1": 0.2, "after 1": 0.2,
    "learned 0.5": 0.1, "shared 0.5": 0.1, "near 0.5": 0.1, "after 0.5": 0.1, "maml": 0.5, "maml_nn": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class MixtureConfig:
    """learners: those that keep a vector for each subject, each with an equal part of the time budget."""

    learners: tuple[str, ...] = field(default=LEARNERS, metadata={"choices": LEARNERS})


FitLearner = Callable[[str], Fitted]  # trains one of the experts by its name


def fit_mixture(
    dataset: Dataset,
    fit_learner: FitLearner,
    *,
    seed: int,
    config: MixtureConfig | None = None,
    progress: Progress,
    gate_seconds: float | None = None,
) -> Fitted:
    """Train the experts on training shoppers, the gate on validation shoppers, and export one bundle.

    gate_seconds: what looking at the gate's shoppers is to take about; None: as long as it takes.
    Raises InvalidData where no training shopper has two products.
    """
    config = config or MixtureConfig()
    started = time.monotonic()
    experts = {"closed_form": fit_learner("closed_form")}
    # Before the learners by steps, so that these know what time is left.
    arrays: dict[str, np.ndarray] = {**_map_arrays(dataset, experts["closed_form"]), **trend_arrays(dataset)}
    for name in config.learners:
        experts[name] = fit_learner(name)
        arrays |= {f"{name}.{key}": array for key, array in experts[name].arrays.items()}
    progress(0.85, "weighing the experts")
    arrays |= _scale_of_known(dataset)
    joining = time.monotonic() - started
    with one_thread():
        weights, said = _gate(dataset, arrays, seed, GateConfig(), gate_seconds)
    arrays |= {"gate.weights": weights}
    report = {
        "config": asdict(config),
        "experts": {name: dict(fitted.report) for name, fitted in experts.items()},
        "row_entries": arrays["maps.products"].shape[1],
        "seconds_before_gate": joining,
        "seconds": time.monotonic() - started,
        **said,
    }
    return Fitted("mixture", "mixture", arrays, report)


def _map_arrays(dataset: Dataset, closed_form: Fitted) -> dict[str, np.ndarray]:
    width = joined_width(dataset.n_products)
    brought = min(width, closed_form.arrays["row_products"].shape[1])  # less where time is short
    keep = np.exp(KEEPING * dataset.log_prior)
    shared = item_knn_arrays(dataset, SHRINKAGE)
    maps = {
        "learned": (closed_form.arrays["row_products"], closed_form.arrays["row_values"]),
        "shared": narrowed((shared["row_products"], shared["row_values"]), keep, brought, width),
        **{name: rows_of(matrix, keep, brought) for name, matrix in covisit_maps(dataset).items()},
    }
    products, values, spread = joined([maps[name] for name in MAPS], keep, width)
    return {
        "maps.products": products,
        "maps.values": values,
        "maps.deviations": spread,
        "maps.decays": np.array(DECAYS, dtype=np.float32),
    }


def _scale_of_known(dataset: Dataset) -> dict[str, np.ndarray]:
    """Mean and deviation of the log prior over training events: what "well known" is measured in."""
    heard = dataset.log_prior[dataset.train.products]
    return {
        "gate.centre": np.array(heard.mean(), dtype=np.float32),
        "gate.spread": np.array(max(float(heard.std()), 1e-3), dtype=np.float32),
    }


def _gate(
    dataset: Dataset, arrays: Mapping[str, np.ndarray], seed: int, config: GateConfig, seconds: float | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the (4, W) weights and what there is to say of them."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors["log_prior"] = torch.from_numpy(dataset.log_prior)
    names = expert_columns.names_of(arrays, MAPS)
    first = torch.zeros(4, len(names))
    first[0] = torch.tensor([FIRST.get(name, 0.0) for name in names])

    @torch.no_grad()
    def columns(part: Episodes) -> tuple[Tensor, Tensor]:
        supports = torch.from_numpy(part.support.astype(np.int64))
        days = np.full(len(part), np.nan) if part.now is None else part.now / DAY
        question = Question(supports, torch.from_numpy(days.astype(np.float32)))
        return expert_columns.columns(tensors, question), expert_columns.inputs(tensors, supports)

    began = time.monotonic()
    whole, config = config, gate_effort(config, dataset.n_products, len(names), len(KS), seconds)
    rng = np.random.default_rng(seed)
    cases = gate_cases(dataset.validation, columns, dataset.n_products, config, rng)
    made = time.monotonic()
    said: dict[str, Any] = {
        "columns": names,
        "gate_cut_to_budget": {
            key: value for key, value in asdict(config).items() if value != getattr(whole, key)
        },
        "episodes": {str(each.k): len(each) for each in cases},
    }
    if not cases:
        doubt = judged([], first, lambda _: first, lambda: taste(dataset))
        why = "first weights: no validation shopper has enough products"
        return kept(first, doubt.share).numpy(), {
            **said,
            "gate": why,
            "share": doubt.share,
            "share_is": doubt.why,
        }

    def fitted(some: Sequence[Cases]) -> tuple[Tensor, float, float]:
        return fit_gate(some, first, config, torch.Generator().manual_seed(seed))

    weights, before, after = fitted(cases)
    done = time.monotonic()
    doubt = judged(cases, weights, lambda some: fitted(some)[0], lambda: taste(dataset))
    weights = kept(weights, doubt.share)
    said |= {"ndcg20_first_weights": before, "ndcg20": after}
    said |= {"share": doubt.share, "share_is": doubt.why, "share_gains": doubt.gain}
    said |= {
        "seconds_cases": made - began,
        "seconds_gate": done - made,
        "seconds_doubt": time.monotonic() - done,
    }
    for each in cases:
        at = (each.inputs.mean(dim=0) @ weights).tolist()
        said.setdefault("weights", {})[str(each.k)] = {
            name: round(weight, 3) for name, weight in zip(names, at)
        }
    return weights.numpy(), said
