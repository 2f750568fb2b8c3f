"""The loss over a large catalogue: in blocks the very same, from a sample an estimate of known error."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import vmap

from metarec_plugin.train import blockwise, fit, losses
from metarec_plugin.train.blockwise import expectation
from metarec_plugin.train.inner import Params, adapt_many
from metarec_plugin.train.losses import Sample, draw_sample, form_of, query_loss, sampled_log_sum
from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.sampling import Batch
from tests.evaluate.shoppers import planted

B, N, D = 6, 103, 5


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(n: int = N, scale: float = 1.0) -> tuple[Tensor, ...]:
    """States, vectors, a bias of power-law popularity, supports of two and queries of up to four products."""
    ranks = torch.arange(1, n + 1, dtype=torch.float64)
    places = np.random.default_rng(0).permuted(np.tile(np.arange(n), (B, 1)), axis=1)[:, :6]
    query = torch.from_numpy(places[:, 2:].copy())
    query[::2, 3] = -1
    return (
        normal(B, D).requires_grad_(),
        (scale * normal(n, D, seed=1)).requires_grad_(),
        (-ranks.log()).requires_grad_(),
        torch.from_numpy(places[:, :2].copy()),
        query,
    )


def by_hand(states: Tensor, vectors: Tensor, bias: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """The loss as its definition reads, one episode and product at a time."""
    episodes = []
    for state, taken, asked in zip(states, support.tolist(), query.tolist()):
        odds = [
            torch.exp(state @ vector + b)
            for j, (vector, b) in enumerate(zip(vectors, bias))
            if j not in taken
        ]
        answers = [q for q in asked if q >= 0]
        logits = [state @ vectors[q] + bias[q] for q in answers]
        episodes.append(torch.log(torch.stack(odds).sum()) - torch.stack(logits).mean())
    return torch.stack(episodes).mean()


def with_gradient(loss: Tensor, parts: tuple[Tensor, ...]) -> list[Tensor]:
    return [loss, *torch.autograd.grad(loss, parts[:3])]


@pytest.mark.parametrize("form", ["exact", "blockwise"])
@pytest.mark.parametrize("block", [1, 10, 103, 8192])
def test_value_and_gradient_are_those_of_the_definition_whatever_the_block(monkeypatch, form, block):
    monkeypatch.setattr(blockwise, "BLOCK", block)
    parts = problem()
    found = with_gradient(query_loss(*parts, form=form), parts)
    for one, other in zip(found, with_gradient(by_hand(*parts), parts)):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def test_padding_of_supports_takes_nothing_out_in_blocks():
    states, vectors, bias, support, query = problem()
    padded = torch.cat([support, torch.full((B, 3), -1)], dim=1)
    one, other = (query_loss(states, vectors, bias, s, query, form="blockwise") for s in (support, padded))
    assert torch.equal(one, other)


@pytest.mark.parametrize("block", [7, 8192])
def test_the_expectation_in_blocks_has_the_value_and_gradient_of_the_one_in_one_piece(monkeypatch, block):
    states, vectors, bias, *_ = problem()
    weights = normal(B, D, seed=2)
    whole = (expectation(states, vectors, bias) * weights).sum()
    expected = with_gradient(whole, (states, vectors, bias))
    monkeypatch.setattr(blockwise, "EXACT_UP_TO", 0)
    monkeypatch.setattr(blockwise, "BLOCK", block)
    one_by_one = vmap(expectation, in_dims=(0, None, None))
    single = lambda s, v, b: torch.stack([expectation(state, v, b) for state in s])  # noqa: E731
    for way in (expectation, one_by_one, single):
        found = with_gradient((way(states, vectors, bias) * weights).sum(), (states, vectors, bias))
        for one, other in zip(found, expected):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def learner() -> Maml:
    made = Maml(MamlConfig(steps=3), np.zeros((N, D), dtype="f4"), np.zeros(N, dtype="f4")).double()
    with torch.no_grad():
        for seed, parameter in enumerate(made.parameters()):
            parameter.copy_(0.7 * normal(*parameter.shape, seed=seed))
    return made


def test_a_large_catalogue_trains_by_the_same_gradient(monkeypatch):
    _, _, _, support, query = problem()
    batch = Batch(support.numpy(), query.numpy())
    gradients = []
    for most in (50_000, 0):
        monkeypatch.setattr(losses, "EXACT_UP_TO", most)
        monkeypatch.setattr(blockwise, "EXACT_UP_TO", most)
        monkeypatch.setattr(blockwise, "BLOCK", 16)
        made = learner()
        made.loss(batch).backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_the_form_goes_by_the_size_of_the_catalogue():
    assert [form_of(n) for n in (50_000, 50_001, 200_000, 200_001)] == [
        "exact", "blockwise", "blockwise", "sampled",
    ]  # fmt: skip


def test_the_report_of_training_says_which_form_it_took(monkeypatch):
    store = planted(groups=2, products=10, shoppers=60, length=8)
    found = [fit("maml", store, device="cpu", budget_seconds=0).report["catalogue_sum"]]
    monkeypatch.setattr(losses, "EXACT_UP_TO", 10)
    found.append(fit("maml", store, device="cpu", budget_seconds=0).report["catalogue_sum"])
    assert found == ["exact", "blockwise"]


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the most elements of any tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor):
                self.most = max(self.most, tensor.numel())
        return made


@pytest.mark.parametrize("form", ["exact", "blockwise", "sampled"])
def test_only_the_exact_form_ever_holds_subjects_times_products(monkeypatch, form):
    most = {"exact": 10**9, "blockwise": 0, "sampled": 0}[form]
    for module in (losses, blockwise):
        monkeypatch.setattr(module, "EXACT_UP_TO", most)
    monkeypatch.setattr(losses, "BLOCKWISE_UP_TO", 0 if form == "sampled" else 10**9)
    monkeypatch.setattr(blockwise, "BLOCK", 50)
    monkeypatch.setattr(losses, "HEAD", 30)
    monkeypatch.setattr(losses, "SAMPLES", 30)
    n, b = 2000, 64
    rng = np.random.default_rng(0)
    made = Maml(MamlConfig(), rng.normal(size=(n, D)).astype("f4"), rng.normal(size=n).astype("f4"))
    batch = Batch(rng.integers(0, n, (b, 3)), rng.integers(0, n, (b, 20)))
    with Largest() as largest:
        made.loss(batch).backward()
    assert (largest.most >= b * n) is (form == "exact")
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())


def test_a_sample_that_is_the_catalogue_gives_the_exact_loss():
    parts = problem()
    for one, other in zip(
        with_gradient(query_loss(*parts, form="sampled"), parts),  # the head is larger than the catalogue
        with_gradient(query_loss(*parts, form="exact"), parts),
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def test_weights_of_a_sample_add_up_to_the_catalogue_on_average():
    bias = -torch.arange(1, 501, dtype=torch.float64).log()
    counted = torch.zeros(500)
    for seed in range(400):
        sample = draw_sample(bias, seed, head=20, samples=60)
        assert (sample.products.diff() > 0).all()
        counted[sample.products] += sample.log_weights.exp().float() / 400
    torch.testing.assert_close(counted[:20], torch.ones(20))
    assert abs(float(counted[20:].mean()) - 1) < 0.02
    assert float((counted[20:] - 1).abs().max()) < 0.8  # some 50 draws of the rarest


def errors(samples: int, seeds: int = 30) -> tuple[float, float]:
    """Root mean square and mean error of the estimated log-sum where a fifth of the tail's mass is sampled."""
    n = 20_000
    states, vectors, bias, support, query = (p.detach() for p in problem(n, scale=0.45))
    exact = torch.logsumexp((states @ vectors.T + bias).scatter(1, support, -torch.inf), dim=1)
    chosen = (torch.einsum("bd,bqd->bq", states, vectors[query]) + bias[query]).masked_fill(
        query < 0, -torch.inf
    )
    found = torch.stack(
        [
            sampled_log_sum(
                states, vectors, bias, support, chosen, query, draw_sample(bias, s, head=200, samples=samples)
            )
            for s in range(seeds)
        ]
    )
    return float((found - exact).square().mean().sqrt()), float((found - exact).mean())


