"""The supports of many subjects at once, for workers: what `support_keys` gives for each, in one query."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from metarec_plugin.collect.opinions import NOT_SUPPORT, not_support
from metarec_plugin.models import Event

__all__ = ["NOT_SUPPORT", "support_of"]


def support_of(subjects: Sequence[str], window: int) -> dict[str, list[str]]:
    """Each subject's last `window` distinct product keys, the oldest first; an empty list for who did nothing."""
    latest_first = (F("at").desc(), F("id").desc())
    events = Event.objects.filter(subject__in=subjects).exclude(product="").exclude(kind__in=not_support())
    of_product = Window(RowNumber(), partition_by=[F("subject"), F("product")], order_by=latest_first)
    newest = events.order_by().annotate(place=of_product).filter(place=1)  # each product's last event
    of_subject = Window(RowNumber(), partition_by=[F("subject")], order_by=latest_first)
    rows = (
        Event.objects.filter(pk__in=newest.values("pk"))
        .annotate(place=of_subject)
        .filter(place__lte=window)
        .order_by("subject", "-place")
        .values_list("subject", "product")
    )
    supports: dict[str, list[str]] = {subject: [] for subject in subjects}
    for subject, product in rows:
        supports[subject].append(product)
    return supports
