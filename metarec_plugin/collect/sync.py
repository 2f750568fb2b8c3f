"""Reads the shop's tables again and records what no signal announced: imports, bulk loads, hand-written SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Max, Q
from django.utils import timezone

from metarec_plugin.collect.bulk import EventWriter
from metarec_plugin.collect.interactions import COLUMNS, Refused, Values, event_id, event_values
from metarec_plugin.collect.reread import Reread, reread
from metarec_plugin.collect.retention import horizon
from metarec_plugin.collect.revisions import RETURN_SUFFIX, Told, row_id, says_the_same
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event
from metarec_plugin.storefront import Interactions, get_storefront
from metarec_plugin.storefront.raw import raw_stream
from metarec_plugin.storefront.rows import CHUNK, interaction_queryset, stream

Progress = Callable[[int, int], None]
BATCH = 900  # events looked at again by one query


@dataclass(frozen=True)
class SyncCounts:
    """What a sync did. read == new + known + the sum of `refused`, which counts rows by reason.

    `known` rows are in the log, or were in it and have been erased. Of what was in the log before, `changed` rows
    say something else now and were recorded anew, and `taken_back` no longer count.
    """

    read: int
    new: int
    known: int
    refused: Mapping[str, int]
    changed: int = 0
    taken_back: int = 0


def sync(full: bool = False, progress: Progress | None = None) -> SyncCounts:
    """Record the shop's rows of the last SYNC_DAYS days, or with `full` all of them. Running it twice changes nothing.

    Then the rows behind what was in the log before are read again: what changed is recorded anew, what no longer
    counts is taken back. A row that is gone is taken back within the last SYNC_DAYS days only: a shop that moves old
    orders elsewhere has sold them all the same.

    The window trails on purpose: a row may be written, or begin to count, later than the time it bears. What is
    known is told by the event id alone. `progress(rows so far, rows in all)` is called after each chunk.
    """
    recent = timezone.now() - timedelta(days=get_config().sync_days)
    since = None if full else recent
    sources = [
        (interactions, interaction_queryset(interactions, since=_later(since, horizon(interactions.kind))))
        for interactions in get_storefront().interactions
    ]
    last = Event.objects.using(router.db_for_write(Event)).aggregate(last=Max("pk"))["last"] or 0
    total = sum(queryset.count() for _, queryset in sources) if progress else 0
    writer = EventWriter(Event.Source.SYNC)
    refused: Counter[str] = Counter()
    read = new = 0
    for interactions, queryset in sources:
        for rows, chunk in _chunks(interactions, queryset, refused, writer.takes_text_from(queryset.db)):
            new += writer.write(chunk)
            read += rows
            if progress:
                progress(read, total)
    again = [_look_again(interactions, since, recent, last) for interactions, _ in sources]
    return SyncCounts(
        read=read,
        new=new,
        known=read - new - sum(refused.values()),
        refused=dict(refused),
        changed=sum(each.new + each.changed for each in again),
        taken_back=sum(each.taken_back for each in again),
    )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(moment for moment in (one, other) if moment is not None) if one or other else None


def _look_again(interactions: Interactions, since: datetime | None, recent: datetime, last: int) -> Reread:
    """Read again the rows behind the events of since then, as far as the log had them (`last`) before this sync."""
    counts = Reread(0, 0, 0)
    for batch in _recorded(interactions, since, last):
        same = _unchanged(interactions, batch)
        looked_at = {key: each for key, each in batch.items() if key not in same}
        if not looked_at:
            continue
        gone = {key: each.row_id for key, each in looked_at.items() if each.at >= recent}
        done = reread(interactions, "", list(looked_at), gone, Event.Source.SYNC)
        counts = Reread(*map(sum, zip(counts, done)))
    return counts


class Recorded(NamedTuple):
    """The newest event of a row: the id of the row's first one, its own, its moment and what it says."""

    row_id: str
    event_id: str
    at: datetime
    told: Told


def _unchanged(interactions: Interactions, batch: Mapping[Any, Recorded]) -> set[Any]:
    """The keys of rows that still say what their events do: almost all, so they are told by two queries."""
    events = Event.objects.using(router.db_for_write(Event))
    names = [each.event_id + RETURN_SUFFIX for each in batch.values()]
    back = set(events.filter(event_id__in=names).values_list("reverses", flat=True))
    same = set()
    for row in stream(interaction_queryset(interactions, within={"pk__in": list(batch)})):
        try:
            values = dict(zip(COLUMNS, event_values(interactions, row)))
        except Refused:
            continue
        recorded = batch[row.pk]
        told = Told(*(values[name] for name in Told._fields))
        is_same = values["event_id"] == recorded.row_id and says_the_same(recorded.told, told)
        if is_same and recorded.event_id not in back:
            same.add(row.pk)
    return same


def _recorded(interactions: Interactions, since: datetime | None, last: int) -> Iterator[dict[Any, Recorded]]:
    """Yield what the log has of rows, by the rows' keys, BATCH events at a time."""
    to_key = apps.get_model(interactions.model)._meta.pk.to_python
    ours = Event.objects.using(router.db_for_write(Event)).filter(
        kind=interactions.kind, pk__lte=last, source__in=(Event.Source.LIVE, Event.Source.SYNC)
    )
    if since is not None:
        ours = ours.filter(at__gte=since)
    columns = ("pk", "at", "event_id", "order", *Told._fields)
    after: tuple[int, datetime] | None = None
    while True:
        left = ours
        if after is not None:
            pk, at = after
            left = ours.filter(at__gte=at).filter(Q(at__gt=at) | Q(pk__gt=pk))
        rows = list(left.order_by("at", "pk").values_list(*columns)[:BATCH])
        if not rows:
            return
        after = rows[-1][:2]
        found = {}
        for _, at, name, order, *told in rows:
            first = row_id(name)
            start = event_id(interactions.kind, "", order or None)
            if first.startswith(start):
                try:
                    found[to_key(first.removeprefix(start))] = Recorded(first, name, at, Told(*told))
                except ValidationError:
                    continue  # an event that somebody else named, and no row's
        yield found


def _chunks(
    interactions: Interactions, queryset: Any, refused: Counter[str], text_moments: bool
) -> Iterator[tuple[int, list[Values]]]:
    """Yield (rows read, values to write), CHUNK rows at a time."""
    chunk: list[Values] = []
    rows = 0
    for row in raw_stream(queryset, text_moments=text_moments):
        rows += 1
        try:
            chunk.append(event_values(interactions, row))
        except Refused as refusal:
            refused[str(refusal)] += 1
        if rows == CHUNK:
            yield rows, chunk
            chunk, rows = [], 0
    if rows:
        yield rows, chunk
