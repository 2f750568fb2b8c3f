"""Ratings and graded interest: a subject's weights over product vectors, adapted by squared error from a few values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from metarec_plugin.train.rating_episodes import BiasModel, RatingBatch, Ratings

FIRST_VARIANCE = 0.4
ROWS = 128  # subjects predicted for at once: some gave thousands of ratings
Predict = Callable[[RatingBatch], np.ndarray]  # -> (B, q) expected values


@dataclass(frozen=True)
class RatingConfig:
    """Sizes and rates. solver: `ridge` adapts in closed form, `gradient` by steps."""

    solver: str = field(default="ridge", metadata={"choices": ("ridge", "gradient")})
    dimensions: int = 32
    steps: int = 3  # of the gradient solver
    batch: int = 128
    learning_rate: float = 3e-3  # of vectors
    decay: float = 1.0  # pull of the vectors back to the first ones
    bias_rate: float = 1e-3
    state_rate: float = 1e-2  # of what adapts


class RatingLearner(nn.Module):
    """value = mean + product's bias + phi w, with phi = (1, v): the first weight is the subject's own bias.

    ridge: w is the mode of a Gaussian posterior with a learned diagonal prior, solved for k ratings in a (k, k)
    system and differentiated through (R2-D2, Bertinetto et al. 2019, eq. 4 to 6). With the prior's variance on the
    bias alone it is the bias model. gradient: MAML's steps on the support's mean squared error (Finn et al. 2017,
    eq. 1 and 2), with a size for each step and weight that grows with the support. Outer loss: the query's squared
    error, subjects alike.
    """

    first_vectors: Tensor

    def __init__(self, config: RatingConfig, bias_model: BiasModel, vectors: np.ndarray) -> None:
        super().__init__()
        width = vectors.shape[1] + 1
        self.config, self.mean = config, bias_model.mean
        self.register_buffer("first_vectors", torch.from_numpy(vectors.copy()), persistent=False)  # (N, d)
        self.vectors = nn.Parameter(self.first_vectors.clone())
        self.bias = nn.Parameter(torch.from_numpy(bias_model.product_bias.copy()))  # (N,)
        self.start = nn.Parameter(torch.zeros(width))
        # Prior variances of the weights in units of the noise's; that of the bias is the bias model's shrinkage.
        first = torch.full((width,), FIRST_VARIANCE)
        first[0] = 1 / bias_model.subject_shrinkage
        self.log_variance = nn.Parameter(first.log())
        self.log_step_sizes = nn.Parameter(torch.full((config.steps, width), -2.5))
        self.growth = nn.Parameter(torch.full((config.steps, width), 0.25))

    def predict(self, batch: RatingBatch) -> Tensor:
        """Return the (B, q) expected values of the asked products."""
        support, query = (
            torch.as_tensor(part, device=self.bias.device) for part in (batch.support, batch.query)
        )
        query = query.clamp(min=0)
        left = torch.as_tensor(batch.given, device=self.bias.device) - self.mean - self.bias[support]
        known = self._features(support)  # (B, k, 1 + d)
        adapt = self._ridge if self.config.solver == "ridge" else self._descent
        weights = adapt(known, left.to(known.dtype))
        return self.mean + self.bias[query] + (self._features(query) @ weights[..., None])[..., 0]

    def loss(self, batch: RatingBatch) -> Tensor:
        """Return the outer loss: the mean over subjects of the query's mean squared error."""
        predicted = self.predict(batch)
        known = torch.as_tensor(batch.query >= 0, device=predicted.device)
        off = torch.where(known, predicted - torch.as_tensor(batch.asked, device=predicted.device), 0.0)
        return (off.square().sum(dim=1) / known.sum(dim=1)).mean()

    def _features(self, products: Tensor) -> Tensor:
        vectors = self.vectors[products]
        return torch.cat([torch.ones_like(vectors[..., :1]), vectors], dim=-1)

    def _ridge(self, known: Tensor, left: Tensor) -> Tensor:
        """w0 + D X' (X D X' + I)^-1 (y - X w0), (B, 1 + d)."""
        spread = known * self.log_variance.exp()
        system = spread @ known.mT + torch.eye(known.shape[1], dtype=known.dtype, device=known.device)
        solved = torch.linalg.solve(system, left - known @ self.start)  # (B, k)
        return self.start + (solved[:, None] @ spread)[:, 0]

    def _descent(self, known: Tensor, left: Tensor) -> Tensor:
        k = known.shape[1]
        weights = self.start.expand(len(known), -1)
        for size in (self.log_step_sizes + self.growth * np.log(k)).exp():
            off = (known @ weights[..., None])[..., 0] - left  # (B, k)
            weights = weights - size * (2 / k) * (off[:, None] @ known)[:, 0]
        return weights

    def optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        adapting = [self.start, self.log_variance, self.log_step_sizes, self.growth]
        optimizer = torch.optim.Adam(
            [
                {"params": [self.vectors], "lr": config.learning_rate},
                {"params": [self.bias], "lr": config.bias_rate},
                {"params": adapting, "lr": config.state_rate},
            ]
        )
        optimizer.register_step_pre_hook(lambda *_: self._pull_back())
        return optimizer

    @torch.no_grad()
    def _pull_back(self) -> None:
        self.vectors.lerp_(self.first_vectors, self.config.learning_rate * self.config.decay)

    def scorer(self) -> Predict:
        """Return predictions by the weights of now, in numpy, for evaluation."""
        fixed = RatingLearner.__new__(RatingLearner)
        nn.Module.__init__(fixed)
        fixed.config, fixed.mean = self.config, self.mean
        for name, parameter in self.named_parameters():
            fixed.register_parameter(name, nn.Parameter(parameter.detach().clone(), requires_grad=False))

        @torch.no_grad()
        def predict(batch: RatingBatch) -> np.ndarray:
            parts = range(0, len(batch.support), ROWS)
            found = (fixed.predict(RatingBatch(*(each[i : i + ROWS] for each in batch))) for i in parts)
            return torch.cat(list(found)).cpu().numpy()

        return predict


def first_rating_vectors(ratings: Ratings, model: BiasModel, dimensions: int, seed: int) -> np.ndarray:
    """Return (N, d) vectors of mean squared length 1 from what the bias model leaves of the training ratings.

    The right singular vectors of the residuals, products divided by the fourth root of their number, times the
    singular values.
    """
    subjects, n_products = ratings.subjects(), len(model.product_bias)
    left = ratings.values - model.mean - model.product_bias[ratings.products]
    per_subject = ratings.lengths() + model.subject_shrinkage
    left = left - (np.bincount(subjects, left, minlength=len(ratings)) / per_subject)[subjects]
    shape = (len(ratings), n_products)
    residuals = sp.csr_matrix((left.astype(np.float32), ratings.products, ratings.indptr), shape=shape)
    degrees = np.maximum(np.bincount(ratings.products, minlength=n_products), 1)
    scaled = (residuals @ sp.diags_array(degrees**-0.25)).astype(np.float32)
    found = min(dimensions, min(shape) - 1)
    _, values, right = svds(scaled.tocsr(), k=found, rng=np.random.default_rng(seed))
    right *= np.sign(right[np.arange(found), np.abs(right).argmax(axis=1)])[:, None]
    vectors = right.T * values * (degrees**-0.25)[:, None]
    return np.ascontiguousarray(vectors / np.sqrt((vectors**2).sum(axis=1).mean()), dtype=np.float32)
