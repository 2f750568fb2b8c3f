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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django
import numpy as np
import polars as pl

if __name__ == "__main__":  # a test has set Django up already
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from metarec_plugin.adapt.newcomers import ContentModel, with_newcomers
from metarec_plugin.evaluate.bootstrap import mean_interval, paired_interval
from metarec_plugin.evaluate.content_baselines import constant, content_baselines
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.new_products import HeldOut, NewcomerResult, Ranker, hold_out, measure_newcomers
from metarec_plugin.features.matrix import feature_matrix, fit_tokens, values_of
from metarec_plugin.features.table import FeatureTable, table_from_file
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import fit
from metarec_plugin.train.content import Content, fit_content
from metarec_plugin.train.maml import first_vectors
from shop.demo import source
from tests.bench.sets import ROOT, demo_events

SEED = 0
SECONDS = 60.0  # of training by steps
WARM_UP = (1, 2, 5, 10)  # buyers that are known of a new product
BUYERS_SEED = 1
Results = dict[int, NewcomerResult]


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


def catalogue_scorer(dataset: Dataset, learner: str, seed: int = SEED, seconds: float = SECONDS) -> Scorer:
    """The learner whose scores newcomers are scored from."""
    fitted = fit(learner, dataset, seed=seed, device="cpu", budget_seconds=seconds)
    return make_candidate(dataset, fitted.learner, fitted.kind, fitted.arrays).scorer()


def newcomer_ranker(
    scorer: Scorer, content: Content, gate: np.ndarray, held: HeldOut, table: FeatureTable, buyers: int = 0
) -> Ranker:
    """What is served: the catalogue by its scorer, newcomers by their features and so many known buyers."""
    arrays = content.arrays(gate) | {"log_prior": held.warm.log_prior}
    model = ContentModel(arrays, content.map.space.kinds)
    rows = values_of(table, held.whole.product_keys[held.new_products])
    supports = _buyers(held, buyers) if buyers else None
    return with_newcomers(scorer, model, model.place(rows, supports))


def _buyers(held: HeldOut, n: int) -> list[list[np.ndarray]]:
    """For each new product, what up to n of its training buyers had besides, in places of the warm catalogue."""
    rng = np.random.default_rng(BUYERS_SEED)
    train = held.whole.train
    bought = train.matrix(held.whole.n_products).tocsc()
    found = []
    for product in held.new_products:
        who = bought.indices[bought.indptr[product] : bought.indptr[product + 1]]
        others = [held.place[train[u]] for u in rng.permutation(who)[:n]]
        known = [each[each < len(held.warm_products)] for each in others]
        found.append([each for each in known if len(each)])
    return found


def figures(results: Results, against: dict[str, Results] | None = None) -> dict[str, Any]:
    """Means over k of what each shopper got, with 95 % intervals over shoppers, and differences paired by shopper."""
    rng = np.random.default_rng(SEED)
    found: dict[str, Any] = {}
    for part in ("among_new", "overall"):
        mean = mean_interval(_by_shopper(results, part), rng)
        found[part] = {
            "mean": mean.mean, "low": mean.low, "high": mean.high,
            "by_k": {str(k): float(np.nanmean(getattr(result, part))) for k, result in results.items()},
        }  # fmt: skip
        for name, other in (against or {}).items():
            ours, theirs = _by_shopper(results, part), _by_shopper(other, part)
            difference = paired_interval(ours, theirs, rng)
            found[part][f"above {name}"] = [difference.mean, difference.low, difference.high]
    with_new, alone = _by_shopper(results, "warm"), _by_shopper(results, "warm_alone")
    loss = paired_interval(alone, with_new, rng)
    found["warm_loss"] = [bound / float(alone.mean()) for bound in (loss.mean, loss.low, loss.high)]
    found["share_of_lists"] = float(np.mean([result.share for result in results.values()]))
    return found


def _by_shopper(results: Results, part: str) -> np.ndarray:
    """(S,) each shopper's mean over the k at which there is a value, for those who have one."""
    n = 1 + max(int(result.rows.max()) for result in results.values())
    total, count = np.zeros(n), np.zeros(n)
    for result in results.values():
        values = getattr(result, part)
        known = ~np.isnan(values)
        total[result.rows[known]] += values[known]
        count[result.rows[known]] += 1
    return total[count > 0] / count[count > 0]


def measure(ranker: Ranker, held: HeldOut, ks: Sequence[int] = HEADLINE_KS) -> Results:
    return {k: measure_newcomers(ranker, held, held.whole.test, k) for k in ks}


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
    held = hold_out(dataset, np.random.default_rng(seed))
    scorer = catalogue_scorer(held.warm, learner, seed, seconds)
    started = time.perf_counter()
    content = fit_content(held.warm, table, seed)
    gate = content.gate(scorer)
    seconds = time.perf_counter() - started
    weights = np.array(gate.weights)
    space = fit_tokens(table, held.warm.product_keys)
    order = np.concatenate([held.warm_products, held.new_products])
    cells = feature_matrix(table, space, dataset.product_keys[order]).cells
    vectors = first_vectors(held.warm, 64, seed)
    n_warm, n_new = len(held.warm_products), len(held.new_products)
    baselines = {
        each.name: (each, each.settings)
        for each in content_baselines(cells, held, np.random.default_rng(seed), vectors)
    }
    rows: dict[str, Any] = {}
    measured: dict[str, Results] = {
        "chance": measure(constant(np.random.default_rng(seed).random(n_warm + n_new)), held),
        "newest": measure(constant(np.concatenate([held.warm.log_prior, np.arange(n_new)])), held),
    }
    for baseline, (ranker, _) in baselines.items():
        measured[baseline] = measure(ranker, held)
    against = {baseline: measured[baseline] for baseline in baselines}
    rows = {each: figures(results) for each, results in measured.items()}
    for baseline, (_, settings) in baselines.items():
        rows[baseline]["settings"] = {str(k): setting for k, setting in settings.items()}
    ours = measure(newcomer_ranker(scorer, content, weights, held, table), held)
    rows["transfer"] = figures(ours, against)
    for n in WARM_UP:
        warmed = measure(newcomer_ranker(scorer, content, weights, held, table, n), held)
        rows[f"transfer, {n} buyers"] = figures(warmed, {"transfer": ours})
    found = {
        "products": n_warm, "new_products": n_new, "shoppers": len(held.whole.test), "seed": seed,
        "learner": learner,
        "content": dict(content.report), "gate": gate.as_json(), "seconds": seconds, "rows": rows,
    }  # fmt: skip
    if ablation:
        found["ablation"] = _ablation(scorer, content, held, table, ours)
    return found


def _ablation(
    scorer: Scorer, content: Content, held: HeldOut, table: FeatureTable, whole: Results
) -> dict[str, Any]:
    """What new products lose without each feature, all else chosen as before."""
    chosen = content.report["groups"]
    found = {}
    for feature, kind in table.kinds.items():
        gone = {feature: 0.0, f"{feature}#": 0.0} if kind == "text" else {feature: 0.0}
        if not any(chosen[group] for group in gone) or not any(chosen[g] for g in chosen if g not in gone):
            continue
        without = fit_content(held.warm, table, SEED, scales={**chosen, **gone})
        ranker = newcomer_ranker(scorer, without, np.array(without.gate(scorer).weights), held, table)
        found[feature] = figures(measure(ranker, held), {"all features": whole})["among_new"]
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
