"""The shop's days: those of METAREC["TIME_ZONE"], whichever zone a request of some visitor has activated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from metarec_plugin.conf import get_config


@dataclass(frozen=True)
class Day:
    """A day and its moments: from `start` to before `end`. fresh: it may still be going on, or has just ended."""

    date: date
    start: datetime
    end: datetime
    fresh: bool = False


def zone() -> ZoneInfo:
    """Django's TIME_ZONE where METAREC names none."""
    return ZoneInfo(get_config().time_zone)


def day_of(moment: datetime) -> date:
    return moment.astimezone(zone()).date()


def midnight(day: date) -> datetime:
    """The moment that a day begins."""
    return datetime.combine(day, time.min, zone())


def whole_day(day: date, today: date) -> Day:
    return Day(day, midnight(day), midnight(day + timedelta(days=1)), day >= today - timedelta(days=1))
