"""The rules by which a shop's rows are cleaned: their names, their order and their bounds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.preprocess.clean import Change, Rule
from metarec_plugin.preprocess.crowds import Training, bots, bulk, measured
from metarec_plugin.preprocess.non_products import CODES, guessed
from metarec_plugin.preprocess.returns import BOUGHT, return_rules
from metarec_plugin.preprocess.splits import epoch_seconds

MAX_QUANTITY = 10_000  # more than this of one product in one line is a slip of the keyboard
MAX_PRICE = 1_000_000  # of one piece, in the shop's currency
MEASURE = 100  # a product that is usually bought in more than this is sold by measure
EARLIEST = datetime(1990, 1, 1)
NEEDED = ("missing_subject", "missing_product", "other_kind")  # of what these drop nothing can be learned
BOT_ACTIONS = 600  # different moments within an hour: one every six seconds, the hour through

Bound = Callable[[pl.DataFrame], pl.Series]


def standard_rules(
    *,
    kinds: Collection[str] | None = None,
    bought: Collection[str] = BOUGHT,
    recommendable: Collection[str] | None = None,
    non_products: Collection[str] | None = None,
    training: Training | None = None,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    max_quantity: float = MAX_QUANTITY,
    max_price: float = MAX_PRICE,
    measure: float = MEASURE,
    bot_actions: float = BOT_ACTIONS,
    bulk_deviations: float | None = None,
    code_patterns: Mapping[str, str] = CODES,
    without: Collection[str] = (),
) -> tuple[Rule, ...]:
    """Return the rules of a shop's cleaning, in order, less those named in `without`.

    kinds, recommendable: what counts, None for anything; bought: the kinds that returns take back; non_products: what
    the catalogue says are none, where it says nothing the code patterns do; training: whose rows statistics are of,
    None for everybody's; latest: naive UTC, None for tomorrow; bulk_deviations: None leaves bulk buyers in. Raises
    ConfigurationError on an unknown name, and on one of NEEDED.
    """
    late = latest or tomorrow()
    rules = [
        Rule("missing_subject", "nobody to learn from", ("subject",), _empty("subject")),
        Rule("missing_product", "nothing to recommend", ("product",), _empty("product")),
        Rule("duplicate", "the same in every column as an earlier row", (), repeated),
        Rule(
            "code_case", "codes that differ in case only are one product", ("product",),
            changes=lambda e: _merged(e, recommendable),
        ),
        Rule(
            "non_product", "postage, charges, vouchers and the like", ("product",),
            _non_product(non_products, code_patterns),
        ),
    ]  # fmt: skip
    if recommendable is not None:
        why = "withdrawn, unknown to the catalogue or no product to recommend"
        known = pl.Series(list(recommendable), dtype=pl.String).implode()
        rules.append(
            Rule("not_recommendable", why, ("product",), lambda e: ~_text(e, "product").is_in(known))
        )
    rules += [
        Rule(
            "date",
            "without a date, or outside the time of the shop",
            ("at",),
            _outside(earliest or EARLIEST, late),
        ),
        *return_rules(bought),
    ]
    if kinds is not None:
        wanted = list(kinds)
        rules.append(Rule("other_kind", "not a kind of event that is learned from", ("kind",),
                          lambda e: ~e["kind"].is_in(wanted).fill_null(False)))  # fmt: skip
    rules += [
        Rule(
            "measure", f"usually bought in more than {measure:g}: a measure and no number of pieces, which is 1",
            ("quantity",), changes=lambda e: measured(e, measure, training),
        ),
        Rule("quantity", f"not above 0, or above {max_quantity:,g}", ("quantity",), _quantity(max_quantity)),
        Rule("negative_price", "a correction, not a sale", ("price",), lambda e: _number(e, "price") < 0),
        Rule("zero_price", "given away, or a booking", ("price",), _zero_price),
        Rule(
            "high_price", f"above {max_price:,g}: a slip, or a sum", ("price",),
            lambda e: _number(e, "price") > max_price,
        ),
        Rule(
            "bot", f"of somebody with more than {bot_actions:g} actions in an hour, which no hand makes",
            ("subject", "at"), lambda e: bots(e, bot_actions),
        ),
    ]  # fmt: skip
    if bulk_deviations is not None:
        deviations = bulk_deviations
        why = f"of a buyer with more events than {deviations:g} robust deviations above the median"
        rules.append(Rule("bulk", why, ("subject",), lambda e: bulk(e, deviations, training)))
    if needed := [name for name in NEEDED if name in without]:
        raise ConfigurationError(
            f"Cleaning cannot leave out {', '.join(needed)}: nothing can be learned of such rows (METAREC['CLEANING'])."
        )
    # `bulk` and the rules of a catalogue may be named whether they are on or not.
    unknown = set(without) - {rule.name for rule in rules} - {"not_recommendable", "bulk"}
    if unknown:
        raise ConfigurationError(
            f"Cleaning has no rule called {', '.join(sorted(unknown))}; it has "
            f"{', '.join(rule.name for rule in rules)} (METAREC['CLEANING'])."
        )
    return tuple(rule for rule in rules if rule.name not in without)


def tomorrow() -> datetime:
    """Return the moment, naive UTC, beyond which an event's date is wrong."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)


