"""Cleaning: every row accounted for, known faults found again, its time, and what it does to quality.

usage: python -m tests.bench.cleaning --data FOLDER [--only SET,SET] [--learner NAME] [--budget-seconds N] [--json OUT]
FOLDER holds online-retail. Two variants of each file have seeded faults, each meant for one rule. Quality is measured
on online-retail: models of the file with and without cleaning are asked the same of the same shoppers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import polars as pl

django.setup()

from django.conf import settings
from django.test import override_settings

from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.table import table_from_file
from metarec_plugin.preprocess.clean import Cleaned, clean
from metarec_plugin.preprocess.cleaned import cleaned_file
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.files import read_products, scan_events
from metarec_plugin.preprocess.non_products import non_products
from metarec_plugin.preprocess.rules import standard_rules
from tests.bench.cleaning_faults import with_faults
from tests.bench.cleaning_quality import paired, scorer_of
from tests.bench.sets import ROOT, demo_events

KINDS = ("purchase",)
VARIANTS = ((1, 50), (2, 1_000))  # seed, rows of each fault
ROUNDS = 7
DEVIATIONS = (3.0, 5.0)  # bounds of a bulk buyer that validation shoppers judge
# What is written of the file where it lies, and how it is found: by a rule alone, whatever the ones before it take.
STATED = {
    "missing_subject": ("rows without a customer", 135_080),
    "duplicate": ("exact duplicates", 5_268),
    "quantity": ("quantity of 0 or less", 10_624),
    "zero_price": ("price 0", 2_515),
}


def account(cleaned: Cleaned) -> dict[str, Any]:
    rows = [each.without_sample() for each in cleaned.report if each.rows or each.changed]
    return {"read": cleaned.read, "kept": len(cleaned.events), "rules": rows}


def faults(events: pl.DataFrame, before: Cleaned, products: Path | None) -> list[dict[str, Any]]:
    """Of each variant the faults by rule: put in, and found more than before."""
    found = []
    for seed, n in VARIANTS:
        dirty = with_faults(events, before.events, seed, n)
        after = cleaned_file(dirty.events, KINDS, products)
        more = {
            now.rule: now.rows + now.changed - then.rows - then.changed
            for now, then in zip(after.report, before.report, strict=True)
        }
        rules = {name: [put, more[name]] for name, put in dirty.expected.items()}
        rules |= {name: [0, extra] for name, extra in more.items() if extra and name not in rules}
        found.append({"seed": seed, "rows": account(after), "put_in_and_found": rules})
    return found


def stated(events: pl.DataFrame, products: pl.DataFrame) -> list[dict[str, Any]]:
    rules = {rule.name: rule for rule in standard_rules(kinds=KINDS, max_quantity=float("inf"))}
    found = [
        {"what": what, "stated": n, "found": clean(events, (rules[name],)).report[0].rows}
        for name, (what, n) in STATED.items()
    ]
    codes = products["product_id"]
    twins = products.group_by(pl.col("product_id").str.to_lowercase()).len().filter(pl.col("len") > 1)
    return [
        {"what": "rows", "stated": 541_909, "found": len(events)},
        {"what": "customers", "stated": 4_372, "found": events["subject"].drop_nulls().n_unique()},
        {"what": "codes", "stated": 4_070, "found": codes.n_unique()},
        *found,
        {"what": "largest quantity", "stated": 80_995, "found": events["quantity"].max()},
        {"what": "smallest quantity", "stated": -80_995, "found": events["quantity"].min()},
        {"what": "codes with a twin in another case", "stated": None, "found": int(twins["len"].sum())},
        {
            "what": "rows under the lower-case one of twins", "stated": None,
            "found": clean(events, (rules["code_case"],)).report[0].changed,
        },
    ]  # fmt: skip


def guesses(products: pl.DataFrame, events: pl.DataFrame) -> dict[str, int]:
    """How well code and title tell non-products, against what the catalogue says, with the rows they are of."""
    said = set(non_products(products.filter("is_non_product")))
    guessed = set(non_products(products.drop("is_non_product")))
    sold = events["product"].value_counts()

    def rows(keys: set[str]) -> int:
        return int(sold.filter(pl.col("product").is_in(list(keys)))["count"].sum())

    return {
        "said": len(said), "guessed": len(guessed), "both": len(said & guessed),
        "rows_said": rows(said), "rows_guessed": rows(guessed), "rows_both": rows(said & guessed),
    }  # fmt: skip


def speed(path: Path, products: Path) -> dict[str, float]:
    """Seconds to read and group the file in polars, and to read, clean, number and encode it, in turns; medians."""

    def grouped() -> None:
        pl.read_parquet(path).group_by("user_id", "product_id").agg(pl.len(), pl.col("quantity").sum())

    def encoded() -> None:
        dataset = dataset_from_file(path, KINDS, clean=True, products=products)
        table = table_from_file(read_products(products).rows.drop("is_non_product"))
        encode(table, fit_schema(table, dataset.product_keys), dataset.product_keys)

    def timed(work: Callable[[], None]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    grouped()
    encoded()
    pairs = [(timed(grouped), timed(encoded)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(each[i] for each in pairs) for i in (1, 0))
    return {
        "grouped": theirs, "cleaned": ours, "ratio": ours / theirs, "rounds": ROUNDS,
        "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
    }  # fmt: skip


def quality(path: Path, products: Path, learner: str, budget: float) -> dict[str, Any]:
    """Cleaning on and off on test shoppers, and bulk buyers in and out on validation shoppers."""

    def dataset(clean: bool = True, **cleaning: object) -> Any:
        with override_settings(METAREC={**settings.METAREC, "CLEANING": cleaning}):
            return dataset_from_file(path, KINDS, clean=clean, products=products)

    raw, cleaned = dataset(clean=False), dataset()
    of_raw, of_cleaned = (scorer_of(each, learner, 0, budget) for each in (raw, cleaned))
    both = (of_cleaned, of_raw), (cleaned, raw)
    bulk = []
    for deviations in DEVIATIONS:
        without = dataset(bulk_deviations=deviations)
        scorers = scorer_of(without, learner, 0, budget), of_cleaned
        rule = next(each for each in without.source["cleaning"] if each["rule"] == "bulk")
        bulk.append(
            {
                "deviations": deviations, "rows": rule["rows"], "train_users": len(without.train),
                **paired(scorers, (without, cleaned), cleaned, "validation"),
            }
        )  # fmt: skip
    return {
        "learner": learner,
        "seed": 0,
        "sizes": {
            name: {"products": each.n_products, "train": len(each.train), "test": len(each.test)}
            for name, each in (("without", raw), ("with", cleaned))
        },
        "asked_clean": paired(*both, cleaned, "test"),
        "asked_raw": paired(*both, raw, "test"),
        "bulk": bulk,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--data", type=Path, help="folder with online-retail")
    parser.add_argument("--only", default="online-retail,demo", help="files to clean")
    parser.add_argument("--learner", default="mixture")
    parser.add_argument("--budget-seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found: dict[str, Any] = {"files": {}}
    for name in asked.only.split(","):
        products = None
        if name == "demo":
            path = demo_events(ROOT / "var" / "bench" / "demo.parquet")
        elif asked.data:
            path = asked.data / name / "events.parquet"
            products = path.with_name("products.parquet")
        else:
            continue
        events = scan_events(path, whole=True)
        cleaned = cleaned_file(events, KINDS, products)
        found["files"][name] = {**account(cleaned), "faults": faults(events, cleaned, products)}
        print(name, json.dumps(found["files"][name]), flush=True)
        if products is not None:
            catalogue = read_products(products).rows
            found["stated"] = stated(events, catalogue)
            found["guesses"] = guesses(catalogue, events)
            found["speed"] = speed(path, products)
            print(json.dumps({key: found[key] for key in ("stated", "guesses", "speed")}), flush=True)
            found["quality"] = quality(path, products, asked.learner, asked.budget_seconds)
            print(json.dumps(found["quality"]), flush=True)
    found["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
