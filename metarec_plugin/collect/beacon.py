"""Reads what browsers report: a JSON body of events, judged as text first, then event by event."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.events import build_event, keep
from metarec_plugin.collect.impressions import read_slate
from metarec_plugin.collect.subjects import subject_key
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidEvent, InvalidSignature
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront

KINDS = ("view", "dwell", "search", "basket", "click")
MAX_DWELL_SECONDS = 4 * 60 * 60
MAX_BASKET_UNITS = 1_000
# An unsent event is kept by the browser and sent again later; a clock further off than this is wrong.
CLIENT_CLOCK_PAST = timedelta(days=7)
CLIENT_CLOCK_FUTURE = timedelta(minutes=1)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Receipt:
    """What became of a body. `refused` are (event id or place in the body, reason)."""

    stored: int
    known: int
    refused: tuple[tuple[str, str], ...]


def parse_body(body: bytes) -> list[Mapping[str, Any]]:
    """Read {"events": [{...}, ...]}. Raises InvalidEvent for whatever is not that, however it is malformed."""
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise InvalidEvent("The body is nested too deeply.") from error
    except ValueError as error:  # bad UTF-8, bad JSON, an integer of thousands of digits
        raise InvalidEvent(f"The body must be JSON: {str(error)[:120]}.") from error
    events = parsed.get("events") if isinstance(parsed, dict) else None
    limit = get_config().beacon_max_events
    if not isinstance(events, list) or not 0 < len(events) <= limit:
        raise InvalidEvent(f'The body must be {{"events": [...]}} with 1 to {limit} events.')
    if not all(isinstance(event, dict) for event in events):
        raise InvalidEvent("Each event must be an object.")
    _refuse_broken_text(events)
    return events


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _refuse_broken_text(parsed: Any) -> None:
    """Refuse NUL and lone surrogates, which no database stores; walks without recursion."""
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _FORBIDDEN.search(value):
                raise InvalidEvent("The body contains NUL or half a surrogate pair.")
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def receive(request: HttpRequest, raw: Sequence[Mapping[str, Any]]) -> Receipt:
    """Record the events of a parsed body as far as consent allows; one that is unfit does not hold up the others."""
    level = consent_of(request)
    if level == "none":
        return Receipt(stored=0, known=0, refused=())
    subject = subject_key(request)
    events: list[Event] = []
    refused: list[tuple[str, str]] = []
    known_products = get_storefront().known_products(
        {event["product"] for event in raw if isinstance(event.get("product"), str)}
    )
    for place, event in enumerate(raw):
        try:
            events.append(_event(subject, event, known_products))
        except (InvalidEvent, InvalidSignature) as error:
            name = event.get("id")
            refused.append((str(name) if _is_id(name) else str(place), str(error)))
    new = keep(request, level, events)
    return Receipt(stored=sum(new), known=len(new) - sum(new), refused=tuple(refused))


def _is_id(name: Any) -> bool:
    return isinstance(name, str) and _UUID.fullmatch(name) is not None


def _event(subject: str, event: Mapping[str, Any], known_products: set[str]) -> Event:
    """Check one event; fields that are not known are ignored, whatever they claim."""
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
        # Under a name of their own: a browser must not be able to take the id of an order first.
        event_id=f"beacon:{event['id'].lower()}",
        source=Event.Source.BEACON,
    )
    made.context = {"clock": clock} if clock else {}
    return made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _client_time(milliseconds: Any) -> tuple[datetime | None, str]:
    """The moment that the browser names (milliseconds since 1970), or None and why the server's counts instead."""
    if milliseconds is None:
        return None, ""
    now = timezone.now()
    if not _is_number(milliseconds) or not 0 <= milliseconds < 1e14:
        return None, "unreadable"
    at = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    if not now - CLIENT_CLOCK_PAST <= at <= now + CLIENT_CLOCK_FUTURE:
        return None, "wrong"
    return min(at, now), ""
