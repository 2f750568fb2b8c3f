"""Judges events that somebody reports of themselves, one by one: each is stored, known already, or refused and why."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.events import build_event, keep
from metarec_plugin.collect.impressions import read_slate
from metarec_plugin.collect.quarantine import (
    CONFLICT_MESSAGE,
    ID_CONFLICT,
    Came,
    RefusedEvent,
    contradicting,
    quarantine,
    told,
)
from metarec_plugin.collect.retention import horizon, require_kept
from metarec_plugin.collect.subjects import subject_key
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.exceptions import InvalidEvent, InvalidSignature
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront

KINDS = ("view", "dwell", "search", "basket", "click")
FIELDS = ("id", "kind", "product", "query", "value", "quantity", "at", "slate", "position")
MAX_DWELL_SECONDS = 4 * 60 * 60
MAX_BASKET_UNITS = 1_000
# An unsent event is kept by the client and sent again later; a clock further off than this is wrong.
CLIENT_CLOCK_PAST = timedelta(days=7)
CLIENT_CLOCK_FUTURE = timedelta(minutes=1)
NEW_VISITOR = 60 * 60  # seconds since the cookie or token was signed
STORED, KNOWN, REFUSED = "stored", "known", "refused"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Verdict:
    """What became of one event. `id` is its UUID, or its place in the body where it has none."""

    id: str
    status: str
    reason: str = ""


def refuse(raw: Sequence[Mapping[str, Any]], reason: str) -> list[Verdict]:
    """Keep none of the events."""
    return [Verdict(_name(event, place), REFUSED, reason) for place, event in enumerate(raw)]


def judge(
    request: HttpRequest,
    raw: Sequence[Mapping[str, Any]],
    *,
    source: str = Event.Source.BEACON,
    strict: bool = False,
) -> list[Verdict]:
    """Keep the events of a request as far as its consent allows; one that is unfit does not hold up the others.

    strict: a field that is not known makes an event unfit; else it is ignored, whatever it claims. Without consent
    nothing is judged and there is no verdict. Under full consent what is refused goes to quarantine, and so does an
    event of which the log has another one under the same id.
    """
    level = consent_of(request)
    if level == "none":
        return []
    subject = subject_key(request)
    now = timezone.now()
    known = known_among(raw)
    verdicts: list[Verdict | None] = []
    events: list[Event] = []
    unfit: list[RefusedEvent] = []
    for place, event in enumerate(raw):
        try:
            events.append(read_event(subject, event, known, source, now, strict=strict))
            verdicts.append(None)
        except InvalidEvent as error:
            verdicts.append(Verdict(_name(event, place), REFUSED, str(error)))
            unfit.append(RefusedEvent(event, error.code, str(error), subject, _stored_id(event, source)))
    new = iter(keep(request, level, events))
    seen: set[str] = set()
    again: list[tuple[Mapping[str, Any], Event]] = []
    built = iter(events)
    for place, event in enumerate(raw):
        if verdicts[place] is None:
            name, made = _name(event, place), next(built)
            verdicts[place] = Verdict(name, STORED if next(new) and name.lower() not in seen else KNOWN)
            if verdicts[place].status == KNOWN:  # type: ignore[union-attr]
                again.append((event, made))
            seen.add(name.lower())
    if level == "full" and (again or unfit):
        quarantine([*unfit, *_conflicts(again)], source, new_subject=_is_new(request, subject))
    return [verdict for verdict in verdicts if verdict is not None]


def _is_new(request: HttpRequest, subject: str) -> bool:
    """Whether the request is of a visitor of a moment ago: anybody may be one as often as they like."""
    if not subject.startswith("visitor:"):
        return False
    visitor = visitor_of(request)
    return not visitor.returning or time.time() - visitor.issued < NEW_VISITOR


def known_among(raw: Sequence[Mapping[str, Any]]) -> Collection[str]:
    """The products that events name and that can be recommended, in one query."""
    return get_storefront().known_products(
        {event["product"] for event in raw if isinstance(event.get("product"), str)}
    )


def _conflicts(again: Sequence[tuple[Mapping[str, Any], Event]]) -> list[RefusedEvent]:
    """Those of the events sent again that say something else than the first of their id."""
    if not again:
        return []
    places = contradicting([came(event, made) for event, made in again])
    return [
        RefusedEvent(event, ID_CONFLICT, CONFLICT_MESSAGE, made.subject, made.event_id)
        for place, (event, made) in enumerate(again)
        if place in places
    ]


def came(event: Mapping[str, Any], made: Event) -> Came:
    """An event as the log compares it; its moment counts where the client named one that can be."""
    named = event.get("at") is not None and not made.context
    return Came(made.event_id, made.at if named else None, told(made))


def _stored_id(event: Mapping[str, Any], source: str) -> str:
    """The id of an event in the log: under a name of its own, so that no client takes the id of an order first."""
    return f"{source}:{event['id'].lower()}" if _is_id(event.get("id")) else ""


def _name(event: Mapping[str, Any], place: int) -> str:
    name = event.get("id")
    return str(name) if _is_id(name) else str(place)


def _is_id(name: Any) -> bool:
    return isinstance(name, str) and _UUID.fullmatch(name) is not None


def read_event(
    subject: str,
    event: Mapping[str, Any],
    known_products: Collection[str],
    source: str,
    now: datetime,
    *,
    strict: bool = False,
) -> Event:
    """Make an unsaved event of what a client reports at the moment `now`. Raises InvalidEvent, with its code."""
    if strict and (unknown := sorted(set(event) - set(FIELDS))):
        raise InvalidEvent(
            f"unknown field {unknown[0][:60]!r}; an event has {', '.join(FIELDS)}.", "unknown_field"
        )
    kind, product, query = (event.get(name) for name in ("kind", "product", "query"))
    if not _is_id(event.get("id")):
        raise InvalidEvent("id must be a UUID, made anew for each event.", "invalid_id")
    if kind not in KINDS:
        raise InvalidEvent(f"kind must be one of {', '.join(KINDS)}.", "unknown_kind")
    if kind == "search":
        product = ""
        if not isinstance(query, str) or not query.strip():
            raise InvalidEvent("query must be what was searched for.", "invalid_query")
    elif not isinstance(product, str) or product not in known_products:
        raise InvalidEvent("product is not in the catalogue.", "unknown_product")
    slate = event.get("slate")
    if kind == "click" and slate is None:
        raise InvalidEvent("slate must be the id of the slate that was clicked.", "invalid_slate")
    quantity = event.get("quantity", 1)
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 < quantity <= MAX_BASKET_UNITS:
        raise InvalidEvent(
            f"quantity must be a whole number from 1 to {MAX_BASKET_UNITS}.", "invalid_quantity"
        )
    value: Any = event.get("value")
    if kind == "dwell" and not (_is_number(value) and 0 <= value <= MAX_DWELL_SECONDS):
        raise InvalidEvent(
            f"value must be the seconds spent, from 0 to {MAX_DWELL_SECONDS}.", "invalid_value"
        )
    at, clock = _client_time(event.get("at"), now, horizon(kind))
    try:
        read = read_slate(slate) if slate is not None else None
    except InvalidSignature as error:
        raise InvalidEvent(str(error), "invalid_slate") from error
    made = build_event(
        subject,
        kind,
        product,
        query=query if kind == "search" else None,
        value=value if kind == "dwell" else None,
        quantity=quantity if kind == "basket" else 1,
        at=at or now,
        slate=read,
        position=event.get("position"),
        event_id=_stored_id(event, source),
        source=source,
    )
    made.context = {"clock": clock} if clock else {}
    made.received_at = now
    return made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _client_time(milliseconds: Any, now: datetime, kept: datetime | None) -> tuple[datetime | None, str]:
    """The moment that the client names (milliseconds since 1970), or None and why the server's counts instead.

    Raises InvalidEvent for one of before what is kept: the log may have had that event, and must not have it again.
    """
    if milliseconds is None:
        return None, ""
    if not _is_number(milliseconds) or not 0 <= milliseconds < 1e14:
        return None, "unreadable"
    at = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    require_kept(at, kept)
    if not now - CLIENT_CLOCK_PAST <= at <= now + CLIENT_CLOCK_FUTURE:
        return None, "wrong"
    # Never the moment of arrival itself: that tells an event whose time is not known (collect/retention.py).
    return min(at, now - timedelta(microseconds=1)), ""
