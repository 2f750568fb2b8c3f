"""Reads rows of the shop again through the mapping: records those that count, takes back those that no longer do."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.apps import apps
from django.db import router
from django.utils import timezone

from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.events import known_ids, store
from metarec_plugin.collect.interactions import COLUMNS, Refused, event_id, event_values
from metarec_plugin.models import Event
from metarec_plugin.storefront import Interactions
from metarec_plugin.storefront.rows import interaction_queryset, key_path, stream

log = logging.getLogger(__name__)
RETURN_SUFFIX = ":return"


def reread(interactions: Interactions, path: str, keys: Collection[Any], gone: Mapping[Any, str]) -> None:
    """Bring the log in step with the rows that `path` leads from to one of `keys`.

    `gone` are the event ids of rows that were deleted, by key; one that is there after all is left alone.
    """
    within = {f"{path}__pk__in" if path else "pk__in": list(keys)}
    counted: dict[str, Event] = {}
    refused: set[str] = set()
    for row in stream(interaction_queryset(interactions, within=within)):
        try:
            values = dict(zip(COLUMNS, event_values(interactions, row)))
        except Refused as refusal:
            refused.add(event_id(interactions.kind, row.pk, row.order))
            log.info("row not recorded kind=%s pk=%s reason=%s", interactions.kind, row.pk, refusal)
        else:
            counted[str(values["event_id"])] = Event(**values, source=Event.Source.LIVE)
    erased = erased_among(counted, router.db_for_write(Event))
    store([event for key, event in counted.items() if key not in erased])
    present = _ids(interactions, within)
    deleted = {found for key, found in gone.items() if key not in present}
    take_back((set(present.values()) - counted.keys() - refused) | deleted)


def _ids(interactions: Interactions, within: Mapping[str, Any]) -> dict[Any, str]:
    """The event ids of all rows within, whether they count or not, by key."""
    model = apps.get_model(interactions.model)
    rows = model._default_manager.filter(**within).order_by()
    if interactions.order is None:
        return {pk: event_id(interactions.kind, pk) for pk in rows.values_list("pk", flat=True)}
    pairs = rows.values_list("pk", key_path(model, interactions.order))
    return {pk: event_id(interactions.kind, pk, order) for pk, order in pairs}


def take_back(event_ids: Iterable[str]) -> None:
    """Record the return of each event that is in the log: the log only grows, so a return is an event too."""
    using = router.db_for_write(Event)
    recorded = known_ids(list(event_ids), using)
    now = timezone.now()
    store(
        [
            Event(
                event_id=event.event_id + RETURN_SUFFIX,
                subject=event.subject,
                kind="return",
                product=event.product,
                quantity=event.quantity,
                price=event.price,
                order=event.order,
                at=now,
                source=Event.Source.LIVE,
                reverses=event.event_id,
            )
            for chosen in _batches(sorted(recorded))
            for event in Event.objects.using(using).filter(event_id__in=chosen)
        ]
    )


def _batches(ids: list[str], size: int = 900) -> Iterable[list[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
