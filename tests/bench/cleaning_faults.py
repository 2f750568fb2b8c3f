"""Put known faults into a file of events, each meant for one rule of cleaning, and say how many rows it is to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

MACHINE = 700  # rows of a shopper faster than a hand
BUSY = 20  # rows of a product that one more of an absurd quantity says nothing of


@dataclass(frozen=True, eq=False)
class Dirty:
    """The events with faults at their end; expected: rule -> rows that it drops or changes because of them."""

    events: pl.DataFrame
    expected: Mapping[str, int]


def with_faults(events: pl.DataFrame, kept: pl.DataFrame, seed: int, n: int) -> Dirty:
    """Add n rows of each fault; events: as read, kept: what cleaning leaves of them.

    Each row is of a shopper of its own, or takes back a purchase that nothing else is about, so no fault is one of
    two rules. Codes are flipped where some have letters.
    """
    rng = np.random.default_rng(seed)
    pool = kept.select(events.columns).join(events.unique(), on=events.columns, how="semi", nulls_equal=True)
    busy = pool.filter(pl.len().over("product") >= BUSY)
    added: list[pl.DataFrame] = []
    expected: dict[str, int] = {}

    def drawn(of: pl.DataFrame, k: int = n) -> pl.DataFrame:
        return of[rng.choice(len(of), min(k, len(of)), replace=False)]

    def add(rule: str, rows: pl.DataFrame, **also: int) -> None:
        added.append(rows.select(events.columns).cast(dict(events.schema)))
        for name, count in {rule: len(rows), **also}.items():
            expected[name] = expected.get(name, 0) + count

    def strangers(rule: str, of: pl.DataFrame = busy, **columns: pl.Expr) -> None:
        rows = drawn(of).with_row_index("_n")
        rows = rows.with_columns(subject=pl.format("fault-{}-{}", pl.lit(rule), "_n")).with_columns(**columns)
        add(rule, rows)

    def date(year: int) -> pl.Expr:
        return pl.lit(datetime(year, 1, 1)).cast(events.schema["at"])

    add("duplicate", drawn(pool.unique(maintain_order=True)))
    strangers("missing_subject", subject=pl.lit(None, dtype=pl.String))
    strangers("missing_product", product=pl.lit(""))
    strangers("date", at=pl.when(pl.col("_n") % 2 == 0).then(date(1970)).otherwise(date(2199)))
    strangers("quantity", quantity=pl.when(pl.col("_n") % 2 == 0).then(3_000_000).otherwise(0))
    strangers("negative_price", price=pl.lit(-5.0))
    strangers("zero_price", price=pl.lit(0.0))
    strangers("high_price", price=pl.lit(9e6))
    strangers("non_product", product=pl.lit("POST"))
    strangers("other_kind", kind=pl.lit("view"))
    strangers("return_unmatched", kind=pl.lit("return"), quantity=-pl.col("quantity").abs())
    one_case = pl.col("product").str.to_lowercase() != pl.col("product")
    if len(cased := busy.filter(one_case)):
        strangers("code_case", cased, product=pl.col("product").str.to_lowercase())
    alone = events.join(
        events.group_by("subject", "product").len().filter(pl.col("len") == 1), on=["subject", "product"], how="semi"
    )  # fmt: skip
    alone = pool.join(alone, on=events.columns, how="semi", nulls_equal=True)
    several = alone.filter(pl.col("quantity") >= 2)
    whole = drawn(alone.join(several, on=events.columns, how="anti", nulls_equal=True))
    add("return", _returned(whole, -pl.col("quantity")), taken_back=len(whole))
    part = drawn(several)
    add("return", _returned(part, pl.lit(-1)), partly_returned=len(part))
    start = busy["at"].min().replace(minute=0, second=0, microsecond=0)  # type: ignore[union-attr]
    moments = pl.Series([start + timedelta(seconds=4 * i) for i in range(MACHINE)]).cast(events.schema["at"])
    machine = busy.head(1).select(pl.all().repeat_by(MACHINE).explode())
    add("bot", machine.with_columns(moments.alias("at"), subject=pl.lit("machine")))
    return Dirty(pl.concat([events, *added]), expected)


def _returned(rows: pl.DataFrame, quantity: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(kind=pl.lit("return"), quantity=quantity, at=pl.col("at").dt.offset_by("1s"))
