"""Each learner by steps in small, walked some steps on any device and in any precision: for tests to compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.maml_nn import MamlNN, MamlNNConfig
from metarec_plugin.train.network_head import NetworkConfig, NetworkLearner
from metarec_plugin.train.reptile import Reptile, ReptileConfig
from metarec_plugin.train.sampling import EpisodeSampler
from metarec_plugin.train.trainer import Outcome, Trainer, TrainerConfig
from tests.evaluate.shoppers import planted

D, STEPS, BATCH = 8, 25, 32


def small_store() -> Dataset:
    return planted(groups=4, products=15, shoppers=200, length=12)


def vectors_of(store: Dataset) -> np.ndarray:
    """Vectors that know nothing, so that steps have much to learn."""
    return (np.random.default_rng(1).normal(size=(store.n_products, D)) / D**0.5).astype("f4")


def maml(store: Dataset) -> Maml:
    made = Maml(MamlConfig(decay=0.0, learning_rate=2e-2), vectors_of(store), store.log_prior)
    made.set_step_size(2.0)
    return made


def reptile(store: Dataset) -> Reptile:
    made = Reptile(ReptileConfig(decay=0.0), vectors_of(store), store.log_prior)
    made.set_step_size(2.0)
    return made


def maml_nn(store: Dataset) -> MamlNN:
    config = MamlNNConfig(decay=0.0, learning_rate=2e-2, drop_support=0.0, drop_inputs=0.0)
    made = MamlNN(config, vectors_of(store), store.log_prior, 0)
    made.set_step_size(2.0)
    return made


def network(store: Dataset) -> NetworkLearner:
    config, rng = NetworkConfig(hidden=16, learning_rate=1e-2), np.random.default_rng(0)
    return NetworkLearner(config, maml(store).params, store.log_prior, rng, first_order=False)


LEARNERS: dict[str, Callable[[Dataset], nn.Module]] = {
    "maml": maml,
    "reptile": reptile,
    "maml_nn": maml_nn,
    "network": network,
}


class Walk(NamedTuple):
    """A float32 loss over the same episodes before and after the steps, how they went, and the weights on the CPU."""

    before: float
    after: float
    outcome: Outcome
    weights: dict[str, Tensor]


def walked(
    name: str,
    precision: str,
    store: Dataset,
    device: str = "cpu",
    *,
    steps: int = STEPS,
    checkpoint: Path | None = None,
) -> Walk:
    """Train for `steps` in all, with what a checkpoint has of them, from weights that know nothing."""
    torch.manual_seed(0)
    learner, rng = LEARNERS[name](store).to(device), np.random.default_rng(2)
    held = EpisodeSampler(store.validation, np.random.default_rng(3)).draw(128)
    before = float(learner.loss(held).detach())
    config = TrainerConfig(
        batch=BATCH, max_steps=steps, validate_at=(steps,), average=0.0, precision=precision, patience=STEPS
    )
    looks = iter(range(10 * steps, 10 * steps + 10))  # the last weights are the best
    sampler = EpisodeSampler(store.train, rng)
    trainer = Trainer(learner, sampler, rng, lambda _: float(next(looks)), config, checkpoint=checkpoint)
    outcome = trainer.run(600.0)
    weights = {name: weight.cpu() for name, weight in learner.state_dict().items()}
    return Walk(before, float(learner.loss(held).detach()), outcome, weights)
