"""Reptile's direction is where each shopper's own descent leads, although nobody's vectors are written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metarec_plugin.train import reptile
from metarec_plugin.train.reptile import Reptile, ReptileConfig
from metarec_plugin.train.sampling import Batch

N, D = 9, 4
BATCH = Batch(np.array([[0, 4], [7, 2], [3, 8]]), np.array([[1, 5, -1], [3, -1, -1], [6, 0, 2]]))


def learner(steps: int = 2) -> Reptile:
    """In float64 with all parameters away from where they start."""
    made = Reptile(
        ReptileConfig(steps=steps, inner_rate=0.3), np.zeros((N, D), "f4"), np.zeros(N, "f4")
    ).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def descent(made: Reptile, support: list[int], query: list[int]) -> list[Tensor]:
    """Where one shopper's vectors, biases and state arrive: plain descent on copies, by autograd."""
    vectors, bias, state = (
        part.detach().clone().requires_grad_() for part in (made.vectors, made.bias, made.start)
    )
    sizes = made.log_step_sizes.exp() * len(support) ** made.growth
    for asked, size in [*((support, size) for size in sizes), (query, sizes[-1])]:
        logits = (vectors @ state + bias).expand(len(asked), -1)
        slopes = torch.autograd.grad(F.cross_entropy(logits, torch.tensor(asked)), (vectors, bias, state))
        with torch.no_grad():
            vectors -= 0.3 * slopes[0]
            bias -= 0.3 * slopes[1]
            state -= size * slopes[2]
    return [vectors.detach(), bias.detach(), state.detach()]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_outer_gradient_is_start_less_arrival_of_plain_descent(steps):
    made = learner(steps)
    made.loss(BATCH).backward()
    arrivals = [
        descent(made, support, [q for q in query if q >= 0])
        for support, query in zip(BATCH.support.tolist(), BATCH.query.tolist())
    ]
    for place, part in enumerate((made.vectors, made.bias, made.start)):
        expected = part.detach() - torch.stack([arrival[place] for arrival in arrivals]).mean(dim=0)
        torch.testing.assert_close(part.grad, expected, rtol=0, atol=1e-12)


def test_a_large_catalogue_is_worked_on_a_few_shoppers_at_a_time(monkeypatch):
    whole, parts = learner(), learner()
    whole.loss(BATCH).backward()
    monkeypatch.setattr(reptile, "CELLS", N)
    parts.loss(BATCH).backward()
    torch.testing.assert_close(parts.vectors.grad, whole.vectors.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(parts.loss(BATCH), whole.loss(BATCH), rtol=0, atol=1e-12)


def test_steps_are_of_the_size_that_the_grid_chose():
    made = learner()
    made.loss(BATCH).backward()
    assert made.log_step_sizes.grad is None
    assert made.growth.grad is None
