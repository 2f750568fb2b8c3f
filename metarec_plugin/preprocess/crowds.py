"""Rules that look at more than a row: who acts as no hand can, who buys for a shop, what is sold by measure."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from metarec_plugin.preprocess.clean import Change
from metarec_plugin.preprocess.splits import epoch_seconds

HOUR = 3600.0
USUAL_OF = 5  # training rows that say what is usual of a product
LEAST = 100  # events that nobody is called a bulk buyer below
TO_DEVIATION = 1.4826  # a median of absolute deviations in standard deviations of a normal distribution
Training = Callable[[pl.DataFrame], pl.Series]  # (n,) bool: which rows are known of who is trained on


def bots(events: pl.DataFrame, most: float) -> pl.Series:
    """Return (n,) whether a row is of a subject with more than so many different moments in one hour of the clock.

    Moments and not rows: the lines of an order share one, and no order makes its buyer a machine.
    """
    busy = events.group_by("subject").len().filter(pl.col("len") > most)["subject"].implode()
    of_busy = events.filter(pl.col("subject").is_in(busy)).select("subject", at=epoch_seconds(events))
    if not len(of_busy):
        return pl.Series([False]).new_from_index(0, len(events))
    hours = of_busy.drop_nulls().group_by("subject", hour=pl.col("at") // HOUR).agg(pl.col("at").n_unique())
    found = hours.filter(pl.col("at") > most)["subject"].unique().implode()
    return events["subject"].is_in(found)


def bulk(events: pl.DataFrame, deviations: float, training: Training | None) -> pl.Series:
    """Return (n,) whether a row is of a subject with more events than `bulk_bound` of the training subjects."""
    counts = events.group_by("subject").len()
    known = counts if training is None else events.filter(training(events)).group_by("subject").len()
    bound = bulk_bound(known["len"].to_numpy(), deviations)
    return events["subject"].is_in(counts.filter(pl.col("len") > bound)["subject"].implode())


def bulk_bound(counts: np.ndarray, deviations: float) -> float:
    """Return so many robust deviations above the median number of events, on a log scale, and at least 100.

    The deviation is 1.4826 times the median absolute one (Hampel 1974): a few bulk buyers do not move it.
    """
    if not len(counts):
        return math.inf
    logs = np.log1p(counts.astype(np.float64))
    middle = float(np.median(logs))
    deviation = TO_DEVIATION * float(np.median(np.abs(logs - middle)))
    return max(float(LEAST), math.expm1(middle + deviations * deviation))


def measured(events: pl.DataFrame, most: float, training: Training | None) -> Change:
    """Set the quantity to 1 of products whose median quantity among training subjects is above `most`.

    Fuel by the millilitre is not bought ten thousand times over: what was bought once is kept, and counts once.
    """
    quantity = events["quantity"].cast(pl.Float64, strict=False)
    large = events["product"].filter((quantity > most).fill_null(False)).unique().implode()
    told = events.with_columns(_quantity=quantity).filter(
        pl.col("product").is_in(large) & (pl.col("_quantity") > 0) & pl.col("_quantity").is_finite()
    )
    if training is not None:
        told = told.filter(training(told))
    usual = told.group_by("product").agg(pl.len(), pl.col("_quantity").median())
    by_measure = usual.filter((pl.col("_quantity") > most) & (pl.col("len") >= USUAL_OF))["product"]
    changed = (events["product"].is_in(by_measure.implode()) & (quantity > 0) & (quantity != 1)).fill_null(
        False
    )
    one = pl.lit(1).cast(events["quantity"].dtype)
    return Change(
        events.with_columns(quantity=pl.when(changed).then(one).otherwise(pl.col("quantity"))),
        changed,
        "quantity",
    )
