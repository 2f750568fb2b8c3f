"""The gate: its soft NDCG against the hard one and against the formula, and planted worlds in which it must choose."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from metarec_plugin.evaluate.episodes import QUERY
from metarec_plugin.evaluate.metrics import hits, ndcg, top_products
from metarec_plugin.train.gate import Cases, GateConfig, hard_ndcg, soft_ndcg

N = 60
CONFIG = GateConfig(candidates=N, rivals=200)


def cases_of(
    seed: int = 0, b: int = 6, width: int = 40, experts: int = 3, dtype: torch.dtype = torch.float64
) -> Cases:
    """Random scores of which the first expert's say something; every shopper asks for 1 to 8 products."""
    rng = np.random.default_rng(seed)
    relevant = np.zeros((b, width), dtype=bool)
    for row in relevant:
        row[rng.choice(width, rng.integers(1, 9), replace=False)] = True
    columns = rng.normal(size=(b, width, experts))
    columns[:, :, 0] += 2 * relevant
    inputs = np.column_stack([np.ones(b), rng.random((b, 3))])
    return Cases(
        3,
        torch.tensor(columns, dtype=dtype),
        torch.tensor(inputs, dtype=dtype),
        torch.ones(b, width, dtype=torch.bool),
        torch.tensor(relevant),
        torch.tensor(relevant.sum(axis=1) + rng.integers(0, 3, b)),
        torch.arange(b),
    )


def weights_of(seed: int = 1, experts: int = 3) -> torch.Tensor:
    weights = np.random.default_rng(seed).normal(size=(4, experts))
    weights[0] += 1
    return torch.tensor(weights)


def temperature_of(scores: np.ndarray, config: GateConfig) -> float:
    return config.sharpness * float(np.sort(scores)[::-1][: 5 * QUERY].std(ddof=1))


def plain_soft_ndcg(cases: Cases, weights: np.ndarray, at: np.ndarray, config: GateConfig) -> np.ndarray:
    """ApproxNDCG pair by pair; the temperature is that of the weights `at`, as its gradient is not followed."""
    found = []
    for columns, inputs, relevant, asked in zip(
        cases.columns.numpy(), cases.inputs.numpy(), cases.relevant.numpy(), cases.asked.tolist()
    ):
        scores = columns @ (inputs @ weights)
        temperature = temperature_of(columns @ (inputs @ at), config)
        gain = 0.0
        for own in np.flatnonzero(relevant):
            others = (scores[j] - scores[own] for j in range(len(scores)) if j != own)
            rank = 1 + sum(1 / (1 + math.exp(min(700.0, -gap / temperature))) for gap in others)
            gain += 1 / (1 + math.exp(-(QUERY + 0.5 - rank) / 2)) / math.log2(1 + rank)
        found.append(gain / sum(1 / math.log2(place + 2) for place in range(min(asked, QUERY))))
    return np.array(found)


def test_soft_ndcg_is_the_formula_pair_by_pair():
    cases, weights = cases_of(), weights_of()
    wanted = plain_soft_ndcg(cases, weights.numpy(), weights.numpy(), CONFIG)
    np.testing.assert_allclose(soft_ndcg(cases, weights, CONFIG), wanted, atol=1e-5)


def test_its_gradient_is_that_of_finite_differences():
    cases, weights = cases_of(), weights_of().requires_grad_()
    config = dataclasses.replace(CONFIG, sharpness=0.3)  # a surface smooth enough for differences
    soft_ndcg(cases, weights, config).mean().backward()
    base, step = weights.detach().numpy(), 1e-5
    for cell in np.ndindex(*base.shape):
        shifted = []
        for sign in (1, -1):
            moved = base.copy()
            moved[cell] += sign * step
            shifted.append(plain_soft_ndcg(cases, moved, base, config).mean())
        slope = (shifted[0] - shifted[1]) / (2 * step)
        assert float(weights.grad[cell]) == pytest.approx(slope, abs=1e-4), cell


def test_the_sharper_it_is_the_nearer_it_comes_to_the_hard_one():
    cases, weights = cases_of(b=40), weights_of()
    hard = hard_ndcg(cases, weights)
    apart = [
        float(
            (soft_ndcg(cases, weights, dataclasses.replace(CONFIG, sharpness=sharpness)) - hard).abs().mean()
        )
        for sharpness in (1.0, 0.1, CONFIG.sharpness, 1e-3)
    ]
    assert apart == sorted(apart, reverse=True)
    assert apart[2] < 0.02  # what remains is the soft end of the list
    assert apart[3] < 0.015


def test_hard_ndcg_is_that_of_the_evaluation():
    cases, weights = cases_of(b=30, width=N), weights_of()
    scores = cases.scores(weights).numpy().astype("f4")
    query = np.full((30, QUERY), -1, dtype=np.int32)
    for row, relevant in enumerate(cases.relevant.numpy()):
        query[row, : relevant.sum()] = np.flatnonzero(relevant)
    wanted = ndcg(hits(top_products(scores), query), cases.asked.numpy())
    np.testing.assert_allclose(hard_ndcg(cases, weights), wanted, atol=1e-5)


def test_candidates_that_fill_up_never_count():
    cases, weights = cases_of(width=25), weights_of()
    filled = torch.full((6, 15, 3), 1e3, dtype=torch.float64)  # above everything, were they listed
    nothing = torch.zeros(6, 15, dtype=torch.bool)
    longer = Cases(
        3,
        torch.cat([filled, cases.columns], dim=1),
        cases.inputs,
        torch.cat([nothing, cases.listed], dim=1),
        torch.cat([nothing, cases.relevant], dim=1),
        cases.asked,
        cases.shopper,
    )
    for measure in (hard_ndcg, lambda c, w: soft_ndcg(c, w, CONFIG)):
        np.testing.assert_allclose(measure(longer, weights), measure(cases, weights), atol=1e-9)
    gradients = []
    for each in (cases, longer):
        followed = weights.clone().requires_grad_()
        soft_ndcg(each, followed, CONFIG).sum().backward()
        gradients.append(followed.grad.numpy())
    np.testing.assert_allclose(*gradients, atol=1e-9)
    assert np.abs(gradients[0]).max() > 0
