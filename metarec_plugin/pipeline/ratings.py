"""Measure what values unseen subjects give: the rating head's MAE and RMSE beside a bias model tuned for each k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from metarec_plugin.evaluate.bootstrap import Interval, mean_interval
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.rating_values import RatingData
from metarec_plugin.train.device import one_thread
from metarec_plugin.train.rating_episodes import (
    MIN_ASKED,
    RATING_KS,
    BiasModel,
    RatingBatch,
    Ratings,
    RatingSampler,
    errors,
    fit_bias_model,
    rating_episodes,
    rmse,
)
from metarec_plugin.train.ratings import Predict, RatingConfig, RatingLearner, first_rating_vectors
from metarec_plugin.train.trainer import Learner, Outcome, Sampler, Trainer, TrainerConfig, Validate

SHRINKAGES = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0)
PRODUCT_SHRINKAGES = (1.0, 5.0, 15.0)
VALIDATED = 100  # ratings of a validation user, so that a look is short beside the steps
SOLVERS = ("ridge", "gradient")
FIRST_K = 5  # the learners start from the bias model of the measured k nearest to this
Progress = Callable[[float, str], None]
Errors = tuple[np.ndarray, np.ndarray]  # each user's mean absolute and mean squared error, (B,) each


def measure_ratings(
    data: RatingData,
    solvers: Sequence[str] = SOLVERS,
    ks: Sequence[int] = RATING_KS,
    seed: int = 0,
    budget_seconds: float = 30.0,
    progress: Progress = lambda fraction, message: None,
) -> dict[str, Any]:
    """Return, as JSON, the errors of each model at each k that users gave values enough for, of k + 5.

    The first k values of a test user are given, all others are asked; errors are means over users, with intervals
    over users, and those of the solvers are paired with the bias model's. budget_seconds: of each solver. Models
    see values in units of the training values' deviation, so that any scale is learned alike; errors are in the
    values' own units. Raises InvalidData where there is too little to learn or to ask.
    """
    unit = _unit(data.train)
    train, validating, testing = (_scaled(side, unit) for side in (data.train, data.validation, data.test))
    validation = {k: rating_episodes(validating, k, VALIDATED) for k in ks}
    test = {k: rating_episodes(testing, k) for k in ks}
    asked = [k for k in ks if len(validation[k].support) and len(test[k].support)]
    if not asked:
        longest = [int(side.lengths().max(initial=0)) for side in (data.validation, data.test)]
        raise InvalidData(
            f"The ratings track needs validation and test users with {min(ks) + MIN_ASKED} values; the longest have "
            f"{longest[0]} and {longest[1]}. Use smaller --ks, or collect more values."
        )
    validation, test = ({k: part[k] for k in asked} for part in (validation, test))
    bias = _tuned_bias(train, data.n_products, validation)
    found = {"bias": {k: _errors(bias[k].predict(batch), batch, unit) for k, batch in test.items()}}
    notes: dict[str, Any] = {}
    first = bias[min(asked, key=lambda k: abs(k - FIRST_K))]
    for place, solver in enumerate(solvers):

        def training(fraction: float, _: str, done: int = place, name: str = solver) -> None:
            progress((done + fraction) / len(solvers), f"{name}: training")

        predict, outcome, config = _trained(solver, train, first, validation, seed, budget_seconds, training)
        found[solver] = {k: _errors(predict(batch), batch, unit) for k, batch in test.items()}
        notes[solver] = {"config": asdict(config), "steps": outcome.steps, "seconds": outcome.seconds}
    return {
        "seed": seed,
        "products": data.n_products,
        "users": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "bias_shrinkage": {k: model.subject_shrinkage for k, model in bias.items()},
        "training": notes,
        "rows": [
            _row(name, k, each, None if name == "bias" else found["bias"][k], seed)
            for name, by_k in found.items()
            for k, each in by_k.items()
        ],
    }


def _unit(train: Ratings) -> float:
    """The deviation of the training values."""
    unit = float(train.values.std(dtype=np.float64))
    if not unit:
        raise InvalidData(
            f"The ratings track needs values that differ; found {len(train.values)} of {train.values[0]:g} and no "
            "other. Measure kinds of events with graded values, or the user track."
        )
    return unit


def _scaled(ratings: Ratings, unit: float) -> Ratings:
    return replace(ratings, values=(ratings.values / unit).astype(np.float32))


def _errors(predicted: np.ndarray, batch: RatingBatch, unit: float) -> Errors:
    absolute, squared = errors(predicted, batch)
    return absolute * unit, squared * unit**2


def _tuned_bias(
    train: Ratings, n_products: int, validation: Mapping[int, RatingBatch]
) -> dict[int, BiasModel]:
    """The bias model of each k whose two shrinkages have the least RMSE on validation users."""
    models = [
        fit_bias_model(train, n_products, shrinkage=own, subject_shrinkage=3.0) for own in PRODUCT_SHRINKAGES
    ]
    grid = [replace(model, subject_shrinkage=each) for model in models for each in SHRINKAGES]
    return {
        k: min(grid, key=lambda model: rmse(model.predict(batch), batch)) for k, batch in validation.items()
    }


def _trained(
    solver: str,
    train: Ratings,
    model: BiasModel,
    validation: Mapping[int, RatingBatch],
    seed: int,
    seconds: float,
    progress: Progress,
) -> tuple[Predict, Outcome, RatingConfig]:
    config = RatingConfig(solver=solver)
    learner = RatingLearner(config, model, first_rating_vectors(train, model, config.dimensions, seed))
    rng = np.random.default_rng(seed)

    def quality(predict: Predict) -> float:
        return -float(np.mean([rmse(predict(batch), batch) for batch in validation.values()]))

    outer = TrainerConfig(batch=config.batch, validate_every=100, patience=15)
    # The trainer hands batches from the sampler to the learner and never looks into them.
    trainer = Trainer(
        cast(Learner, learner), cast(Sampler, RatingSampler(train, rng)), rng, cast(Validate, quality), outer,
        progress=progress,
    )  # fmt: skip
    with one_thread():
        outcome = trainer.run(seconds)
    return learner.scorer(), outcome, config


def _row(name: str, k: int, found: Errors, rival: Errors | None, seed: int) -> dict[str, Any]:
    """One model at one k; rival: the bias model."""
    absolute, squared = found

    def over_users(values: np.ndarray) -> Interval:
        return mean_interval(values, np.random.default_rng(seed))

    off, off_squared = over_users(absolute), over_users(squared)
    row: dict[str, Any] = {
        "model": name,
        "k": k,
        "users": len(squared),
        "mae": off.mean,
        "rmse": float(np.sqrt(off_squared.mean)),
        "mae_interval": [off.low, off.high],
        "rmse_interval": [float(np.sqrt(off_squared.low)), float(np.sqrt(off_squared.high))],
    }
    if rival is not None:
        row["absolute_error_less"] = over_users(rival[0] - absolute)._asdict()
        row["squared_error_less"] = over_users(rival[1] - squared)._asdict()
    return row
