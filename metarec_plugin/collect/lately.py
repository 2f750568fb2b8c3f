"""What was taken lately, of the kinds that the shop learns from, less what was given back whole."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event


class Taken(NamedTuple):
    """A product that a subject took at a moment."""

    product: str
    subject: str
    at: datetime


def taken_lately(most: int, since: datetime | None = None) -> tuple[list[Taken], bool]:
    """Return what stands of the newest events, newest first, and whether there were more than `most` to read.

    One query. A return names the event that it takes back and comes after it, so it is among the newest too.
    """
    counts = Q(kind__in=get_config().target_kinds) | ~Q(reverses="")
    events = Event.objects.filter(counts).exclude(product="", reverses="").order_by("-at")
    if since is not None:
        events = events.filter(at__gt=since)
    rows = list(
        events.values_list("event_id", "kind", "product", "subject", "at", "quantity", "reverses")[:most]
    )
    back: Counter[str] = Counter()
    for *_, quantity, reverses in rows:
        if reverses:
            back[reverses] += abs(quantity)
    kinds = set(get_config().target_kinds)
    standing = [
        Taken(product, subject, at)
        for event_id, kind, product, subject, at, quantity, reverses in rows
        if kind in kinds
        and product
        and not reverses
        and not (event_id in back and back[event_id] >= quantity)
    ]
    return standing, len(rows) == most
