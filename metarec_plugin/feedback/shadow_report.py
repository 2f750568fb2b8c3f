"""What the comparison in shadow allows to be said: two means, their difference and its interval, from sums by day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from django.db.models import Max, Min, Sum
from django.utils.translation import gettext as _

from metarec_plugin.models import ModelVersion, ShadowDay
from metarec_plugin.publish import registry

Z = 1.96
ENOUGH = 100  # purchases from which the interval is read


@dataclass(frozen=True)
class ShadowReport:
    """A version in shadow against a served one. low, high: 95 % interval of the difference, with two or more."""

    against: ModelVersion | None
    n: int
    asked: int
    ndcg: float | None
    ndcg_served: float | None
    difference: float | None
    low: float | None
    high: float | None
    first: date | None
    last: date | None
    sentence: str


def shadow_report(version: ModelVersion) -> ShadowReport:
    """Read the days on which the version was compared with the one that is served now."""
    served = registry.current()
    rows = ShadowDay.objects.filter(version=version, against=served.pk if served else version.pk)
    sums = rows.aggregate(
        *(Sum(name, default=0) for name in ("events", "sampled_of", "ndcg", "ndcg_served")),
        *(Sum(name, default=0.0) for name in ("difference", "difference_sq")),
        first=Min("day"),
        last=Max("day"),
    )
    n, asked = int(sums["events__sum"]), int(sums["sampled_of__sum"])
    ndcg, ndcg_served, mean = (
        float(sums[f"{name}__sum"]) / n if n else None for name in ("ndcg", "ndcg_served", "difference")
    )
    low = high = None
    if n > 1 and mean is not None:
        variance = max(0.0, (float(sums["difference_sq__sum"]) - n * mean * mean) / (n - 1))
        half = Z * math.sqrt(variance / n)
        low, high = mean - half, mean + half
    sentence = _sentence(served, n, low, high)
    return ShadowReport(
        served, n, asked, ndcg, ndcg_served, mean, low, high, sums["first"], sums["last"], sentence
    )


def _sentence(served: ModelVersion | None, n: int, low: float | None, high: float | None) -> str:
    if served is None:
        return _("No version is served, so there is nothing to compare with.")
    if n == 0 or low is None or high is None:
        return _(
            "Nothing has been compared yet: it takes new purchases, and the hourly task that compares them."
        )
    if n < ENOUGH:
        return _("Too early to say: {n} purchases compared, {enough} are needed.").format(n=n, enough=ENOUGH)
    if low > 0:
        return _("The version in shadow ranks what shoppers buy better than the served one.")
    if high < 0:
        return _("The version in shadow ranks what shoppers buy worse than the served one.")
    return _("No difference can be told yet: the interval holds 0.")
