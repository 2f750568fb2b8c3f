"""Reads what browsers report: a JSON body of events, judged as text first, then event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from metarec_plugin.collect.judging import KNOWN, REFUSED, STORED, judge
from metarec_plugin.collect.untrusted import MOST_PARTS, read_json
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidBody, InvalidEvent

PARTS_OF_EVENT = 24  # commas and brackets: more than twice those of an event with every field


@dataclass(frozen=True)
class Receipt:
    """What became of a body. `refused` are (event id or place in the body, reason)."""

    stored: int
    known: int
    refused: tuple[tuple[str, str], ...]


def parse_body(body: bytes) -> list[Mapping[str, Any]]:
    """Read {"events": [{...}, ...]}. Raises InvalidEvent for whatever is not that, however it is malformed."""
    try:
        most = get_config().beacon_max_events
        return events_of(read_json(body, max(MOST_PARTS, PARTS_OF_EVENT * most)), most)
    except InvalidBody as error:
        raise InvalidEvent(str(error)) from error


def events_of(parsed: Any, limit: int) -> list[Mapping[str, Any]]:
    """The events of a parsed body. Raises InvalidEvent where there are none, too many, or no objects."""
    events = parsed.get("events") if isinstance(parsed, dict) else None
    if not isinstance(events, list) or not 0 < len(events) <= limit:
        raise InvalidEvent(f'The body must be {{"events": [...]}} with 1 to {limit} events.')
    if not all(isinstance(event, dict) for event in events):
        raise InvalidEvent("Each event must be an object.")
    return events


def receive(request: HttpRequest, raw: Sequence[Mapping[str, Any]]) -> Receipt:
    """Record the events of a parsed body as far as consent allows; one that is unfit does not hold up the others."""
    verdicts = judge(request, raw)
    return Receipt(
        stored=sum(verdict.status == STORED for verdict in verdicts),
        known=sum(verdict.status == KNOWN for verdict in verdicts),
        refused=tuple((verdict.id, verdict.reason) for verdict in verdicts if verdict.status == REFUSED),
    )
