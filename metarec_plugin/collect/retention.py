"""How long what is stored is kept, by METAREC: what browsers and apps told, what training reads, what was shown."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import Exists, F, Min, OuterRef, QuerySet
from django.utils import timezone

from metarec_plugin.collect.batches import BATCH
from metarec_plugin.collect.erasing import mark_erased
from metarec_plugin.collect.events import SENT
from metarec_plugin.collect.revisions import RETURN
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import ErasureReceipt, Event, Experiment, Impression, SubjectState
from metarec_plugin.storefront import get_storefront

log = logging.getLogger(__name__)
TOO_OLD = "too_old"


def horizon(kind: str) -> datetime | None:
    """The moment before which no event of this kind is kept; None: all are."""
    config = get_config()
    return _ago(config.history_days if kind in history_kinds() else config.event_days)


def require_kept(at: datetime, kept: datetime | None) -> None:
    """Raises InvalidEvent for a moment before the horizon."""
    if kept is not None and at < kept:
        raise InvalidEvent("at lies before what the shop still keeps.", TOO_OLD)


def history_kinds() -> set[str]:
    """What HISTORY_DAYS is about: what training reads, what the shop's own tables say, opinions and returns."""
    config = get_config()
    mapped = (interactions.kind for interactions in get_storefront().interactions)
    return {*config.target_kinds, *config.dislikes, *mapped, RETURN}


def _ago(days: int | None) -> datetime | None:
    return None if days is None else timezone.now() - timedelta(days=days)


def expire() -> dict[str, int]:
    """Delete what is older than METAREC says, BATCH rows by a statement: no lock is held for long. Returns how many
    rows of each kind went.

    What a running experiment, or one that ended within IMPRESSION_DAYS, is measured by stays until then.
    """
    config, history = get_config(), history_kinds()
    measured = _measured_since()
    events = Event.objects.exclude(kind__in=history)
    removed = {
        "events": _delete(events, _earlier(_ago(config.event_days), measured)),
        "history": _delete(
            Event.objects.filter(kind__in=history).exclude(kind=RETURN), _ago(config.history_days)
        )
        + _delete(_loose_returns(), _ago(config.history_days)),
        "impressions": _delete(Impression.objects.all(), _earlier(_ago(config.impression_days), measured)),
        "states": _delete(SubjectState.objects.all(), _ago(config.event_days), "updated"),
        "receipts": _delete(ErasureReceipt._default_manager.all(), _ago(config.receipt_days)),
    }
    log.info("expired %s", " ".join(f"{name}={rows}" for name, rows in removed.items()))
    return removed


def _loose_returns() -> QuerySet[Event]:
    """Returns of what is there no more: one that went first would make what it took back count again."""
    taken = Event.objects.filter(event_id=OuterRef("reverses"))
    return Event.objects.filter(kind=RETURN).exclude(Exists(taken))


def _measured_since() -> datetime | None:
    ended = _ago(get_config().impression_days)
    experiments = Experiment.objects.exclude(started_at=None)
    measured = experiments.filter(stopped_at=None)
    if ended is not None:
        measured = measured | experiments.filter(stopped_at__gte=ended)
    return measured.aggregate(since=Min("started_at"))["since"]


def _earlier(moment: datetime | None, floor: datetime | None) -> datetime | None:
    return moment if moment is None or floor is None else min(moment, floor)


def _delete(rows: QuerySet[Any], before: datetime | None, moment: str = "at") -> int:
    """Delete the rows of before, the oldest first; what is kept among them is passed over once."""
    if before is None:
        return 0
    removed, since = 0, None
    while True:
        old = rows.filter(**{f"{moment}__lt": before})
        if since is not None:
            old = old.filter(**{f"{moment}__gte": since})
        batch: list[tuple[Any, datetime]] = list(old.order_by(moment).values_list("pk", moment)[:BATCH])
        if not batch:
            return removed
        old = rows.model._default_manager.filter(pk__in=[pk for pk, _ in batch])
        if rows.model is Event:
            _mark_untimed(old)
        removed += old.delete()[0]
        since = batch[-1][1]


def _mark_untimed(events: QuerySet[Any]) -> None:
    """Leave marks of what clients sent without a time that could be believed: it counted from when it came.

    One sent again with its time is refused as too old; these would be taken for new ones.
    """
    untimed = events.filter(source__in=SENT, at=F("received_at")).values_list("event_id", flat=True)
    mark_erased(untimed, router.db_for_write(Event))
