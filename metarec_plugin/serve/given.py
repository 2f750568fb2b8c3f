"""Events that stand in place of what the log would tell of a shopper: what if they had done this, and nothing else?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.utils import timezone

from metarec_plugin.collect import Bought
from metarec_plugin.collect.opinions import Told, disliked_of, not_support
from metarec_plugin.collect.supports import Behind
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event

MOST = 2_000  # newest events of a shopper that are read
FIELDS = ("product", "kind", "at", "quantity", "value", "event_id", "reverses")


@dataclass(frozen=True)
class GivenEvent:
    """One event, as the log would hold it. at: by default now."""

    product: str
    kind: str = "view"
    at: datetime = field(default_factory=timezone.now)
    quantity: int = 1
    value: float | None = None
    event_id: str = ""
    reverses: str = ""


@dataclass(frozen=True)
class Given:
    """A shopper's events, the oldest first. more: there are older ones that are not among them."""

    events: tuple[GivenEvent, ...] = ()
    more: bool = False

    def __bool__(self) -> bool:
        return bool(self.events)

    def support(self, window: int) -> dict[str, Behind]:
        """The last distinct products that a list is adapted from, the oldest first, each with its newest event."""
        unfit, newest_first = not_support(), dict[str, Behind]()
        for event in reversed(self.events):
            if event.product and event.kind not in unfit:
                behind = Behind(event.kind, event.quantity, event.value, event.at)
                newest_first.setdefault(event.product, behind)
        return dict(list(newest_first.items())[:window][::-1])

    def disliked(self) -> frozenset[str]:
        return disliked_of(
            Told(event.event_id, event.kind, event.product, event.value, event.reverses)
            for event in self.events
        )

    def bought(self) -> list[Bought]:
        """What was bought and not taken back whole; lines of one product at one moment are one time."""
        quantities = {event.event_id: event.quantity for event in self.events if event.event_id}
        back: dict[str, int] = defaultdict(int)
        for event in self.events:
            if event.reverses:
                back[event.reverses] += abs(event.quantity)
        moments: dict[str, set[datetime]] = defaultdict(set)
        for event in self.events:
            taken_back = event.event_id in back and back[event.event_id] >= quantities[event.event_id]
            if event.product and event.kind in get_config().target_kinds and not taken_back:
                moments[event.product].add(event.at)
        return [Bought(key, len(at), max(at), min(at)) for key, at in moments.items()]

    def without_last(self) -> Given:
        return replace(self, events=self.events[:-1])

    def without(self, product: str) -> Given:
        return replace(self, events=tuple(event for event in self.events if event.product != product))


def given_of(chosen: Iterable[tuple[str, str]]) -> Given:
    """Events of (kind, product), the oldest first, a minute between one and the next, the last one now."""
    pairs, now = list(chosen), timezone.now()
    return Given(
        tuple(
            GivenEvent(
                product, kind, now - timedelta(minutes=len(pairs) - 1 - place), event_id=f"given:{place}"
            )
            for place, (kind, product) in enumerate(pairs)
        )
    )


def events_of(subject: str, most: int = MOST) -> Given:
    """Read a shopper's newest events from the log. One query, by its index of subject and moment."""
    events = Event.objects.filter(subject=subject).order_by("-at", "-id")
    rows: Sequence[tuple[object, ...]] = list(events.values_list(*FIELDS)[: most + 1])
    found = [GivenEvent(*row) for row in rows[:most]]  # type: ignore[arg-type]
    return Given(tuple(reversed(found)), more=len(rows) > most)
