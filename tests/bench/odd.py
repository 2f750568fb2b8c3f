"""Every learner on logs that nobody tuned on: does it train within its budget, and never fall below popularity?

usage: python -m tests.bench.odd [--scale 10] [--budget-seconds 60] [--only NAMES] [--json var/bench/odd.json]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np

django.setup()

from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.pipeline.evaluate import LEARNERS, evaluate_dataset
from tests.bench.odd_logs import OddLog, many_products, odd_logs, small_stores

SAMPLES = 2_000
MIN_JUDGED = 6  # shoppers: even if all of fewer fell, chance could have done it (2 x 2^-5 = 6 %)


def measure(
    log: OddLog,
    folder: Path,
    budget_seconds: float,
    learners: Sequence[str] = LEARNERS,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Return, for each learner, why it was not run or its NDCG@20 less popularity's at each k, with intervals."""
    dataset = log.dataset(folder, seed)
    rows: dict[str, Any] = {}
    for learner in learners:
        started = time.perf_counter()
        report = evaluate_dataset(
            dataset, ("popularity", learner), log.ks, budget_seconds=budget_seconds, cache=None
        )
        row: dict[str, Any] = {
            "seconds": time.perf_counter() - started,
            "trained": report.seconds["train"].get(learner),
        }
        if learner in report.not_run:
            rows[learner] = {**row, "not_run": report.not_run[learner]}
            continue
        ours, theirs = report.results[learner], report.results["popularity"]
        for k in sorted(set(ours) & set(theirs)):
            gap = paired_interval(ours[k].ndcg, theirs[k].ndcg, np.random.default_rng(0), SAMPLES, level)
            row[f"k={k}"] = {
                "shoppers": len(ours[k]),
                "popularity": theirs[k].mean,
                **gap._asdict(),
            }
        rows[learner] = row
    return {
        "products": dataset.n_products, "train_users": len(dataset.train), "test_users": len(dataset.test),
        "train_events": len(dataset.train.products), "min_query": dataset.source["min_query"], "learners": rows,
    }  # fmt: skip


def below(found: dict[str, Any]) -> list[str]:
    """Return where a learner is surely below popularity: the upper end of the interval of the gap is below 0."""
    return [
        f"{learner} at {k}: {cell['mean']:+.4f} [{cell['low']:+.4f}, {cell['high']:+.4f}]"
        for learner, row in found["learners"].items()
        for k, cell in row.items()
        if isinstance(cell, dict) and cell["high"] < 0 and cell["shoppers"] >= MIN_JUDGED
    ]


def line(name: str, found: dict[str, Any]) -> str:
    """Return one log's findings as text."""
    parts = [
        f"{name}: {found['products']:,} products, {found['train_users']:,} training and "
        f"{found['test_users']:,} test shoppers"
    ]
    for learner, row in found["learners"].items():
        if "not_run" in row:
            parts.append(f"  {learner}: not run, {row['not_run']}")
            continue
        gaps = [f"{k} {cell['mean']:+.4f}" for k, cell in row.items() if isinstance(cell, dict)]
        parts.append(f"  {learner}: {row['seconds']:.0f} s; {', '.join(gaps)}")
    return "\n".join([*parts, *(f"  BELOW {each}" for each in below(found))])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--budget-seconds", type=float, default=60.0)
    parser.add_argument("--only", help="names of logs")
    parser.add_argument("--learners", default=",".join(LEARNERS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    small = small_stores()
    logs = [*odd_logs(options.scale), many_products(), *small]
    wanted = options.only.split(",") if options.only else [log.name for log in logs]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for log in logs:
            if log.name in wanted:
                # What the default learner is held to; alone, none of the others knows that it knows little.
                learners = ("mixture",) if log in small else options.learners.split(",")
                found[log.name] = measure(log, Path(folder), options.budget_seconds, learners)
                print(line(log.name, found[log.name]), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
