"""Keeps refused events for a while, with the reason: bounded in size, number and time, gone with their subject."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import router
from django.db.models import F
from django.utils import timezone

from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.days import day_of
from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, QuarantinedEvent, QuarantineOverflow

log = logging.getLogger(__name__)
ID_CONFLICT = "id_conflict"
CONFLICT_MESSAGE = "Another event was stored under this id first; that one stays."
MAX_PAYLOAD = 4_096  # characters of JSON; of a longer one the beginning is kept
MAX_MESSAGE = 300
MOST_PER_SUBJECT = 100  # refused events kept of one subject in an hour: nobody fills the table alone
SHARE_OF_NEW = 0.5  # of QUARANTINE_ROWS, that all new subjects together may fill
COUNTED_FOR = 10.0  # seconds that a count of rows is good for
SAME_MOMENT = timedelta(minutes=1)  # the log's moment may be the server's where a clock ran ahead by less
# What an event says, but for whose it is: a visitor's events become the user's at login.
TOLD = ("kind", "product", "query", "value", "quantity", "price", "order", "slate", "position", "reverses")
_counts: dict[str, tuple[int, float]] = {}  # by source: rows, and until when that is good
_UNSTORABLE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class RefusedEvent:
    """An event as it came, and why it is not in the log. event_id: what it would have been stored under."""

    payload: Mapping[str, Any]
    reason: str
    message: str
    subject: str = ""
    event_id: str = ""


class Came(NamedTuple):
    """An event whose id the log knows: the moment that it names itself, and its values of TOLD."""

    event_id: str
    at: datetime | None
    told: tuple[Any, ...]


def quarantine(
    refused: Sequence[RefusedEvent], source: str, *, per_subject: bool = True, new_subject: bool = False
) -> int:
    """Keep refused events as far as there is room; one that is kept already is kept once. Returns how many were not.

    What was erased is not kept again. per_subject: a subject has room for MOST_PER_SUBJECT an hour, as what anybody may
    send must. new_subject: of somebody who may be another one each time, whom that does not bound: those share a part
    of the room, so that the rest stays for the others.
    """
    if not refused:
        return 0
    ids = {each.event_id for each in refused if each.event_id}
    gone = erased_among(ids, router.db_for_write(Event))
    refused = [each for each in refused if each.event_id not in gone]
    most = get_config().quarantine_rows
    room = (int(most * SHARE_OF_NEW) if new_subject else most) - (_counted(source, most) if most else 0)
    now = timezone.now()
    kept = list(refused[: max(0, room)])
    if per_subject and kept:
        kept = _within_shares(kept, now)
    rows = QuarantinedEvent.objects.using(router.db_for_write(QuarantinedEvent))
    rows.bulk_create([_row(each, source, now) for each in kept], ignore_conflicts=True)
    if most:
        counted, until = _counts.get(source, (0, 0.0))
        _counts[source] = counted + len(kept), until
    if missed := len(refused) - len(kept):
        _count_missed(source, missed, now)
    return missed


def _counted(source: str, most: int) -> int:
    """How many rows of a source there are, as of at most COUNTED_FOR seconds ago and with what this process added.

    Counting a full table for every refused request would cost the more the fuller it is.
    """
    counted, until = _counts.get(source, (0, 0.0))
    if time.monotonic() >= until:
        rows = QuarantinedEvent.objects.using(router.db_for_write(QuarantinedEvent)).filter(source=source)
        counted, until = rows.values("pk")[:most].count(), time.monotonic() + COUNTED_FOR
        _counts[source] = counted, until
    return counted


def _within_shares(refused: Sequence[RefusedEvent], now: datetime) -> list[RefusedEvent]:
    taken: Counter[str] = Counter()
    for subject in {each.subject for each in refused}:
        recent = QuarantinedEvent.objects.filter(subject=subject, received_at__gt=now - timedelta(hours=1))
        taken[subject] = recent.values("pk")[:MOST_PER_SUBJECT].count()
    kept = []
    for each in refused:
        taken[each.subject] += 1
        if taken[each.subject] <= MOST_PER_SUBJECT:
            kept.append(each)
    return kept


def _row(refused: RefusedEvent, source: str, now: datetime) -> QuarantinedEvent:
    text = _UNSTORABLE.sub("\ufffd", json.dumps(refused.payload, ensure_ascii=False, default=str))
    text = text.replace("\\u0000", "\\ufffd")  # PostgreSQL stores no NUL
    named = "\n".join((source, refused.event_id, refused.subject, refused.reason, text))
    return QuarantinedEvent(
        digest=sha256(named.encode()).hexdigest(),
        event_id=refused.event_id[:200],
        subject=refused.subject[:120],
        source=source,
        reason=refused.reason,
        message=_UNSTORABLE.sub("\ufffd", refused.message).replace("\x00", "\ufffd")[:MAX_MESSAGE],
        payload=json.loads(text, parse_constant=str)
        if len(text) <= MAX_PAYLOAD
        else {"cut": text[:MAX_PAYLOAD]},
        received_at=now,
    )


def _count_missed(source: str, missed: int, now: datetime) -> None:
    day, _ = QuarantineOverflow.objects.get_or_create(day=day_of(now), source=source)
    QuarantineOverflow.objects.filter(pk=day.pk).update(events=F("events") + missed)
    log.warning("quarantine full source=%s not kept=%d", source, missed)


def purge() -> int:
    """Delete what is older than METAREC["QUARANTINE_DAYS"], replayed or not. Returns how many events went."""
    _counts.clear()
    before = timezone.now() - timedelta(days=get_config().quarantine_days)
    QuarantineOverflow.objects.filter(day__lt=day_of(before)).delete()
    return QuarantinedEvent.objects.filter(received_at__lt=before).delete()[0]


def told(event: Event) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in TOLD)


def contradicting(came: Sequence[Came]) -> set[int]:
    """The places of those events of which the log has another one under their id; a mere repetition is none.

    Moments are compared where the event names its own and the log's is no substitute of the server's.
    """
    using = router.db_for_write(Event)
    stored = {
        event_id: (at, context, values)
        for ids in batches(each.event_id for each in came)
        for event_id, at, context, *values in Event.objects.using(using)
        .filter(event_id__in=ids)
        .values_list("event_id", "at", "context", *TOLD)
    }
    found = set()
    for place, each in enumerate(came):
        if each.event_id not in stored:
            continue  # erased, or kept in a cookie
        at, context, values = stored[each.event_id]
        moved = each.at is not None and not context.get("clock") and abs(each.at - at) > SAME_MOMENT
        if moved or list(each.told) != values:
            found.add(place)
    return found
