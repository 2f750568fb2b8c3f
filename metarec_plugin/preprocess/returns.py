"""Net returns against the purchases that they take back, where nothing links the two: by subject and product."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

import numpy as np
import polars as pl

from metarec_plugin.preprocess.clean import Change, Rule
from metarec_plugin.preprocess.splits import epoch_seconds

BOUGHT, RETURNED = ("purchase",), ("return",)  # kinds of events
CREDIT = "c"  # what the order of a credit note begins with: the way of many tills, in either case
_TAKEN, _FATE = (
    "_taken",
    "_fate",
)  # of a purchase how much of it was taken back; of a return what became of it
NETTED, EXCEEDS, UNMATCHED = 1, 2, 3
_FATES = (
    (NETTED, "return", "a return, taken off earlier purchases"),
    (EXCEEDS, "return_exceeds", "a return of more than earlier purchases hold; what they hold is taken back"),
    (UNMATCHED, "return_unmatched", "a return of what is not bought earlier in this log"),
)


def return_rules(bought: Collection[str] = BOUGHT, returned: Collection[str] = RETURNED) -> tuple[Rule, ...]:
    """Return the rules that net returns, in order; the first finds what the others drop."""
    return (
        Rule(
            "partly_returned", "a part was returned: the quantity is what was kept", ("subject", "product"),
            changes=lambda events: netted(events, bought, returned),
        ),
        Rule(
            "taken_back", "returned or cancelled in full", (_TAKEN,),
            lambda e: (e[_TAKEN] > 0) & (e[_TAKEN] >= _amounts(e)),
        ),
        *(
            Rule(name, why, (_FATE,), partial(_has_fate, fate)) for fate, name, why in _FATES
        ),
    )  # fmt: skip


def _has_fate(fate: int, events: pl.DataFrame) -> pl.Series:
    return events[_FATE] == fate


def netted(events: pl.DataFrame, bought: Collection[str], returned: Collection[str]) -> Change:
    """Take each return off the subject's latest earlier purchase of the product that holds as much.

    Where none does, off as many as it takes, the latest first. A return is an event of that kind, or a negative
    quantity in an order with the letter C before its number. `taken` of the events is what links say is taken back.
    """
    is_return = _is_return(events, returned)
    is_bought = ~is_return & (events["kind"].is_in(list(bought)) if "kind" in events.columns else True)
    amounts = _amounts(events)
    taken = np.zeros(len(events))
    if "taken" in events.columns:
        taken = events["taken"].cast(pl.Float64).fill_null(0.0).to_numpy().copy()
    fates = np.zeros(len(events), dtype=np.int8)
    amount = amounts.to_numpy()
    if is_return.any():
        for buys, gives in _pairs(events, is_return, is_bought & amounts.is_finite() & _positive(events)):
            _take(buys, gives, amount, taken, fates)
    partly = pl.Series((taken > 0) & (taken < amount))
    events = events.with_columns(pl.Series(_TAKEN, taken), pl.Series(_FATE, fates))
    if "quantity" in events.columns and partly.any():
        left = pl.Series(amount - taken).cast(events["quantity"].dtype, strict=False)
        events = events.with_columns(
            quantity=pl.when(partly).then(left).otherwise(pl.col("quantity")),
            # What is left of it was taken back by nobody.
            **{_TAKEN: pl.when(partly).then(0.0).otherwise(pl.col(_TAKEN))},
        )
    return Change(events, partly, "quantity" if "quantity" in events.columns else "product")


def _is_return(events: pl.DataFrame, returned: Collection[str]) -> pl.Series:
    found = pl.Series([False]).new_from_index(0, len(events))
    if "kind" in events.columns:
        found = events["kind"].is_in(list(returned)).fill_null(False)
    if {"quantity", "order"} <= set(events.columns):
        order = events["order"].cast(pl.String).str.to_lowercase()
        credit = order.str.contains(f"^{CREDIT}[0-9]") & (_quantity(events) < 0)
        found = found | credit.fill_null(False)
    return found


def _positive(events: pl.DataFrame) -> pl.Series | bool:
    return (_quantity(events) > 0).fill_null(True) if "quantity" in events.columns else True


def _quantity(events: pl.DataFrame) -> pl.Series:
    return events["quantity"].cast(pl.Float64, strict=False)


def _amounts(events: pl.DataFrame) -> pl.Series:
    """How many each row is about; 1 where it does not say."""
    if "quantity" not in events.columns:
        return pl.Series([1.0]).new_from_index(0, len(events))
    return _quantity(events).abs().fill_nan(None).fill_null(1.0)


def _pairs(
    events: pl.DataFrame, is_return: pl.Series, is_bought: pl.Series
) -> Iterator[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
    """Yield, of each subject and product with a return, purchases and returns as (rank in time, row), ascending.

    Of what happened at one moment the purchases come first, then the order of the rows decides.
    """
    rows = events.select("subject", "product", _seconds=epoch_seconds(events), _return=is_return)
    rows = rows.with_row_index("_row").filter(is_return | is_bought)
    given = rows.filter("_return").select("subject", "product").unique()
    rows = rows.join(given, on=["subject", "product"], how="semi", nulls_equal=True)
    rows = rows.sort("subject", "product", "_seconds", "_return", "_row")
    bounds = rows.select(pl.struct("subject", "product").rle_id()).to_series().to_list()
    places, returns = rows["_row"].to_list(), rows["_return"].to_list()
    buys: list[tuple[int, int]] = []
    gives: list[tuple[int, int]] = []
    for rank, (pair, row, back) in enumerate(zip(bounds, places, returns)):
        if rank and pair != bounds[rank - 1]:
            yield buys, gives
            buys, gives = [], []
        (gives if back else buys).append((rank, row))
    yield buys, gives


def _take(
    buys: list[tuple[int, int]],
    gives: list[tuple[int, int]],
    amounts: np.ndarray,
    taken: np.ndarray,
    fates: np.ndarray,
) -> None:
    """Take the returns of one subject and product off its purchases: writes `taken` and `fates`."""
    for moment, row in gives:
        left = amounts[row]
        earlier = [buy for rank, buy in reversed(buys) if rank < moment and taken[buy] < amounts[buy]]
        whole = next((buy for buy in earlier if amounts[buy] - taken[buy] >= left), None)
        for buy in earlier if whole is None else (whole,):
            part = min(left, amounts[buy] - taken[buy])
            taken[buy] += part
            left -= part
            if left <= 0:
                break
        fates[row] = NETTED if left <= 0 else EXCEEDS if earlier else UNMATCHED
