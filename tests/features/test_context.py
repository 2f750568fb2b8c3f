"""What moment it is: by the clock of the shop's time zone, its country's holidays and what was imported."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from metarec_plugin.collect.context_days import RESERVED
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.features.context import Calendar, configured_calendar, public_holiday
from tests.settings import METAREC

LONDON = ZoneInfo("Europe/London")


def at(*moment: int, zone=UTC) -> float:
    return datetime(*moment, tzinfo=zone).timestamp()


def test_hour_and_weekday_are_those_of_the_time_zone():
    instant = at(2026, 7, 4, 23, 30)  # a Saturday by Greenwich, already Sunday in London
    assert Calendar(LONDON).values(instant) == {"hour": "00:00-03:59", "weekday": "Sunday"}
    assert Calendar(ZoneInfo("UTC")).values(instant) == {"hour": "20:00-23:59", "weekday": "Saturday"}


@pytest.mark.parametrize(
    "day, holiday, approach",
    [
        ((2026, 12, 25), "Christmas Day", "1-3 days to Boxing Day"),
        ((2026, 12, 22), "none", "1-3 days to Christmas Day"),
        ((2026, 12, 18), "none", "4-7 days to Christmas Day"),
        ((2026, 12, 11), "none", "8-14 days to Christmas Day"),
        ((2026, 12, 10), "none", "none"),
        ((2026, 12, 28), "Boxing Day", "4-7 days to New Year's Day"),  # the day off for a Saturday
    ],
)
def test_holidays_are_named_and_so_is_how_near_the_next_one_is(day, holiday, approach):
    values = Calendar(LONDON, "GB").values(at(*day, 12))
    assert (values["holiday"], values["approach"]) == (holiday, approach)


def test_a_part_of_a_country_has_holidays_of_its_own():
    easter_monday = date(2026, 4, 6)
    assert public_holiday("GB-ENG", easter_monday) == "Easter Monday"
    assert public_holiday("GB-SCT", easter_monday) == ""


def test_what_was_imported_of_the_local_day_stands_beside_the_calendar():
    calendar = Calendar(LONDON, days={date(2026, 7, 5): {"weather": "rain"}})
    assert calendar.values(at(2026, 7, 4, 23, 30))["weather"] == "rain"
    assert "weather" not in calendar.values(at(2026, 7, 4, 12))


def test_an_imported_value_cannot_hide_one_of_the_calendar():
    assert set(Calendar(LONDON, "GB").values(at(2026, 1, 2))) == set(RESERVED)


def test_the_time_zone_is_djangos_unless_it_is_set():
    with override_settings(TIME_ZONE="Asia/Tokyo"):
        assert get_config().time_zone == "Asia/Tokyo"
        with override_settings(METAREC={**METAREC, "TIME_ZONE": "Europe/Paris", "COUNTRY": "FR"}):
            calendar = configured_calendar()
            assert (calendar.zone.key, calendar.country) == ("Europe/Paris", "FR")


@pytest.mark.parametrize("country", ["XX", "US-ZZ"])
def test_an_unknown_country_is_a_system_check(country):
    with override_settings(METAREC={**METAREC, "COUNTRY": country}):
        [found] = [each for each in run_checks() if each.id == "metarec.E008"]
        assert repr(country) in found.msg
        assert "ISO 3166" in found.hint
        with pytest.raises(ConfigurationError):
            configured_calendar()


def test_without_the_package_a_country_is_answered_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with (
        override_settings(METAREC={**METAREC, "COUNTRY": "NL"}),
        pytest.raises(ConfigurationError, match=r"django-metarec\[context\]"),
    ):
        configured_calendar()


def test_importing_the_calendar_loads_no_holidays():
    code = "import sys, metarec_plugin.features.context; print('holidays' in sys.modules, 'polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
