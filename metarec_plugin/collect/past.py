"""What a subject's log says besides the support: what they bought and how often, and what they dislike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Abs
from django.http import HttpRequest

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.opinions import Told, disliked_of
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event


class Bought(NamedTuple):
    """How often somebody bought a product, and when they did last and first."""

    product: str
    times: int
    last: datetime
    first: datetime | None = None


def bought_by(subject: str) -> list[Bought]:
    """Return what a subject bought, of METAREC["TARGET_KINDS"], less what was taken back whole. One query.

    Lines of one product at one moment are one time, as they are in training.
    """
    own = Event.objects.filter(subject=subject)
    bought = Event.objects.filter(event_id=OuterRef("reverses")).values("quantity")
    taken_back = (
        own.exclude(reverses="")
        .order_by()
        .values("reverses")
        .annotate(back=Sum(Abs("quantity")), of=Max(Subquery(bought)))
        .filter(back__gte=F("of"))
        .values("reverses")
    )
    rows = (
        own.filter(kind__in=get_config().target_kinds)
        .exclude(product="")
        .exclude(event_id__in=taken_back)
        .order_by()
        .values("product")
        .annotate(times=Count("at", distinct=True), last=Max("at"), first=Min("at"))
        .values_list("product", "times", "last", "first")
    )
    return [Bought(*row) for row in rows]


def disliked_keys(request_or_subject: HttpRequest | str) -> frozenset[str]:
    """The products that a subject dislikes, from where `support_keys` reads: the cookie, the log or nowhere.

    One query of the log at most. A shop without dislikes is asked for none, and its pages do not depend on the cookie.
    """
    if not get_config().dislikes:
        return frozenset()
    if isinstance(request_or_subject, str):
        return disliked_by([request_or_subject])[request_or_subject]
    level = consent_of(request_or_subject)
    if level == "session":
        return frozenset(visitor_of(request_or_subject).disliked)
    subject = known_subject(request_or_subject) if level == "full" else ""
    return disliked_by([subject])[subject] if subject else frozenset()


def disliked_by(subjects: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return for each subject the products of which the newest opinion, not taken back, is a dislike. One query."""
    kinds = get_config().dislikes
    found: dict[str, frozenset[str]] = dict.fromkeys(subjects, frozenset())
    if not kinds:
        return found
    rows = (
        Event.objects.filter(subject__in=subjects)
        .filter(Q(kind__in=list(kinds)) | ~Q(reverses=""))
        .order_by("at", "id")
        .values_list("subject", *Told._fields)
    )
    told: dict[str, list[Told]] = {}
    for subject, *row in rows:
        told.setdefault(subject, []).append(Told(*row))
    return found | {subject: disliked_of(own) for subject, own in told.items()}
