"""How many subjects a fixed test needs, and which difference so many subjects would find."""

from __future__ import annotations

import math

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.distributions import NORMAL
from metarec_plugin.feedback.statistics import ALPHA

POWER = 0.8


def subjects_for_rate(
    rate: float,
    lift: float,
    *,
    share: float = 0.5,
    control_share: float = 0.5,
    power: float = POWER,
    alpha: float = ALPHA,
) -> int:
    """Return the subjects of all variants together that find a relative lift of a rate with this power.

    rate: of the control, such as a conversion of 0.03; lift 0.1: a tenth more. share: of the experiment's subjects
    that the variant gets. With several variants, divide alpha by their number less one.
    """
    other = rate * (1 + lift)
    if not 0 < rate < 1 or not 0 < other < 1:
        raise InvalidRule(
            f"A rate lies between 0 and 1, before and after the lift; found {rate} and {other}."
        )
    return _subjects(other - rate, rate * (1 - rate), other * (1 - other), share, control_share, power, alpha)


def subjects_for_mean(
    mean: float,
    deviation: float,
    lift: float,
    *,
    share: float = 0.5,
    control_share: float = 0.5,
    power: float = POWER,
    alpha: float = ALPHA,
) -> int:
    """The same for a mean, such as revenue per subject, of this standard deviation over all subjects."""
    if not deviation > 0:
        raise InvalidRule(f"The standard deviation is above 0; found {deviation}.")
    return _subjects(mean * lift, deviation**2, deviation**2, share, control_share, power, alpha)


def detectable(error: float, *, power: float = POWER, alpha: float = ALPHA) -> float:
    """Return the difference that a test finds with this power; error: the standard error of the difference."""
    return _quantiles(power, alpha) * error


def _subjects(
    difference: float,
    control: float,
    variant: float,
    share: float,
    control_share: float,
    power: float,
    alpha: float,
) -> int:
    """control, variant: the variances of one subject."""
    if not difference or not math.isfinite(difference):
        raise InvalidRule("Name the lift that is to be found: no number of subjects finds a lift of 0.")
    if min(share, control_share) <= 0 or share + control_share > 1 + 1e-9:
        raise InvalidRule(f"Shares are above 0 and at most 1 together; found {share} and {control_share}.")
    needed = _quantiles(power, alpha) ** 2 * (control / control_share + variant / share) / difference**2
    return math.ceil(needed)


def _quantiles(power: float, alpha: float) -> float:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise InvalidRule(f"Power and alpha lie between 0 and 1; found {power} and {alpha}.")
    return NORMAL.inv_cdf(1 - alpha / 2) + NORMAL.inv_cdf(power)
