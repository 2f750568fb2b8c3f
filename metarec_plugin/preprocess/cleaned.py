"""Clean a file or the shop's own log: by the standard rules, the settings, and what a catalogue says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from metarec_plugin.collect.judging import KINDS as REPORTED
from metarec_plugin.conf import get_config
from metarec_plugin.preprocess.clean import Cleaned, Rule, clean
from metarec_plugin.preprocess.crowds import Training
from metarec_plugin.preprocess.files import read_products
from metarec_plugin.preprocess.log import COLUMNS, read_log
from metarec_plugin.preprocess.non_products import CODES, TITLES, non_products, patterns_of
from metarec_plugin.preprocess.returns import BOUGHT
from metarec_plugin.preprocess.rules import standard_rules
from metarec_plugin.preprocess.splits import TEST, TRAIN, TimeSplit, epoch_seconds, side_of
from metarec_plugin.storefront import get_storefront


def cleaned_file(
    events: pl.DataFrame,
    kinds: Sequence[str] | None = None,
    products: Path | str | None = None,
    training: Training | None = None,
    first: Sequence[Rule] = (),
    last: Sequence[Rule] = (),
) -> Cleaned:
    """Clean the rows of an event file by METAREC["CLEANING"], and by what a file of products says of them.

    first, last: rules before and after the standard ones.
    """
    known = read_products(products) if products else None
    options = dict(get_config().cleaning)
    titles = patterns_of(TITLES, options.pop("title_patterns", {}))
    codes = patterns_of(CODES, options.pop("code_patterns", {}))
    rules = standard_rules(
        kinds=kinds,
        bought=bought_of(kinds or BOUGHT),
        recommendable=known.keys if known else None,
        non_products=non_products(known.rows, titles, codes) if known else None,
        training=training,
        code_patterns=codes,
        **options,
    )
    return clean(events, (*first, *rules, *last))


def training_rows(sides: pl.DataFrame) -> Training:
    """Tell which rows are of training subjects."""
    subjects = sides.filter(pl.col("side") == TRAIN)["subject"].implode()
    return lambda events: events["subject"].cast(pl.String).is_in(subjects).fill_null(False)


def not_yet_known(cut: TimeSplit) -> Rule:
    """Drop what training and validation subjects did from t0 on: no return of theirs is known before it is made."""
    testers = cut.sides.filter(pl.col("side") == TEST)["subject"].implode()

    def drops(events: pl.DataFrame) -> pl.Series:
        later = (epoch_seconds(events) >= cut.t0) & ~pl.col("subject").cast(pl.String).is_in(testers)
        return events.select(later=later).to_series()

    return Rule("not_yet_known", "after the instant up to which this track trains", ("subject", "at"), drops)


def cleaned_log(
    kinds: Sequence[str] | None = None,
    min_value: float | None = None,
    columns: Sequence[str] = COLUMNS,
    seed: int = 0,
    since: datetime | None = None,
) -> Cleaned:
    """Return the rows of the log that count, in these columns, and the account of those that do not.

    since: of what happened from that moment on, as if the log began there.
    """
    columns = columns if min_value is None else (*columns, "value")
    kinds = tuple(kinds or get_config().target_kinds)
    # A return that names no purchase, as of an import, is set against the purchases read here.
    read = read_log(kinds, columns, returns=bool(bought_of(kinds)), since=since)
    rules = log_rules(kinds, seed)
    return clean(read, (*rules, *low_value(min_value)))


def log_rules(kinds: Sequence[str] | None = None, seed: int = 0) -> tuple[Rule, ...]:
    """The rules that clean the shop's own log. One query.

    Event ids are unique, so no row repeats another; keys are those of products, and differ in what they differ in; what
    is no product the mapping leaves out.
    """

    def training(events: pl.DataFrame) -> pl.Series:
        subjects = events["subject"].unique()
        trained = [each for each in subjects.to_list() if side_of(each, seed) == TRAIN]
        return events["subject"].is_in(pl.Series(trained, dtype=pl.String).implode())

    live = [str(pk) for pk in get_storefront().products_queryset().order_by().values_list("pk", flat=True)]
    options = dict(get_config().cleaning)
    without = {"duplicate", "code_case", "non_product", *options.pop("without", ())}
    for name in ("title_patterns", "code_patterns"):
        options.pop(name, None)
    return standard_rules(
        kinds=kinds,
        bought=bought_of(kinds or BOUGHT),
        recommendable=live,
        training=training,
        without=without,
        **options,
    )


def bought_of(kinds: Collection[str]) -> Collection[str]:
    """Those of the kinds whose events a return takes back: purchases, or what a shop that learns from none calls them.

    What browsers report and opinions are nothing that can be returned.
    """
    return set(kinds) & set(BOUGHT) or set(kinds) - {*REPORTED, *get_config().dislikes}


def low_value(least: float | None) -> tuple[Rule, ...]:
    """The rule of a least value, where there is one."""
    if least is None:
        return ()

    def drops(events: pl.DataFrame) -> pl.Series:
        return ~(events["value"] >= least).fill_null(False)

    return (Rule("low_value", f"without a value of at least {least:g}", ("value",), drops),)
