"""What rose lately: decayed counts of one window against those of the window before it, smoothed."""

from __future__ import annotations

import numpy as np

SMOOTHING = 5.0  # decayed events that a product is given in either window: one event moves it by little


def rising(
    products: np.ndarray, ages: np.ndarray, n_products: int, *, window: float, half_life: float
) -> np.ndarray:
    """Return (N,) log ratios of how much of the shop's events each product has now to what it had before.

    products, ages: (n,) indices and ages in days, of events up to two windows old. In either window an event counts
    2^(-days from the window's end / half_life), so a product whose share stays the same is at 0 whatever the shop as
    a whole does. Both counts are smoothed by five events: r and b being the decayed counts, and g the growth of
    all events, it is log((r + 5) / (g b + 5)).
    """
    recent = ages < window
    before = ~recent & (ages < 2 * window)
    now = np.bincount(products[recent], np.exp2(-ages[recent] / half_life), n_products)
    then = np.bincount(products[before], np.exp2(-(ages[before] - window) / half_life), n_products)
    growth = (now.sum() + SMOOTHING) / (then.sum() + SMOOTHING)
    return np.log((now + SMOOTHING) / (growth * then + SMOOTHING))
