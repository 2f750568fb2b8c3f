"""Subjects: who a request speaks for, what they did last, merging at login and parting at logout."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.marks import renew_mark
from metarec_plugin.collect.newest import RECENT_PER_PRODUCT, newest_of
from metarec_plugin.collect.opinions import not_support
from metarec_plugin.collect.supports import BEHIND, Behind, behind_supports, support_of
from metarec_plugin.collect.visitor import SAFE_METHODS, visitor_of
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.models import Event, Exposure, Impression, QuarantinedEvent, SubjectState

log = logging.getLogger(__name__)


def user_subject(pk: object) -> str:
    return f"user:{pk}"


def known_subject(request: HttpRequest) -> str:
    """The subject of a request as far as it is known: an empty string for a visitor without a cookie."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return user_subject(user.pk)
    if consent_of(request) == "none":
        return ""
    visitor = visitor_of(request)
    return visitor.subject if visitor.returning or visitor.changed else ""


def subject_key(request: HttpRequest) -> str:
    """The subject of a request: "user:<pk>", or "visitor:<id>" with an id that is made when there is none.

    A new id reaches the browser with the answer to a POST, or when an event is recorded; looking alone
    sets no cookie, so that an anonymous page stays cacheable. Without consent it is an empty string.
    """
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return user_subject(user.pk)
    if consent_of(request) == "none":
        return ""
    visitor = visitor_of(request)
    if request.method not in SAFE_METHODS:
        visitor.keep()
    return visitor.subject


def support_keys(request_or_subject: HttpRequest | str, window: int) -> list[str]:
    """The subject's last `window` distinct product keys, the oldest first, in one query or none (two for
    somebody who comes back to the same few products over and over).

    A request answers from its cookie under "session" consent, from the log under "full", and with nothing
    under "none"; a subject string asks the log.
    """
    if isinstance(request_or_subject, str):
        return _from_log(request_or_subject, window)
    level = consent_of(request_or_subject)
    if level == "session":
        return visitor_of(request_or_subject).products[-window:]
    subject = known_subject(request_or_subject) if level == "full" else ""
    return _from_log(subject, window) if subject else []


def support_events(request_or_subject: HttpRequest | str, window: int) -> dict[str, Behind]:
    """As `support_keys`, in as many queries, each key with the event behind it; nothing where the cookie tells."""
    subject = request_or_subject
    if not isinstance(subject, str):
        subject = known_subject(subject) if consent_of(subject) == "full" else ""
    if not subject:
        return {}
    enough, newest_first = RECENT_PER_PRODUCT * window, dict[str, Behind]()
    recent = list(_newest(subject).values_list("product", *BEHIND)[:enough])
    for product, *behind in recent:
        newest_first.setdefault(product, Behind(*behind))
    if len(newest_first) < window and len(recent) == enough:
        return behind_supports([subject], window)[subject]
    return dict(list(newest_first.items())[:window][::-1])


def _from_log(subject: str, window: int) -> list[str]:
    found = newest_of(subject, window).products
    # Somebody who comes back to the same few products: look through all they ever did.
    return support_of([subject], window)[subject] if found is None else list(found)


def _newest(subject: str) -> QuerySet[Event]:
    events = Event.objects.filter(subject=subject).exclude(product="").exclude(kind__in=not_support())
    return events.order_by("-at", "-id")


def merge_at_login(request: HttpRequest, user: Any) -> int:
    """Give the visitor's events to the user and the browser a new id. Returns how many events moved.

    Without consent nothing of the visitor is tied to the user; the answer takes the cookie away.
    """
    renew_mark(request)
    try:
        if consent_of(request) == "none":
            return 0
        visitor = visitor_of(request)
        moved = _rename(visitor.subject, user_subject(user.pk)) if visitor.returning else 0
    except (DatabaseError, ConfigurationError):
        # Nobody is locked out for this; the id stays, so that the next login merges what this one could not.
        log.exception("visitor not merged at login")
        return 0
    if visitor.returning or visitor.changed:
        visitor.renew(forget_products=False)
    return moved


def part_at_logout(request: HttpRequest) -> None:
    """Give the browser a new id and an empty list: the next person at this device is somebody else."""
    renew_mark(request)
    visitor = visitor_of(request)
    if visitor.returning or visitor.changed:
        visitor.renew(forget_products=True)


def _rename(old: str, new: str) -> int:
    with transaction.atomic(using=router.db_for_write(Event)):
        moved = Event.objects.filter(subject=old).update(subject=new)
        Impression.objects.filter(subject=old).update(subject=new)
        QuarantinedEvent.objects.filter(subject=old).update(subject=new)
        # In an experiment that both were in, the member stays what they were.
        seen = Exposure.objects.filter(subject=old)
        own = Exposure.objects.filter(subject=new).values_list("experiment", flat=True)
        seen.exclude(experiment__in=list(own)).update(subject=new)
        seen.delete()
        SubjectState.objects.filter(subject__in=[old, new]).delete()
    return moved
