"""Which subjects train, which validate and which test, and at which times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from metarec_plugin.exceptions import InvalidData

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Sides by when a subject was first seen.

    Whoever was first seen before `validation_from` trains, before `t0` validates, and later tests. Training and
    validation subjects keep their events before t0 only (`known_at`).
    """

    sides: pl.DataFrame  # (subject, side)
    validation_from: float  # epoch seconds
    t0: float  # epoch seconds


def split_shuffled(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return (subject, side) for files: sorted subjects, shuffled by the seed, 20 % test, 10 % validation.

    The order of the rows does not matter; one subject more may move any other.
    """
    subjects = np.array(sorted(events["subject"].unique().to_list()))
    np.random.default_rng(seed).shuffle(subjects)
    n = len(subjects)
    places = np.arange(n)
    side = np.where(places < n // 5, TEST, np.where(places < 3 * n // 10, VALIDATION, TRAIN))
    return pl.DataFrame({"subject": subjects, "side": side}, schema={"subject": pl.String, "side": pl.String})


def split_hashed(events: pl.DataFrame, seed: int, min_products: int = 2) -> pl.DataFrame:
    """Return (subject, side) for a shop's log: by a seeded hash, so that nobody changes sides between runs.

    Only subjects with `min_products` distinct products take part.
    """
    counts = events.group_by("subject").agg(pl.col("product").n_unique())
    subjects = sorted(counts.filter(pl.col("product") >= min_products)["subject"].to_list())
    sides = [side_of(subject, seed) for subject in subjects]
    return pl.DataFrame(
        {"subject": subjects, "side": sides}, schema={"subject": pl.String, "side": pl.String}
    )


def split_by_time(events: pl.DataFrame, validation: float = 0.1, test: float = 0.2) -> TimeSplit:
    """Split at two instants, so that about these shares of the subjects are first seen between them and after.

    The instants are quantiles of the times at which subjects were first seen; subjects first seen at one instant
    stay together. Raises InvalidData where fewer than two instants are known.
    """
    timed = events.with_columns(epoch_seconds(events).alias("_seconds")).drop_nulls("_seconds")
    first = timed.group_by("subject").agg(pl.col("_seconds").min().alias("first")).sort("first", "subject")
    seen = first["first"].to_numpy()
    if len(np.unique(seen)) < 3:
        raise InvalidData(
            "The time track needs to know when shoppers came: at least three different times in the column "
            f"timestamp; found {len(np.unique(seen))} in {len(events)} events. Use the user track, or add times."
        )
    t0 = _instant(seen, 1 - test)
    validation_from = _instant(seen[seen < t0], (1 - test - validation) / (1 - test))
    place = pl.col("first")
    sides = first.select(
        "subject",
        side=pl.when(place < validation_from)
        .then(pl.lit(TRAIN))
        .when(place < t0)
        .then(pl.lit(VALIDATION))
        .otherwise(pl.lit(TEST)),
    )
    return TimeSplit(sides, validation_from, t0)


def known_at(t0: float, events: pl.DataFrame, sides: pl.DataFrame) -> pl.DataFrame:
    """Return the events with a time before t0, and all those of test subjects that have a time."""
    testers = sides.filter(pl.col("side") == TEST)["subject"]
    seconds = epoch_seconds(events)
    return events.filter(
        seconds.is_not_null() & ((seconds < t0) | pl.col("subject").is_in(testers.implode()))
    )


def _instant(seen: np.ndarray, share: float) -> float:
    """Return the instant, later than the first, before which about this share of ascending times lies."""
    instants, places = np.unique(seen, return_index=True)
    if len(instants) < 2:
        return float(instants[0])
    return float(instants[1:][np.argmin(np.abs(places[1:] / len(seen) - share))])


def epoch_seconds(events: pl.DataFrame) -> pl.Expr:
    """Return `at` as epoch seconds, null where there is none or it is no time."""
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


def side_of(subject: str, seed: int) -> str:
    """Return the side of one subject: 20 % test, 10 % validation, the rest train."""
    digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=8, key=b"split %d" % seed)
    share = int.from_bytes(digest.digest(), "big") / 2**64
    return TEST if share < 0.2 else VALIDATION if share < 0.3 else TRAIN
