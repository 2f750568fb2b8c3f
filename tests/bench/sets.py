"""The data sets that are measured, how each is read, and on which tracks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shop.demo import source

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DataSet:
    """tracks: beside that of shoppers never seen; time and repeat need events with times."""

    name: str
    title: str
    options: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    short: str = ""  # title in a table

    def events(self, data: Path | None, out: Path) -> Path | None:
        """Where its events lie; the demo store's are written from its package first. None where they are not there."""
        if self.name == "demo":
            return demo_events(out / "demo.parquet")
        path = data / self.name / "events.parquet" if data else None
        return path if path and path.exists() else None


SETS = (
    DataSet(
        "ml-1m",
        "MovieLens-1M, ratings of 4 and 5 (no order: supports are random)",
        ("--min-value", "4"),
        short="MovieLens-1M",
    ),
    DataSet(
        "online-retail",
        "Online Retail, purchases of a UK gift shop",
        ("--kinds", "purchase"),
        ("time", "repeat"),
        short="Online Retail",
    ),
    DataSet("amazon-toys", "Amazon reviews 2014, Toys and Games", short="Amazon Toys"),
    DataSet(
        "demo",
        "The demo store's file, all lines (simulated grocery data)",
        tracks=("time", "repeat"),
        short="demo store",
    ),
)
TITLES = {each.name: each.short for each in SETS}


def demo_events(path: Path) -> Path:
    """Write the demo store's transactions as an event file, once."""
    if not path.exists():
        transactions = pl.read_parquet(source.folder() / "transactions.parquet")
        transactions.select(
            user_id=pl.col("household_id").cast(pl.String),
            product_id=pl.col("product_id").cast(pl.String),
            timestamp="transaction_timestamp",
            kind=pl.lit("purchase"),
            quantity="quantity",
            price=pl.col("sales_value") / pl.col("quantity"),
        ).write_parquet(path)
    return path
