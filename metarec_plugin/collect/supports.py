"""The supports of many subjects at once, for workers: what `support_keys` gives for each, in one query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from metarec_plugin.collect.opinions import NOT_SUPPORT, not_support
from metarec_plugin.models import Event

__all__ = ["BEHIND", "NOT_SUPPORT", "Behind", "behind_supports", "support_of"]


class Behind(NamedTuple):
    """What is known of the event that a product of a support is there for: the subject's newest one of it."""

    kind: str
    quantity: int
    value: float | None
    at: datetime


BEHIND = Behind._fields  # columns


def support_of(subjects: Sequence[str], window: int) -> dict[str, list[str]]:
    """Each subject's last `window` distinct product keys, the oldest first; an empty list for who did nothing."""
    supports: dict[str, list[str]] = {subject: [] for subject in subjects}
    for subject, product in _rows(subjects, window):
        supports[subject].append(product)
    return supports


def behind_supports(subjects: Sequence[str], window: int) -> dict[str, dict[str, Behind]]:
    """As `support_of`, each key with the event behind it. One query too."""
    supports: dict[str, dict[str, Behind]] = {subject: {} for subject in subjects}
    for subject, product, *behind in _rows(subjects, window, *BEHIND):
        supports[subject][product] = Behind(*behind)
    return supports


def _rows(subjects: Sequence[str], window: int, *columns: str) -> Iterable[tuple[Any, ...]]:
    """Return (subject, product, *columns) of each product's newest event, the oldest first."""
    latest_first = (F("at").desc(), F("id").desc())
    events = Event.objects.filter(subject__in=subjects).exclude(product="").exclude(kind__in=not_support())
    of_product = Window(RowNumber(), partition_by=[F("subject"), F("product")], order_by=latest_first)
    newest = events.order_by().annotate(place=of_product).filter(place=1)  # each product's last event
    of_subject = Window(RowNumber(), partition_by=[F("subject")], order_by=latest_first)
    return (
        Event.objects.filter(pk__in=newest.values("pk"))
        .annotate(place=of_subject)
        .filter(place__lte=window)
        .order_by("subject", "-place")
        .values_list("subject", "product", *columns)
    )
