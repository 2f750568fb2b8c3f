"""How many subjects a test of a placement takes, from what its own lists led to of late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, sqrt

from django.db.models import Count, Sum
from django.utils import timezone

from metarec_plugin.collect.days import day_of
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.power import subjects_for_mean, subjects_for_rate
from metarec_plugin.feedback.statistics import ALPHA
from metarec_plugin.models import Experiment, PlacementDay

DAYS = 28
LIFTS = (0.05, 0.1, 0.2, 0.4)
COLUMNS = {"click": "clicks", "basket": "baskets", "conversion": "purchases", "revenue": "revenue"}


@dataclass(frozen=True)
class Need:
    """To find a relative lift takes so many subjects, about so many days."""

    lift: float
    subjects: int
    days: int


@dataclass(frozen=True)
class Plan:
    """value: what the goal came to, for each subject on a day. subjects: on a day with any. needs: empty if unknown."""

    goal: str
    value: float
    subjects: float
    days: int
    needs: tuple[Need, ...] = ()


def plan_of(placement: str, goal: str, shares: Sequence[float]) -> Plan:
    """Plan by the last DAYS days of a placement. shares: of the variants, the control's first. One query.

    The unit of the record is a subject on a day, so who comes back counts anew: a test that runs for weeks meets fewer
    subjects and each of them decides more often. What it says is a start, on the safe side for a goal of purchases.
    """
    column = COLUMNS[goal]
    since = day_of(timezone.now()) - timedelta(days=DAYS)
    found = PlacementDay.objects.filter(placement=placement, day__gte=since).aggregate(
        n=Sum("subjects"), total=Sum(column), squares=Sum(f"{column}_sq"), days=Count("day", distinct=True)
    )
    n, total, days = found["n"] or 0, found["total"] or 0.0, found["days"] or 0
    if not n or not total or len(shares) < 2:
        return Plan(goal, total / n if n else 0.0, n / days if days else 0.0, days)
    value, a_day = total / n, n / days
    whole = sum(shares)
    control, smallest = shares[0] / whole, min(shares[1:]) / whole
    alpha = ALPHA / (len(shares) - 1)
    needs = []
    for lift in LIFTS:
        try:
            if goal == Experiment.Goal.REVENUE:
                deviation = sqrt(max(0.0, (found["squares"] or 0.0) / n - value**2))
                needed = subjects_for_mean(
                    value, deviation, lift, share=smallest, control_share=control, alpha=alpha
                )
            else:
                needed = subjects_for_rate(value, lift, share=smallest, control_share=control, alpha=alpha)
        except InvalidRule:
            continue  # such a lift is more than there can be
        needs.append(Need(lift, needed, ceil(needed / (a_day * min(1.0, whole)))))
    return Plan(goal, value, a_day, days, tuple(needs))
