"""Logs that no benchmark has, with planted tastes: too small, without a time, of short sessions, of one category."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from metarec_plugin.preprocess.dataset import Dataset, build_dataset, dataset_from_file
from metarec_plugin.preprocess.files import countable, distinct, scan_events
from metarec_plugin.preprocess.splits import TEST, TRAIN, VALIDATION

START = datetime(2024, 1, 1)


@dataclass(frozen=True)
class Shape:
    """How large a log is and how much there is to learn from it.

    Products belong to groups and are drawn within them by a power law; a shopper is loyal to one group, and
    takes a product of the whole catalogue instead with probability `stray` (1: nothing but popularity to learn).
    """

    shoppers: int
    products: int
    shortest: int  # history
    longest: int
    groups: int = 6
    stray: float = 0.3
    exponent: float = 0.8  # of the power law


def planted_log(shape: Shape, seed: int = 0) -> pl.DataFrame:
    """Return events: user_id, product_id, timestamp; one shopper after the other, an event an hour."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shape.shortest, shape.longest + 1, shape.shoppers)
    owner = np.repeat(np.arange(shape.shoppers), lengths)
    per_group = shape.products // shape.groups
    odds = np.arange(1, per_group + 1) ** -shape.exponent
    within = np.searchsorted(np.cumsum(odds / odds.sum()), rng.random(len(owner)) * 0.999999)
    loyal = rng.integers(0, shape.groups, shape.shoppers)[owner]
    group = np.where(rng.random(len(owner)) < shape.stray, rng.integers(0, shape.groups, len(owner)), loyal)
    hours = owner + np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return pl.DataFrame(
        {
            "user_id": pl.Series(owner).cast(pl.String),
            "product_id": pl.Series(within * shape.groups + group).cast(pl.String),
            "timestamp": pl.Series(hours * 3_600_000_000).cast(pl.Duration("us")) + START,
        }
    )


@dataclass(frozen=True)
class OddLog:
    """A log, its products' features where it has any, and the k at which its shoppers can be measured."""

    name: str
    shape: Shape
    ks: tuple[int, ...] = (0, 1, 2, 3, 5, 10)
    change: Callable[[pl.DataFrame], pl.DataFrame] = lambda events: events
    products: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    testers: int = 0  # of the shape's shoppers only test, so that a small store is measured closely

    def dataset(self, folder: Path, seed: int = 0) -> Dataset:
        """Write the files and read them back, as the benchmark does; testers are put aside by the seed."""
        events, products = self.write(folder, seed)
        if not self.testers:
            return dataset_from_file(events, products=products)
        read = distinct(countable(scan_events(events), None, None))
        subjects = np.array(sorted(read["subject"].unique().to_list()))
        np.random.default_rng(seed).shuffle(subjects)
        store = len(subjects) - self.testers
        side = np.repeat([TRAIN, VALIDATION, TEST], [store - store // 8, store // 8, self.testers])
        return build_dataset(read, pl.DataFrame({"subject": subjects, "side": side}))

    def write(self, folder: Path, seed: int = 0) -> tuple[Path, Path | None]:
        """Write the files of events and, where there is one, of products."""
        events = self.change(planted_log(self.shape, seed))
        paths = folder / f"{self.name}.parquet", folder / f"{self.name}-products.parquet"
        events.write_parquet(paths[0])
        if self.products is None:
            return paths[0], None
        self.products(events).write_parquet(paths[1])
        return paths


def all_alike(events: pl.DataFrame) -> pl.DataFrame:
    """Products of one category, one price and one title."""
    keys = events.select(pl.col("product_id").unique().sort())
    return keys.with_columns(category=pl.lit("things"), price=pl.lit(9.99), title=pl.lit("thing"))


def as_visitors(events: pl.DataFrame) -> pl.DataFrame:
    """Nobody has an account: each session is a visitor of its own."""
    return events.with_columns(user_id="visitor:" + pl.col("user_id"))


def odd_logs(scale: int = 1) -> tuple[OddLog, ...]:
    """Return the logs, with `scale` times the shoppers; one with 50 shoppers always has 50."""
    plain = Shape(300 * scale, 60, 8, 20)
    return (
        OddLog("fifty-shoppers", Shape(50, 40, 14, 28, groups=4)),
        OddLog("one-category", plain, products=all_alike),
        OddLog("no-timestamps", plain, change=lambda events: events.drop("timestamp")),
        OddLog("sessions", Shape(600 * scale, 60, 2, 4), ks=(0, 1, 2, 3), change=as_visitors),
        OddLog("nothing-but-popularity", Shape(300 * scale, 60, 8, 20, stray=1.0)),
    )


def small_stores(testers: int = 1_000) -> tuple[OddLog, ...]:
    """Return stores of 50 to 160 shoppers, with planted tastes and with nothing but popularity, measured by many."""
    return tuple(
        OddLog(
            f"{shoppers}-shoppers{'' if stray < 1 else '-alike'}",
            Shape(shoppers + testers, products, 8, 20, stray=stray),
            ks=(0, 1, 2, 3, 5),
            testers=testers,
        )
        for shoppers, products in ((50, 40), (90, 60), (160, 60))
        for stray in (0.3, 1.0)
    )


def many_products(products: int = 52_000, shoppers: int = 10_000) -> OddLog:
    """A long tail: a million events, and 50,000 products that five training shoppers have."""
    return OddLog("fifty-thousand-products", Shape(shoppers, products, 60, 140, groups=52, exponent=0.3))
