"""Drop the rows that cannot be learned from, rule by rule, and account for every one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

SAMPLE = 5  # rows shown of each rule
MAX_QUANTITY = 10_000  # more than this of one product in one line is a slip of the keyboard
EARLIEST = datetime(1990, 1, 1)


@dataclass(frozen=True)
class Rule:
    """What one rule drops, and why. It is skipped where the events lack a column that it needs."""

    name: str
    why: str
    needs: tuple[str, ...]
    drops: Callable[[pl.DataFrame], pl.Series]  # (n,) bool


@dataclass(frozen=True)
class RuleReport:
    """What a rule dropped: how many rows, and the first few of them."""

    rule: str
    why: str
    rows: int
    sample: tuple[dict[str, Any], ...]  # JSON-able

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def without_sample(self) -> dict[str, Any]:
        """What may be kept for good: rows of somebody who asks to be forgotten are not to outlive them."""
        return {"rule": self.rule, "why": self.why, "rows": self.rows}


@dataclass(frozen=True, eq=False)
class Cleaned:
    """The rows that are left and the account of those that are not: `read` is kept plus all dropped."""

    events: pl.DataFrame
    read: int
    report: tuple[RuleReport, ...]


def clean(events: pl.DataFrame, rules: Sequence[Rule]) -> Cleaned:
    """Apply the rules in order, each to what the ones before it left."""
    read, reports = len(events), []
    for rule in rules:
        dropped = events.clear()
        if set(rule.needs) <= set(events.columns):
            falls = rule.drops(events).fill_null(False)
            dropped, events = events.filter(falls), events.filter(~falls)
        reports.append(RuleReport(rule.name, rule.why, len(dropped), _sample(dropped)))
    return Cleaned(events, read, tuple(reports))


def standard_rules(
    *,
    kinds: Collection[str] | None = None,
    recommendable: Collection[str] | None = None,
    earliest: datetime = EARLIEST,
    latest: datetime | None = None,
    max_quantity: float = MAX_QUANTITY,
    without: Collection[str] = (),
) -> tuple[Rule, ...]:
    """Return the rules of a shop's cleaning, in order, less those named in `without`.

    kinds, recommendable: what counts, None for anything; latest: naive UTC, None for no bound.
    """
    rules = [
        Rule("missing_subject", "nobody to learn from", ("subject",), _empty("subject")),
        Rule("missing_product", "nothing to recommend", ("product",), _empty("product")),
        Rule("duplicate", "the same in every column as an earlier row", (), _repeated),
        Rule("taken_back", "returned or cancelled in full", ("taken_back",), lambda e: e["taken_back"]),
        Rule("quantity", f"not above 0, or above {max_quantity:,g}", ("quantity",), _quantity(max_quantity)),
        Rule("negative_price", "a correction, not a sale", ("price",), lambda e: _number(e, "price") < 0),
        Rule("zero_price", "given away, or a booking", ("price",), _zero_price),
        Rule("date", "without a date, or outside the time of the shop", ("at",), _outside(earliest, latest)),
    ]
    if recommendable is not None:
        why = "withdrawn, unknown to the catalogue or no product to recommend"
        known = pl.Series(list(recommendable), dtype=pl.String)
        rules.append(
            Rule(
                "not_recommendable", why, ("product",), lambda e: ~_text(e, "product").is_in(known.implode())
            )
        )
    if kinds is not None:
        wanted = list(kinds)
        rules.insert(0, Rule("other_kind", "not a kind of event that is learned from", ("kind",),
                             lambda e: ~e["kind"].is_in(wanted).fill_null(False)))  # fmt: skip
    unknown = set(without) - {rule.name for rule in rules}
    if unknown:
        raise ValueError(f"no such rule: {', '.join(sorted(unknown))}; found {[rule.name for rule in rules]}")
    return tuple(rule for rule in rules if rule.name not in without)


def _repeated(events: pl.DataFrame) -> pl.Series:
    return events.select(~pl.struct(pl.all()).is_first_distinct()).to_series()


def _text(events: pl.DataFrame, name: str) -> pl.Series:
    return events[name].cast(pl.String)


def _number(events: pl.DataFrame, name: str) -> pl.Series:
    return events[name].cast(pl.Float64, strict=False)


def _empty(name: str) -> Callable[[pl.DataFrame], pl.Series]:
    return lambda events: _text(events, name).str.strip_chars().fill_null("") == ""


def _quantity(most: float) -> Callable[[pl.DataFrame], pl.Series]:
    def drops(events: pl.DataFrame) -> pl.Series:
        quantity = _number(events, "quantity")
        return (quantity <= 0) | (quantity > most) | quantity.is_nan()

    return drops


def _zero_price(events: pl.DataFrame) -> pl.Series:
    price = _number(events, "price")
    return (price == 0) | ~price.is_finite()


def _outside(earliest: datetime, latest: datetime | None) -> Callable[[pl.DataFrame], pl.Series]:
    def drops(events: pl.DataFrame) -> pl.Series:
        at = events["at"]
        if at.null_count() == len(at) or not at.dtype.is_temporal():
            return pl.Series([False]).new_from_index(0, len(at))  # a file without dates has no wrong ones
        outside = at.is_null() | (at < earliest)
        return outside if latest is None else outside | (at > latest)

    return drops


def _sample(dropped: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    plain = (str, int, float, bool, type(None))
    return tuple(
        {name: value if isinstance(value, plain) else str(value) for name, value in row.items()}
        for row in dropped.head(SAMPLE).iter_rows(named=True)
    )
