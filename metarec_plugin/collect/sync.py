"""Reads the shop's tables again and records what no signal announced: imports, bulk loads, hand-written SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from metarec_plugin.collect.bulk import EventWriter
from metarec_plugin.collect.interactions import Refused, Values, event_values
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event
from metarec_plugin.storefront import Interactions, get_storefront
from metarec_plugin.storefront.raw import raw_stream
from metarec_plugin.storefront.rows import CHUNK, interaction_queryset

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SyncCounts:
    """What a sync did. read == new + known + the sum of `refused`, which counts rows by reason.

    `known` rows are in the log, or were in it and have been erased.
    """

    read: int
    new: int
    known: int
    refused: Mapping[str, int]


def sync(full: bool = False, progress: Progress | None = None) -> SyncCounts:
    """Record the shop's rows of the last SYNC_DAYS days, or with `full` all of them. Running it twice changes nothing.

    The window trails on purpose: a row may be written, or begin to count, later than the time it bears. What is
    known is told by the event id alone. `progress(rows so far, rows in all)` is called after each chunk.
    """
    since = None if full else timezone.now() - timedelta(days=get_config().sync_days)
    sources = [
        (interactions, interaction_queryset(interactions, since=since))
        for interactions in get_storefront().interactions
    ]
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
    return SyncCounts(read=read, new=new, known=read - new - sum(refused.values()), refused=dict(refused))


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
