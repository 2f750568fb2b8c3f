"""MAML on the subject's vector: product vectors from which a few gradient steps suffice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.inner import Params, adapt_many, raw_scores, start_gradient
from metarec_plugin.train.losses import query_loss
from metarec_plugin.train.sampling import Batch

FIRST_GROWTH = 0.25  # of a step with the support's size; it is learned from there
STEP_SIZES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # that the first is chosen from


@dataclass(frozen=True)
class MamlConfig:
    """Sizes and rates; chosen on validation shoppers of several data sets, the same for all of them."""

    dimensions: int = 64
    steps: int = 2
    batch: int = 128  # episodes an outer step
    learning_rate: float = 1e-3  # of the vectors
    decay: float = 10.0  # pull of the vectors back to the first ones
    bias_rate: float = 3e-3
    bias_decay: float = 1.0
    state_rate: float = 1e-2  # of the start and the step sizes
    # `network`: a small network beside the head, adapted whole by workers; requests answer from the head.
    adapt: str = field(default="head", metadata={"choices": ("head", "network")})
    warmup: int = field(default=20, metadata={"least": 0})  # outer steps until the rates are whole
    first_order: bool = False  # leave out how a step's gradient depends on the parameters


class Adapting(Protocol):
    """A learner whose first scale of steps is chosen from a grid."""

    def loss(self, batch: Batch) -> Tensor: ...
    def set_step_size(self, size: float) -> None: ...


class Maml(nn.Module):
    """The meta-parameters, and the loss of the outer loop.

    Vectors and biases are pulled back to where they started with each step: without that a few hundred steps
    fit the training shoppers by heart, and on sparse stores validation falls below the start.
    """

    first_vectors: Tensor
    log_prior: Tensor

    def __init__(self, config: MamlConfig, vectors: np.ndarray, log_prior: np.ndarray) -> None:
        super().__init__()
        dimensions = vectors.shape[1]
        self.config = config
        # No part of a checkpoint: whoever goes on from one has computed them from the same data.
        self.register_buffer("first_vectors", torch.from_numpy(vectors.copy()), persistent=False)  # (N, d)
        self.register_buffer("log_prior", torch.from_numpy(log_prior.copy()), persistent=False)  # (N,)
        self.vectors = nn.Parameter(self.first_vectors.clone())
        self.bias = nn.Parameter(self.log_prior.clone())
        self.start = nn.Parameter(torch.zeros(dimensions))
        # Sizes are learned as logarithms: a step never goes uphill.
        self.log_step_sizes = nn.Parameter(torch.zeros(config.steps, dimensions))
        self.growth = nn.Parameter(torch.full((config.steps, dimensions), FIRST_GROWTH))

    @property
    def params(self) -> Params:
        return Params(self.vectors, self.bias, self.start, self.log_step_sizes.exp(), self.growth)

    def loss(self, batch: Batch) -> Tensor:
        """Return the outer loss: the query's mean cross-entropy over the whole catalogue but the support."""
        params = self.params
        support, query = (
            torch.as_tensor(part, device=self.start.device) for part in (batch.support, batch.query)
        )
        states = adapt_many(params, support, self.config.first_order)  # (B, d)
        return query_loss(states, params.vectors, params.bias, support, query, seed=batch.seed)

    @torch.no_grad()
    def set_step_size(self, size: float) -> None:
        self.log_step_sizes.fill_(math.log(size))

    def optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        optimizer = torch.optim.Adam(
            [
                {"params": [self.vectors], "lr": config.learning_rate},
                {"params": [self.bias], "lr": config.bias_rate},
                {"params": [self.start, self.log_step_sizes, self.growth], "lr": config.state_rate},
            ]
        )
        optimizer.register_step_pre_hook(lambda *_: self._pull_back())
        return optimizer

    @torch.no_grad()
    def _pull_back(self) -> None:
        """Decay, decoupled from the gradient as in AdamW (Loshchilov and Hutter 2019), but towards the start."""
        config = self.config
        self.vectors.lerp_(self.first_vectors, config.learning_rate * config.decay)
        self.bias.lerp_(self.log_prior, config.bias_rate * config.bias_decay)

    def scorer(self) -> Scorer:
        """Return the raw scores of episodes as a callable for evaluation."""

        with torch.no_grad():
            params = Params(*(part.detach().clone() for part in self.params))

        @torch.no_grad()
        def score(episodes: Episodes) -> np.ndarray:
            if not episodes.k:
                return np.tile(params.bias.cpu().numpy(), (len(episodes), 1))
            support = torch.as_tensor(episodes.support, dtype=torch.int64, device=params.bias.device)
            return raw_scores(params, adapt_many(params, support)).cpu().numpy()

        return score

    @torch.no_grad()
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bundle's arrays of the gradient kind."""
        params = self.params
        named = {**params._asdict(), "start_gradient": start_gradient(params)}
        return {name: array.detach().cpu().numpy().copy() for name, array in named.items()}


def first_vectors(dataset: Dataset, dimensions: int, seed: int) -> np.ndarray:
    """Return (N, d) vectors whose inner products rank like item-item similarity, of mean squared length 1.

    With D the degrees of shoppers and products: the right singular vectors of D_u^-1/4 X D_p^-1/4, times their
    singular values, times D_p^-1/2. One gradient step from there scores by V V't, a smoothed item-kNN; of the
    exponents 0, 1/4, 1/2 and 3/4 these ranked best for validation shoppers of three data sets.
    """
    bought = dataset.train.matrix(dataset.n_products)  # X, (U, N)
    per_shopper = np.maximum(dataset.train.lengths(), 1) ** -0.25
    popularity = np.maximum(dataset.popularity, 1)
    scaled = (sp.diags_array(per_shopper) @ bought @ sp.diags_array(popularity**-0.25)).astype(np.float32)
    found = min(dimensions, min(scaled.shape) - 1)
    if found < 1:
        return np.ones((dataset.n_products, 1), dtype=np.float32)
    _, values, right = svds(scaled.tocsr(), k=found, rng=np.random.default_rng(seed))
    # ARPACK leaves the signs open: fix them, so that a seed means one result.
    right *= np.sign(right[np.arange(found), np.abs(right).argmax(axis=1)])[:, None]
    vectors = right.T * values / np.sqrt(popularity)[:, None]
    return np.ascontiguousarray(vectors / np.sqrt((vectors**2).sum(axis=1).mean()), dtype=np.float32)


@torch.no_grad()
def choose_step_size(
    learner: Adapting, batches: Sequence[Batch], sizes: Sequence[float] = STEP_SIZES
) -> float:
    """Set how far the learner moves for a support to the one of the grid with the lowest outer loss over the batches.

    Returns that step size.
    """
    losses = {}
    for size in sizes:
        learner.set_step_size(size)
        losses[size] = sum(float(learner.loss(batch)) for batch in batches)
    best = min(losses, key=losses.__getitem__)
    learner.set_step_size(best)
    return best
