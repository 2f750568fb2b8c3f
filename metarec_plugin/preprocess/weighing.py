"""The rule by which the products of a support count, in numpy alone.

Evaluation and serving follow the same one. What is usual, the whole log tells in evaluation, in a request the support.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

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


def normalised(weights: np.ndarray) -> np.ndarray:
    """Return (k,) float32 weights with mean 1; all 1 where nothing counts, since something has to."""
    total = float(weights.sum())
    if total <= 0:
        return np.ones(len(weights), dtype=np.float32)
    return (weights * (len(weights) / total)).astype(np.float32)
