"""Ratings: both solvers recover planted tastes that a bias model cannot say, and solve what they claim to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.train.rating_episodes import (
    BiasModel,
    RatingBatch,
    Ratings,
    RatingSampler,
    errors,
    fit_bias_model,
    rating_episodes,
    rmse,
)
from metarec_plugin.train.ratings import RatingConfig, RatingLearner, first_rating_vectors
from metarec_plugin.train.trainer import Trainer, TrainerConfig

N, D = 40, 3
BATCH = RatingBatch(
    np.array([[0, 4], [7, 2]]),
    np.array([[1.0, 5.0], [3.0, 4.0]], "f4"),
    np.array([[1, 5, -1], [3, 0, 2]]),
    np.array([[2.0, 4.0, 0.0], [1.0, 5.0, 3.0]], "f4"),
)


def planted(subjects: int, seed: int, taste: float = 1.0) -> Ratings:
    """Products of two kinds: each subject likes one and not the other, beside biases and a little noise."""
    rng = np.random.default_rng(seed)
    of_product = np.random.default_rng(99).normal(scale=0.4, size=N)
    products, values = [], []
    for _ in range(subjects):
        own = rng.permutation(N)[:20]
        side = taste * rng.choice([-1, 1])
        products.append(own)
        noise = rng.normal(scale=0.2, size=20)
        values.append(3 + rng.normal(scale=0.3) + of_product[own] + side * np.where(own % 2, 1, -1) + noise)
    indptr = np.arange(subjects + 1) * 20
    return Ratings(indptr, np.concatenate(products).astype("i4"), np.concatenate(values).astype("f4"))


def learner(solver: str) -> RatingLearner:
    """In float64 with all parameters away from where they start."""
    bias = BiasModel(3.0, np.zeros(N, "f4"), 2.0)
    made = RatingLearner(RatingConfig(solver=solver), bias, np.zeros((N, D), "f4")).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def test_the_ridge_is_the_minimum_of_squared_error_and_distance_from_the_start():
    made = learner("ridge")
    known = made._features(torch.from_numpy(BATCH.support))
    left = torch.from_numpy(BATCH.given).double() - 3 - made.bias[torch.from_numpy(BATCH.support)]
    weights = made._ridge(known, left)
    precision = torch.diag((-made.log_variance).exp())
    for x, y, w in zip(known, left, weights):
        expected = torch.linalg.solve(x.T @ x + precision, x.T @ y + precision @ made.start)
        torch.testing.assert_close(w, expected, rtol=0, atol=1e-10)


def test_the_gradient_solver_descends_the_supports_mean_squared_error():
    made = learner("gradient")
    known = made._features(torch.from_numpy(BATCH.support)).detach()
    left = torch.tensor([[0.5, -1.0], [0.2, 0.7]], dtype=torch.float64)
    for x, y, found in zip(known, left, made._descent(known, left)):
        weights = made.start.detach().clone().requires_grad_()
        for size in (made.log_step_sizes + made.growth * np.log(2)).exp().detach():
            slope = torch.autograd.grad((x @ weights - y).square().mean(), weights)[0]
            weights = (weights - size * slope).detach().requires_grad_()
        torch.testing.assert_close(found, weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", ["ridge", "gradient"])
def test_the_outer_gradient_equals_central_differences(solver):
    made, width = learner(solver), 1e-6
    made.loss(BATCH).backward()
    for name, parameter in made.named_parameters():
        if parameter.grad is None:  # what the other solver adapts with
            continue
        entries = parameter.data.view(-1)
        for place in range(0, len(entries), 7):
            value, ends = float(entries[place]), []
            for end in (value + width, value - width):
                entries[place] = end
                ends.append(float(made.loss(BATCH).detach()))
            entries[place] = value
            slope = (ends[0] - ends[1]) / (2 * width)
            assert float(parameter.grad.view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8), name


@pytest.mark.parametrize("solver", ["ridge", "gradient"])
def test_a_planted_taste_is_read_from_three_ratings(solver):
    train, test = planted(150, seed=0), rating_episodes(planted(100, seed=1), 3)
    bias = fit_bias_model(train, N)
    rng = np.random.default_rng(0)
    made = RatingLearner(RatingConfig(solver=solver), bias, first_rating_vectors(train, bias, 4, 0))
    validation = rating_episodes(planted(50, seed=2), 3)
    outer = TrainerConfig(batch=64, max_steps=150, validate_every=50)
    Trainer(
        made, RatingSampler(train, rng), rng, lambda predict: -rmse(predict(validation), validation), outer
    ).run(5.0)
    assert rmse(bias.predict(test), test) > 0.9  # a taste of 1 that it knows nothing of
    assert rmse(made.scorer()(test), test) < 0.4  # near the noise of 0.2


def test_the_bias_model_recovers_planted_biases():
    train = planted(400, seed=0, taste=0.0)
    model = fit_bias_model(train, N, shrinkage=1.0, subject_shrinkage=1.0)
    expected = np.random.default_rng(99).normal(scale=0.4, size=N)
    np.testing.assert_allclose(
        model.mean + model.product_bias - (model.mean + model.product_bias).mean(),
        expected - expected.mean(),
        atol=0.08,
    )
    unseen = rating_episodes(planted(100, seed=3, taste=0.0), 10)
    assert rmse(model.predict(unseen), unseen) < 0.25


def test_what_was_not_asked_does_not_count():
    absolute, squared = errors(np.array([[3.0, 4.0, 99.0], [1.0, 5.0, 0.0]]), BATCH)
    np.testing.assert_allclose(absolute, [0.5, 1.0])
    np.testing.assert_allclose(squared, [0.5, 3.0])


def test_the_first_ratings_are_given_and_the_others_asked():
    ratings = Ratings(np.array([0, 3, 10]), np.arange(10, dtype="i4"), np.arange(10, dtype="f4"))
    batch = rating_episodes(ratings, 2)  # the first subject has no five to ask for
    np.testing.assert_array_equal(batch.support, [[3, 4]])
    np.testing.assert_array_equal(batch.query, [[5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(rating_episodes(ratings, 2, asked=3).query, [[5, 6, 7]])


def test_drawn_episodes_are_of_one_subject_and_ask_for_nothing_given():
    ratings = planted(30, seed=0)
    sampler = RatingSampler(ratings, np.random.default_rng(0), asked=8)
    pairs = [set(ratings.products[a:b].tolist()) for a, b in zip(ratings.indptr, ratings.indptr[1:])]
    for _ in range(20):
        batch = sampler.draw(4)
        for support, query in zip(batch.support, batch.query):
            named = {*support.tolist(), *query[query >= 0].tolist()}
            assert len(named) == len(support) + (query >= 0).sum()
            assert any(named <= own for own in pairs)


def test_too_few_ratings_are_refused_in_words():
    few = Ratings(np.array([0, 3]), np.arange(3, dtype="i4"), np.ones(3, "f4"))
    with pytest.raises(InvalidData, match="Collect more"):
        RatingSampler(few, np.random.default_rng(0))
