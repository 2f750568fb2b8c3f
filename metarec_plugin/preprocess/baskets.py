"""Which products were bought in one go: the orders of a log, or the visits where orders are not known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
import scipy.sparse as sp

from metarec_plugin.preprocess.cleaned import cleaned_log
from metarec_plugin.preprocess.histories import Dataset, taken
from metarec_plugin.preprocess.log import COLUMNS
from metarec_plugin.preprocess.splits import epoch_seconds

GAP = 30 * 60.0  # seconds without an event that end a visit: the usual bound of a session in web analytics
# An order of more is a stock-up: its 20,000 pairs and more say little of any two, and would cost the most to count.
MOST = 200


@dataclass(frozen=True, eq=False)
class Baskets:
    """Two or more distinct catalogue products each, as one ragged array.

    Basket b has `products[indptr[b]:indptr[b + 1]]`, ascending; baskets are in the order of subject and order, so
    that the order of the log's rows does not matter.
    """

    indptr: np.ndarray  # (B + 1,) int64
    products: np.ndarray  # (n,) int32 catalogue indices
    subjects: np.ndarray  # (B,) str
    source: Mapping[str, int] = field(default_factory=dict)  # where they came from, for reports

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, basket: int) -> np.ndarray:
        return self.products[self.indptr[basket] : self.indptr[basket + 1]]

    def sizes(self) -> np.ndarray:
        """Return the (B,) numbers of products."""
        return np.diff(self.indptr)

    def matrix(self, n_products: int) -> sp.csr_matrix:
        """Return the (B, n_products) float32 matrix with 1 where a basket holds a product."""
        ones = np.ones(len(self.products), dtype=np.float32)
        return sp.csr_matrix((ones, self.products, self.indptr), shape=(len(self), n_products))

    def select(self, rows: np.ndarray) -> Baskets:
        """Return the given baskets, in the given order."""
        indptr, take = taken(self.indptr, rows)
        return Baskets(indptr, self.products[take], self.subjects[rows], self.source)

    def of(self, subjects: Collection[str] | np.ndarray) -> Baskets:
        """Return the baskets of the given subjects."""
        return self.select(np.flatnonzero(np.isin(self.subjects, np.asarray(subjects, dtype=np.str_))))


def baskets_from_log(dataset: Dataset) -> Baskets:
    """Return what the dataset's subjects bought in one go, by the same rows of the log as its histories."""
    kinds = tuple(dataset.source.get("kinds") or ()) or None
    seed = int(dataset.source.get("seed", 0))
    began = dataset.source.get("since")
    since = datetime.fromisoformat(began) if began else None
    cleaned = cleaned_log(kinds, dataset.source.get("min_value"), (*COLUMNS, "order"), seed, since)
    return baskets_of(cleaned.events, dataset)


def baskets_of(events: pl.DataFrame, dataset: Dataset) -> Baskets:
    """Group events (subject, product, and order or at) by order; those without one by visits of the subject.

    A visit ends where half an hour passes without an event. Events that have neither an order nor a time are in no
    basket. Baskets of one product, or of more than 200, are left out; `source` counts what was found.
    """
    sides = (dataset.train, dataset.validation, dataset.test)
    subjects = np.concatenate([side.subjects for side in sides])
    catalogue = pl.DataFrame({"product": dataset.product_keys.tolist()}, schema={"product": pl.String})
    known = events.filter(pl.col("subject").is_in(pl.Series(subjects.tolist(), dtype=pl.String).implode()))
    rows = _keyed(known).join(catalogue.with_row_index("index"), on="product", how="inner")
    grouped = (
        rows.group_by("subject", "basket")
        .agg(pl.col("index").unique().sort(), pl.col("ordered").first())
        .with_columns(size=pl.col("index").list.len())
        .filter(pl.col("size") > 1)
        .sort("subject", "basket")
    )
    whole = grouped.filter(pl.col("size") <= MOST)
    orders = int(whole["ordered"].sum() or 0)
    source = {"orders": orders, "visits": len(whole) - orders, "too_large": len(grouped) - len(whole)}
    indptr = np.concatenate([[0], np.cumsum(whole["size"].to_numpy())]).astype(np.int64)
    products = whole["index"].explode(empty_as_null=False).to_numpy().astype(np.int32)
    return Baskets(indptr, products, np.array(whole["subject"].to_list(), dtype=np.str_), source)


def _keyed(events: pl.DataFrame) -> pl.DataFrame:
    """Return (subject, product, basket, ordered): a basket's name is one of its subject's."""
    order = pl.col("order").cast(pl.String).fill_null("") if "order" in events.columns else pl.lit("")
    events = events.select("subject", "product", order=order, seconds=epoch_seconds(events))
    ordered = events.filter(pl.col("order") != "")
    timed = events.filter((pl.col("order") == "") & pl.col("seconds").is_not_null()).sort(
        "subject", "seconds"
    )
    begins = (pl.col("subject") != pl.col("subject").shift()) | (pl.col("seconds").diff() > GAP)
    visits = timed.with_columns(begins.fill_null(False).cum_sum().alias("visit"))
    return pl.concat(
        [
            ordered.select("subject", "product", basket=pl.col("order"), ordered=pl.lit(True)),
            # Of ten digits, so that the order of names is that of numbers; a tab, which no order's key begins with.
            visits.select(
                "subject",
                "product",
                basket=pl.lit("\t") + pl.col("visit").cast(pl.String).str.zfill(10),
                ordered=pl.lit(False),
            ),
        ]
    )
