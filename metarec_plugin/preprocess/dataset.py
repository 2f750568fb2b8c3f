"""Build the dataset of a run: from a file, with the benchmark's split, or from the shop's own event log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess import splits
from metarec_plugin.preprocess.cleaned import (
    cleaned_file,
    cleaned_log,
    low_value,
    not_yet_known,
    training_rows,
)
from metarec_plugin.preprocess.files import countable, distinct, occurrences, scan_events
from metarec_plugin.preprocess.histories import MIN_QUERY, Dataset, Histories, Occurrences

__all__ = ["Dataset", "Histories", "build_dataset", "dataset_from_file", "dataset_from_log"]

TRACKS = ("user", "time", "repeat")
LONG_SHARE = (
    0.05  # of the shoppers with two products; with fewer than this of six the log is one of short sessions
)
MIN_BUYERS = 5  # training subjects that a product needs to enter the catalogue


def dataset_from_file(
    path: Path | str,
    kinds: Sequence[str] | None = None,
    min_value: float | None = None,
    seed: int = 0,
    clean: bool = False,
    products: Path | str | None = None,
    track: str = "user",
) -> Dataset:
    """Return the dataset of an event file under the benchmark's loader and split. Raises InvalidData.

    clean: apply a shop's cleaning rules first; `products` then names what is not to be recommended. Who trains and who
    tests is decided by what the file has without cleaning, so that a shopper is on one side with and without it.
    track: "user" splits shoppers by the seed; "time" by when they were first seen, and trains on what was known
    then; "repeat" is "user" with every event kept, so that what is bought again may be asked for.
    """
    events = scan_events(path, whole=clean)
    source: dict[str, Any] = {"events": str(path), "kinds": list(kinds or ()), "min_value": min_value}
    source |= {"rows": len(events), "split": "shuffled", "seed": seed}
    if not clean:
        events = countable(events, kinds, min_value)
        return _on_track(events, track, lambda kept: splits.split_shuffled(kept, seed), source)
    read = countable(events, kinds, min_value)
    cut = splits.split_by_time(read) if track == "time" else None
    sides = splits.split_shuffled(read, seed) if cut is None else cut.sides
    first = () if cut is None else (not_yet_known(cut),)
    cleaned = cleaned_file(events, kinds, products, training_rows(sides), first, low_value(min_value))
    # What is kept counts, whatever the loader without cleaning would leave out: rules may be switched off.
    events = cleaned.events.with_columns(pl.col("subject", "product").cast(pl.String))
    return _on_track(events, track, lambda _: sides, source | cleaned.source(), cut)


def dataset_from_log(
    seed: int,
    kinds: Sequence[str] | None = None,
    min_value: float | None = None,
    track: str = "user",
    since: datetime | None = None,
) -> Dataset:
    """Return the dataset of the shop's own events; its source says what cleaning dropped.

    kinds: what is learned, METAREC["TARGET_KINDS"] where None; min_value: events below it, or without a value,
    do not count; since: the moment from which they count; track as of `dataset_from_file`. Subjects with two distinct
    products take part, split by a seeded hash; the catalogue is what can still be recommended. Raises InvalidData
    where the log holds too little.
    """
    kinds = tuple(kinds or get_config().target_kinds)
    cleaned = cleaned_log(kinds, min_value, seed=seed, since=since)
    if not cleaned.read:
        when = f"since {since:%Y-%m-%d %H:%M}" if since else "yet"
        raise InvalidData(
            f"The event log holds no {' or '.join(kinds)} {when}. Run `manage.py metarec_sync --full` to read "
            "the shop's orders, or name other kinds in METAREC['TARGET_KINDS'] or --kinds."
        )
    source = {
        "events": "event log",
        "kinds": list(kinds),
        "min_value": min_value,
        "since": since.isoformat() if since else None,
        **cleaned.source(samples=False),
        "split": "hashed",
        "seed": seed,
    }
    return _on_track(cleaned.events, track, lambda kept: splits.split_hashed(kept, seed), source)


def _on_track(
    events: pl.DataFrame,
    track: str,
    split: Callable[[pl.DataFrame], pl.DataFrame],
    source: Mapping[str, Any],
    cut: splits.TimeSplit | None = None,
) -> Dataset:
    """Build the dataset of a track; split: distinct events -> sides, for the tracks that are not split by time.

    cut: where the events are not all that the instants were chosen from.
    """
    if track not in TRACKS:
        raise InvalidData(f"A track is one of {', '.join(TRACKS)}; found {track!r}.")
    source = {**source, "track": track}
    if track == "time":
        events = distinct(events)
        cut = cut or splits.split_by_time(events)
        source |= {"split": "time", "validation_from": cut.validation_from, "t0": cut.t0}
        return build_dataset(splits.known_at(cut.t0, events, cut.sides), cut.sides, source)
    if track == "user":
        events = distinct(events)
        return build_dataset(events, split(events), source)
    events = occurrences(events)
    if events.select(pl.struct("subject", "product").is_unique().all()).item():
        raise InvalidData(
            f"The repeat track measures what is bought again; in these {len(events)} events no shopper meets a "
            "product twice. Use the user track."
        )
    return build_dataset(events, split(events), source, repeats=True)


def build_dataset(
    events: pl.DataFrame,
    sides: pl.DataFrame,
    source: Mapping[str, Any] | None = None,
    *,
    repeats: bool = False,
) -> Dataset:
    """Number products and subjects.

    events: distinct (subject, product[, at]) in time order, with `repeats` all of them; sides: (subject, side).
    The catalogue is what at least five training subjects have; subjects with nothing in it drop out.
    Raises InvalidData where no product or no training subject is left.
    """
    events = events.join(sides, on="subject", how="inner", maintain_order="left")
    training = events.filter(pl.col("side") == splits.TRAIN)
    buyers = training.group_by("product").agg(pl.col("subject").n_unique().alias("buyers"))
    keys = buyers.filter(pl.col("buyers") >= MIN_BUYERS)["product"].sort()  # by code point, as Python sorts
    if not len(keys):
        raise InvalidData(
            f"No product has {MIN_BUYERS} training shoppers: found {len(events)} events of {len(sides)} "
            f"shoppers, {training['subject'].n_unique()} of them to train on. Collect more events or allow "
            "more kinds of them."
        )
    catalogue = pl.DataFrame({"product": keys}).with_row_index("index")
    events = events.join(catalogue, on="product", how="inner", maintain_order="left")
    events = events.with_columns(splits.epoch_seconds(events).alias("seconds"))
    timed = events["seconds"].null_count() < len(events)
    train, validation, test = (
        _histories(events.filter(pl.col("side") == side), timed, repeats)
        for side in (splits.TRAIN, splits.VALIDATION, splits.TEST)
    )
    least = _min_query(train)
    train, validation, test = (replace(side, min_query=least) for side in (train, validation, test))
    return Dataset(_strings(keys), train, validation, test, {**(source or {}), "min_query": least})


def _min_query(train: Histories) -> int:
    """Return how many products a shopper must have beyond the support: the benchmark's 5, or 1 in short sessions."""
    lengths = train.lengths()
    long_enough = np.count_nonzero(lengths > MIN_QUERY) >= LONG_SHARE * np.count_nonzero(lengths > 1)
    return MIN_QUERY if long_enough else 1


