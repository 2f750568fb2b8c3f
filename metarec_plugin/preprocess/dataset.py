"""Build the dataset of a run: from a file, with the benchmark's split, or from the shop's own event log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess import clean as cleaning
from metarec_plugin.preprocess import splits
from metarec_plugin.preprocess.clean import Rule, RuleReport
from metarec_plugin.preprocess.files import countable, distinct, read_products, scan_events
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.preprocess.log import COLUMNS, read_log, tomorrow
from metarec_plugin.storefront import get_storefront

__all__ = ["Dataset", "Histories", "build_dataset", "dataset_from_file", "dataset_from_log"]

MIN_BUYERS = 5  # training subjects that a product needs to enter the catalogue


def dataset_from_file(
    path: Path | str,
    kinds: Sequence[str] | None = None,
    min_value: float | None = None,
    seed: int = 0,
    clean: bool = False,
    products: Path | str | None = None,
) -> Dataset:
    """Return the dataset of an event file under the benchmark's loader and split. Raises InvalidData.

    clean: apply a shop's cleaning rules first; `products` then names what is not to be recommended.
    """
    events = scan_events(path)
    source: dict[str, Any] = {"events": str(path), "kinds": list(kinds or ()), "min_value": min_value}
    source |= {"rows": len(events), "split": "shuffled", "seed": seed}
    if clean:
        recommendable = read_products(products).recommendable if products else None
        cleaned = cleaning.clean(events, cleaning.standard_rules(kinds=kinds, recommendable=recommendable))
        events = cleaned.events
        source["cleaning"] = [rule.as_json() for rule in cleaned.report]
    events = distinct(countable(events, kinds, min_value))
    return build_dataset(events, splits.split_shuffled(events, seed), source)


def dataset_from_log(
    seed: int, kinds: Sequence[str] | None = None, min_value: float | None = None
) -> tuple[Dataset, tuple[RuleReport, ...]]:
    """Return the dataset of the shop's own events, and what cleaning dropped.

    kinds: what is learned, METAREC["TARGET_KINDS"] where None; min_value: events below it, or without a value,
    do not count. Subjects with two distinct products take part, split by a seeded hash; the catalogue is what can
    still be recommended. Raises InvalidData where the log holds too little.
    """
    kinds = tuple(kinds or get_config().target_kinds)
    read = read_log(kinds, COLUMNS if min_value is None else (*COLUMNS, "value"))
    if not len(read):
        raise InvalidData(
            f"The event log holds no {' or '.join(kinds)} yet. Run `manage.py metarec_sync --full` to read "
            "the shop's orders, or name other kinds in METAREC['TARGET_KINDS'] or --kinds."
        )
    live = [str(pk) for pk in get_storefront().products_queryset().order_by().values_list("pk", flat=True)]
    # Event ids are unique, so no row of the log repeats another.
    rules = cleaning.standard_rules(recommendable=live, latest=tomorrow(), without=("duplicate",))
    if min_value is not None:
        rules = (*rules, _low_value(min_value))
    cleaned = cleaning.clean(read, rules)
    events = distinct(cleaned.events)
    source = {
        "events": "event log",
        "kinds": list(kinds),
        "min_value": min_value,
        "rows": len(read),
        "rows_kept": len(cleaned.events),
        "split": "hashed",
        "seed": seed,
    }
    return build_dataset(events, splits.split_hashed(events, seed), source), cleaned.report


def _low_value(least: float) -> Rule:
    def drops(events: pl.DataFrame) -> pl.Series:
        return ~(events["value"] >= least).fill_null(False)

    return Rule("low_value", f"without a value of at least {least:g}", ("value",), drops)


def build_dataset(
    events: pl.DataFrame, sides: pl.DataFrame, source: Mapping[str, Any] | None = None
) -> Dataset:
    """Number products and subjects.

    events: distinct (subject, product[, at]) in time order; sides: (subject, side).
    The catalogue is what at least five training subjects have; subjects with nothing in it drop out.
    Raises InvalidData where no product or no training subject is left.
    """
    events = events.join(sides, on="subject", how="inner", maintain_order="left")
    training = events.filter(pl.col("side") == splits.TRAIN)
    counts = training.group_by("product").len().filter(pl.col("len") >= MIN_BUYERS)
    keys = counts["product"].sort()  # by code point, as Python sorts
    if not len(keys):
        raise InvalidData(
            f"No product has {MIN_BUYERS} training shoppers: found {len(events)} events of {len(sides)} "
            f"shoppers, {training['subject'].n_unique()} of them to train on. Collect more events or allow "
            "more kinds of them."
        )
    catalogue = pl.DataFrame({"product": keys}).with_row_index("index")
    events = events.join(catalogue, on="product", how="inner", maintain_order="left")
    events = events.with_columns(_seconds(events).alias("seconds"))
    timed = events["seconds"].null_count() < len(events)
    train, validation, test = (
        _histories(events.filter(pl.col("side") == side), timed)
        for side in (splits.TRAIN, splits.VALIDATION, splits.TEST)
    )
    return Dataset(_strings(keys), train, validation, test, dict(source or {}))


def _histories(events: pl.DataFrame, timed: bool) -> Histories:
    events = events.sort("subject", maintain_order=True)
    runs = events["subject"].rle().struct.unnest() if len(events) else pl.DataFrame({"len": [], "value": []})
    indptr = np.concatenate([[0], np.cumsum(runs["len"].to_numpy())]).astype(np.int64)
    at = events["seconds"].fill_null(float("nan")).to_numpy() if timed else None
    return Histories(_strings(runs["value"]), indptr, events["index"].to_numpy().astype(np.int32), at)


def _strings(column: pl.Series) -> np.ndarray:
    return np.array(column.to_list(), dtype=np.str_)


def _seconds(events: pl.DataFrame) -> pl.Expr:
    """Epoch seconds of `at`, null where there is none or it is no time."""
    if "at" not in events.columns:
        return pl.lit(None, dtype=pl.Float64)
    dtype = events["at"].dtype
    if dtype.is_numeric():
        return pl.col("at").cast(pl.Float64)
    if dtype == pl.String:
        return pl.col("at").str.to_datetime(strict=False).dt.epoch("us") / 1e6
    if dtype.is_temporal() and dtype not in (pl.Time, pl.Duration):
        return pl.col("at").cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    return pl.lit(None, dtype=pl.Float64)
