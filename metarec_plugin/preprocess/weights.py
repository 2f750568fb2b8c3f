"""What is known of the events behind supports, of a whole log: what the rule of `weighing.py` goes by."""

from __future__ import annotations

import numpy as np
import polars as pl

from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.preprocess.splits import epoch_seconds
from metarec_plugin.preprocess.weighing import Evidence, SupportWeights, support_weights

__all__ = ["Evidence", "SupportWeights", "evidence_of", "support_weights"]


def evidence_of(
    events: pl.DataFrame, histories: Histories, train: Histories, product_keys: np.ndarray
) -> Evidence:
    """Return the evidence of each first meeting in histories, arrays of (nnz,) in their order.

    events: subject, product and any of kind, quantity, value, at. A dwell is the value of an event of that kind.
    What is usual is told by training subjects alone, of whoever the histories are.
    """
    kinds, quantity, values = _met(events, histories, product_keys)
    train_kinds, train_quantity, train_values = _met(events, train, product_keys)
    dwelt, train_dwelt = kinds == "dwell", train_kinds == "dwell"
    n = len(product_keys)
    rated = np.where(train_dwelt, np.nan, train_values)
    return Evidence(
        kinds,
        quantity=_in_the_usual(quantity, histories.products, _usual(train_quantity, train.products, n)),
        dwell=_in_the_usual(
            np.where(dwelt, values, np.nan),
            np.zeros(len(values), dtype=int),
            _usual(np.where(train_dwelt, train_values, np.nan), np.zeros(len(train_values), dtype=int), 1),
        ),
        value=_standardised(np.where(dwelt, np.nan, values), rated),
    )


def _met(
    events: pl.DataFrame, histories: Histories, product_keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kind, quantity and value of the first event with each product, (nnz,) each; NaN where unknown."""
    met = pl.DataFrame(
        {
            "subject": np.repeat(histories.subjects, histories.lengths()),
            "product": product_keys[histories.products],
        }
    )
    known = [name for name in ("kind", "quantity", "value") if name in events.columns]
    told = events.with_columns(epoch_seconds(events).alias("_at"))
    told = told.sort("_at", maintain_order=True).unique(["subject", "product"], keep="first")
    rows = met.join(
        told.select("subject", "product", *known),
        on=["subject", "product"],
        how="left",
        maintain_order="left",
    )
    kinds = rows["kind"].fill_null("").to_numpy() if "kind" in known else np.full(len(rows), "")
    return kinds.astype(np.str_), _numbers(rows, "quantity"), _numbers(rows, "value")


def _numbers(rows: pl.DataFrame, name: str) -> np.ndarray:
    if name not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _usual(numbers: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """The (n_groups,) medians of the positive numbers of each group, 1 where there is none."""
    known = np.flatnonzero(numbers > 0)
    told = pl.DataFrame({"group": groups[known], "number": numbers[known]})
    medians = told.group_by("group").agg(pl.col("number").median())
    usual = np.ones(n_groups)
    usual[medians["group"].to_numpy()] = medians["number"].to_numpy()
    return usual


def _in_the_usual(numbers: np.ndarray, groups: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Divide positive numbers by what is usual of their group, 1 where there is none."""
    known = numbers > 0
    out = np.ones(len(numbers))
    out[known] = numbers[known] / usual[groups[known]]
    return out


def _standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    usual = train[~np.isnan(train)]
    if not len(usual):
        return np.zeros(len(values))
    deviation = float(usual.std()) or 1.0
    return np.where(np.isnan(values), 0.0, (values - usual.mean()) / deviation)
