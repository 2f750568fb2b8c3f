"""The shop's days: those of Django's TIME_ZONE, whichever zone a request of some visitor has activated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.conf import settings
from django.utils import timezone


@dataclass(frozen=True)
class Day:
    """A day and its moments: from `start` to before `end`. fresh: it may still be going on, or has just ended."""

    date: date
    start: datetime
    end: datetime
    fresh: bool = False


def zone() -> tzinfo | None:
    """None where USE_TZ is off: then every moment is local, and says no zone."""
    return timezone.get_default_timezone() if settings.USE_TZ else None


def day_of(moment: datetime) -> date:
    return moment.date() if timezone.is_naive(moment) else moment.astimezone(zone()).date()


def whole_day(day: date, today: date) -> Day:
    start, end = (datetime.combine(each, time.min, tzinfo=zone()) for each in (day, day + timedelta(days=1)))
    return Day(day, start, end, day >= today - timedelta(days=1))
