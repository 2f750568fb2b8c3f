"""The learners by name: one call that trains any of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.closed_form import ClosedFormConfig, fit_closed_form
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.effort import FEWEST_SHOPPERS
from metarec_plugin.train.fitted import Fitted, Progress, silent
from metarec_plugin.train.losses import form_of
from metarec_plugin.train.maml import Maml, MamlConfig, choose_step_size, first_vectors
from metarec_plugin.train.maml_nn import MamlNN, MamlNNConfig
from metarec_plugin.train.mixture import MixtureConfig, fit_mixture
from metarec_plugin.train.network_head import NetworkConfig, NetworkLearner
from metarec_plugin.train.options import Options, configured
from metarec_plugin.train.reptile import Reptile, ReptileConfig
from metarec_plugin.train.sampling import EpisodeSampler
from metarec_plugin.train.trainer import Learner, Outcome, Trainer, TrainerConfig, Validate

VALIDATION_SHOPPERS = 400  # a look during training takes a sample: it is to be short beside the steps
VALIDATION_SCORES = 8_000_000  # of a look, at each k; fewer shoppers where products are many
STEP_SIZE_BATCHES = 4
HEAD_SHARE = 0.7  # of the time budget, where a network is trained beside the head
CLOSED_FORM = "closed_form"  # the mixture's expert that is not trained by steps
GATE_SHARE = 0.3  # of a mixture's time budget: what weighing the experts takes
# Beside a learner that takes steps, a second one's step cost a request a quarter of its time, and moved NDCG@20 of
# validation shoppers by +.4 % on one store and -.25 % on another.
INSIDE: Mapping[str, Mapping[str, Any]] = {"maml_nn": {"steps": 0}}
MIN_SHARE = 0.1  # of it, for each learner at least, however long the closed form took


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
    options: Mapping[str, Any]  # of the learner's config


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
    options: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train the learner on the dataset's training shoppers and return the arrays of its bundle.

    validate: the quality of a scorer of raw scores, higher is better; by default the mean NDCG@20 of a sample
    of validation shoppers over k = 1, 2, 3, 5, 10. budget_seconds bounds what is trained by steps.
    options: what to change in the learner's config, by field. Raises ConfigurationError for an unknown learner,
    device or option, InvalidData if there is nothing to learn from.
    """
    if name not in LEARNERS:
        raise ConfigurationError(f"A learner is one of {', '.join(LEARNERS)}; found {name!r}.")
    check_options({name: options or {}})
    chosen = validate or validation_quality(dataset)
    request = Request(dataset, seed, device, budget_seconds, chosen, progress, checkpoint_dir, options or {})
    return LEARNERS[name](request)


def check_options(options: Options) -> None:
    """Raise ConfigurationError where a learner is not known, or its config takes no such option or value."""
    for name, given in options.items():
        if name not in LEARNERS:
            raise ConfigurationError(f"Options are for {', '.join(LEARNERS)}; found some for {name!r}.")
        if name in CONFIGS:
            configured(name, CONFIGS[name](), given)
        elif given:
            raise ConfigurationError(f"The learner {name} has no options; found {', '.join(given)}.")


