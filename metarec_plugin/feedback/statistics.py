"""Whether variants differ, and by how much: intervals of differences, at a fixed horizon and at any time.

Fixed: Newcombe's hybrid score interval of two proportions (Newcombe 1998, method 10), Welch's of two means. Any time:
the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021, arXiv:2103.06476,
theorem 2.2), which is the mixture sequential ratio test of Johari, Koomen, Pekelis and Walsh (2017, arXiv:1512.04922)
with an estimated variance: it covers at all looks together, so that who looks each day finds no more by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from metarec_plugin.feedback.distributions import NORMAL, chi_square_tail, student_quantile

ALPHA = 0.05
RATIO_ALARM = 0.001  # p below which the split is not the one that was asked for
MIN_EXPECTED = 5  # subjects of the smallest variant from which the chi-square can be read
MIN_SUBJECTS = 100  # of each variant, from which a confidence sequence is read: it holds for large numbers
# Amounts are skewed: a variant of few buyers has its mean and its variance too low together, and alarms too often. From
# so many subjects with an amount a confidence sequence is read, and an interval at a horizon is not called rough.
MIN_ACTIVE, ROUGH_BELOW = 100, 400
BEST_AT = 10_000  # subjects at which a confidence sequence is tightest where no horizon says it


@dataclass(frozen=True)
class Moments:
    """What is kept of a number over the subjects of a variant. binary: it is 0 or 1; active: how often it is not 0."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    binary: bool = False
    active: int = 0

    def plus(self, value: float) -> Moments:
        active = self.active + (value != 0)
        return Moments(self.n + 1, self.total + value, self.squares + value * value, self.binary, active)

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        if self.n < 2:
            return 0.0
        return max(0.0, (self.squares - self.n * self.mean**2) / (self.n - 1))

    @property
    def mean_variance(self) -> float:
        """Return the squared standard error of the mean.

        A proportion's is that of four more subjects, of whom two did (Agresti and Coull 1998): what nobody did yet is
        not known for sure.
        """
        if not self.binary:
            return self.variance / self.n if self.n else 0.0
        share = (self.total + 2) / (self.n + 4)
        return share * (1 - share) / (self.n + 4)


@dataclass(frozen=True)
class SampleRatio:
    """Whether subjects were split as the shares say. p: None where there are too few to tell."""

    p: float | None
    observed: Mapping[str, int]
    expected: Mapping[str, float]

    @property
    def alarm(self) -> bool:
        return self.p is not None and self.p < RATIO_ALARM


@dataclass(frozen=True)
class Comparison:
    """A variant less the control: the difference and, where it can be said, the lift relative to the control."""

    difference: float
    low: float
    high: float
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    note: str = ""

    @property
    def different(self) -> bool:
        return self.low > 0 or self.high < 0