def test_the_error_of_the_estimate_falls_with_the_root_of_the_samples():
    few, many = errors(200), errors(3200)
    assert few[0] < 0.2
    assert many[0] < 0.05
    assert few[0] / many[0] == pytest.approx(4, rel=0.35)
    assert abs(many[1]) < 0.01  # and it is hardly biased


def test_the_query_counts_exactly_whether_it_was_drawn_or_not():
    states, vectors, bias, support, query = (p.detach() for p in problem())
    chosen = (torch.einsum("bd,bqd->bq", states, vectors[query]) + bias[query]).masked_fill(
        query < 0, -torch.inf
    )
    everything = torch.arange(N)
    kept = everything[~torch.isin(everything, query[0, :2])]
    exact = torch.logsumexp((states @ vectors.T + bias).scatter(1, support, -torch.inf), dim=1)
    for products in (everything, kept):
        sample = Sample(products, torch.zeros(len(products), dtype=torch.float64))
        found = sampled_log_sum(states, vectors, bias, support, chosen, query, sample)
        torch.testing.assert_close(found[0], exact[0])


def test_the_same_seed_draws_the_same_sample_and_another_another():
    bias = normal(5000)
    samples = [draw_sample(bias, seed, head=10, samples=100) for seed in (1, 1, 2)]
    assert torch.equal(samples[0].products, samples[1].products)
    assert not torch.equal(samples[0].products[:50], samples[2].products[:50])
    parts = problem(5000)
    one, same, other = (query_loss(*parts, form="sampled", seed=seed).item() for seed in (1, 1, 2))
    assert one == same
    assert math.isclose(one, other, rel_tol=0.1)


@pytest.mark.parametrize("form", ["exact", "blockwise", "sampled"])
def test_bfloat16_stays_near_and_leaves_the_weights_in_float32(form):
    states, vectors, bias, support, query = problem(2000, scale=0.3)
    parts = [p.detach().float().requires_grad_() for p in (states, vectors, bias)]
    full = query_loss(*parts, support, query, form=form, seed=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = query_loss(*parts, support, query, form=form, seed=3)
    assert low.dtype == torch.float32
    assert not torch.equal(low, full)
    torch.testing.assert_close(low, full, rtol=5e-3, atol=0)
    for one, other in zip(torch.autograd.grad(low, parts), torch.autograd.grad(full, parts)):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.02 * other.norm()


def test_the_inner_loop_in_bfloat16_stays_near_too():
    config = dataclasses.replace(MamlConfig(), steps=3)
    rng = np.random.default_rng(0)
    made = Maml(config, rng.normal(size=(N, D)).astype("f4"), rng.normal(size=N).astype("f4"))
    params: Params = made.params
    supports = torch.tensor([[3, 8], [1, -1]])
    full = adapt_many(params, supports)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = adapt_many(params, supports)
    assert not torch.equal(low.float(), full)
    assert (low.float() - full).norm() < 0.02 * full.norm()
