"""Does what a learner calls probable happen as often as it says? Reliability tables and their error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10
_SMALL = 1e-3  # at most a thousand products of a row are more probable
_STEPS = 40


@dataclass(frozen=True)
class Bin:
    """Listed products of about the same predicted probability, over all shoppers."""

    listed: int
    predicted: float  # mean probability of being among the next products
    observed: float  # share that was
    low: float  # 95 % Wilson interval of the share, taking listed products as independent
    high: float


@dataclass(frozen=True)
class Reliability:
    """Equal-mass bins by rising probability, and the expected calibration error: |predicted - observed|,
    averaged over the listed products. None of either where nothing was listed."""

    bins: tuple[Bin, ...]
    error: float | None


def predicted(scores: np.ndarray, top: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return (B, 20) the probability that each listed product is among the shopper's next products.

    scores: (B, N) log probabilities of the *next* product over the catalogue, -inf for the support: what is
    left is made to sum to one again. n_relevant: (B,) how many products come next, m. They are distinct, so
    they are read as m draws without replacement by these probabilities, in which product j is drawn with
    about 1 - exp(-t p_j), t such that the whole catalogue is expected m times. For small p_j that is m p_j; it
    never passes 1, and leaves to others what the most probable cannot be twice. NaN where nothing is listed.
    Source: Rosén 1972, theorem 12.1 (inclusion probabilities of successive sampling).
    """
    chances = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float64)
    chances /= chances.sum(axis=1, keepdims=True)
    t = _draws(chances, n_relevant.astype(np.float64), _SMALL)
    many = np.flatnonzero(t * _SMALL > 0.1)  # there the small ones are no longer near to linear
    if len(many):
        t[many] = _draws(chances[many], n_relevant[many].astype(np.float64), 0.0)
    listed = np.take_along_axis(chances, np.maximum(top, 0), axis=1)
    return np.where(top >= 0, -np.expm1(-t[:, None] * listed), np.nan)


def _draws(chances: np.ndarray, wanted: np.ndarray, small: float) -> np.ndarray:
    """Return the (B,) t with sum over j of 1 - exp(-t p_j) = wanted, by Newton's method from below.

    The sum is concave in t, so that no step goes too far. Products up to `small` enter by their first two
    powers. Where fewer than `wanted` products have any probability, t grows until each of them is certain.
    """
    rows, columns = np.nonzero(chances > small)
    large = chances[rows, columns]
    b = len(chances)
    few = np.where(chances > small, 0.0, chances)
    first, second = few.sum(axis=1), (few * few).sum(axis=1)
    t = wanted.copy()
    for _ in range(_STEPS):
        left = np.exp(-t[rows] * large)
        value = np.bincount(rows, 1 - left, b) + t * first - t * t / 2 * second - wanted
        slope = np.bincount(rows, large * left, b) + first - t * second
        step = np.minimum(-value / np.maximum(slope, 1e-12), 9 * t)
        t += np.maximum(step, 0.0)
        if (step <= 1e-6 * t).all():
            break
    return t


def reliability(chances: np.ndarray, found: np.ndarray, bins: int = BINS) -> Reliability:
    """Return the table of (B, 20) predicted probabilities, NaN where nothing is listed, against (B, 20) hits.

    Source: Niculescu-Mizil and Caruana 2005 (reliability); Naeini et al. 2015 (expected calibration error with
    bins of equal mass, which a few very probable products cannot escape).
    """
    listed = ~np.isnan(chances)
    values, happened = chances[listed], found[listed].astype(np.float64)
    if not len(values):
        return Reliability((), None)
    order = np.argsort(values, kind="stable")
    table = [
        _bin(values[part], happened[part])
        for part in np.array_split(order, min(bins, len(order)))
        if len(part)
    ]
    error = sum(each.listed * abs(each.predicted - each.observed) for each in table) / len(values)
    return Reliability(tuple(table), float(error))


def _bin(chances: np.ndarray, happened: np.ndarray) -> Bin:
    n, share, z = len(happened), float(happened.mean()), 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Bin(
        n, float(chances.mean()), share, max(0.0, float(middle - half)), min(1.0, float(middle + half))
    )
