"""Read files of events and of products: which rows count, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from metarec_plugin.exceptions import InvalidData

NAMES = {"user_id": "subject", "product_id": "product", "timestamp": "at", "order_id": "order"}
COLUMNS = ("user_id", "product_id", "timestamp", "kind", "value", "quantity", "price", "order_id")


def scan_events(path: Path | str, whole: bool = False) -> pl.DataFrame:
    """Read every row of a Parquet or CSV file, under the log's column names (subject, product, at, ...).

    whole: with the columns that nothing is learned from, too, which a row must have in common with one it repeats.
    Raises InvalidData where the file is missing, unreadable or has no user_id or product_id.
    """
    events = _read(Path(path), None if whole else COLUMNS, ("user_id", "product_id"))
    return events.rename({old: new for old, new in NAMES.items() if old in events.columns})


def read_events(
    path: Path | str, kinds: Sequence[str] | None = None, min_value: float | None = None
) -> pl.DataFrame:
    """Return the file's rows that count, by subject's first meeting with a product, in time order.

    This is the benchmark's loader: rows of other kinds, below `min_value`, with a quantity or price <= 0 or
    without user or product are left out; without timestamps the order of the file stands.
    """
    return distinct(countable(scan_events(path), kinds, min_value))


def countable(events: pl.DataFrame, kinds: Sequence[str] | None, min_value: float | None) -> pl.DataFrame:
    """Keep the rows of the given kinds and values, with subject, product and no quantity or price <= 0."""
    if kinds and "kind" in events.columns:
        events = events.filter(pl.col("kind").is_in(list(kinds)))
    if min_value is not None and "value" in events.columns:
        events = events.filter(pl.col("value") >= min_value)
    for name in ("quantity", "price"):
        if name in events.columns and events[name].dtype.is_numeric():
            events = events.filter(pl.col(name).is_null() | (pl.col(name) > 0))
    return events.drop_nulls(["subject", "product"]).with_columns(
        pl.col("subject", "product").cast(pl.String)
    )


def distinct(events: pl.DataFrame) -> pl.DataFrame:
    """Sort by time, the given order among equals, and keep each subject's first event with each product."""
    if "at" in events.columns:
        events = events.sort("at", maintain_order=True)
    return events.unique(["subject", "product"], keep="first", maintain_order=True)


def occurrences(events: pl.DataFrame) -> pl.DataFrame:
    """Sort by time as `distinct` does, and keep every event but the lines of one product at one moment."""
    if "at" not in events.columns:
        return events
    events = events.sort("at", maintain_order=True)
    again = ~pl.struct("subject", "product", "at").is_first_distinct()
    return events.filter(pl.col("at").is_null() | ~again)


@dataclass(frozen=True, eq=False)
class ProductFile:
    """A file of products: one row a product, its key in `product_id`, the rest features."""

    rows: pl.DataFrame

    @property
    def keys(self) -> list[str]:
        """The keys of all rows, of non-products too."""
        return self.rows["product_id"].drop_nulls().to_list()


def read_products(path: Path | str) -> ProductFile:
    """Read every row and column of a file of products. Raises InvalidData as `scan_events` does."""
    rows = _read(Path(path), None, ("product_id",))
    return ProductFile(rows.with_columns(pl.col("product_id").cast(pl.String)))


def read_users(path: Path | str) -> pl.DataFrame:
    """Read every row and column of a file of users. Raises InvalidData as `scan_events` does."""
    return _read(Path(path), None, ("user_id",)).with_columns(pl.col("user_id").cast(pl.String))


def _read(path: Path, columns: Sequence[str] | None, needed: Sequence[str]) -> pl.DataFrame:
    try:
        lazy = pl.scan_csv(path) if path.suffix == ".csv" else pl.scan_parquet(path)
        found = lazy.collect_schema().names()
        if not set(needed) <= set(found):
            raise InvalidData(
                f"{path} must have the columns {' and '.join(needed)}; it has {', '.join(found) or 'none'}. "
                "Rename its columns."
            )
        return lazy.select([name for name in columns or found if name in found]).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidData(f"{path} cannot be read as a table: {error}") from error
