"""Which subjects train, which validate and which test."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

TRAIN, VALIDATION, TEST = "train", "validation", "test"


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


def side_of(subject: str, seed: int) -> str:
    """Return the side of one subject: 20 % test, 10 % validation, the rest train."""
    digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=8, key=b"split %d" % seed)
    share = int.from_bytes(digest.digest(), "big") / 2**64
    return TEST if share < 0.2 else VALIDATION if share < 0.3 else TRAIN
