"""Intervals and p-values by resampling shoppers, two scorers measured on the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

_CELLS = 2_000_000  # resampled shoppers held at once: 16 MB, thrice
SAMPLES = 10_000
LEVEL = 0.95


class PerShopper(Protocol):
    """One scorer at one k: which shoppers were measured, and the NDCG@20 of each."""

    @property
    def rows(self) -> np.ndarray: ...  # (n,) the shopper's place among the held-out histories, ascending
    @property
    def ndcg(self) -> np.ndarray: ...  # (n,)


class Interval(NamedTuple):
    """A mean and the percentile interval around it."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A mean of paired differences: its interval, its two-sided p-value, and both as a share of the second."""

    mean: float
    low: float
    high: float
    p: float
    share: float  # mean of ours / mean of theirs - 1; NaN where theirs is 0
    share_low: float
    share_high: float


def paired_interval(
    ours: np.ndarray,
    theirs: np.ndarray,
    rng: np.random.Generator,
    samples: int = SAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the mean of ours - theirs, (n,) each, paired by shopper, with its bootstrap interval.

    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval).
    """
    _require_pairs(ours, theirs)
    return mean_interval(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64), rng, samples, level)


def mean_interval(
    values: np.ndarray, rng: np.random.Generator, samples: int = SAMPLES, level: float = LEVEL
) -> Interval:
    """Return the mean of (n,) values with its bootstrap interval; NaN without values."""
    return mean_intervals(np.asarray(values)[:, None], rng, samples, level)[0]


def mean_intervals(
    values: np.ndarray, rng: np.random.Generator, samples: int = SAMPLES, level: float = LEVEL
) -> list[Interval]:
    """Return the mean of each column of (n, m) values with its interval; all columns share their resamples."""
    n, m = values.shape
    if not n:
        return [Interval(np.nan, np.nan, np.nan)] * m
    values = np.asarray(values, dtype=np.float64)
    means = _resampled(values, rng, samples)
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    middle = [float(column.mean()) for column in values.T]
    return [Interval(*each) for each in zip(middle, low.tolist(), high.tolist())]


def paired_difference(
    ours: np.ndarray,
    theirs: np.ndarray,
    rng: np.random.Generator,
    samples: int = SAMPLES,
    level: float = LEVEL,
) -> Difference:
    """Return mean(ours) - mean(theirs), (n,) each, paired by shopper, with interval, p-value and share.

    The p-value is twice the smaller share of resamples on either side of no difference, each counted with one
    more so that it is never 0: the smallest level at which the percentile interval leaves out 0. Source: Efron
    and Tibshirani 1993, sections 13.3 and 15.4; Davison and Hinkley 1997, section 4.4 (the one more).
    """
    _require_pairs(ours, theirs)
    values = np.stack([np.asarray(ours, np.float64), np.asarray(theirs, np.float64)], axis=1)
    means = _resampled(values, rng, samples)  # (samples, 2)
    gaps = means[:, 0] - means[:, 1]
    tail = (1 - level) / 2
    low, high = np.quantile(gaps, (tail, 1 - tail))
    below, above = np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0)
    p = min(1.0, 2 * (1 + min(below, above)) / (1 + samples))
    middle = values.mean(axis=0)
    share = share_low = share_high = np.nan
    if middle[1] > 0 and (means[:, 1] > 0).all():
        share = middle[0] / middle[1] - 1
        share_low, share_high = np.quantile(means[:, 0] / means[:, 1] - 1, (tail, 1 - tail))
    gap = float(np.asarray(values[:, 0] - values[:, 1]).mean())
    return Difference(gap, float(low), float(high), p, float(share), float(share_low), float(share_high))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for having been asked together, in the given order.

    Source: Holm 1979 (step-down): the i-th smallest of m is multiplied by m - i + 1, and none may fall below
    a smaller one's.
    """
    m = len(p_values)
    corrected = [0.0] * m
    highest = 0.0
    for place, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (m - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def influence(parts: Sequence[PerShopper]) -> np.ndarray:
    """Return one number a shopper, (n,), whose mean is the mean over the parts and whose spread is its own.

    parts: the same scorer at several k (or splits), their rows numbered alike. Fewer shoppers have enough
    products for a larger k. A shopper's number is the figure plus what the shopper adds in each part where
    measured (the influence function of a mean of ratios), so that resampling them resamples shoppers with all
    their k at once, and no shopper is dropped for having few products.
    """
    shoppers = shoppers_of(parts)
    values = np.zeros(len(shoppers))
    for part in parts:
        rows, ndcg = np.asarray(part.rows), np.asarray(part.ndcg, dtype=np.float64)
        mean = ndcg.mean()
        values += mean
        values[np.searchsorted(shoppers, rows)] += (ndcg - mean) * (len(shoppers) / len(rows))
    return values / len(parts)


def shoppers_of(parts: Sequence[PerShopper]) -> np.ndarray:
    """Return the ascending numbers of all shoppers that were measured in any part."""
    return np.unique(np.concatenate([np.asarray(part.rows) for part in parts]))


def _resampled(values: np.ndarray, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Return (samples, m) means of (n, m) values over shoppers drawn with replacement."""
    return np.concatenate(list(_blocks(values, rng, samples)))


def _blocks(values: np.ndarray, rng: np.random.Generator, samples: int) -> Iterator[np.ndarray]:
    n = len(values)
    step = max(1, _CELLS // n)
    for start in range(0, samples, step):
        b = min(step, samples - start)
        drawn = rng.integers(0, n, size=(b, n))
        drawn += n * np.arange(b)[:, None]
        # How often each shopper was drawn serves all columns at once.
        times = np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n)
        yield times.astype(np.float64) @ values / n


def _require_pairs(ours: np.ndarray, theirs: np.ndarray) -> None:
    if len(ours) != len(theirs):
        raise ValueError(f"paired arrays must have one length; found {len(ours)} and {len(theirs)}")
