"""What is known of the events behind supports, of a whole log: what the rule of `weighing.py` goes by."""

from __future__ import annotations

import numpy as np
import polars as pl

from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.preprocess.splits import epoch_seconds
from metarec_plugin.preprocess.weighing import Evidence, SupportWeights, support_weights

__all__ = ["Evidence", "SupportWeights", "evidence_of", "support_weights"]


def evidence_of(events: pl.DataFrame, histories: Histories, product_keys: np.ndarray) -> Evidence:
    """Return the evidence of each first meeting in histories, arrays of (nnz,) in their order.

    events: subject, product and any of kind, quantity, value, at. A dwell is the value of an event of that kind.
    """
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
    n = len(rows)
    kinds = rows["kind"].fill_null("").to_numpy() if "kind" in known else np.full(n, "")
    kinds = kinds.astype(np.str_)
    quantity = _numbers(rows, "quantity")
    values = _numbers(rows, "value")
    dwelt = kinds == "dwell"
    return Evidence(
        kinds,
        quantity=_in_the_usual(quantity, histories.products, len(product_keys)),
        dwell=_in_the_usual(np.where(dwelt, values, np.nan), np.zeros(n, dtype=int), 1),
        value=_standardised(np.where(dwelt, np.nan, values)),
    )


def _numbers(rows: pl.DataFrame, name: str) -> np.ndarray:
    if name not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _in_the_usual(numbers: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Divide positive numbers by the median of their group, 1 where there is none."""
    known = np.flatnonzero(numbers > 0)
    told = pl.DataFrame({"group": groups[known], "number": numbers[known]})
    medians = told.group_by("group").agg(pl.col("number").median())
    usual = np.ones(n_groups)
    usual[medians["group"].to_numpy()] = medians["number"].to_numpy()
    out = np.ones(len(numbers))
    out[known] = numbers[known] / usual[groups[known]]
    return out


def _standardised(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(values))
    deviation = float(values[known].std()) or 1.0
    return np.where(known, (values - values[known].mean()) / deviation, 0.0)