def validation_quality(dataset: Dataset) -> Validate:
    """Return the mean NDCG@20 of a scorer over the headline k, on at most 400 validation shoppers.

    A catalogue without validation shoppers gives 0 to all, so that the first weights of equals are kept.
    """
    histories = dataset.validation
    most = min(VALIDATION_SHOPPERS, max(FEWEST_SHOPPERS, VALIDATION_SCORES // dataset.n_products))
    if len(histories) > most:
        histories = histories.select(np.linspace(0, len(histories) - 1, most).astype(int))

    def quality(scorer: Scorer) -> float:
        found = [evaluate(scorer, histories, k, dataset.n_products, adapts=False).mean for k in HEADLINE_KS]
        return float(np.nanmean(found)) if not np.isnan(found).all() else 0.0

    return quality


def _closed_form(request: Request, seconds: float | None = None) -> Fitted:
    return fit_closed_form(
        request.dataset,
        rng=np.random.default_rng(request.seed),
        config=configured("closed_form", ClosedFormConfig(), request.options),
        progress=request.progress,
        seconds=seconds,
    )


def _maml(request: Request) -> Fitted:
    config = configured("maml", MamlConfig(), request.options)
    learner = Maml(config, _first_vectors(request, config.dimensions), request.dataset.log_prior)
    if config.adapt == "head":
        return _by_steps("maml", "gradient", learner, config, request)
    share = HEAD_SHARE * request.budget_seconds
    head = _by_steps("maml", "gradient", learner, config, replace(request, budget_seconds=share))
    return _with_network(head, learner, replace(request, budget_seconds=request.budget_seconds - share))


def _with_network(head: Fitted, learner: Maml, request: Request) -> Fitted:
    """Train a network beside a head that stays as it is."""
    config, rng = NetworkConfig(), np.random.default_rng(request.seed)
    network = NetworkLearner(
        config, learner.params, request.dataset.log_prior, rng, learner.config.first_order
    ).to(learner.start.device)
    sampler = EpisodeSampler(request.dataset.train, rng)
    outcome = _outer_loop(network, sampler, rng, config, request, "network.pt", learner.config)
    said = {"config": asdict(config), **asdict(outcome), "note": outcome.note}
    arrays = {**head.arrays, **network.arrays()}
    return Fitted(head.learner, "network", arrays, {**head.report, "network": said})


def _reptile(request: Request) -> Fitted:
    config = configured("reptile", ReptileConfig(), request.options)
    learner = Reptile(config, _first_vectors(request, config.dimensions), request.dataset.log_prior)
    return _by_steps("reptile", "gradient", learner, config, request)


def _maml_nn(request: Request) -> Fitted:
    config = configured("maml_nn", MamlNNConfig(), request.options)
    vectors = _first_vectors(request, config.dimensions)
    learner = MamlNN(config, vectors, request.dataset.log_prior, request.seed)
    return _by_steps("maml_nn", "amortised", learner, config, request)


def _mixture(request: Request) -> Fitted:
    config = configured("mixture", MixtureConfig(), request.options)
    started, left = time.monotonic(), [CLOSED_FORM, *config.learners]
    parts = len(left)

    def expert(name: str) -> Fitted:
        """Train the next expert; learners share what the others leave of the time budget, less the gate's part."""
        place = parts - len(left)
        left.remove(name)
        remaining = (1 - GATE_SHARE) * request.budget_seconds - (time.monotonic() - started)
        budget = max(
            MIN_SHARE * request.budget_seconds, remaining / max(1, len(left) + (name != CLOSED_FORM))
        )

        def within(fraction: float, message: str) -> None:
            request.progress(0.75 * (place + fraction) / parts, f"{name}: {message}")

        folder = request.checkpoint_dir and request.checkpoint_dir / name
        options = INSIDE.get(name, {})
        own = replace(request, options=options, budget_seconds=budget, progress=within, checkpoint_dir=folder)
        return _closed_form(own, budget) if name == CLOSED_FORM else LEARNERS[name](own)

    seconds, said, seed = GATE_SHARE * request.budget_seconds, request.progress, request.seed
    return fit_mixture(request.dataset, expert, seed=seed, config=config, progress=said, gate_seconds=seconds)


def _first_vectors(request: Request, dimensions: int) -> np.ndarray:
    request.progress(0.0, "first vectors")
    return first_vectors(request.dataset, dimensions, request.seed)


def _by_steps(name: str, kind: str, learner: Maml | MamlNN, config: AnyConfig, request: Request) -> Fitted:
    """Train by steps of the outer loop, from the scale of steps that fits a few batches best."""
    rng = np.random.default_rng(request.seed)
    learner = learner.to(resolve_device(request.device))
    sampler = EpisodeSampler(request.dataset.train, rng)
    step_size = choose_step_size(learner, [sampler.draw(config.batch) for _ in range(STEP_SIZE_BATCHES)])
    outcome = _outer_loop(learner, sampler, rng, config, request)
    report: dict[str, Any] = {
        "config": asdict(config),
        "first_step_size": step_size,
        # Reptile sums over the whole catalogue, a part of the batch at a time.
        "catalogue_sum": "exact" if name == "reptile" else form_of(request.dataset.n_products),
        **asdict(outcome),
        "cut_by_budget": outcome.stopped_by == "budget",
        "note": outcome.note,
    }
    return Fitted(name, kind, learner.arrays(), report)


def _outer_loop(
    learner: Learner,
    sampler: EpisodeSampler,
    rng: np.random.Generator,
    config: AnyConfig | NetworkConfig,
    request: Request,
    checkpoint: str = "checkpoint.pt",
    beside: AnyConfig | None = None,
) -> Outcome:
    """Train in place within the budget; beside: the config of what was trained before and stays."""
    outer = TrainerConfig(batch=config.batch, warmup=config.warmup)
    settings = [asdict(each) for each in (config, outer, beside) if each is not None]
    return Trainer(
        learner,
        sampler,
        rng,
        request.validate,
        outer,
        progress=request.progress,
        checkpoint=request.checkpoint_dir and request.checkpoint_dir / checkpoint,
        identity=json.dumps([request.dataset.hash, request.seed, *settings]),
    ).run(request.budget_seconds)


AnyConfig = MamlConfig | ReptileConfig | MamlNNConfig
LEARNERS: Mapping[str, Callable[[Request], Fitted]] = {
    "closed_form": _closed_form,
    "maml": _maml,
    "reptile": _reptile,
    "maml_nn": _maml_nn,
    "mixture": _mixture,
}
CONFIGS: Mapping[str, type] = {
    "closed_form": ClosedFormConfig,
    "maml": MamlConfig,
    "reptile": ReptileConfig,
    "maml_nn": MamlNNConfig,
    "mixture": MixtureConfig,
}
