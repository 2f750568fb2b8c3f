"""Erasing a subject for good: its rows go, a receipt stays, and marks so that nothing read again brings them back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256

from django.db import router, transaction
from django.db.models import Min
from django.utils.crypto import salted_hmac

from metarec_plugin.collect.batches import BATCH, batches
from metarec_plugin.conf import get_config
from metarec_plugin.models import (
    ErasedEvent,
    ErasureReceipt,
    Event,
    Exposure,
    Impression,
    ModelVersion,
    QuarantinedEvent,
    SubjectState,
    TrainingRun,
)


def erase(subject: str) -> dict[str, int]:
    """Delete everything stored of a subject, in one transaction. Returns the rows deleted by table.

    A mark is left for each event (see ErasedEvent): the shop keeps its orders, and may have them without their
    owner or under an older id of the same person.
    """
    using = router.db_for_write(Event)
    with transaction.atomic(using=using):
        for model in (Event, QuarantinedEvent):
            ids = model._default_manager.using(using).filter(subject=subject).exclude(event_id="")
            mark_erased(ids.values_list("event_id", flat=True).iterator(BATCH), using)
        return {
            model._meta.model_name or "": model._default_manager.filter(subject=subject).delete()[0]
            for model in (Event, QuarantinedEvent, Impression, Exposure, SubjectState)
        }


def forget_subjects(subjects: Sequence[str], by: str) -> ErasureReceipt:
    """Erase one person, who may be known by several subjects, and write the receipt, in one transaction.

    by: a value of ErasureReceipt.By. What is served goes on: a bundle holds no rows of subjects, and the next run
    reads a log without them.
    """
    using = router.db_for_write(ErasureReceipt)
    with transaction.atomic(using=using):
        versions, runs = _learned_from(subjects)
        deleted: Counter[str] = Counter()
        for subject in subjects:
            deleted.update(erase(subject))
        return ErasureReceipt._default_manager.using(using).create(
            by=by,
            subjects=[subject_hash(subject) for subject in subjects],
            deleted=dict(deleted),
            versions=versions,
            runs=runs,
        )


def subject_hash(subject: str) -> str:
    """What a receipt calls a subject: without the site's secret nobody can try subjects out."""
    return salted_hmac("metarec.receipt", subject, algorithm="sha256").hexdigest()


def _learned_from(subjects: Sequence[str]) -> tuple[list[str], list[int]]:
    """The versions on disk, and the runs under way, that may have read the subjects' events: no fewer than did.

    Where history is deleted by age any version may have read what is not there any more.
    """
    versions = ModelVersion.objects.filter(pruned_at=None)
    own = Event.objects.filter(subject__in=subjects, kind__in=get_config().target_kinds)
    first = own.aggregate(first=Min("received_at"))["first"]
    if get_config().history_days is None:
        if first is None:
            return [], []
        versions = versions.filter(created__gte=first)
    runs = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING).order_by("pk")
    return [str(pk) for pk in versions.order_by("created").values_list("pk", flat=True)], list(
        runs.values_list("pk", flat=True)
    )


def mark_erased(event_ids: Iterable[str], using: str) -> None:
    """Leave marks of events that go, by which `erased_among` knows them when they come again."""
    for batch in batches(event_ids):
        marks = [ErasedEvent(digest=_digest(event_id)) for event_id in batch]
        ErasedEvent._default_manager.using(using).bulk_create(marks, ignore_conflicts=True)


def erased_among(event_ids: Collection[str], using: str) -> set[str]:
    """Tell which of the ids were erased. One small query where nothing ever was."""
    marks = ErasedEvent._default_manager.using(using)
    if not event_ids or not marks.exists():
        return set()
    by_digest = {_digest(event_id): event_id for event_id in event_ids}
    return {
        by_digest[digest]
        for batch in batches(by_digest)
        for digest in marks.filter(digest__in=batch).values_list("digest", flat=True)
    }


def _digest(event_id: str) -> str:
    return sha256(event_id.encode()).hexdigest()
