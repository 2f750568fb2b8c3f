"""Read the values that subjects gave to products, from a file or the shop's own log, split by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.clean import Rule
from metarec_plugin.preprocess.clean import clean as cleaned_by
from metarec_plugin.preprocess.cleaned import cleaned_file, log_rules, training_rows
from metarec_plugin.preprocess.files import countable, distinct, scan_events
from metarec_plugin.preprocess.log import COLUMNS, read_log
from metarec_plugin.preprocess.splits import TEST, TRAIN, VALIDATION, split_hashed, split_shuffled
from metarec_plugin.train.rating_episodes import Ratings

MIN_RATINGS = 5  # of a product, by training users
NO_VALUE = Rule(
    "no_value", "without a number", ("value",), lambda e: ~e["value"].is_finite().fill_null(False)
)
WHERE = (
    "Give --events a file with a numeric column of that name, map it in Interactions(value=...), or record it with "
    "record_event(..., value=4)."
)


@dataclass(frozen=True, eq=False)
class RatingData:
    """The first value of each subject for each product of the catalogue, by side, in time order."""

    train: Ratings
    validation: Ratings
    test: Ratings
    n_products: int
    source: Mapping[str, Any]


def ratings_from_file(
    path: Path | str,
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    clean: bool = False,
    value: str = "value",
) -> RatingData:
    """Return the values of an event file, its users split 70/10/20 as the user track does. Raises InvalidData."""
    read = _with_value(scan_events(path, whole=clean), kinds, value)
    source: dict[str, Any] = {"events": str(path), "rows": len(read), "split": "shuffled"}
    events = countable(read.filter(pl.col("value").is_finite()), kinds, None)
    sides = split_shuffled(events, seed)
    if clean:
        cleaned = cleaned_file(read, kinds, training=training_rows(sides), last=(NO_VALUE,))
        events, source = cleaned.events, source | cleaned.source()
        events = events.with_columns(pl.col("subject", "product").cast(pl.String))
    return _rating_data(events, lambda _: sides, source, kinds, value)


def ratings_from_log(seed: int, kinds: Sequence[str] | None = None, value: str = "value") -> RatingData:
    """Return the values in the shop's own log, cleaned, its subjects split by a seeded hash. Raises InvalidData.

    kinds: of events, by default the one that has values; where several have, one must be named.
    """
    read = _with_value(read_log(kinds, tuple(dict.fromkeys((*COLUMNS, value)))), kinds, value)
    cleaned = cleaned_by(read, (*log_rules(seed=seed), NO_VALUE))
    source = {"events": "event log", **cleaned.source(samples=False), "split": "hashed"}
    return _rating_data(cleaned.events, lambda kept: split_hashed(kept, seed), source, kinds, value)


def _with_value(events: pl.DataFrame, kinds: Sequence[str] | None, value: str) -> pl.DataFrame:
    """The events with the value that is asked for as "value". Raises InvalidData unless they have some of one scale."""
    if value not in events.columns or not events[value].dtype.is_numeric():
        found = f"{value} of type {events[value].dtype}" if value in events.columns else "no such column"
        raise InvalidData(f"The ratings track needs numbers in the column {value}; found {found}. {WHERE}")
    events = events.with_columns(pl.col(value).cast(pl.Float64).alias("value"))
    has = events.filter(pl.col("value").is_finite())
    if kinds and "kind" in has.columns:
        has = has.filter(pl.col("kind").is_in(list(kinds)))
    if not len(has):
        of = f" of the kinds {', '.join(kinds)}" if kinds else ""
        raise InvalidData(
            f"The ratings track needs events with a {value}; found none among {len(events)} events{of}. {WHERE}"
        )
    if not kinds and "kind" in has.columns and has["kind"].n_unique() > 1:
        counts = has["kind"].drop_nulls().value_counts(sort=True).rows()
        raise InvalidData(
            f"The ratings track needs values of one scale; found a {value} in events of several kinds: "
            f"{', '.join(f'{kind} ({n})' for kind, n in counts)}. Name one, such as --kinds {counts[0][0]}."
        )
    return events


def _rating_data(
    events: pl.DataFrame,
    split: Callable[[pl.DataFrame], pl.DataFrame],
    source: Mapping[str, Any],
    kinds: Sequence[str] | None,
    value: str,
) -> RatingData:
    """Number products and subjects; the catalogue is what five training users gave a value to."""
    events = distinct(events)
    events = events.join(split(events), on="subject", maintain_order="left")
    train = events.filter(pl.col("side") == TRAIN)
    keys = train.group_by("product").len().filter(pl.col("len") >= MIN_RATINGS)["product"].sort()
    if len(keys) < 2:
        raise InvalidData(
            f"The ratings track needs two products with {MIN_RATINGS} training users who gave them a {value}; found "
            f"{len(keys)} among {events['product'].n_unique()} products and {train['subject'].n_unique()} training "
            "users. Collect more values."
        )
    catalogue = pl.DataFrame({"product": keys}).with_row_index("index")
    events = events.join(catalogue, on="product", maintain_order="left").drop_nulls("index")
    training, validation, test = (
        _ratings(events.filter(pl.col("side") == side)) for side in (TRAIN, VALIDATION, TEST)
    )
    said = {**source, "track": "ratings", "kinds": list(kinds or ()), "value": value, "values": len(events)}
    return RatingData(training, validation, test, len(keys), said)


def _ratings(events: pl.DataFrame) -> Ratings:
    events = events.sort("subject", maintain_order=True)
    runs = events["subject"].rle_id().to_numpy()  # (nnz,) which subject, from 0
    indptr = np.concatenate([[0], np.cumsum(np.bincount(runs))]).astype(np.int64)
    values = events["value"].cast(pl.Float32).to_numpy()
    return Ratings(indptr, events["index"].to_numpy().astype(np.int32), values)
