"""Rows of django-celery-beat in plain words: what is done, how often, and whether somebody does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

TRAIN_TASK, TRAIN_NAME = (
    "metarec.start_run",
    "MetaRec: train",
)  # as tasks/schedule.py has them, which needs celery
_SECONDS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}


def cron_day(weekday: int) -> int:
    """A day of the week as cron counts it, from 0 for Sunday; weekday: as Python does, from 0 for Monday."""
    return (weekday + 1) % 7


@dataclass(frozen=True)
class Shown:
    """A row as the page shows it."""

    row: Any

    @property
    def what(self) -> str:
        task = str(self.row.task)
        words = {
            TRAIN_TASK: _("train, unless a run is waiting or at work"),
            "metarec.recover_runs": _("look for training runs that wait, or whose worker died"),
            "metarec.refresh_states": _("prepare the lists of shoppers with new events"),
            "metarec.sync_orders": _("read new orders of the shop"),
            "metarec.expire": _("delete what is kept no longer"),
            "metarec.prune": _("delete old model files, checkpoints and messages"),
            "metarec.roll_up": _("count events and lists by day for the dashboard"),
            "metarec.report_experiments": _("work out the reports of large experiments"),
        }
        return words.get(task) or str(self.row.name).removeprefix("MetaRec: ")

    @property
    def when(self) -> str:
        if self.row.interval:
            return _every(
                self.row.interval.every * _SECONDS.get(self.row.interval.period, 0), self.row.interval
            )
        at, day = self.clock
        if at is None:
            return str(self.row.scheduler)
        shown = formats.time_format(at, "H:i")
        if day is None:
            return _("each day at {time}").format(time=shown)
        return _("each {day} at {time}").format(day=WEEKDAYS[(int(day) - 1) % 7], time=shown)

    @property
    def zone(self) -> str:
        return str(self.row.crontab.timezone) if self.row.crontab else ""

    @property
    def clock(self) -> tuple[time | None, str | None]:
        """The time of day and the day of the week; None, None where the row is no such plain thing."""
        cron = self.row.crontab
        plain = cron and cron.day_of_month == cron.month_of_year == "*"
        if not plain or not (cron.hour.isdecimal() and cron.minute.isdecimal()):
            return None, None
        if cron.day_of_week != "*" and not (cron.day_of_week.isdecimal() and int(cron.day_of_week) < 8):
            return None, None
        day = None if cron.day_of_week == "*" else str(int(cron.day_of_week) % 7)
        return time(int(cron.hour), int(cron.minute)), day

    @property
    def stamp(self) -> str:
        """What a form about the row was made from. When it last ran is no change of anybody."""
        return f"{self.row.pk} {int(self.row.enabled)} {self.row.scheduler}"

    @property
    def overdue(self) -> bool:
        """Whether the row should have run three times since it did."""
        interval = self.row.interval
        if not (self.row.enabled and interval):
            return False
        seconds = interval.every * _SECONDS.get(interval.period, 0)
        last = self.row.last_run_at or self.row.date_changed
        return bool(seconds and last and last < timezone.now() - timedelta(seconds=3 * seconds + 60))


def shown(rows: Sequence[Any]) -> list[Shown]:
    """The rows; what is on first, training before the rest."""
    found = [Shown(row) for row in rows]
    return sorted(found, key=lambda each: (each.row.task != TRAIN_TASK, not each.row.enabled, each.row.task))


def training(rows: Sequence[Shown]) -> Shown | None:
    """The row by which runs start."""
    return next((each for each in rows if each.row.task == TRAIN_TASK), None)


def is_silent(rows: Sequence[Shown]) -> bool:
    """Whether beat seems to be down: every row that should have run by now did not."""
    watched = [each for each in rows if each.row.enabled and each.row.interval]
    return bool(watched) and all(each.overdue for each in watched)


def _every(seconds: int, interval: Any) -> str:
    if not seconds:  # a period that we do not know
        return str(interval)
    if seconds % 86_400 == 0:
        days = seconds // 86_400
        return ngettext("every day", "every {n} days", days).format(n=days)
    if seconds % 3600 == 0:
        hours = seconds // 3600
        return ngettext("every hour", "every {n} hours", hours).format(n=hours)
    if seconds % 60 == 0:
        minutes = seconds // 60
        return ngettext("every minute", "every {n} minutes", minutes).format(n=minutes)
    return ngettext("every second", "every {n} seconds", seconds).format(n=seconds)
