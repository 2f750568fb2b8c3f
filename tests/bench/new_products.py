"""The new-product track: 20 % of the products are taken out of training and must be found by what they are.

usage: python -m tests.bench.new_products [--data FOLDER] [--only ml-1m,demo] [--seeds N,N] [--budget-seconds S]
       [--ablation] [--json OUT]
FOLDER holds ml-1m and online-retail, each with events.parquet and products.parquet; the demo store's products come
with its source package.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from pathlib import Path
from typing import Any

import django
import numpy as np
import polars as pl

if __name__ == "__main__":  # a test has set Django up already
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from metarec_plugin.evaluate.new_products import figures, measure_at
from metarec_plugin.features.table import FeatureTable, table_from_file
from metarec_plugin.pipeline.new_products import NewProducts, measure_new_products, newcomer_ranker
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.content import fit_content
from shop.demo import source
from tests.bench.sets import ROOT, demo_events

SEED = 0
SECONDS = 60.0  # of training by steps


def load(name: str, data: Path | None, seed: int = SEED) -> tuple[Dataset, FeatureTable] | None:
    """The events as the other benchmarks read them, and the products with what is known of each."""
    if name == "demo":
        events = demo_events(ROOT / "var" / "bench" / "demo.parquet")
        return dataset_from_file(events, seed=seed), _demo_products(events)
    if data is None or not (data / name / "products.parquet").exists():
        return None
    options: dict[str, Any] = {"min_value": 4} if name == "ml-1m" else {"kinds": ("purchase",)}
    products = pl.read_parquet(data / name / "products.parquet").drop("is_non_product", strict=False)
    return dataset_from_file(data / name / "events.parquet", seed=seed, **options), table_from_file(products)


def _demo_products(events: Path) -> FeatureTable:
    prices = (
        pl.read_parquet(events)
        .filter((pl.col("quantity") > 0) & (pl.col("price") > 0))
        .group_by("product_id")
        .agg(price=pl.col("price").median())
    )
    read = pl.read_parquet(source.folder() / "products.parquet")
    products = read.with_columns(
        product_id=pl.col("product_id").cast(pl.String),
        manufacturer_id=pl.col("manufacturer_id").cast(pl.String),  # a name, not a quantity
        title=pl.concat_str("product_type", "package_size", separator=" ", ignore_nulls=True),
    )
    return table_from_file(products.join(prices, on="product_id", how="left"))


def run(
    name: str,
    data: Path | None,
    ablation: bool,
    seed: int = SEED,
    learner: str = "mixture",
    seconds: float = SECONDS,
) -> dict[str, Any] | None:
    loaded = load(name, data, seed)
    if loaded is None:
        return None
    dataset, table = loaded
    measured = measure_new_products(dataset, table, learner, seed=seed, budget_seconds=seconds, device="cpu")
    found = dict(measured.found)
    if ablation:
        found["ablation"] = _ablation(measured, table)
    return found


def _ablation(measured: NewProducts, table: FeatureTable) -> dict[str, Any]:
    """What new products lose without each feature, all else chosen as before."""
    held, scorer, chosen = measured.held, measured.scorer, measured.content.report["groups"]
    found = {}
    for feature, kind in table.kinds.items():
        gone = {feature: 0.0, f"{feature}#": 0.0} if kind == "text" else {feature: 0.0}
        if not any(chosen[group] for group in gone) or not any(chosen[g] for g in chosen if g not in gone):
            continue
        without = fit_content(held.warm, table, SEED, scales={**chosen, **gone})
        ranker = newcomer_ranker(scorer, without, np.array(without.gate(scorer).weights), held, table)
        found[feature] = figures(measure_at(ranker, held), {"all features": measured.ours})["among_new"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--only", default="ml-1m,online-retail,demo")
    parser.add_argument("--seeds", default=str(SEED), help="of the split and of what is held out")
    parser.add_argument("--learner", default="mixture", help="whose scores newcomers are scored from")
    parser.add_argument("--budget-seconds", type=float, default=SECONDS, help="of the learner's steps")
    parser.add_argument("--ablation", action="store_true", help="measure without each feature, too")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "new_products.json")
    options = parser.parse_args()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    whole = json.loads(options.json.read_text()) if options.json.exists() else {}
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for seed, name in itertools.product(seeds, options.only.split(",")):
        ablation = options.ablation and seed == seeds[0]
        found = run(name, options.data, ablation, seed, options.learner, options.budget_seconds)
        if found is None:
            print(f"{name} is left out: its files are not there (its last figures stay).")
            continue
        whole[name if seed == SEED else f"{name}, seed {seed}"] = found
        options.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
        for row, values in found["rows"].items():
            new, loss = values["among_new"], values["warm_loss"]
            above = "  ".join(
                f"{key} {value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]"
                for key, value in new.items()
                if key.startswith("above")
            )
            print(
                f"seed {seed}  {name:<14} {row:<22} new {new['mean']:.4f}  all {values['overall']['mean']:.4f}  "
                f"warm loss {loss[0]:.2%} [{loss[1]:.2%}, {loss[2]:.2%}]  {above}"
            )
        for feature, values in found.get("ablation", {}).items():
            lost = values["above all features"]
            print(f"{name:<14} without {feature:<18} {lost[0]:+.4f} [{lost[1]:+.4f}, {lost[2]:+.4f}]")


if __name__ == "__main__":
    main()
