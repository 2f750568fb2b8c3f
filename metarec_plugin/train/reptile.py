"""Reptile on MAML's state: product vectors move towards where each shopper's own steps would take them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.sampling import Batch

CELLS = 16_000_000  # shoppers x products held at once: 64 MB of float32 for each step


@dataclass(frozen=True)
class ReptileConfig:
    """Sizes and rates; chosen on validation shoppers of several data sets, the same for all of them."""

    dimensions: int = 64
    steps: int = 2  # on the support; one more is made on the query
    batch: int = 128  # episodes an outer step
    inner_rate: float = 0.1  # of vectors and biases in a shopper's steps; the state has step sizes of its own
    learning_rate: float = 1e-3  # of the outer step: vectors,
    bias_rate: float = 3e-3  # biases
    state_rate: float = 1e-3  # and the start
    decay: float = 10.0  # pull of the vectors back to the first ones
    bias_decay: float = 1.0
    warmup: int = field(default=20, metadata={"least": 0})  # outer steps until the rates are whole


class Reptile(Maml):
    """MAML's parameters with Reptile's outer step (Nichol et al. 2018, algorithm 2), all shoppers of a batch at once.

    In a shopper's steps everything moves by plain gradient descent: state u, vectors V and biases b, on the
    cross-entropy of the support's products, at last of the query's. The outer gradient is where it started less
    where it arrived. A shopper's V differs from the shared one by a matrix of rank 1 for each step,
    (softmax - t) u', so nobody's is ever written out. Step sizes are not learned: a grid chooses them.
    """

    def __init__(self, config: ReptileConfig, vectors: np.ndarray, log_prior: np.ndarray) -> None:
        outer = MamlConfig(
            dimensions=config.dimensions,
            steps=config.steps,
            batch=config.batch,
            learning_rate=config.learning_rate,
            decay=config.decay,
            bias_rate=config.bias_rate,
            bias_decay=config.bias_decay,
            state_rate=config.state_rate,
        )
        super().__init__(outer, vectors, log_prior)
        self.inner_rate = config.inner_rate
        self.log_step_sizes.requires_grad_(False)
        self.growth.requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the query before its step; its gradient is Reptile's direction."""
        # Shoppers x products are held at once, so of a large catalogue a few shoppers at a time.
        size = len(batch.support)
        parts = max(1, size * len(self.bias) // CELLS)
        found = [self.direction(batch.share(part, parts)) for part in range(parts)]
        value = torch.stack([loss for loss, _ in found]).sum() / size
        surrogate = torch.zeros_like(value)
        for place, parameter in enumerate((self.vectors, self.bias, self.start)):
            towards = torch.stack([direction[place] for _, direction in found]).sum(dim=0) / size
            surrogate = surrogate + (parameter * towards).sum()
        return value + surrogate - surrogate.detach()

    @torch.no_grad()
    def direction(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return the query's loss, and start less arrival of vectors, biases and state, sums over the shoppers."""
        support, query = (
            torch.as_tensor(part, device=self.start.device) for part in (batch.support, batch.query)
        )
        sizes = (self.log_step_sizes.exp() * support.shape[1] ** self.growth).unbind()
        states: list[Tensor] = []  # (B, d) each, where the steps were made
        residuals: list[Tensor] = []  # (B, N) each: softmax - t
        state = self.start.expand(len(support), -1)
        value = state.new_zeros(())
        for asked, size in zip((*[support] * len(sizes), query), (*sizes, sizes[-1])):
            logits = state @ self.vectors.T + self.bias  # (B, N)
            for before, residual in zip(states, residuals):
                moved = (before * state).sum(dim=1, keepdim=True) + 1  # of the vectors, and of the biases
                logits = logits - self.inner_rate * moved * residual
            value, residual = _residual(logits, asked)
            gradient = residual @ self.vectors
            for before, earlier in zip(states, residuals):
                along = (residual * earlier).sum(dim=1, keepdim=True)  # the own vectors' part of the gradient
                gradient = gradient - self.inner_rate * along * before
            states.append(state)
            residuals.append(residual)
            state = state - size * gradient
        stacked, own = torch.cat(residuals), torch.cat(states)
        return value, (
            self.inner_rate * stacked.T @ own,
            self.inner_rate * stacked.sum(dim=0),
            (self.start - state).sum(dim=0),
        )


def _residual(logits: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of (B, q) products, summed over B, and its gradient in the (B, N) logits."""
    known = (asked >= 0).to(logits.dtype)
    share = known / known.sum(dim=1, keepdim=True).clamp(min=1)  # (B, q)
    chances = torch.log_softmax(logits, dim=1)
    loss = -(chances.gather(1, asked.clamp(min=0)) * share).sum()
    return loss, chances.exp_().scatter_add(1, asked.clamp(min=0), -share)
