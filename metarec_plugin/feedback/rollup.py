"""Counts by day, made of the big tables while nobody waits, so that the panel reads a few rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import router, transaction
from django.db.models import Model, Q
from django.utils import timezone

from metarec_plugin.collect.days import day_of, whole_day
from metarec_plugin.feedback.claim import Claim, Lost, take
from metarec_plugin.feedback.drift import note_drift
from metarec_plugin.feedback.event_days import event_days
from metarec_plugin.feedback.keeping import Kept, kept
from metarec_plugin.feedback.ledger import Ledger, read_ledger
from metarec_plugin.feedback.placement_days import placement_days
from metarec_plugin.models import EventDay, PlacementDay

log = logging.getLogger(__name__)
SECONDS = 240.0  # after which no further day is begun: the next call goes on, and today's counts stay new
Progress = Callable[[int, int], None]


def roll_up(
    *, full: bool = False, now: datetime | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Count whole days anew from the events, the impressions and what was refused.

    Today and yesterday; days that rows came to since the last call; and days that were last counted a day ago, so that
    erasures and changed orders are found. full: every day, however long it takes. A day of which something is deleted
    by age keeps what it has. progress(days counted, days due).

    Returns days counted, days left for the next call, seconds, until; busy where another worker is at it, who may also
    have taken over from one that was silent for long.
    """
    now, began = now or timezone.now(), time.perf_counter()
    claim = take()
    if claim is None:
        return {"days": 0, "left": 0, "seconds": 0.0, "until": None, "busy": True}
    days = left = 0
    try:
        ledger = read_ledger(claim.says)
        ledger.look(now, full=full)
        whole = kept(now, ledger.kept)
        ledger.kept = whole.noted()
        claim.hold(ledger.says())
        due = ledger.due(now)
        for days, day in enumerate(due):
            if not full and time.perf_counter() - began > SECONDS:
                left = len(due) - days
                break
            _count(day, now, claim, ledger, whole)
            if progress is not None:
                progress(days + 1, len(due))
        days = len(due) - left
        claim.hold()
        _note_drift(now)
    except Lost:
        log.warning("roll-up taken over by another worker days=%d", days)
        return {"days": days, "left": 0, "seconds": time.perf_counter() - began, "until": None, "busy": True}
    except BaseException:
        claim.give_up()
        raise
    seconds = round(time.perf_counter() - began, 3)
    told = {"days": days, "left": left, "seconds": seconds, "until": now.isoformat()}
    claim.release(**told)
    log.info("rolled up days=%d left=%d seconds=%.1f", days, left, seconds)
    return {**told, "busy": False}


def _count(day: date, now: datetime, claim: Claim, ledger: Ledger, whole: Kept) -> None:
    """Read without a lock; then the day's rows change, and are remembered as counted, in one short transaction."""
    span = whole_day(day, day_of(now))
    counted: list[tuple[type[Model], Q, list[Any]]] = [
        (EventDay, *event_days(span, whole)),
        (PlacementDay, *placement_days(span, whole)),
    ]
    using = router.db_for_write(EventDay)
    with transaction.atomic(using=using):
        empty = True
        for model, goes, rows in counted:
            own = model._default_manager.using(using).filter(day=day)
            own.filter(goes).delete()
            model._default_manager.using(using).bulk_create(rows)
            empty = empty and not own.exists()
        ledger.note(day, now, empty=empty)
        claim.hold(ledger.says())


def _note_drift(now: datetime) -> None:
    """The counts do not wait for a comparison that fails: it asks the shop's own catalogue, too."""
    try:
        note_drift(now)
    except Exception:
        log.exception("drift not noted")
