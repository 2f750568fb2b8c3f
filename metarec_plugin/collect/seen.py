"""How often a subject was shown a product without taking notice."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from metarec_plugin.models import Event, Impression


def seen_counts(subject: str, keys: Collection[str], days: int) -> dict[str, int]:
    """Return how many slates of the last days showed each of the keys since the subject last did something with it.

    One query. A click, or whatever else is recorded of subject and product, starts the count anew.
    """
    if not subject or not keys:
        return {}
    since = timezone.now() - timedelta(days=days)
    met = Event.objects.filter(subject=subject, product=OuterRef("product"), at__gte=OuterRef("at"))
    rows = (
        Impression.objects.filter(subject=subject, at__gte=since, product__in=list(keys))
        .filter(~Exists(met))
        .order_by()
        .values("product")
        .annotate(times=Count("slate", distinct=True))
        .values_list("product", "times")
    )
    return dict(rows)