def repeated(events: pl.DataFrame) -> pl.Series:
    """Return (n,) whether an earlier row is the same. Rows with a hash of their own need no second look."""
    if not len(events):
        return pl.Series([False]).new_from_index(0, len(events))
    plain = events.select([name for name, dtype in events.schema.items() if not dtype.is_nested()])
    alike = plain.hash_rows().is_duplicated()
    again = plain.filter(alike).select(~pl.struct(pl.all()).is_first_distinct()).to_series()
    found = np.zeros(len(events), dtype=bool)
    found[np.flatnonzero(alike.to_numpy())] = again.to_numpy()
    return pl.Series(found)


def _merged(events: pl.DataFrame, recommendable: Collection[str] | None) -> Change:
    """Give products whose codes differ in case only the code that the catalogue knows, else the first in order.

    The order is that of code points: it depends on nobody's events.
    """
    codes = pl.DataFrame({"code": _text(events, "product").unique()}).drop_nulls()
    codes = codes.with_columns(low=pl.col("code").str.to_lowercase()).filter(pl.col("low").is_duplicated())
    told = pl.Series(list(recommendable or ()), dtype=pl.String).implode()
    kept = codes.sort(~pl.col("code").is_in(told), "code").unique("low", keep="first", maintain_order=True)
    merged = codes.join(kept.rename({"code": "one"}), on="low").filter(pl.col("code") != pl.col("one"))
    product = _text(events, "product")
    changed = product.is_in(merged["code"].implode()).fill_null(False)
    if not changed.any():
        return Change(events, changed, "product")
    one = product.replace(merged["code"], merged["one"])
    return Change(events.with_columns(product=one), changed, "product")


def _non_product(known: Collection[str] | None, patterns: Mapping[str, str]) -> Bound:
    def drops(events: pl.DataFrame) -> pl.Series:
        product = _text(events, "product")
        if known is None:
            return guessed(product, patterns).is_not_null()
        return product.is_in(pl.Series(list(known), dtype=pl.String).implode())

    return drops


def _text(events: pl.DataFrame, name: str) -> pl.Series:
    return events[name].cast(pl.String)


def _number(events: pl.DataFrame, name: str) -> pl.Series:
    return events[name].cast(pl.Float64, strict=False)


def _empty(name: str) -> Bound:
    return lambda events: _text(events, name).str.strip_chars().fill_null("") == ""


def _quantity(most: float) -> Bound:
    def drops(events: pl.DataFrame) -> pl.Series:
        quantity = _number(events, "quantity")
        return (quantity <= 0) | (quantity > most) | quantity.is_nan()

    return drops


def _zero_price(events: pl.DataFrame) -> pl.Series:
    price = _number(events, "price")
    return (price == 0) | ~price.is_finite()


def _outside(earliest: datetime, latest: datetime) -> Bound:
    first, last = (each.replace(tzinfo=UTC).timestamp() for each in (earliest, latest))

    def drops(events: pl.DataFrame) -> pl.Series:
        at = events.select(at=epoch_seconds(events)).to_series()
        at = at.new_from_index(0, len(events)) if len(at) != len(events) else at  # of a type that is no time
        if at.null_count() == len(at):
            return pl.Series([False]).new_from_index(0, len(at))  # a file without dates has no wrong ones
        return at.is_null() | at.is_nan() | (at < first) | (at > last)

    return drops
