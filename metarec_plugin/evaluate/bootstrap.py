"""Intervals by resampling shoppers, two scorers measured on the same ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_CELLS = 8_000_000  # resampled values held at once: 64 MB


class Interval(NamedTuple):
    """A mean and the percentile interval around it."""

    mean: float
    low: float
    high: float


def paired_interval(
    ours: np.ndarray, theirs: np.ndarray, rng: np.random.Generator, samples: int = 10_000, level: float = 0.95
) -> Interval:
    """Return the mean of ours - theirs, (n,) each, paired by shopper, with its bootstrap interval.

    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval).
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired arrays must have one length; found {len(ours)} and {len(theirs)}")
    return mean_interval(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64), rng, samples, level)


def mean_interval(
    values: np.ndarray, rng: np.random.Generator, samples: int = 10_000, level: float = 0.95
) -> Interval:
    """Return the mean of (n,) values with its bootstrap interval; NaN without values."""
    n = len(values)
    if not n:
        return Interval(np.nan, np.nan, np.nan)
    values = np.asarray(values, dtype=np.float64)
    step = max(1, _CELLS // n)
    means = np.concatenate(
        [
            values[rng.integers(0, n, size=(min(step, samples - start), n))].mean(axis=1)
            for start in range(0, samples, step)
        ]
    )
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(values.mean()), float(low), float(high))
