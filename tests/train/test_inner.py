"""The inner loop is gradient descent on the support, and the outer gradient goes through it exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from metarec_plugin.train.inner import Params, adapt, adapt_many, start_gradient
from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.sampling import Batch

N, D = 9, 4
SUPPORTS = ([3], [0, 8], [5, 1, 7], [2, 2, 6])
BATCH = Batch(np.array([[0, 4], [7, 2], [3, 8]]), np.array([[1, 5, -1], [3, -1, -1], [6, 0, 2]]))


def params(steps: int = 2, seed: int = 0) -> Params:
    torch_rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=torch_rng, dtype=torch.float64)

    return Params(normal(N, D), normal(N), normal(D), (0.5 * normal(steps, D)).exp(), 0.3 * normal(steps, D))


def maml(steps: int) -> Maml:
    """A learner in float64 with all parameters away from where they start."""
    learner = Maml(MamlConfig(steps=steps), np.zeros((N, D), dtype="f4"), np.zeros(N, dtype="f4")).double()
    torch_rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=torch_rng, dtype=torch.float64))
    return learner


def support_gradient(p: Params, state: torch.Tensor, support: list[int]) -> torch.Tensor:
    """The gradient of the support's mean cross-entropy in the state, by autograd."""
    state = state.clone().requires_grad_()
    logits = (p.vectors @ state + p.bias).expand(len(support), -1)
    return torch.autograd.grad(F.cross_entropy(logits, torch.tensor(support)), state)[0]


def loop(p: Params, support: list[int]) -> torch.Tensor:
    """The steps of one subject, each with autograd's gradient."""
    state = p.start
    for size, growth in zip(p.step_sizes, p.growth):
        state = state - size * len(support) ** growth * support_gradient(p, state, support)
    return state


@pytest.mark.parametrize("support", SUPPORTS)
def test_one_step_moves_by_the_gradient_of_the_supports_cross_entropy(support):
    p = params(1)
    moved = p.start - adapt(p, start_gradient(p), torch.tensor(support))
    size = p.step_sizes[0] * len(support) ** p.growth[0]
    expected = size * support_gradient(p, p.start, support)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_vectorised_steps_equal_a_loop_over_the_subjects(steps):
    p = params(steps)
    padded = torch.tensor([support + [-1] * (3 - len(support)) for support in SUPPORTS])
    expected = torch.stack([loop(p, support) for support in SUPPORTS])
    torch.testing.assert_close(adapt_many(p, padded), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padded", [[5, 1, -1], [-1, 5, -1, 1, -1]])
def test_padding_does_not_change_a_state(padded):
    p = params()
    plain, filled = (adapt(p, start_gradient(p), torch.tensor(s)) for s in ([5, 1], padded))
    torch.testing.assert_close(filled, plain, rtol=0, atol=1e-14)


def test_the_first_term_computed_once_equals_the_one_computed_in_the_step():
    p = params(1)
    target = p.vectors[torch.tensor([5, 1])].mean(dim=0)
    expected = support_gradient(p, p.start, [5, 1]) + target
    torch.testing.assert_close(start_gradient(p), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_outer_gradient_equals_central_differences_in_every_parameter(steps):
    learner = maml(steps)
    learner.loss(BATCH).backward()
    width = 1e-5
    for name, parameter in learner.named_parameters():
        entries = parameter.data.view(-1)  # the same memory
        found = torch.empty_like(entries)
        for place, value in enumerate(entries.tolist()):
            ends = []
            for end in (value + width, value - width):
                entries[place] = end
                ends.append(float(learner.loss(BATCH).detach()))
            entries[place] = value
            found[place] = (ends[0] - ends[1]) / (2 * width)
        torch.testing.assert_close(
            parameter.grad.view(-1), found, rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_the_outer_gradient_is_not_the_first_order_one():
    learner = maml(steps=2)
    p = learner.params
    vectors = next(parameter for parameter in learner.parameters() if parameter.shape == (N, D))
    exact = torch.autograd.grad(learner.loss(BATCH), vectors)[0]
    fixed = Params(*(part.detach() for part in p))
    states = torch.stack([loop(fixed, row) for row in BATCH.support.tolist()])
    logits = (states @ p.vectors.T + p.bias).scatter(1, torch.tensor(BATCH.support), -torch.inf)
    losses = [
        F.cross_entropy(row.expand(len(asked), -1), torch.tensor(asked))
        for row, asked in zip(logits, ([q for q in row if q >= 0] for row in BATCH.query.tolist()))
    ]
    outer = torch.stack(losses).mean()
    torch.testing.assert_close(outer, learner.loss(BATCH), rtol=0, atol=1e-12)  # the same loss,
    first_order = torch.autograd.grad(outer, vectors)[0]
    assert (first_order - exact).norm() > 0.1 * exact.norm()  # another gradient
