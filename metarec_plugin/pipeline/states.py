"""Refresh subject states: adapt in batches whoever did something since a worker last looked."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.db.models import Max

from metarec_plugin.adapt.batch import scores as batch_scores
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.subjects import support_keys
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import NoModel
from metarec_plugin.models import Event, SubjectState
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.lift import lift_of

log = logging.getLogger(__name__)

PLACEMENT = "home"
KEPT = 200  # products of a ranking: what eligibility may take away is filled from these
BATCH_CELLS = 8_000_000  # subjects x products scored at once: 32 MB of float32


class Changed(NamedTuple):
    """A subject and its newest event."""

    subject: str
    last_event: int


def refresh() -> int:
    """Adapt every subject with events newer than its state under the version that is served.

    Returns how many states were written. Without a promoted version there is nothing to adapt: 0.
    """
    try:
        model = get_model()
    except NoModel:
        log.info("states not refreshed reason=no version promoted")
        return 0
    written = 0
    size = max(1, min(256, BATCH_CELLS // len(model)))
    changed = iter(_changed(model.version))
    while batch := list(islice(changed, size)):
        written += _adapt(model, batch)
    log.info("states refreshed version=%s states=%d", model.version, written)
    return written


def _changed(version: str) -> Iterator[Changed]:
    """Subjects by their newest event, oldest first, so that a stopped refresh goes on where it stopped."""
    done = SubjectState.objects.filter(version=version).aggregate(last=Max("last_event"))["last"] or 0
    newest = (
        Event.objects.filter(pk__gt=done)
        .order_by()
        .values("subject")
        .annotate(last=Max("pk"))
        .order_by("last")
        .values_list("subject", "last")
    )
    return (Changed(subject, last) for subject, last in newest)


def _adapt(model: OnlineModel, batch: Sequence[Changed]) -> int:
    window = get_config().support_window
    supports = [
        model.index(support_keys(each.subject, window)) for each in batch
    ]  # a short indexed read each
    lift = lift_of(model, PLACEMENT)
    scored = batch_scores(model.kind, model.arrays, supports)  # (B, N)
    states = [
        SubjectState(
            subject=each.subject,
            version=model.version,
            last_event=each.last_event,
            placement=PLACEMENT,
            ranking=_ranking(model, row, support, lift),
        )
        for each, row, support in zip(batch, scored, supports)
        if len(support)
    ]
    SubjectState.objects.bulk_create(
        states,
        update_conflicts=True,
        unique_fields=["subject"],
        update_fields=["version", "last_event", "placement", "ranking", "updated"],
    )
    return len(states)


def _ranking(model: OnlineModel, scores: np.ndarray, support: np.ndarray, lift: float) -> list[list[object]]:
    order = model.rank(scores, KEPT, support, lift)
    values = scores[order] - lift * model.log_prior[order]
    return [[model.key(product), float(value)] for product, value in zip(order, values)]
