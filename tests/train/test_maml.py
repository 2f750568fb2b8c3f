"""MAML's start and its pull back to it; the first-order option leaves out what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metarec_plugin.evaluate.episodes import Episodes
from metarec_plugin.train.inner import adapt_many
from metarec_plugin.train.maml import STEP_SIZES, Maml, MamlConfig, choose_step_size, first_vectors
from metarec_plugin.train.sampling import Batch
from tests.evaluate.shoppers import planted

N, D = 9, 4
BATCH = Batch(np.array([[0, 4], [7, 2], [3, 8]]), np.array([[1, 5, -1], [3, -1, -1], [6, 0, 2]]))


def maml(**config: object) -> Maml:
    rng = np.random.default_rng(0)
    vectors, log_prior = rng.normal(size=(N, D)).astype("f4"), rng.normal(size=N).astype("f4")
    return Maml(MamlConfig(**config), vectors, log_prior)


def test_the_first_vectors_bring_products_of_one_group_together():
    store = planted(groups=2, products=20, shoppers=120, length=10)
    vectors = first_vectors(store, dimensions=8, seed=0)
    alike = vectors @ vectors.T
    same = np.equal.outer(np.arange(store.n_products) % 2, np.arange(store.n_products) % 2)
    np.fill_diagonal(same, False)
    assert alike[same].mean() > 2 * abs(alike[~same].mean())
    np.testing.assert_allclose((vectors**2).sum(axis=1).mean(), 1, rtol=1e-5)


def test_more_dimensions_than_the_catalogue_has_are_not_made_up():
    store = planted(groups=2, products=3, shoppers=40, length=3)
    assert first_vectors(store, dimensions=64, seed=0).shape == (store.n_products, store.n_products - 1)


def test_the_first_step_size_is_the_one_with_the_lowest_outer_loss():
    learner = maml()
    losses = {}
    for size in STEP_SIZES:
        with torch.no_grad():
            learner.log_step_sizes.fill_(np.log(size))
            losses[size] = float(learner.loss(BATCH))
    assert choose_step_size(learner, [BATCH]) == min(losses, key=losses.__getitem__)
    assert float(learner.loss(BATCH).detach()) == pytest.approx(min(losses.values()), rel=1e-6)


def test_without_a_gradient_vectors_and_biases_go_back_to_where_they_started():
    learner = maml(learning_rate=0.01, decay=10.0, bias_rate=0.1, bias_decay=2.0)
    with torch.no_grad():
        learner.vectors += 1
        learner.bias += 1
    optimizer = learner.optimizer()
    for parameter in learner.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(learner.vectors - learner.first_vectors, torch.full((N, D), 0.9))
    torch.testing.assert_close(learner.bias - learner.log_prior, torch.full((N,), 0.8))


def test_the_first_order_option_changes_gradients_but_not_the_loss():
    exact, first = maml(steps=2), maml(steps=2, first_order=True)
    for learner in (exact, first):
        learner.loss(BATCH).backward()
    torch.testing.assert_close(exact.loss(BATCH), first.loss(BATCH))
    # With the steps as constants a change of the start moves every subject by the same amount.
    states = adapt_many(first.params, torch.from_numpy(BATCH.support), True)
    jacobian = torch.autograd.grad(states.sum(), first.start)[0]
    torch.testing.assert_close(jacobian, torch.full((D,), float(len(BATCH.support))))
    for name in ("vectors", "start"):
        found, other = getattr(exact, name).grad, getattr(first, name).grad
        assert (found - other).norm() > 0.1 * found.norm(), name


def test_without_support_the_scores_are_the_biases():
    learner = maml()
    nobody = Episodes(
        0,
        np.zeros(2, dtype=int),
        np.empty((2, 0), dtype=np.int32),
        np.full((2, 20), -1, dtype=np.int32),
        None,
    )
    np.testing.assert_array_equal(learner.scorer()(nobody), np.tile(learner.bias.detach().numpy(), (2, 1)))


def test_a_scorer_keeps_the_weights_it_was_made_with():
    learner = maml()
    one = Episodes(1, np.zeros(1, dtype=int), np.array([[3]], np.int32), np.full((1, 20), -1, np.int32), None)
    scorer = learner.scorer()
    before = scorer(one)
    with torch.no_grad():
        learner.vectors.mul_(2)
    np.testing.assert_array_equal(scorer(one), before)