def sample_ratio(observed: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Hold the subjects of each variant against its share, by chi-square. A subject of no variant is one too many."""
    total, whole = sum(observed.values()), sum(shares.values())
    expected = {name: total * share / whole for name, share in shares.items()}
    counts = {name: observed.get(name, 0) for name in [*shares, *(set(observed) - set(shares))]}
    if any(counts[name] for name in counts if name not in shares):
        return SampleRatio(0.0, counts, expected)
    if len(shares) < 2 or min(expected.values()) < MIN_EXPECTED:
        return SampleRatio(None, counts, expected)
    value = sum((counts[name] - number) ** 2 / number for name, number in expected.items())
    return SampleRatio(chi_square_tail(value, len(shares) - 1), counts, expected)


def compare_at_horizon(control: Moments, variant: Moments, alpha: float = ALPHA) -> Comparison:
    """Compare two variants once, at the horizon that was set before."""
    if min(control.n, variant.n) < 2:
        return _unknown(control, variant, _("fewer than two subjects"))
    if control.binary:
        z = NORMAL.inv_cdf(1 - alpha / 2)
        low, high = _newcombe(control, variant, z)
        return _with_lift(control, variant, low, high, z)
    if not control.mean_variance and not variant.mean_variance:
        return _unknown(control, variant, _("the same value for every subject: nothing to tell chance by"))
    critical = student_quantile(1 - alpha / 2, _freedom(control, variant))
    rough = min(control.active, variant.active) < ROUGH_BELOW
    note = (
        _("rough: fewer than %(n)s subjects of a variant have an amount") % {"n": ROUGH_BELOW}
        if rough
        else ""
    )
    return _symmetric(control, variant, critical, note)


def compare_any_time(
    control: Moments, variant: Moments, alpha: float = ALPHA, best_at: int = BEST_AT
) -> Comparison:
    """Compare two variants at any look, of as many as one likes. best_at: subjects at which it is tightest."""
    if min(control.n, variant.n) < MIN_SUBJECTS:
        return _unknown(control, variant, _("fewer than %(n)s subjects of a variant") % {"n": MIN_SUBJECTS})
    if not control.binary and min(control.active, variant.active) < MIN_ACTIVE:
        return _unknown(
            control, variant, _("fewer than %(n)s subjects of a variant have an amount") % {"n": MIN_ACTIVE}
        )
    return _symmetric(control, variant, any_time_critical(control.n + variant.n, alpha, best_at))


def any_time_critical(n: int, alpha: float = ALPHA, best_at: int = BEST_AT) -> float:
    """Return how many standard errors a confidence sequence is wide to each side after n subjects.

    sqrt(2 (n rho^2 + 1) / (n rho^2) * log(sqrt(n rho^2 + 1) / alpha)), with the rho that is best at
    `best_at` but for a thousandth, sqrt((-2 log alpha + log(-2 log alpha + 1)) / best_at).
    """
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / best_at
    spread = n * rho2
    return math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / alpha))


def _newcombe(control: Moments, variant: Moments, z: float) -> tuple[float, float]:
    (low_c, high_c), (low_v, high_v) = _wilson(control, z), _wilson(variant, z)
    difference = variant.mean - control.mean
    return (
        difference - math.hypot(variant.mean - low_v, high_c - control.mean),
        difference + math.hypot(high_v - variant.mean, control.mean - low_c),
    )


def _wilson(moments: Moments, z: float) -> tuple[float, float]:
    n, share = moments.n, moments.mean
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def _freedom(control: Moments, variant: Moments) -> float:
    """Welch's and Satterthwaite's degrees of freedom."""
    whole = control.mean_variance + variant.mean_variance
    parts = control.mean_variance**2 / (control.n - 1) + variant.mean_variance**2 / (variant.n - 1)
    return whole**2 / parts


def _symmetric(control: Moments, variant: Moments, critical: float, note: str = "") -> Comparison:
    difference = variant.mean - control.mean
    half = critical * math.sqrt(control.mean_variance + variant.mean_variance)
    return _with_lift(control, variant, difference - half, difference + half, critical, note)


def _with_lift(
    control: Moments, variant: Moments, low: float, high: float, critical: float, note: str = ""
) -> Comparison:
    """Add the relative lift by the delta method, where the control is surely above zero: else it has no bounds."""
    difference = variant.mean - control.mean
    if control.mean <= critical * math.sqrt(control.mean_variance):
        none = _("no relative lift: the control is not surely above zero")
        return Comparison(difference, low, high, note=f"{note}; {none}" if note else none)
    ratio = variant.mean / control.mean
    half = critical * math.sqrt(variant.mean_variance + ratio**2 * control.mean_variance) / control.mean
    return Comparison(difference, low, high, ratio - 1, ratio - 1 - half, ratio - 1 + half, note)


def _unknown(control: Moments, variant: Moments, note: str) -> Comparison:
    return Comparison(variant.mean - control.mean, -math.inf, math.inf, note=note)
