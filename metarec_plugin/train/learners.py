"""The learners by name, behind one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.closed_form import fit_closed_form
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.fitted import Fitted, Progress, silent
from metarec_plugin.train.maml import Maml, MamlConfig, first_vectors
from metarec_plugin.train.sampling import EpisodeSampler
from metarec_plugin.train.trainer import Trainer, TrainerConfig, Validate

VALIDATION_KS = (1, 2, 3, 5, 10)


def fit(
    name: str,
    dataset: Dataset,
    *,
    seed: int,
    device: str = "auto",
    budget_seconds: float = 60.0,
    validate: Validate | None = None,
    progress: Progress = silent,
    checkpoint_dir: Path | None = None,
) -> Fitted:
    """Meta-train the named learner. Raises ConfigurationError on an unknown name, InvalidData on too little data.

    validate: scorer -> figure, higher is better; by default mean NDCG@20 over k = 1, 2, 3, 5, 10 on validation
    shoppers. checkpoint_dir: where a gradient learner leaves its state and goes on from it.
    """
    if name not in LEARNERS:
        raise ConfigurationError(f"A learner is {', '.join(sorted(LEARNERS))}; found {name!r} (METAREC['LEARNERS']).")
    return LEARNERS[name](
        dataset, seed, device, budget_seconds, validate or validation_ndcg(dataset), progress, checkpoint_dir
    )


def validation_ndcg(dataset: Dataset) -> Validate:
    """Return scorer -> mean NDCG@20 on validation shoppers, over the k at which there are any."""

    def validate(scorer: Scorer) -> float:
        means = [
            evaluate(scorer, dataset.validation, k, dataset.n_products, adapts=False).mean for k in VALIDATION_KS
        ]
        measured = [mean for mean in means if not np.isnan(mean)]
        return float(np.mean(measured)) if measured else 0.0

    return validate


def _closed_form(
    dataset: Dataset,
    seed: int,
    device: str,
    budget_seconds: float,
    validate: Validate,
    progress: Progress,
    checkpoint_dir: Path | None,
) -> Fitted:
    return fit_closed_form(dataset, rng=np.random.default_rng(seed), progress=progress)


def _maml(
    dataset: Dataset,
    seed: int,
    device: str,
    budget_seconds: float,
    validate: Validate,
    progress: Progress,
    checkpoint_dir: Path | None,
) -> Fitted:
    config, rng = MamlConfig(), np.random.default_rng(seed)
    sampler = EpisodeSampler(dataset.train, rng)
    progress(0.0, "first vectors")
    learner = Maml(config, first_vectors(dataset, config.dimensions, seed), dataset.log_prior)
    learner.to(resolve_device(device))
    trainer = Trainer(
        learner,
        sampler,
        rng,
        validate,
        replace(TrainerConfig(), batch=config.batch),
        progress=progress,
        checkpoint=checkpoint_dir / "maml.pt" if checkpoint_dir else None,
    )
    outcome = trainer.run(budget_seconds)
    report = {
        "note": outcome.note,
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "stopped_by": outcome.stopped_by,
        "validation_ndcg20": outcome.best,
        "curve": [[step, score] for step, _, score in outcome.curve],
    }
    return Fitted("maml", "gradient", learner.arrays(), report)


LEARNERS: dict[str, Callable[..., Fitted]] = {"closed_form": _closed_form, "maml": _maml}
