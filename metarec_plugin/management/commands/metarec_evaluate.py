"""Measure baselines and learners on an event file, without a database, or on the shop's own log."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.schema import FIRST
from metarec_plugin.features.table import product_table, table_from_file
from metarec_plugin.pipeline.evaluate import ALL, KS, evaluate_dataset
from metarec_plugin.preprocess.dataset import TRACKS, dataset_from_file, dataset_from_log
from metarec_plugin.preprocess.files import read_products, read_users
from metarec_plugin.preprocess.histories import Dataset


class Command(BaseCommand):
    help = (
        "Rank the full catalogue for shoppers never seen in training, from their first k products, and print "
        "NDCG@20, precision, recall and coverage of each learner. With --events no database is touched."
    )
    # A file can be measured where no shop is mapped and no table made.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--events", type=Path, help="Parquet or CSV with user_id and product_id; default the event log"
        )
        parser.add_argument("--products", type=Path, help="features of products; adds no candidates")
        parser.add_argument(
            "--users", type=Path, help="features of users; counted, no learner reads them yet"
        )
        parser.add_argument(
            "--clean",
            action="store_true",
            help="apply a shop's cleaning rules to the file; the event log is always cleaned",
        )
        parser.add_argument(
            "--kinds",
            type=_names,
            help="comma-separated kinds of events that count; default all of a file, TARGET_KINDS of the event log",
        )
        parser.add_argument("--min-value", type=float, help="leave out events of a smaller value")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--track",
            choices=TRACKS,
            default="user",
            help="user: shoppers never seen; time: shoppers who came later, from what was known then; "
            "repeat: what is bought again counts",
        )
        parser.add_argument("--learners", type=_names, default=ALL, help=f"default {','.join(ALL)}")
        parser.add_argument(
            "--ks", type=_numbers, default=KS, help="support sizes; default 0,1,2,3,5,10,20,50"
        )
        parser.add_argument("--budget-seconds", type=float, help="for each learner")
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.perf_counter()
        with tqdm(
            total=100,
            bar_format="{desc:<44.44}{percentage:3.0f}%|{bar:30}| {elapsed}",
            leave=False,
            disable=None,
        ) as bar:

            def progress(fraction: float, message: str) -> None:
                bar.n = round(100 * fraction)
                bar.set_description_str(message, refresh=True)

            try:
                dataset = _dataset(options)
                report = evaluate_dataset(
                    dataset,
                    options["learners"],
                    options["ks"],
                    options["seed"],
                    options["budget_seconds"],
                    progress,
                    device=options["device"],
                    departments=_departments(dataset, options),
                    load_seconds=time.perf_counter() - started,
                )
                users = _user_features(dataset, options["users"])
            except MetaRecError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(report.table())
        if users:
            report = replace(report, data={**report.data, "user_features": users})
            self.stdout.write(
                f"{users['users']:,} shoppers have features ({', '.join(users['features'])}); no learner reads "
                "them yet."
            )
        if options["json"]:
            text = json.dumps(report.as_json(), indent=1, allow_nan=False)
            options["json"].write_text(text + "\n", encoding="utf-8")


def _dataset(options: dict[str, Any]) -> Dataset:
    if options["events"] is None:
        return dataset_from_log(options["seed"], options["kinds"], options["min_value"], options["track"])[0]
    return dataset_from_file(
        options["events"],
        options["kinds"],
        options["min_value"],
        options["seed"],
        options["clean"],
        options["products"],
        options["track"],
    )


def _user_features(dataset: Dataset, path: Path | None) -> dict[str, Any] | None:
    """What a file of users says of this dataset's shoppers, or None without one."""
    if path is None:
        return None
    rows = read_users(path)
    known = set(rows["user_id"].drop_nulls().to_list())
    sides = (dataset.train, dataset.validation, dataset.test)
    return {
        "features": [name for name in rows.columns if name != "user_id"],
        "users": sum(subject in known for side in sides for subject in side.subjects.tolist()),
    }


def _departments(dataset: Dataset, options: dict[str, Any]) -> np.ndarray | None:
    """Return (N,) codes of the department, or else the category, of each product; None without either."""
    if options["products"]:
        table = table_from_file(read_products(options["products"]).rows)
    elif options["events"] is None:
        table = product_table()
    else:
        return None
    name = next((name for name in ("department", "category") if table.kinds.get(name) == "category"), None)
    if name is None:
        return None
    features = encode(table, fit_schema(table, dataset.product_keys), dataset.product_keys)
    codes = features.codes[name]
    return np.where(codes >= FIRST, codes, -1)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers such as 0,1,5; found {text!r}") from error
    if numbers[0] < 0:
        raise argparse.ArgumentTypeError(f"a support has 0 or more products; found {numbers[0]}")
    return numbers
