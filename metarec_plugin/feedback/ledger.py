"""What the roll-up remembers: up to which row it has seen each table, and when it last counted each day.

It lies in the says of the pulse "rollup": seen (the last key by table), counted (spans of days that were counted
together: [first, last, epoch seconds], 0 for days to be counted anew), kept (see feedback/keeping.py), scanned (when
the tables were last asked for all of their days) and zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import DateField, F, Max, Model, QuerySet
from django.db.models.functions import TruncDate

from metarec_plugin.collect.days import day_of, zone
from metarec_plugin.feedback.attribution import WINDOWS
from metarec_plugin.feedback.keeping import LOOKS
from metarec_plugin.models import (
    Event,
    EventDay,
    Impression,
    PlacementDay,
    QuarantinedEvent,
    QuarantineOverflow,
)

AGAIN = timedelta(hours=24)  # so old may counts be of days whose rows were erased or changed
SEEN: tuple[type[Model], ...] = (Event, Impression)
# where days are looked for; a roll-up's own, so that days that have no rows any more are emptied
TABLES: tuple[tuple[type[Model], str], ...] = (
    (Event, "at"),
    (Impression, "at"),
    (QuarantinedEvent, "received_at"),
    (QuarantineOverflow, "day"),
    (EventDay, "day"),
    (PlacementDay, "day"),
)


@dataclass
class Ledger:
    seen: dict[str, int] = field(default_factory=dict)
    counted: dict[date, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    scanned: int = 0

    def look(self, now: datetime, *, full: bool) -> None:
        """Find the days that rows came to since the last look; once in AGAIN, all days that there are.

        A row of a transaction that was not over yet at the last look may have a smaller key than the last one seen
        then: counting every day anew finds it.
        """
        for model in SEEN:
            name, newest = _name(model), model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
            last = self.seen.get(name)  # None: the first look, which asks for all days
            if last is not None:
                self._mark(_late_days(model, last, newest))
            self.seen[name] = max(last or 0, newest)
        if full or now.timestamp() - self.scanned >= AGAIN.total_seconds():
            for model, moment in TABLES:
                for day in _days(model._default_manager.all(), moment):
                    self.counted.setdefault(day, 0)
            self.scanned = int(now.timestamp())
        if full:
            self.counted = dict.fromkeys(self.counted, 0)

    def _mark(self, late: Iterable[tuple[date, bool]]) -> None:
        """reaches: what came may change the counts of the days after it, too, as far as they were counted."""
        for day, reaches in late:
            self.counted[day] = 0
            for later in range(1, WINDOWS.longest.days + 1) if reaches else ():
                if day + timedelta(days=later) in self.counted:
                    self.counted[day + timedelta(days=later)] = 0

    def due(self, now: datetime) -> list[date]:
        """The days to count now: today and yesterday first, then where rows came, then those counted longest ago."""
        today = day_of(now)
        fresh = [today, today - timedelta(days=1)]
        old = now.timestamp() - AGAIN.total_seconds()
        others = [day for day, at in self.counted.items() if at <= old and day not in fresh]
        return fresh + sorted(others, key=lambda day: (self.counted[day], -day.toordinal()))

    def note(self, day: date, now: datetime, *, empty: bool) -> None:
        """A day without rows is forgotten: rows that come to it bring it back."""
        if empty:
            self.counted.pop(day, None)
        else:
            self.counted[day] = int(now.timestamp())

    def says(self) -> dict[str, Any]:
        spans: list[tuple[date, date, int]] = []
        for day, at in sorted(self.counted.items()):
            if spans and spans[-1][1] == day - timedelta(days=1) and spans[-1][2] == at:
                spans[-1] = (spans[-1][0], day, at)
            else:
                spans.append((day, day, at))
        return {
            "seen": self.seen,
            "counted": [[first.isoformat(), last.isoformat(), at] for first, last, at in spans],
            "kept": self.kept,
            "scanned": self.scanned,
            "zone": str(zone()),
        }


def read_ledger(says: Mapping[str, Any]) -> Ledger:
    """What was remembered; of days of another zone only that they are to be counted anew."""
    moved = says.get("zone") != str(zone())
    counted = {}
    for first, last, at in says.get("counted", []):
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last):
            counted[day] = 0 if moved else at
            day += timedelta(days=1)
    scanned = 0 if moved else says.get("scanned", 0)
    return Ledger(dict(says.get("seen", {})), counted, dict(says.get("kept", {})), scanned)


def _name(model: type[Model]) -> str:
    return str(model._meta.model_name)


def _late_days(model: type[Model], last: int, newest: int) -> list[tuple[date, bool]]:
    rows = model._default_manager.filter(pk__gt=last, pk__lte=newest)
    if model is not Event:
        return [(day, False) for day in _days(rows, "at")]
    taken = Event.objects.filter(event_id__in=rows.exclude(reverses="").values("reverses"))
    return [
        *((day, False) for day in _days(rows, "at")),
        *((day, True) for day in _days(rows.filter(kind__in=LOOKS), "at")),
        *((day, False) for day in _days(taken, "at")),
    ]


def _days(rows: QuerySet[Any], moment: str) -> list[date]:
    is_day = type(rows.model._meta.get_field(moment)) is DateField
    day = F(moment) if is_day else TruncDate(moment, tzinfo=zone())
    found = rows.order_by().annotate(of=day).values_list("of", flat=True).distinct()
    return [each for each in found if each is not None]
