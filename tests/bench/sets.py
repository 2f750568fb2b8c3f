"""The data sets that are measured, and how each is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shop.demo import source

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DataSet:
    name: str
    title: str
    options: tuple[str, ...] = ()


SETS = (
    DataSet(
        "ml-1m", "MovieLens-1M, ratings of 4 and 5 (no order: supports are random)", ("--min-value", "4")
    ),
    DataSet("online-retail", "Online Retail, purchases of a UK gift shop", ("--kinds", "purchase")),
    DataSet("amazon-toys", "Amazon reviews 2014, Toys and Games"),
    DataSet("demo", "The demo store's file, all lines (simulated grocery data)"),
)


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
