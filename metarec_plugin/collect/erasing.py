"""Erasing a subject for good: its rows go, and marks stay so that no order read again brings them back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import sha256
from itertools import islice

from django.db import router, transaction

from metarec_plugin.models import ErasedEvent, Event, Exposure, Impression, SubjectState

BATCH = 900  # parameters that every database takes in one query


def erase(subject: str) -> dict[str, int]:
    """Delete everything stored of a subject, in one transaction. Returns the rows deleted by table.

    A mark is left for each event (see ErasedEvent): the shop keeps its orders, and may have them without their
    owner or under an older id of the same person.
    """
    using = router.db_for_write(Event)
    with transaction.atomic(using=using):
        ids = Event.objects.using(using).filter(subject=subject).values_list("event_id", flat=True)
        for batch in _batches(ids.iterator(BATCH)):
            marks = [ErasedEvent(digest=_digest(event_id)) for event_id in batch]
            ErasedEvent._default_manager.using(using).bulk_create(marks, ignore_conflicts=True)
        return {
            model._meta.model_name or "": model._default_manager.filter(subject=subject).delete()[0]
            for model in (Event, Impression, Exposure, SubjectState)
        }


def erased_among(event_ids: Collection[str], using: str) -> set[str]:
    """Tell which of the ids were erased. One small query where nothing ever was."""
    marks = ErasedEvent._default_manager.using(using)
    if not event_ids or not marks.exists():
        return set()
    by_digest = {_digest(event_id): event_id for event_id in event_ids}
    return {
        by_digest[digest]
        for batch in _batches(iter(by_digest))
        for digest in marks.filter(digest__in=batch).values_list("digest", flat=True)
    }


def _digest(event_id: str) -> str:
    return sha256(event_id.encode()).hexdigest()


def _batches(values: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(values, BATCH)):
        yield batch
