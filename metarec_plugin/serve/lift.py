"""How specific a placement's list is: 0 ranks the most probable products first, 1 the most specific."""

from __future__ import annotations

import math

from metarec_plugin.adapt.online import OnlineModel

NEWCOMER_K, RETURNING_K = 10, 50  # up to the first the lift holds; from there it fades until the second


def lift_of(model: OnlineModel, placement: str, configured: float | None = None) -> float:
    """The configured lift, else the one that the bundle chose for this placement or for the home page."""
    if configured is not None:
        return float(configured)
    lifts = model.manifest.get("lifts", {})
    return float(lifts.get(placement, lifts.get("home", 0.0)))


def lift_at(model: OnlineModel, placement: str, k: int, configured: float | None = None) -> float:
    """The lift for a shopper of whom k products are known.

    A newcomer's lift may cost a returning shopper, whose list is specific as it is, far more NDCG@20 than was
    allowed. So beyond NEWCOMER_K products the bundle's own lift falls, linearly in log(1 + k), to what it
    allows at RETURNING_K. A configured lift is the merchant's word and stays.
    """
    lift = lift_of(model, placement, configured)
    returning = model.manifest.get("lifts", {}).get(f"home_at_{RETURNING_K}")
    if k <= NEWCOMER_K or returning is None or configured is not None:
        return lift
    way = math.log((1 + k) / (1 + NEWCOMER_K)) / math.log((1 + RETURNING_K) / (1 + NEWCOMER_K))
    return lift + min(1.0, way) * min(0.0, float(returning) - lift)
