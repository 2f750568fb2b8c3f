"""Turns source products into rows of the shop's tables: names, prices, stock, and what is not for sale."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import polars as pl
from django.utils.text import slugify

from shop.demo import brands, names
from shop.demo.departments import PRODUCE, UNKNOWN, picture, shelf
from shop.demo.source import Source

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://www.8451.com/area51/#the-complete-journey")
FALLBACK_PRICE = 2.99  # where not even the department has sold anything


@dataclass(frozen=True)
class Entry:
    """One product as the shop will hold it, its category by name."""

    source_id: int
    key: uuid.UUID
    department: str
    is_listed: bool
    category: str
    picture: str
    name: str
    brand: str
    is_own_brand: bool
    size: str
    price: float
    stock: int
    is_active: bool
    sold: int
    created_at: datetime

    @property
    def category_key(self) -> tuple[str, str]:
        return slug(self.department), slug(self.category)


@cache
def slug(name: str) -> str:
    return slugify(name)


def product_key(source_id: int) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, f"product/{source_id}")


def entries(source: Source, shift: timedelta) -> list[Entry]:
    """All products of the catalogue, then those that were sold and are in none."""
    opening = source.lines["at"].min()
    makers = {
        maker: rank for rank, maker in enumerate(source.products["manufacturer_id"].unique().sort().to_list())
    }
    found = [_known(row, makers, opening + shift, shift) for row in _priced(source.products)]  # type: ignore[operator, arg-type]
    found += [_unknown(row, shift) for row in source.unknown.iter_rows(named=True)]
    # A category takes its first product's picture, whatever the others' would be.
    pictures: dict[tuple[str, str], str] = {}
    return [replace(entry, picture=pictures.setdefault(entry.category_key, entry.picture)) for entry in found]


def stock_level(key: uuid.UUID, lines: int) -> int:
    """Plausible and fixed for a product: one in fifty is out, one in twenty nearly, best sellers are ample."""
    draw = key.int % 100
    if draw < 2:
        return 0
    if draw < 7:
        return 1 + key.int // 100 % 5
    return 12 + key.int // 100 % 49 + lines // 4


def _priced(products: pl.DataFrame) -> Iterator[dict]:
    """Fill in the price of what was never sold: the category's median, else the department's."""
    price = pl.coalesce(
        "price",
        pl.col("price").median().over("department", "product_category"),
        pl.col("price").median().over("department"),
        pl.lit(FALLBACK_PRICE),
    )
    return products.with_columns(price=price).iter_rows(named=True)


def _known(row: dict, makers: dict[int, int], opening: datetime, shift: timedelta) -> Entry:
    place = shelf(row["department"], row["product_category"], row["product_type"])
    key = product_key(row["product_id"])
    own = row["brand"] == "Private"
    # Produce is listed by the crate it arrives in ("40 LB" bananas), not as it is sold.
    size = "" if place.department == PRODUCE else names.size_name(row["package_size"])
    category = names.category_name(row["product_category"] or "MISCELLANEOUS")
    title = names.type_name(row["product_type"] or "", row["product_category"] or "") or category
    lines = row["lines"] or 0
    return Entry(
        source_id=row["product_id"],
        key=key,
        department=place.department,
        is_listed=place.is_listed,
        category=category,
        picture=picture(row["department"], row["product_category"]),
        name=f"{title}, {size}" if size else title,
        brand=brands.OWN_BRAND if own else brands.brand_name(makers[row["manufacturer_id"]]),
        is_own_brand=own,
        size=size,
        price=round(row["price"], 2),
        stock=stock_level(key, lines),
        is_active=place.is_sold,
        sold=lines,
        created_at=row["first_sold"] + shift if row["first_sold"] else opening,
    )


def _unknown(row: dict, shift: timedelta) -> Entry:
    return Entry(
        source_id=row["product_id"],
        key=product_key(row["product_id"]),
        department=UNKNOWN,
        is_listed=False,
        category="Unknown",
        picture="box",
        name=f"Unknown Product {row['product_id']}",
        brand="",
        is_own_brand=False,
        size="",
        price=round(row["price"] or 0.0, 2),
        stock=0,
        is_active=False,
        sold=row["lines"],
        created_at=row["first_sold"] + shift,
    )