def _histories(events: pl.DataFrame, timed: bool, repeats: bool) -> Histories:
    events = events.sort("subject", maintain_order=True)
    runs = events["subject"].rle().struct.unnest() if len(events) else pl.DataFrame({"len": [], "value": []})
    indptr = np.concatenate([[0], np.cumsum(runs["len"].to_numpy())]).astype(np.int64)
    at = events["seconds"].fill_null(float("nan")).to_numpy() if timed else None
    products = events["index"].to_numpy().astype(np.int32)
    if repeats:
        return _with_occurrences(_strings(runs["value"]), indptr, products, at)
    return Histories(_strings(runs["value"]), indptr, products, at)


def _with_occurrences(
    subjects: np.ndarray, indptr: np.ndarray, products: np.ndarray, at: np.ndarray | None
) -> Histories:
    """Tell each subject's distinct products, by their first meeting, from the events with them."""
    owner = np.repeat(np.arange(len(subjects)), np.diff(indptr))
    pairs = owner * (int(products.max(initial=0)) + 1) + products
    _, first, which = np.unique(pairs, return_index=True, return_inverse=True)
    met = np.sort(first)  # events are in the order of subjects, then of time
    bounds = np.searchsorted(met, indptr).astype(np.int64)
    places = np.searchsorted(met, first[which]) - bounds[owner]
    occurrences = Occurrences(indptr, places.astype(np.int32), at)
    return Histories(subjects, bounds, products[met], None if at is None else at[met], occurrences)


def _strings(column: pl.Series) -> np.ndarray:
    return np.array(column.to_list(), dtype=np.str_)
