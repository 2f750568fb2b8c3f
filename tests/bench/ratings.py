"""Ratings in few-shot form: MAE and RMSE for users never seen, beside a bias model tuned for each k.

usage: python -m tests.bench.ratings --data EVENTS.parquet [--seed 0] [--seconds 30] [--json var/bench/ratings.json]
EVENTS has user_id, product_id and value. Users are split 70/10/20; the first k ratings of a test user are given, all
others are asked. Errors are means over users; intervals are a paired bootstrap of the squared errors' difference.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from metarec_plugin.evaluate.bootstrap import mean_interval
from metarec_plugin.preprocess.files import countable, distinct, scan_events
from metarec_plugin.preprocess.splits import TEST, TRAIN, VALIDATION, split_shuffled
from metarec_plugin.train.rating_episodes import (
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
from metarec_plugin.train.trainer import Outcome, Trainer, TrainerConfig

MIN_RATINGS = 5  # of a product, by training users
SHRINKAGES = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0)
PRODUCT_SHRINKAGES = (1.0, 5.0, 15.0)
VALIDATED = 100  # ratings of a validation user, so that a look is short beside the steps
SOLVERS = ("ridge", "gradient")


def load(path: Path, seed: int) -> tuple[dict[str, Ratings], int]:
    """Return the ratings of each side, and the size of the catalogue."""
    events = distinct(countable(scan_events(path), None, None)).drop_nulls("value")
    events = events.join(split_shuffled(events, seed), on="subject", maintain_order="left")
    train = events.filter(pl.col("side") == TRAIN)
    keys = train.group_by("product").len().filter(pl.col("len") >= MIN_RATINGS)["product"].sort()
    events = events.join(
        pl.DataFrame({"product": keys}).with_row_index("index"), on="product", maintain_order="left"
    )
    events = events.drop_nulls("index")
    return {side: _ratings(events.filter(pl.col("side") == side)) for side in (TRAIN, VALIDATION, TEST)}, len(
        keys
    )


def _ratings(events: pl.DataFrame) -> Ratings:
    events = events.sort("subject", maintain_order=True)
    lengths = events["subject"].rle().struct.field("len").to_numpy()
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = events["value"].cast(pl.Float32).to_numpy()
    return Ratings(indptr, events["index"].to_numpy().astype(np.int32), values)


def tuned_bias(train: Ratings, n_products: int, validation: dict[int, RatingBatch]) -> dict[int, BiasModel]:
    """The bias model of each k whose two shrinkages do best on validation users."""
    models = [
        fit_bias_model(train, n_products, shrinkage=own, subject_shrinkage=3.0) for own in PRODUCT_SHRINKAGES
    ]
    grid = [replace(model, subject_shrinkage=each) for model in models for each in SHRINKAGES]
    return {
        k: min(grid, key=lambda model: rmse(model.predict(batch), batch)) for k, batch in validation.items()
    }


def trained(
    solver: str,
    train: Ratings,
    model: BiasModel,
    validation: dict[int, RatingBatch],
    seed: int,
    seconds: float,
) -> tuple[Predict, Outcome, RatingConfig]:
    config = RatingConfig(solver=solver)
    learner = RatingLearner(config, model, first_rating_vectors(train, model, config.dimensions, seed))
    rng = np.random.default_rng(seed)

    def quality(predict: Predict) -> float:
        return -float(np.mean([rmse(predict(batch), batch) for batch in validation.values()]))

    outer = TrainerConfig(batch=config.batch, validate_every=100, patience=15)
    outcome = Trainer(learner, RatingSampler(train, rng), rng, quality, outer).run(seconds)
    return learner.scorer(), outcome, config


def measure(path: Path, seed: int, seconds: float) -> dict[str, Any]:
    sides, n_products = load(path, seed)
    validation = {k: rating_episodes(sides[VALIDATION], k, VALIDATED) for k in RATING_KS}
    test = {k: rating_episodes(sides[TEST], k) for k in RATING_KS}
    bias = tuned_bias(sides[TRAIN], n_products, validation)
    found = {"bias": {k: errors(bias[k].predict(batch), batch) for k, batch in test.items()}}
    notes: dict[str, Any] = {}
    for solver in SOLVERS:
        predict, outcome, config = trained(solver, sides[TRAIN], bias[5], validation, seed, seconds)
        found[solver] = {k: errors(predict(batch), batch) for k, batch in test.items()}
        notes[solver] = {"config": asdict(config), "steps": outcome.steps, "seconds": outcome.seconds}
    rows = []
    for name, by_k in found.items():
        for k, (absolute, squared) in by_k.items():
            row: dict[str, Any] = {
                "model": name,
                "k": k,
                "users": len(squared),
                "mae": float(absolute.mean()),
            }
            row["rmse"] = float(np.sqrt(squared.mean()))
            spread = mean_interval(absolute, np.random.default_rng(seed))
            row["mae_interval"] = [spread.low, spread.high]
            spread = mean_interval(squared, np.random.default_rng(seed))
            row["rmse_interval"] = [float(np.sqrt(spread.low)), float(np.sqrt(spread.high))]
            if name != "bias":
                gain = mean_interval(found["bias"][k][1] - squared, np.random.default_rng(seed))
                row["squared_error_less"] = {"mean": gain.mean, "low": gain.low, "high": gain.high}
            rows.append(row)
    return {
        "seed": seed,
        "products": n_products,
        "users": {side: len(ratings) for side, ratings in sides.items()},
        "bias_shrinkage": {k: model.subject_shrinkage for k, model in bias.items()},
        "training": notes,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", type=Path, default=Path("var/bench/ratings.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # arrays this small are slower on more
    found = measure(options.data, options.seed, options.seconds)
    found |= {
        "command": shlex.join(["python", "-m", "tests.bench.ratings", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    print(f"{'model':<10}{'k':>4}{'users':>7}{'MAE':>9}{'RMSE':>9}  squared error less than the bias model's")
    for row in found["rows"]:
        gain = row.get("squared_error_less")
        text = f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain else ""
        print(
            f"{row['model']:<10}{row['k']:>4}{row['users']:>7}{row['mae']:>9.4f}{row['rmse']:>9.4f}  {text}"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
