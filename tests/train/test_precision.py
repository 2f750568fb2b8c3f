"""Learners trained with products of matrices in bfloat16 come to where float32 brings them, weights in float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
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
TOLERANCE = 0.005  # of the float32 loss after the steps; bfloat16 rounds each product by up to 0.4 %


@pytest.fixture(scope="module")
def store() -> Dataset:
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


def walked(name: str, precision: str, store: Dataset) -> tuple[float, float, Outcome, dict[str, Tensor]]:
    """Return a float32 loss over the same episodes before and after the steps, how they went, and the weights."""
    torch.manual_seed(0)
    learner, rng = LEARNERS[name](store), np.random.default_rng(2)
    held = EpisodeSampler(store.validation, np.random.default_rng(3)).draw(128)
    before = float(learner.loss(held).detach())
    config = TrainerConfig(
        batch=BATCH, max_steps=STEPS, validate_at=(STEPS,), average=0.0, precision=precision
    )
    looks = iter(range(10))  # the last weights are the best
    sampler = EpisodeSampler(store.train, rng)
    outcome = Trainer(learner, sampler, rng, lambda _: float(next(looks)), config).run(600.0)
    return before, float(learner.loss(held).detach()), outcome, learner.state_dict()


@pytest.mark.parametrize("name", LEARNERS)
def test_bfloat16_learns_what_float32_learns(name, store):
    before, full, exact, weights = walked(name, "float32", store)
    _, low, rounded, rounded_weights = walked(name, "bfloat16", store)
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    assert rounded.steps == STEPS
    assert all(weight.dtype == torch.float32 for weight in rounded_weights.values())
    assert any(not torch.equal(weights[each], rounded_weights[each]) for each in weights)
    assert low == pytest.approx(full, rel=TOLERANCE)
    assert before - low > 0.5 * (before - full) > 0
