"""One day of events: how many came, from where, and how many did not get in."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Exists, F, OuterRef, Q

from metarec_plugin.collect.days import Day
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.keeping import LOOKS, WEEK, Kept
from metarec_plugin.models import Event, EventDay, QuarantinedEvent, QuarantineOverflow

TOLD_WITHIN = timedelta(days=1)
OVERFLOW = "overflow"  # why an event was not even kept as a refused one


def event_days(day: Day, kept: Kept) -> tuple[Q, list[EventDay]]:
    """Count a day. Returns which rows of it are to go, and those that take their place.

    What is not wholly there any more keeps its rows.
    """
    goes, rows = Q(pk=None), list[EventDay]()
    accepted = _kinds(day, kept)
    if accepted is not None:
        goes |= Q(refused="") & accepted
        rows += _accepted(day, kept, accepted)
    if day.fresh or kept.has_refused(day.start):
        goes |= ~Q(refused="")
        rows += _refused(day)
    return goes, rows


def _kinds(day: Day, kept: Kept) -> Q | None:
    """Those kinds of which the day is whole. None: of none."""
    history = Q(kind__in=kept.history_kinds)
    has_history = day.fresh or kept.whole(kept.history_kinds, day.start)
    has_others = day.fresh or kept.whole(("",), day.start)
    if has_history and has_others:
        return Q()
    return history if has_history else ~history if has_others else None


def _accepted(day: Day, kept: Kept, accepted: Q) -> list[EventDay]:
    events = Event.objects.filter(accepted, at__gte=day.start, at__lt=day.end)
    counts = events.order_by().values_list("kind", "source").annotate(Count("pk"))
    known = None if day.fresh or kept.sees(day.start) else _unseen_before(day)
    unseen = _unseen(day) if known is None else known
    return [
        EventDay(
            day=day.date, kind=kind, source=source, events=n, unseen=min(n, unseen.get((kind, source), 0))
        )
        for kind, source, n in counts
    ]


def _unseen(day: Day) -> dict[tuple[str, str], int]:
    """Count the purchases of subjects who looked at nothing from a week before the day on until they bought.

    Of those that were told within a day: an order history that is read in later comes without looks, as it must.
    """
    looks = Event.objects.filter(subject=OuterRef("subject"), kind__in=LOOKS)
    looks = looks.filter(at__gte=day.start - WEEK, at__lte=OuterRef("at"))
    bought = Event.objects.filter(
        kind__in=get_config().target_kinds, reverses="", received_at__lt=F("at") + TOLD_WITHIN
    )
    bought = bought.filter(~Exists(looks), at__gte=day.start, at__lt=day.end)
    rows = bought.order_by().values_list("kind", "source").annotate(Count("pk"))
    return {(kind, source): n for kind, source, n in rows}


def _unseen_before(day: Day) -> dict[tuple[str, str], int]:
    """What was counted while the looks were there; nothing where nothing was."""
    rows = EventDay.objects.filter(day=day.date, refused="")
    return {(row.kind, row.source): row.unseen for row in rows}


def _refused(day: Day) -> list[EventDay]:
    """What was let in later, by a replay, did get in."""
    waiting = QuarantinedEvent.objects.filter(state=QuarantinedEvent.State.WAITING)
    waiting = waiting.filter(received_at__gte=day.start, received_at__lt=day.end)
    rows = [
        *waiting.order_by().values_list("source", "reason").annotate(Count("pk")),
        *(
            (source, OVERFLOW, n)
            for source, n in QuarantineOverflow.objects.filter(day=day.date).values_list("source", "events")
        ),
    ]
    return [EventDay(day=day.date, source=source, refused=reason, events=n) for source, reason, n in rows]
