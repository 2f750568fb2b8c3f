"""The lists that a shopper was shown, newest first, and what they did with each entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from metarec_plugin.feedback.attribution import BASKET, CLICK
from metarec_plugin.models import Event, Impression

LISTS = 10
ROWS = 500  # entries read for them
CLOCK = timedelta(days=1)  # that a browser's clock may be behind

Place = tuple[datetime, int]  # of a row in the order of its moment: where a page goes on


@dataclass(frozen=True)
class Shown:
    """One entry of a list. did: the kinds of what its shopper then did with it and named the list for."""

    product: str
    rank: int
    source: str
    did: tuple[str, ...]


@dataclass(frozen=True)
class ListSeen:
    slate: str
    placement: str
    version: UUID | None
    variant: str
    at: datetime
    entries: tuple[Shown, ...]


def older_than(rows: QuerySet[Any], before: Place | None) -> QuerySet[Any]:
    """The rows, newest first, that come after a place: by the index, however deep."""
    if before is not None:
        rows = rows.filter(at__lte=before[0]).exclude(Q(at=before[0]) & Q(pk__gte=before[1]))
    return rows.order_by("-at", "-pk")


def lists_seen(
    subject: str, before: Place | None = None, limit: int = LISTS
) -> tuple[list[ListSeen], Place | None]:
    """Return a page of a shopper's lists, and the place where the next goes on, None after the last. Two queries."""
    rows = list(older_than(Impression.objects.filter(subject=subject), before)[: ROWS + 1])
    groups: dict[str, list[Impression]] = {}
    for row in rows[:ROWS]:
        groups.setdefault(row.slate, []).append(row)
    more, kept = len(rows) > ROWS, list(groups.values())
    if more and len(kept) > 1:
        kept.pop()  # its other entries may not have been read
    more, kept = more or len(kept) > limit, kept[:limit]
    if not kept:
        return [], None
    did = _did(subject, kept)
    last = kept[-1][-1]
    return [_list(group, did) for group in kept], (last.at, last.pk) if more else None


def _did(subject: str, groups: Sequence[Sequence[Impression]]) -> dict[tuple[str, str], tuple[str, ...]]:
    first = min(row.at for group in groups for row in group)
    rows = Event.objects.filter(
        subject=subject,
        at__gte=first - CLOCK,
        kind__in=(CLICK, BASKET),
        slate__in=[g[0].slate for g in groups],
    ).values_list("slate", "product", "kind")
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for slate, product, kind in rows:
        found[slate, product].add(kind)
    return {entry: tuple(sorted(kinds, reverse=True)) for entry, kinds in found.items()}


def _list(group: Sequence[Impression], did: dict[tuple[str, str], tuple[str, ...]]) -> ListSeen:
    first = group[0]
    entries = tuple(
        Shown(row.product, row.rank, row.source, did.get((row.slate, row.product), ()))
        for row in sorted(group, key=lambda row: (row.rank, row.pk))
    )
    return ListSeen(first.slate, first.placement, first.version, first.variant, first.at, entries)
