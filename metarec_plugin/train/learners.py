"""The learners by name: one call that trains any of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.closed_form import fit_closed_form
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.fitted import Fitted, Progress, silent
from metarec_plugin.train.maml import Maml, MamlConfig, choose_step_size, first_vectors
from metarec_plugin.train.sampling import EpisodeSampler
from metarec_plugin.train.trainer import Trainer, TrainerConfig, Validate

VALIDATION_SHOPPERS = 400  # a look during training takes a sample: it is to be short beside the steps
STEP_SIZE_BATCHES = 4


@dataclass(frozen=True, eq=False)
class Request:
    """What a learner is trained with."""

    dataset: Dataset
    seed: int
    device: str
    budget_seconds: float
    validate: Validate
    progress: Progress
    checkpoint_dir: Path | None


def fit(
    name: str,
    dataset: Dataset,
    *,
    seed: int = 0,
    device: str = "auto",
    budget_seconds: float = 60.0,
    validate: Validate | None = None,
    progress: Progress = silent,
    checkpoint_dir: Path | None = None,
) -> Fitted:
    """Train the learner on the dataset's training shoppers and return the arrays of its bundle.

    validate: the quality of a scorer of raw scores, higher is better; by default the mean NDCG@20 of a sample
    of validation shoppers over k = 1, 2, 3, 5, 10. budget_seconds bounds what is trained by steps.
    Raises ConfigurationError for an unknown learner or device, InvalidData if there is nothing to learn from.
    """
    if name not in LEARNERS:
        raise ConfigurationError(f"A learner is one of {', '.join(LEARNERS)}; found {name!r}.")
    chosen = validate or validation_quality(dataset)
    return LEARNERS[name](Request(dataset, seed, device, budget_seconds, chosen, progress, checkpoint_dir))


def validation_quality(dataset: Dataset) -> Validate:
    """Return the mean NDCG@20 of a scorer over the headline k, on at most 400 validation shoppers.

    A catalogue without validation shoppers gives 0 to all, so that the first weights of equals are kept.
    """
    histories = dataset.validation
    if len(histories) > VALIDATION_SHOPPERS:
        histories = histories.select(np.linspace(0, len(histories) - 1, VALIDATION_SHOPPERS).astype(int))

    def quality(scorer: Scorer) -> float:
        found = [evaluate(scorer, histories, k, dataset.n_products, adapts=False).mean for k in HEADLINE_KS]
        return float(np.nanmean(found)) if not np.isnan(found).all() else 0.0

    return quality


def _closed_form(request: Request) -> Fitted:
    return fit_closed_form(
        request.dataset, rng=np.random.default_rng(request.seed), progress=request.progress
    )


def _maml(request: Request) -> Fitted:
    dataset, config = request.dataset, MamlConfig()
    outer = TrainerConfig(batch=config.batch)
    rng = np.random.default_rng(request.seed)
    request.progress(0.0, "first vectors")
    vectors = first_vectors(dataset, config.dimensions, request.seed)
    learner = Maml(config, vectors, dataset.log_prior).to(resolve_device(request.device))
    sampler = EpisodeSampler(dataset.train, rng)
    step_size = choose_step_size(learner, [sampler.draw(config.batch) for _ in range(STEP_SIZE_BATCHES)])
    outcome = Trainer(
        learner,
        sampler,
        rng,
        request.validate,
        outer,
        progress=request.progress,
        checkpoint=request.checkpoint_dir and request.checkpoint_dir / "checkpoint.pt",
        identity=json.dumps([dataset.hash, request.seed, asdict(config), asdict(outer)]),
    ).run(request.budget_seconds)
    report: dict[str, Any] = {
        "config": asdict(config),
        "first_step_size": step_size,
        **asdict(outcome),
        "cut_by_budget": outcome.stopped_by == "budget",
        "note": outcome.note,
    }
    return Fitted("maml", "gradient", learner.arrays(), report)


LEARNERS: Mapping[str, Callable[[Request], Fitted]] = {"closed_form": _closed_form, "maml": _maml}
