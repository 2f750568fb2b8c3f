"""A learner of one number, for what the outer loop does with any learner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.train.sampling import Batch
from metarec_plugin.train.trainer import Outcome, Trainer, TrainerConfig

CONFIG = TrainerConfig(batch=8, validate_at=(), validate_every=5, patience=100, max_steps=30)
EMPTY = Batch(np.empty((1, 1), dtype=np.int64), np.empty((1, 20), dtype=np.int64))
NO_EPISODES = Episodes(0, *(np.empty((0,)) for _ in range(3)), None)


class Walker(nn.Module):
    """A learner of one number, which every step makes 1 larger; its score is the number."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))

    def loss(self, batch: Batch) -> Tensor:
        return -self.place.sum()

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.place], lr=1.0)

    def scorer(self) -> Scorer:
        place = self.place.detach().numpy().copy()
        return lambda episodes: place


def walk(
    validate: Callable[[float], float] = float,
    budget: float = 1e9,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
    learner: Walker | None = None,
    **config: Any,
) -> tuple[Walker, Outcome]:
    """Train a walker whose weights are validated as they are, not as a running mean."""
    learner = learner or Walker()
    outcome = Trainer(
        learner,
        SimpleNamespace(draw=lambda size: EMPTY),
        np.random.default_rng(0),
        lambda scorer: validate(float(scorer(NO_EPISODES)[0])),
        dataclasses.replace(CONFIG, **{"average": 0.0, **config}),
        progress=progress,
    ).run(budget)
    return learner, outcome
