"""What weights of a support add (quantity, value, age), what known dislikes do, and how a past is best ranked.

usage: python -m tests.bench.supports [--data FOLDER] [--only SET,SET] [--parts PART,PART] [--seed N] [--json OUT]
FOLDER holds ml-1m and online-retail; the parts are weights, dislikes (of ml-1m) and again (of the others). Kinds and
dwell are not measured: no public log here has more than one kind.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import numpy as np
import polars as pl
import scipy.sparse as sp

django.setup()

from metarec_plugin.evaluate.bootstrap import influence, paired_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, episodes
from metarec_plugin.evaluate.support_weights import RATIOS, Weighed, WeighedScorer, choose_weights
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.files import countable, scan_events
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.preprocess.weights import SupportWeights, evidence_of
from metarec_plugin.train import fit
from tests.bench.again import again
from tests.bench.dislikes import dislikes
from tests.bench.sets import ROOT, demo_events

KS = (*HEADLINE_KS, 20)
KINDS = {"online-retail": ("purchase",)}
MIN_VALUE = {"ml-1m": 4.0}
PLACES = (0.95, 0.9, 0.8, 0.65, 0.5)
QUANTITIES = (-0.5, -0.25, 0.25, 0.5, 1.0)
HALF_LIVES = (1.0, 3.0, 10.0, 30.0, 90.0, 365.0)
VALUES = (-0.5, -0.25, 0.25, 0.5, 1.0)
# What is compared with what: a weight alone against all 1, and on top of the place against the place alone, which
# is what the mixture weighs by already.
TABLES: Mapping[str, Mapping[str, dict[str, Sequence[float]]]] = {
    "timed": {
        "place": {"decay": PLACES},
        "age": {"half_life_days": HALF_LIVES},
        "quantity": {"quantity": QUANTITIES},
        "place + age": {"decay": PLACES, "half_life_days": HALF_LIVES},
        "place + quantity": {"decay": PLACES, "quantity": QUANTITIES},
        "place + age + quantity": {"decay": PLACES, "half_life_days": HALF_LIVES, "quantity": QUANTITIES},
    },
    "rated": {"value": {"value": VALUES}},
}


class Rows:
    """The closed form's rows added up by weights: (B, k) -> (B, N)."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        products, values = arrays["row_products"], arrays["row_values"]
        n, width = products.shape
        self._map = sp.csr_matrix((values.ravel(), products.ravel(), np.arange(n + 1) * width), shape=(n, n))

    def __call__(self, part: Episodes, weights: np.ndarray) -> np.ndarray:
        b, k = part.support.shape
        bounds = np.arange(b + 1) * k
        chosen = sp.csr_matrix((weights.ravel(), part.support.ravel(), bounds), shape=(b, self._map.shape[0]))
        return (chosen @ self._map).toarray()


class PerShopper:
    def __init__(self, rows: np.ndarray, ndcg: np.ndarray) -> None:
        self.rows, self.ndcg = rows, ndcg


def measured(
    validation: Weighed, test: Weighed, scorer: WeighedScorer, rule: SupportWeights
) -> dict[int, PerShopper]:
    """Each k's test shoppers, with the weight of the prior that validation shoppers chose for this rule."""
    found = {}
    for k in KS:
        chosen = RATIOS[int(validation.ndcg(scorer, rule, k).mean(axis=1).argmax())]
        ndcg = test.ndcg(scorer, rule, k, (chosen,))[0]
        found[k] = PerShopper(episodes(test.histories, k).rows, ndcg)
    return found


def compare(ours: Mapping[int, PerShopper], theirs: Mapping[int, PerShopper]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    headline = [influence([each[k] for k in HEADLINE_KS]) for each in (ours, theirs)]
    by_k = {str(k): list(paired_interval(ours[k].ndcg, theirs[k].ndcg, rng)) for k in KS}
    mean = paired_interval(*headline, rng)
    return {"mean": list(mean), "share": mean.mean / float(headline[1].mean()), "by_k": by_k}


def weights_on(name: str, events: pl.DataFrame, dataset: Dataset, scorer: WeighedScorer) -> dict[str, Any]:
    validation, test = (
        Weighed(side, evidence_of(events, side, dataset.train, dataset.product_keys), dataset.log_prior)
        for side in (dataset.validation, dataset.test)
    )
    plain = measured(validation, test, scorer, SupportWeights())
    by_table: dict[str, dict[int, PerShopper]] = {}
    out: dict[str, Any] = {"all 1": {str(k): float(each.ndcg.mean()) for k, each in plain.items()}}
    for table, options in TABLES["rated" if name in MIN_VALUE else "timed"].items():
        rule, tried = choose_weights(validation, scorer, SupportWeights(), options, HEADLINE_KS)
        by_table[table] = measured(validation, test, scorer, rule)
        out[table] = {
            "chosen": str(rule),
            "validation": tried,
            "ndcg20": {str(k): float(each.ndcg.mean()) for k, each in by_table[table].items()},
            "above all 1": compare(by_table[table], plain),
        }
        if table.startswith("place +"):
            out[table]["above place"] = compare(by_table[table], by_table["place"])
        print(f"  {table}: {rule}; above all 1 {out[table]['above all 1']['mean']}", flush=True)
        if "above place" in out[table]:
            print(f"    above place {out[table]['above place']['mean']}", flush=True)
    return out


def _part(part: str, name: str, path: Path, seed: int) -> dict[str, Any] | None:
    """What is measured of a data set, None where it says nothing of this."""
    kinds, least = KINDS.get(name), MIN_VALUE.get(name)
    rated = name in MIN_VALUE
    if part == "again":
        return None if rated else again(dataset_from_file(path, kinds, least, seed, track="repeat"))
    if part == "dislikes" and not rated:
        return None
    dataset = dataset_from_file(path, kinds, least, seed)
    fitted = fit("closed_form", dataset, seed=seed, device="cpu")
    if part == "dislikes":
        return dislikes(dataset, countable(scan_events(path), kinds, None), fitted)
    return weights_on(name, countable(scan_events(path), kinds, least), dataset, Rows(fitted.arrays))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default="online-retail,demo,ml-1m")
    parser.add_argument("--parts", default="weights,dislikes,again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "supports.json")
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in options.only.split(","):
        if name != "demo" and options.data is None:
            continue
        path = demo_events(ROOT / "var" / "bench" / "demo.parquet")
        if name != "demo":
            path = options.data / name / "events.parquet"
        print(name, flush=True)
        for part in options.parts.split(","):
            started = time.perf_counter()
            figures = _part(part, name, path, options.seed)
            if figures is None:
                continue
            found.setdefault(name, {})[part] = {
                "seed": options.seed,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": f"python -m tests.bench.supports --only {name} --parts {part} --seed {options.seed}",
                **figures,
                "seconds": time.perf_counter() - started,
            }
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
