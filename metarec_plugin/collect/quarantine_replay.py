"""Judges quarantined events again: what is fit now is stored under its own id and with the moment it came at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.events import known_ids, store
from metarec_plugin.collect.importing_events import event_again, known_again
from metarec_plugin.collect.judging import came, known_among, read_event
from metarec_plugin.collect.quarantine import (
    CONFLICT_MESSAGE,
    ID_CONFLICT,
    MAX_MESSAGE,
    Came,
    contradicting,
    told,
)
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import Event, QuarantinedEvent

BATCH = 500
State = QuarantinedEvent.State


@dataclass
class ReplayCounts:
    """read == stored + known + the sum of `refused`, which counts those that wait on, by reason.

    `known` are in the log under their id with the same content, or were and have been erased.
    """

    read: int = 0
    stored: int = 0
    known: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def waiting(
    reason: str = "",
    source: str = "",
    after: datetime | None = None,
    before: datetime | None = None,
) -> QuerySet[QuarantinedEvent]:
    """The events that wait, the oldest first, narrowed to a reason, a source and when they were received."""
    rows = QuarantinedEvent.objects.filter(state=State.WAITING).order_by("pk")
    conditions = {"reason": reason, "source": source, "received_at__gte": after, "received_at__lt": before}
    return rows.filter(**{name: value for name, value in conditions.items() if value})


def replay(
    rows: QuerySet[QuarantinedEvent],
    *,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ReplayCounts:
    """Judge the events again, a batch in a transaction: what is stored is marked in the same one, so that no event is
    replayed twice. dry_run: judge and count, and change nothing.
    """
    counts = ReplayCounts()
    for batch in _batches(rows, limit):
        with transaction.atomic(using=router.db_for_write(Event)):
            _replay(batch, counts, dry_run)
        if progress:
            progress(counts.read)
    return counts


def _batches(rows: QuerySet[QuarantinedEvent], limit: int | None) -> Iterator[list[QuarantinedEvent]]:
    done, last = 0, 0
    while limit is None or done < limit:
        batch = list(rows.filter(pk__gt=last)[: BATCH if limit is None else min(BATCH, limit - done)])
        if not batch:
            return
        yield batch
        done, last = done + len(batch), batch[-1].pk


def _replay(batch: Sequence[QuarantinedEvent], counts: ReplayCounts, dry_run: bool) -> None:
    using = router.db_for_write(Event)
    fit, unfit = _judged(batch)
    known = known_ids([made.event_id for _, made, _ in fit], using)
    erased = erased_among([made.event_id for _, made, _ in fit], using)
    new: dict[str, Event] = {}
    for _, made, _ in fit:
        if made.event_id not in known | erased:
            new.setdefault(made.event_id, made)
    if not dry_run:
        store(list(new.values()))
    # Of several that claim one id, the first is stored, and the others are held against it.
    other = [(row, seen) for row, made, seen in fit if new.get(made.event_id) is not made]
    against = contradicting([seen for _, seen in other])
    for row, _ in (pair for place, pair in enumerate(other) if place in against):
        unfit[row.pk] = (ID_CONFLICT, CONFLICT_MESSAGE)
    counts.read += len(batch)
    counts.stored += len(new)
    counts.refused = dict(Counter(counts.refused) + Counter(reason for reason, _ in unfit.values()))
    counts.known += len(batch) - len(new) - len(unfit)
    if not dry_run:
        _mark(batch, unfit)


Fit = tuple[QuarantinedEvent, Event, Came]
Unfit = dict[int, tuple[str, str]]


def _judged(batch: Sequence[QuarantinedEvent]) -> tuple[list[Fit], Unfit]:
    reported = [row.payload for row in batch if row.source != Event.Source.IMPORT]
    known = known_among(reported) if reported else ()
    judged = known_again([row.payload for row in batch if row.source == Event.Source.IMPORT])
    fit: list[Fit] = []
    unfit: Unfit = {}
    for row in batch:
        try:
            if "cut" in row.payload and len(row.payload) == 1:
                raise InvalidEvent("The event was too long to be kept whole.", "oversize")
            if row.source == Event.Source.IMPORT:
                made = event_again(row.payload, judged)
                made.received_at = row.received_at
                if row.subject.startswith("user:") and made.subject.startswith("visitor:"):
                    made.subject = row.subject  # the visitor has logged in since
                fit.append((row, made, Came(made.event_id, made.at, told(made))))
            else:
                strict = row.source == Event.Source.API
                made = read_event(row.subject, row.payload, known, row.source, row.received_at, strict=strict)
                fit.append((row, made, came(row.payload, made)))
        except InvalidEvent as error:
            unfit[row.pk] = (error.code, str(error))
    return fit, unfit


def _mark(batch: Sequence[QuarantinedEvent], unfit: Mapping[int, tuple[str, str]]) -> None:
    now = timezone.now()
    replayed = [row.pk for row in batch if row.pk not in unfit]
    QuarantinedEvent.objects.filter(pk__in=replayed).update(state=State.REPLAYED, replayed_at=now)
    changed = []
    for row in batch:
        if row.pk in unfit and (row.reason, row.message) != unfit[row.pk]:
            row.reason, message = unfit[row.pk]
            row.message = message[:MAX_MESSAGE]
            changed.append(row)
    QuarantinedEvent.objects.bulk_update(changed, ["reason", "message"])
