"""The events of one row of the shop: the first of its id, and those that took its place when the row changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.models import Event

RETURN = "return"  # the kind of an event that takes one back
RETURN_SUFFIX = f":{RETURN}"
REVISION = "#"  # purchase:7:1, then purchase:7:1#2, where the row came to say something else
ROWS = 400  # two ids each: an event and its return


class Standing(NamedTuple):
    """What the log says of a row: the event that counts, if any, and the id for the next one.

    `next_id` is empty where the last event was erased: whoever was forgotten is not recorded again from the row.
    """

    active: Event | None
    next_id: str


def revision(event_id: str, number: int) -> str:
    return event_id if number == 1 else f"{event_id}{REVISION}{number}"


def row_id(event_id: str) -> str:
    """The id that a row's first event has, of any of its events."""
    first, mark, number = event_id.rpartition(REVISION)
    return first if mark and number.isdigit() else event_id


def standings(event_ids: Collection[str], using: str) -> dict[str, Standing]:
    """Look up rows by the ids of their first events: one query where none of them was ever taken back."""
    found: dict[str, Standing] = {}
    # the number to look at, and whether the last was erased
    waiting = dict.fromkeys(event_ids, (1, False))
    while waiting:
        numbered = {event_id: revision(event_id, number) for event_id, (number, _) in waiting.items()}
        events = _events(numbered.values(), using)
        erased = erased_among([name for name in numbered.values() if name not in events], using)
        still: dict[str, tuple[int, bool]] = {}
        for event_id, name in numbered.items():
            number, after_erased = waiting[event_id]
            if name in erased or name + RETURN_SUFFIX in events:
                still[event_id] = (number + 1, name in erased)
            elif name in events:
                found[event_id] = Standing(events[name], revision(event_id, number + 1))
            else:
                found[event_id] = Standing(None, "" if after_erased else name)
        waiting = still
    return found


def _events(names: Collection[str], using: str) -> dict[str, Event]:
    """The events of these ids and the returns of them, by id."""
    listed = list(names)
    found: dict[str, Event] = {}
    for start in range(0, len(listed), ROWS):
        part = listed[start : start + ROWS]
        asked = [*part, *(name + RETURN_SUFFIX for name in part)]
        found.update(
            {event.event_id: event for event in Event.objects.using(using).filter(event_id__in=asked)}
        )
    return found


class Told(NamedTuple):
    """What an event, or the row behind it, says."""

    subject: str
    product: str
    value: float | None
    quantity: int
    price: Decimal | None


def told_by(event: Event) -> Told:
    return Told(*(getattr(event, name) for name in Told._fields))


def says_the_same(event: Told, row: Told) -> bool:
    """Whether a recorded event still says what its row does.

    A visitor's event may be a user's by now: a login gave it to them, and the order still names the visitor. The
    moment is left alone: orders bear times that change with every save.
    """
    merged = row.subject.startswith("visitor:") and event.subject.startswith("user:")
    return (
        (event.subject == row.subject or merged)
        and (event.product, event.quantity, event.price) == (row.product, row.quantity, row.price)
        and _is_same(event.value, row.value)
    )


def _is_same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9))


def returns_of(events: Iterable[Event], source: str, at: datetime) -> list[Event]:
    """The events that take these back: the log only grows, so a return is an event too."""
    return [
        Event(
            event_id=event.event_id + RETURN_SUFFIX,
            subject=event.subject,
            kind=RETURN,
            product=event.product,
            quantity=event.quantity,
            price=event.price,
            order=event.order,
            at=at,
            source=source,
            reverses=event.event_id,
        )
        for event in events
    ]
