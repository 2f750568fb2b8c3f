"""Ratings in few-shot form: MAE and RMSE for users never seen, beside a bias model tuned for each k.

usage: python -m tests.bench.ratings --data EVENTS.parquet [--seed 0] [--seconds 30] [--json var/bench/ratings.json]
EVENTS has user_id, product_id and value. Users are split 70/10/20; the first k ratings of a test user are given, all
others are asked. Errors are means over users; intervals are a paired bootstrap of the squared errors' difference.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import django
import torch

if __name__ == "__main__":  # a test has set Django up already
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from metarec_plugin.pipeline.rating_values import ratings_from_file
from metarec_plugin.pipeline.ratings import measure_ratings


def measure(path: Path, seed: int, seconds: float) -> dict[str, Any]:
    return measure_ratings(ratings_from_file(path, seed=seed), seed=seed, budget_seconds=seconds)


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
