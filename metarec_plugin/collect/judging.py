"""Judges events that somebody reports of themselves, one by one: each is stored, known already, or refused and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.events import build_event, keep
from metarec_plugin.collect.impressions import read_slate
from metarec_plugin.collect.subjects import subject_key
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
STORED, KNOWN, REFUSED = "stored", "known", "refused"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Verdict:
    """What became of one event. `id` is its UUID, or its place in the body where it has none."""

    id: str
    status: str
    reason: str = ""


def judge(
    request: HttpRequest,
    raw: Sequence[Mapping[str, Any]],
    *,
    source: str = Event.Source.BEACON,
    strict: bool = False,
) -> list[Verdict]:
    """Keep the events of a request as far as its consent allows; one that is unfit does not hold up the others.

    strict: a field that is not known makes an event unfit; else it is ignored, whatever it claims. Without consent
    nothing is judged and there is no verdict.
    """
    level = consent_of(request)
    if level == "none":
        return []
    subject = subject_key(request)
    known = get_storefront().known_products(
        {event["product"] for event in raw if isinstance(event.get("product"), str)}
    )
    verdicts: list[Verdict | None] = []
    events: list[Event] = []
    for place, event in enumerate(raw):
        try:
            if strict and (unknown := sorted(set(event) - set(FIELDS))):
                raise InvalidEvent(f"unknown field {unknown[0][:60]!r}; an event has {', '.join(FIELDS)}.")
            events.append(_event(subject, event, known, source))
            verdicts.append(None)
        except (InvalidEvent, InvalidSignature) as error:
            verdicts.append(Verdict(_name(event, place), REFUSED, str(error)))
    new = iter(keep(request, level, events))
    seen: set[str] = set()
    for place, event in enumerate(raw):
        if verdicts[place] is None:
            name = _name(event, place)
            verdicts[place] = Verdict(name, STORED if next(new) and name.lower() not in seen else KNOWN)
            seen.add(name.lower())
    return [verdict for verdict in verdicts if verdict is not None]


def _name(event: Mapping[str, Any], place: int) -> str:
    name = event.get("id")
    return str(name) if _is_id(name) else str(place)


def _is_id(name: Any) -> bool:
    return isinstance(name, str) and _UUID.fullmatch(name) is not None


def _event(subject: str, event: Mapping[str, Any], known_products: Collection[str], source: str) -> Event:
    kind, product, query = (event.get(name) for name in ("kind", "product", "query"))
    if not _is_id(event.get("id")):
        raise InvalidEvent("id must be a UUID, made anew for each event.")
    if kind not in KINDS:
        raise InvalidEvent(f"kind must be one of {', '.join(KINDS)}.")
    if kind == "search":
        product = ""
        if not isinstance(query, str) or not query.strip():
            raise InvalidEvent("query must be what was searched for.")
    elif not isinstance(product, str) or product not in known_products:
        raise InvalidEvent("product is not in the catalogue.")
    slate = event.get("slate")
    if kind == "click" and slate is None:
        raise InvalidEvent("slate must be the id of the slate that was clicked.")
    quantity = event.get("quantity", 1)
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 < quantity <= MAX_BASKET_UNITS:
        raise InvalidEvent(f"quantity must be a whole number from 1 to {MAX_BASKET_UNITS}.")
    value: Any = event.get("value")
    if kind == "dwell" and not (_is_number(value) and 0 <= value <= MAX_DWELL_SECONDS):
        raise InvalidEvent(f"value must be the seconds spent, from 0 to {MAX_DWELL_SECONDS}.")
    at, clock = _client_time(event.get("at"))
    made = build_event(
        subject,
        kind,
        product,
        query=query if kind == "search" else None,
        value=value if kind == "dwell" else None,
        quantity=quantity if kind == "basket" else 1,
        at=at,
        slate=read_slate(slate) if slate is not None else None,
        position=event.get("position"),
        # Under a name of their own: a client must not be able to take the id of an order first.
        event_id=f"{source}:{event['id'].lower()}",
        source=source,
    )
    made.context = {"clock": clock} if clock else {}
    return made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _client_time(milliseconds: Any) -> tuple[datetime | None, str]:
    """The moment that the client names (milliseconds since 1970), or None and why the server's counts instead."""
    if milliseconds is None:
        return None, ""
    now = timezone.now()
    if not _is_number(milliseconds) or not 0 <= milliseconds < 1e14:
        return None, "unreadable"
    at = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    if not now - CLIENT_CLOCK_PAST <= at <= now + CLIENT_CLOCK_FUTURE:
        return None, "wrong"
    return min(at, now), ""
