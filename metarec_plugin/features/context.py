"""What moment it is: hour, weekday, public holidays and what was imported of the day. Light enough for a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from metarec_plugin.conf import get_config, is_time_zone
from metarec_plugin.exceptions import ConfigurationError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = 4  # of a band of the day
AHEAD = ((3, "1-3"), (7, "4-7"), (14, "8-14"))  # days to a holiday, at most, and what the band is called
ORDINARY = "none"
Days = Mapping[date, Mapping[str, str]]


@dataclass(frozen=True)
class Calendar:
    """Turns instants into values. country: "GB", or "US-CA" with its part; without one no day is a holiday.

    days: what was imported, such as the weather, by day and name.
    """

    zone: ZoneInfo
    country: str = ""
    days: Days = field(default_factory=dict)

    def values(self, at: float) -> dict[str, str]:
        """Return the values of an instant in epoch seconds, by field."""
        moment = datetime.fromtimestamp(at, self.zone)
        day = moment.date()
        first = moment.hour // HOURS * HOURS
        values = {
            "hour": f"{first:02d}:00-{first + HOURS - 1:02d}:59",
            "weekday": WEEKDAYS[day.weekday()],
        }
        if self.country:
            values["holiday"] = public_holiday(self.country, day) or ORDINARY
            values["approach"] = _approach(self.country, day)
        return {**values, **self.days.get(day, {})}


def configured_calendar(days: Days | None = None) -> Calendar:
    """The calendar of METAREC["TIME_ZONE"] and METAREC["COUNTRY"]. Raises ConfigurationError as `public_holiday`."""
    config = get_config()
    require_country(config.country)
    return Calendar(ZoneInfo(config.time_zone), config.country, days or {})


def read_time_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name. Raises ConfigurationError where there is none."""
    if not is_time_zone(name):
        raise ConfigurationError(f"A time zone has a name such as 'Europe/London'; found {name!r}.")
    return ZoneInfo(name)


def public_holiday(country: str, day: date) -> str:
    """Return the name of the day's public holiday, empty for an ordinary day.

    Raises ConfigurationError where the country is unknown or the package `holidays` is not installed.
    """
    return _holidays_of(country, day.year).get(day, "")


def require_country(country: str) -> None:
    """Raise ConfigurationError as `public_holiday` does; an empty country is fine."""
    if country:
        _holidays_of(country, 2024)


def _approach(country: str, day: date) -> str:
    """The next public holiday within two weeks and how near it is; that of today is past."""
    for ahead in range(1, AHEAD[-1][0] + 1):
        if name := public_holiday(country, day + timedelta(days=ahead)):
            band = next(called for most, called in AHEAD if ahead <= most)
            return f"{band} days to {name}"
    return ORDINARY


@lru_cache(maxsize=256)
def _holidays_of(country: str, year: int) -> dict[date, str]:
    wanted = "METAREC['COUNTRY'] must be a country's ISO 3166 code, such as 'GB', or with its part 'US-CA'"
    try:
        import holidays  # 0.1 s, so only where a country is set and asked for
    except ImportError as error:
        raise ConfigurationError(
            f"METAREC['COUNTRY'] = {country!r} needs the package holidays: install django-metarec[context]."
        ) from error
    code, _, part = country.partition("-")
    try:
        found = holidays.country_holidays(code, subdiv=part or None, years=year)
    except NotImplementedError as error:
        raise ConfigurationError(f"{wanted}; found {country!r}: {error}.") from error
    # "Christmas Day (observed)" is the day off for the same holiday.
    return {day: name.removesuffix(" (observed)") for day, name in found.items()}
