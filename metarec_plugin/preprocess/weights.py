"""How much each product of a support counts: by the kind, quantity, value, dwell and age of the event behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.preprocess.splits import epoch_seconds

DAY = 86_400.0
FEW, MANY = 1 / 8, 8.0  # bounds of a quantity or a dwell, in what is usual: beyond them nothing more is told


@dataclass(frozen=True)
class SupportWeights:
    """w = kind * quantity^a * dwell^b * 2^(v * value) * 2^(-age / half-life) * decay^place.

    Everything is neutral by default, so that every product counts 1. Quantity is in what is usual for the product,
    dwell in what is usual for the store; value is less the store's mean, in its deviations; place counts from the
    newest product. Only the weights of one support beside each other matter.
    """

    kinds: Mapping[str, float] = field(default_factory=dict)  # 1 where a kind is not named
    quantity: float = 0.0  # a
    dwell: float = 0.0  # b
    value: float = 0.0  # v
    half_life_days: float = np.inf
    decay: float = 1.0

    def __str__(self) -> str:
        parts = [f"{kind} x{weight:g}" for kind, weight in self.kinds.items() if weight != 1]
        parts += [f"{name}^{power:g}" for name in ("quantity", "dwell") if (power := getattr(self, name))]
        parts += [f"2^({self.value:g} value)"] if self.value else []
        parts += [f"half-life {self.half_life_days:g} d"] if np.isfinite(self.half_life_days) else []
        parts += [f"{self.decay:g}^place"] if self.decay != 1 else []
        return ", ".join(parts) or "all 1"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of events, whatever the shape of the arrays: all have the same one."""

    kinds: np.ndarray  # str; empty where unknown
    quantity: np.ndarray  # in what is usual for the product, 1 where unknown
    dwell: np.ndarray  # in what is usual for the store, 1 where unknown
    value: np.ndarray  # in deviations from the store's mean, 0 where unknown

    def __getitem__(self, places: np.ndarray) -> Evidence:
        return Evidence(self.kinds[places], self.quantity[places], self.dwell[places], self.value[places])


def support_weights(evidence: Evidence, ages: np.ndarray, rule: SupportWeights) -> np.ndarray:
    """Return (B, k) float32 weights of supports, oldest first, from (B, k) evidence and ages in days.

    An unknown age (NaN) counts as 0: nothing is taken off.
    """
    weights = np.ones(ages.shape)
    for kind, weight in rule.kinds.items():
        weights[evidence.kinds == kind] *= weight
    weights *= np.clip(evidence.quantity, FEW, MANY) ** rule.quantity
    weights *= np.clip(evidence.dwell, FEW, MANY) ** rule.dwell
    weights *= np.exp2(rule.value * evidence.value - np.nan_to_num(ages) / rule.half_life_days)
    weights *= rule.decay ** np.arange(ages.shape[1] - 1, -1, -1)
    return weights.astype(np.float32)


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
