"""Quantiles and tails that tests need, without scipy: a web process shows reports, and has none."""

from __future__ import annotations

import math
from statistics import NormalDist

NORMAL = NormalDist()
TERMS = 60  # pairs of the continued fraction, enough for MANY
MANY = 2_000.0  # degrees of freedom from which Student's quantile is the normal one, to about a thousandth


def chi_square_tail(value: float, freedom: int) -> float:
    """Return P(chi-square with so many degrees of freedom > value), by the recurrence of the incomplete gamma."""
    half = value / 2
    if half <= 0:
        return 1.0
    order = 0.5 if freedom % 2 else 1.0
    tail = math.erfc(math.sqrt(half)) if freedom % 2 else math.exp(-half)
    while order < freedom / 2:
        tail += math.exp(order * math.log(half) - half - math.lgamma(order + 1))
        order += 1
    return min(1.0, tail)


def student_quantile(p: float, freedom: float) -> float:
    """Return the p-quantile of Student's t, p above a half, by bisection of its distribution."""
    low = NORMAL.inv_cdf(p)
    if freedom >= MANY:
        return low
    high = 2 * low + 1
    while student_tail(high, freedom) > 1 - p:
        low, high = high, 2 * high
    for _ in range(42):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > 1 - p else (low, middle)
    return high


def student_tail(value: float, freedom: float) -> float:
    """Return P(t > value), value from 0: half the incomplete beta function at freedom / (freedom + value^2)."""
    return _incomplete_beta(freedom / (freedom + value * value), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction = 1.0
    for m in range(TERMS, -1, -1):
        if m < TERMS:
            fraction = 1 + (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2)) / fraction
        fraction = 1 - (a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) / fraction
    return math.exp(front) / (a * fraction)
