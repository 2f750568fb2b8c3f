"""Recording events: checked, bounded, stored once per event id, announced after commit."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import router, transaction
from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.impressions import read_slate
from metarec_plugin.collect.reading import forget_reading
from metarec_plugin.collect.subjects import subject_key
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf_rules import KIND
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import Event
from metarec_plugin.signals import event_recorded

MAX_PRODUCT, MAX_QUERY, MAX_ID, MAX_SLATE, MAX_SUBJECT = 64, 200, 200, 64, 120
MAX_QUANTITY, MAX_VALUE, MAX_POSITION = 1_000_000, 1e12, 10_000
NOBODY = "visitor:none"  # whose event is checked like any other, and not kept
SENT = (Event.Source.BEACON, Event.Source.API)  # by clients, until they are told that it is stored
CLOCK_TOLERANCE = timedelta(minutes=5)
SUBJECT = re.compile(r"(user|visitor):[^\s\x00]+")


def record_event(
    request_or_subject: HttpRequest | str,
    kind: str,
    product: Any = None,
    *,
    query: str | None = None,
    value: float | None = None,
    quantity: int = 1,
    at: datetime | None = None,
    slate: str | None = None,
    position: int | None = None,
    event_id: str | None = None,
    reverses: str | None = None,
) -> bool:
    """Record that a subject did something. Returns whether something new was kept.

    `product` is an instance or a key. A second event of the same `event_id` changes nothing. For a request
    consent decides: "full" stores the event, "session" keeps the product in the shopper's cookie, "none"
    keeps nothing; a subject string is stored, the caller having decided. `slate` is a slate's id as
    `recommend()` gave it. `reverses` is the event_id of an event of the same subject that this one takes back,
    such as a dislike; the event itself is of kind "return" then.
    Raises InvalidEvent if a value is out of bounds, InvalidSignature if the slate was made up.
    """
    if isinstance(request_or_subject, str):
        level, subject = "full", request_or_subject
    else:
        level = consent_of(request_or_subject)
        subject = subject_key(request_or_subject) or NOBODY
    event = build_event(
        subject,
        kind,
        product_key(product),
        query=query,
        value=value,
        quantity=quantity,
        at=at,
        slate=None if slate is None else read_slate(slate),
        position=position,
        event_id=event_id,
        reverses=reverses,
    )
    if isinstance(request_or_subject, HttpRequest):
        return keep(request_or_subject, level, [event])[0]
    return event.event_id in store([event])


def keep(request: HttpRequest, level: str, events: Sequence[Event]) -> list[bool]:
    """Keep checked events as far as the consent level allows. Returns for each whether it was new."""
    if level == "none" or not events:
        return [False] * len(events)
    forget_reading(request)
    if level == "session":
        visitor = visitor_of(request)
        return [visitor.keep_event(event) for event in events]
    if events[0].subject.startswith("visitor:"):
        visitor_of(request).keep()
    new = store(events)
    return [event.event_id in new for event in events]


def store(events: Sequence[Event], *, announce: bool = True) -> set[str]:
    """Insert events whose id is not known yet, announce them after commit, and return their ids."""
    using = router.db_for_write(Event)
    by_id: dict[str, Event] = {}
    for event in events:
        by_id.setdefault(event.event_id, event)  # the first of an id is the one that counts
    with transaction.atomic(using=using):
        known = known_ids(by_id, using)
        # A client may send again what its shopper has had erased meanwhile.
        sent = [key for key, event in by_id.items() if event.source in SENT and key not in known]
        known |= erased_among(sent, using)
        new = [event for event_id, event in by_id.items() if event_id not in known]
        # Another process may have stored one of them since: the unique index has the last word.
        Event.objects.using(using).bulk_create(new, ignore_conflicts=True)
        if new and announce:
            transaction.on_commit(partial(_announce, new), using=using)
    return {event.event_id for event in new}


def known_ids(event_ids: Collection[str], using: str) -> set[str]:
    """Tell which of the ids are in the log, by as many queries as the database's limit on parameters asks for."""
    events = Event.objects.using(using)
    return {
        name
        for batch in batches(event_ids)
        for name in events.filter(event_id__in=batch).values_list("event_id", flat=True)
    }


