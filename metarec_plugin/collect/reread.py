"""Reads rows of the shop again through the mapping: records those that count, takes back those that no longer do."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.db import router
from django.utils import timezone

from metarec_plugin.collect.events import store
from metarec_plugin.collect.interactions import COLUMNS, Refused, event_id, event_values
from metarec_plugin.collect.retention import horizon
from metarec_plugin.collect.revisions import returns_of, says_the_same, standings, told_by
from metarec_plugin.models import Event
from metarec_plugin.storefront import Interactions
from metarec_plugin.storefront.rows import interaction_queryset, key_path, stream

log = logging.getLogger(__name__)


class Reread(NamedTuple):
    """How many rows were recorded for the first time or again, corrected, and taken back."""

    new: int
    changed: int
    taken_back: int


def reread(
    interactions: Interactions,
    path: str,
    keys: Collection[Any],
    gone: Mapping[Any, str],
    source: str = Event.Source.LIVE,
) -> Reread:
    """Bring the log in step with the rows that `path` leads from to one of `keys`.

    A row that says something else than its event has that taken back and is recorded anew, under the next id of the
    row. `gone` are the event ids of rows that were deleted, by key; one that is there after all is left alone.
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
            counted[str(values["event_id"])] = Event(**values, source=source)
    present = _ids(interactions, within)
    deleted = {found for key, found in gone.items() if present.get(key) != found}
    lost = (set(present.values()) - counted.keys() - refused) | deleted
    known = standings([*counted, *lost], router.db_for_write(Event))
    since = horizon(interactions.kind)
    new, changed = [], []
    for name, event in counted.items():
        active, event.event_id = known[name]
        if active is None and event.event_id and (since is None or event.at >= since):
            new.append(event)
        elif active is not None and not says_the_same(told_by(active), told_by(event)):
            changed.append((active, event))
    back = [active for name in lost if (active := known[name].active)]
    returned = returns_of([*back, *(active for active, _ in changed)], source, timezone.now())
    store([*new, *returned, *(event for _, event in changed)])
    return Reread(len(new), len(changed), len(back))


def _ids(interactions: Interactions, within: Mapping[str, Any]) -> dict[Any, str]:
    """The event ids of all rows within, whether they count or not, by key."""
    model = apps.get_model(interactions.model)
    rows = model._default_manager.filter(**within).order_by()
    if interactions.order is None:
        return {pk: event_id(interactions.kind, pk) for pk in rows.values_list("pk", flat=True)}
    pairs = rows.values_list("pk", key_path(model, interactions.order))
    return {pk: event_id(interactions.kind, pk, order) for pk, order in pairs}
