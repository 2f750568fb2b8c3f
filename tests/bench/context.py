"""What declared features and the moment add to a closed form at k = 0, 1, 3 and 10, and whether they count by default.

usage: python -m tests.bench.context [--data FOLDER] [--seeds 0] [--json var/bench/context.json]
FOLDER holds ml-1m (features) and online-retail (moments, holidays of the United Kingdom); the demo store (both,
holidays of the United States) is measured without it. The files' times are local and carry no zone.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
import polars as pl

django.setup()

from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.prior_gains import TABLE_KS
from metarec_plugin.evaluate.tables import gain_table
from metarec_plugin.features.context import Calendar
from metarec_plugin.features.table import table_from_file
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.pipeline.priors import PriorFits, known_of_times, known_of_users
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.preprocess.files import read_users
from metarec_plugin.train import fit
from shop.demo import source
from tests.bench.sets import ROOT, demo_events

Loaded = tuple[Dataset, list[Known | None]]
UNZONED = ZoneInfo("UTC")  # reads a time without a zone as it stands


def ml_1m(folder: Path, seed: int) -> Loaded:
    # `split` says on which side of somebody's protocol a user is: nothing that a user declares.
    users = read_users(folder / "ml-1m" / "users.parquet").drop("split")
    dataset = dataset_from_file(folder / "ml-1m" / "events.parquet", min_value=4, seed=seed)
    return dataset, [known_of_users(table_from_file(users, key="user_id"), dataset)]


def online_retail(folder: Path, seed: int) -> Loaded:
    dataset = dataset_from_file(folder / "online-retail" / "events.parquet", ("purchase",), seed=seed)
    return dataset, [known_of_times(Calendar(UNZONED, "GB"), dataset)]


def demo(folder: Path | None, seed: int) -> Loaded:
    dataset = dataset_from_file(demo_events(ROOT / "var" / "bench" / "demo.parquet"), seed=seed)
    rows = pl.read_parquet(source.folder() / "demographics.parquet")
    users = rows.rename({"household_id": "user_id"}).with_columns(pl.col("user_id").cast(pl.String))
    table = table_from_file(users, key="user_id")
    return dataset, [known_of_users(table, dataset), known_of_times(Calendar(UNZONED, "US"), dataset)]


LOADERS: dict[str, Callable[[Any, int], Loaded]] = {
    "demo": demo,
    "ml-1m": ml_1m,
    "online-retail": online_retail,
}


def measure(dataset: Dataset, known: Sequence[Known | None]) -> dict[str, Any]:
    """Return what each group and each of its fields adds to the closed form, and whether it is on by default."""
    fitted = fit("closed_form", dataset)
    candidate = make_candidate(dataset, "closed_form", fitted.kind, fitted.arrays)
    fits = PriorFits(dataset, [each for each in known if each is not None])
    groups, gains = fits.measured(candidate, TABLE_KS)
    return {
        "hash": dataset.hash,
        "groups": {group.known.group: group.as_json() for group in groups},
        "gains": [asdict(gain) for gain in (*(each for group in groups for each in group.gains), *gains)],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "context.json")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    for seed in (int(each) for each in options.seeds.split(",")):
        for name, load in LOADERS.items():
            if options.data is None and name != "demo":
                continue
            found[f"{name} seed {seed}"] = measured = measure(*load(options.data, seed))
            print(f"{name} seed {seed}\n{gain_table(measured['gains'])}\n", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
