"""Tell postage, charges, vouchers and write-offs from products by code and title, where a catalogue does not say."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

# By name, so that a report can say which it was; each is looked for in lower case. Titles that hold such a word among
# others are left alone where a product may be called so, as a carriage clock or a sample spoon.
TITLES: Mapping[str, str] = {
    "postage": r"\b(postage|shipping|delivery (charge|fee)|next day carriage)\b|^carriage$",
    "charge": r"\b(bank charges?|service charge|handling fee|commission)\b|\bfee$",
    "correction": r"^(manual|discount|adjust(ment)?\b.*|.*\bbad debt\b.*|samples?|test( product)?|refund|rounding)$",
    "voucher": r"\bgift ?(voucher|certificate|card)\b",
    "write-off": r"\b(thrown? away|unsaleable|damage[ds]?|destroyed|found by|wrongly (coded|sold|marked))\b"
    r"|^(ebay|amazon|check|missing|lost|mouldy|\?+)$",
}
# A code is held against a row only where it is a word of that meaning, whole: one letter or number may be a product.
CODES: Mapping[str, str] = {
    "postage": r"^(post(age)?|dotcom ?postage|carriage|shipping|delivery|freight)$",
    "charge": r"^(bank ?charges?|amazon ?fee|fee|commission|handling)$",
    "correction": r"^(manual|discount|adjust(ment)?|refund|rounding|samples?)$",
    "voucher": r"^(gift[ _-]?(voucher|card|certificate)\b.*|gift_\d{4}_\d+)$",
}


def guessed(values: pl.Series, patterns: Mapping[str, str]) -> pl.Series:
    """Return the (n,) name of the first pattern that a text meets, null where none does."""
    distinct = pl.DataFrame({"value": values.cast(pl.String).unique()})
    text = pl.col("value").str.strip_chars().str.to_lowercase()
    named = pl.coalesce(
        pl.when(text.str.contains(pattern)).then(pl.lit(name)) for name, pattern in patterns.items()
    ) if patterns else pl.lit(None, dtype=pl.String)  # fmt: skip
    told = distinct.with_columns(name=named)
    column = pl.DataFrame({"value": values.cast(pl.String)})
    return column.join(told, on="value", how="left", maintain_order="left", nulls_equal=True)["name"]


def patterns_of(usual: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the usual patterns with the given ones in place of those of the same name; None takes one away."""
    return {name: pattern for name, pattern in {**usual, **given}.items() if pattern is not None}


def non_products(
    rows: pl.DataFrame, titles: Mapping[str, str] = TITLES, codes: Mapping[str, str] = CODES
) -> dict[str, str]:
    """Return the keys of a file of products that are none, each with what says so.

    `is_non_product` decides wherever it is set; elsewhere code and title are judged by the patterns.
    """
    said = pl.lit(None, dtype=pl.Boolean)
    if "is_non_product" in rows.columns:
        said = pl.col("is_non_product").cast(pl.Boolean, strict=False)
    by_code = guessed(rows["product_id"], codes)
    by_title = guessed(rows["title"], titles) if "title" in rows.columns else by_code
    told = rows.select(
        "product_id", why=pl.when(said).then(pl.lit("the catalogue")).when(said.is_null()).then(
            pl.coalesce(by_code, by_title)
        ),
    ).drop_nulls()  # fmt: skip
    return dict(zip(told["product_id"].to_list(), told["why"].to_list()))
