"""Ratios of sums with 95 % intervals: clicks of so many lists, where the lists of one shopper belong together.

A list is no unit of chance of its own: whoever is shown ten lists clicks on several or on none. The unit is a subject
on a day, with x lists and y outcomes, and R = sum y / sum x. The delta method gives its variance from sums alone
(Deng, Knoblich, Lu: Applying the delta method in metric analytics, KDD 2018, section 3.1). As sum (y - R x) is 0,

    var R = n / (n - 1) * (sum yy - 2 R sum xy + R^2 sum xx) / (sum x)^2.

One subject on two days, or at two placements, counts as two units: over many, intervals are a little too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from metarec_plugin.feedback.distributions import NORMAL

Z = NORMAL.inv_cdf(0.975)
FEWEST = 30  # units from which an interval is given: below, the normal distribution is no help


class Sums(NamedTuple):
    """Over n units: of x, of y, of their squares and of their products."""

    n: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    y: float = 0.0
    yy: float = 0.0
    xy: float = 0.0


def added(parts: Iterable[Sums]) -> Sums:
    """Return the sums over all units of the parts."""
    return Sums(*map(sum, zip(*parts))) if (parts := list(parts)) else Sums()


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error. Either is None where it cannot be told; an interval needs both."""

    value: float | None = None
    error: float | None = None
    least: float = -math.inf  # what it cannot be below

    @property
    def low(self) -> float | None:
        if self.value is None or self.error is None:
            return None
        return max(self.least, self.value - Z * self.error)

    @property
    def high(self) -> float | None:
        return None if self.value is None or self.error is None else self.value + Z * self.error

    @property
    def differs(self) -> bool:
        """Whether it is surely not 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def ratio(sums: Sums, least: float = 0.0) -> Estimate:
    """Return y per x. No error from too few units, and none where nothing happened: chance cannot be told then."""
    if sums.x <= 0:
        return Estimate(least=least)
    value = sums.y / sums.x
    if sums.n < FEWEST or not sums.yy:
        return Estimate(value, None, least)
    squares = max(0.0, sums.yy - 2 * value * sums.xy + value * value * sums.xx)
    return Estimate(value, math.sqrt(sums.n / (sums.n - 1) * squares) / sums.x, least)


def total(sums: Sums) -> Estimate:
    """Return the sum of y, with the chance that other subjects, and another number of them, would have brought.

    How many come is chance, too: of a Poisson number of units the sum has the variance E[n] E[yy], which is sum yy.
    """
    if sums.n < FEWEST or not sums.yy:
        return Estimate(sums.y if sums.n else None)
    return Estimate(sums.y, math.sqrt(sums.yy))


def change(now: Estimate, before: Estimate) -> Estimate:
    """Return the difference of two figures of different times."""
    if now.value is None or before.value is None:
        return Estimate()
    known = now.error is not None and before.error is not None
    return Estimate(
        now.value - before.value,
        math.hypot(now.error or 0.0, before.error or 0.0) if known else None,
    )