def _announce(events: Sequence[Event]) -> None:
    for event in events:
        event_recorded.send_robust(
            Event, subject=event.subject, kind=event.kind, product=event.product, event_id=event.event_id
        )


def product_key(product: Any) -> str:
    """The key of a product instance or key; empty for None."""
    return "" if product is None else str(getattr(product, "pk", product))


def build_event(
    subject: str,
    kind: str,
    product: str = "",
    *,
    query: str | None = None,
    value: float | None = None,
    quantity: int = 1,
    at: datetime | None = None,
    slate: str | None = None,
    position: int | None = None,
    event_id: str | None = None,
    source: str = Event.Source.LIVE,
    reverses: str | None = None,
) -> Event:
    """Make an unsaved event of checked values. Raises InvalidEvent and names the value that is wrong."""
    now = timezone.now()
    _expect(
        len(subject) <= MAX_SUBJECT and SUBJECT.fullmatch(subject),
        "subject", 'be "user:<pk>" or "visitor:<id>", at most 120 characters', subject,
    )  # fmt: skip
    _expect(isinstance(kind, str) and KIND.fullmatch(kind), "kind", "be a short lower-case word", kind)
    words = _query(query)
    _expect(product or words, "event", "name a product, or a query", "neither")
    _expect(
        len(product) <= MAX_PRODUCT and product.isprintable(), "product", "be at most 64 characters", product
    )
    _expect(
        _is_int(quantity, MAX_QUANTITY), "quantity", f"be a whole number up to {MAX_QUANTITY:,}", quantity
    )
    _expect(position is None or (_is_int(position, MAX_POSITION) and position >= 0), "position",
            "count from 0", position)  # fmt: skip
    texts = (("slate", slate, MAX_SLATE), ("event_id", event_id, MAX_ID), ("reverses", reverses, MAX_ID))
    for name, text, limit in texts:
        _expect(
            text is None or (isinstance(text, str) and 0 < len(text) <= limit and text.isprintable()),
            name, f"be 1 to {limit} printable characters", text,
        )  # fmt: skip
    return Event(
        event_id=event_id or f"{source}:{uuid.uuid4().hex}",
        subject=subject,
        kind=kind,
        product=product,
        query=words,
        value=_value(value),
        quantity=quantity,
        at=_moment(at, now),
        received_at=now,
        slate=slate or "",
        position=position,
        source=source,
        reverses=reverses or "",
    )


def _expect(holds: object, name: str, rule: str, found: object) -> None:
    if not holds:
        shown = found if isinstance(found, str) else type(found).__name__
        raise InvalidEvent(
            f"{name} must {rule}; found {str(shown)[:60]!r}. The event was not stored.", f"invalid_{name}"
        )


def _is_int(number: object, bound: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and abs(number) <= bound


def _query(query: str | None) -> str:
    """What a shopper typed: line breaks and the like become spaces, and a long text is cut, not refused."""
    if query is None:
        return ""
    _expect(isinstance(query, str), "query", "be text", query)
    return "".join(c if c.isprintable() else " " for c in query[: MAX_QUERY * 4]).strip()[:MAX_QUERY]


def _value(value: object) -> float | None:
    if value is None:
        return None
    rule = f"be a finite number up to {MAX_VALUE:g}"
    _expect(isinstance(value, int | float | Decimal) and not isinstance(value, bool), "value", rule, value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    _expect(math.isfinite(number) and abs(number) <= MAX_VALUE, "value", rule, str(number))
    return number


def _moment(at: datetime | None, now: datetime) -> datetime:
    if at is None:
        return now
    _expect(isinstance(at, datetime), "at", "be a datetime", at)
    if timezone.is_naive(at):
        at = timezone.make_aware(at)
    _expect(at <= now + CLOCK_TOLERANCE, "at", "not lie in the future", at.isoformat())
    return min(at, now)
