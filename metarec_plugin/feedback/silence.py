"""The alarm of silence: no event for far longer than is usual, by the events of a day and the hours of the day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from itertools import groupby
from statistics import median
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from metarec_plugin.collect.days import zone
from metarec_plugin.feedback.alarm import BAD, Alarm, span_in_words
from metarec_plugin.feedback.board import Board

SYNC = "manage.py metarec_sync"
# By the usual number of a day, spread over the hours in which shoppers are awake.
AWAKE = (time(8), time(22))
MISSED = 20.0  # events that should have come in the meantime
LEAST_SILENCE = timedelta(hours=1)


def silence(board: Board) -> Iterator[Alarm]:
    """No event for far longer than is usual, by the events of a day, the hours and the quietest days so far."""
    if board.newest is None or not board.daily:
        return
    gap = board.now - board.newest
    if gap < LEAST_SILENCE or gap <= _longest_pause(board):
        return
    missed = median(board.daily.values()) * awake_days(board.newest, board.now, zone())
    if missed >= MISSED:
        yield Alarm(
            "silence", BAD,
            _("No event has arrived for %(gap)s, in which about %(missed)s are usual.")
            % {"gap": span_in_words(gap), "missed": f"{missed:,.0f}"},
            _("Open the shop and look at a product: if this stays, the page's script or the beacon's address is "
              "gone. Orders can be read again at once:"),
            SYNC,
        )  # fmt: skip


def _longest_pause(board: Board) -> timedelta:
    """As long as days without any event came one after another, and a night."""
    runs = [len(list(days)) for empty, days in groupby(board.daily.values(), key=lambda n: not n) if empty]
    return timedelta(days=max(runs) + 1) if runs else timedelta(0)


def awake_days(since: datetime, until: datetime, place: ZoneInfo) -> float:
    """How many days' worth of waking hours lie between two moments."""
    since, until = since.astimezone(place), until.astimezone(place)
    hours = timedelta(0)
    day = since.date()
    while day <= until.date() and (day - since.date()).days < 60:
        first, last = (datetime.combine(day, each, place) for each in AWAKE)
        hours += max(timedelta(0), min(until, last) - max(since, first))
        day += timedelta(days=1)
    return hours / timedelta(hours=AWAKE[1].hour - AWAKE[0].hour)
