"""Refresh subject states: adapt in batches whoever did something since a worker last looked."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.db import router, transaction
from django.db.models import Max

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import disliked_by
from metarec_plugin.collect.supports import Behind, behind_supports, support_of
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Event, SubjectState
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.lift import lift_at, lift_of
from metarec_plugin.serve.policy import get_policy
from metarec_plugin.serve.states import reads_states
from metarec_plugin.serve.weights import rule_of_settings, state_version, weights_of

log = logging.getLogger(__name__)

PLACEMENT = "home"
KEPT = 200  # products of a ranking: what eligibility may take away is filled from these
BATCH_CELLS = 8_000_000  # subjects x products scored at once: 32 MB of float32
# The workers of this queue fork, and CUDA does not survive a fork.
DEVICE = "cpu"


@dataclass(frozen=True)
class Settings:
    """What a ranking is made with; under others it is not served."""

    version: str
    lift: float
    window: int


class Changed(NamedTuple):
    """A subject and its newest event."""

    subject: str
    last_event: int


def refresh() -> int:
    """Adapt every subject with events newer than its state under the version that is served.

    Returns how many states were written: 0 without a version that can be served, and where no request would read them.
    A changed lift, window or rule of weights makes every state anew.
    """
    try:
        model = get_model()
        if not reads_states(model):
            return 0
        batch_model = BatchModel(model.kind, model.arrays, DEVICE)
    except MetaRecError as error:
        log.info("states not refreshed reason=%s", error)
        return 0
    written = 0
    size = max(1, min(256, BATCH_CELLS // len(model)))
    configured = get_policy().placement(PLACEMENT).lift
    settings = Settings(
        state_version(model.version), lift_of(model, PLACEMENT, configured), get_config().support_window
    )
    changed = iter(_changed(settings))
    while batch := list(islice(changed, size)):
        written += _adapt(model, batch_model, settings, batch, configured)
    log.info("states refreshed version=%s states=%d", model.version, written)
    return written


def _changed(settings: Settings) -> Iterator[Changed]:
    """Subjects by their newest event, oldest first, so that a stopped refresh goes on where it stopped."""
    done = SubjectState.objects.filter(**asdict(settings)).aggregate(last=Max("last_event"))["last"] or 0
    newest = (
        Event.objects.filter(pk__gt=done)
        .order_by()
        .values("subject")
        .annotate(last=Max("pk"))
        .order_by("last")
        .values_list("subject", "last")
    )
    return (Changed(subject, last) for subject, last in newest)


def _adapt(
    model: OnlineModel,
    batch_model: BatchModel,
    settings: Settings,
    batch: Sequence[Changed],
    lift: float | None,
) -> int:
    subjects = [each.subject for each in batch]
    weighed, disliked = rule_of_settings() is not None, disliked_by(subjects)
    behind = behind_supports(subjects, settings.window) if weighed else {}
    keys = behind or support_of(subjects, settings.window)
    supports = [
        model.index(key for key in keys[subject] if key not in disliked[subject]) for subject in subjects
    ]
    if weighed:
        scored = _weighed(model, supports, [behind[subject] for subject in subjects])
    else:
        scored = batch_model.scores(supports)  # (B, N)
    states = [
        SubjectState(
            subject=each.subject,
            **asdict(settings),
            last_event=each.last_event,
            placement=PLACEMENT,
            ranking=_ranking(model, row, support, lift_at(model, PLACEMENT, len(support), lift)),
        )
        for each, row, support in zip(batch, scored, supports)
        if len(support)
    ]
    return _write(states)


def _write(states: Sequence[SubjectState]) -> int:
    """Store the states whose newest event is still there and still theirs; returns how many.

    Whoever was erased, or renamed by a login, while their state was made gets none: their events are held in place
    until the states are stored, so that an erasure that comes meanwhile finds them.
    """
    with transaction.atomic(using=router.db_for_write(SubjectState)):
        newest = Event.objects.select_for_update().filter(pk__in=[state.last_event for state in states])
        there = set(newest.values_list("subject", "pk"))
        kept = [state for state in states if (state.subject, state.last_event) in there]
        SubjectState.objects.bulk_create(
            kept,
            update_conflicts=True,
            unique_fields=["subject"],
            update_fields=["version", "lift", "window", "last_event", "placement", "ranking", "updated"],
        )
    return len(kept)


def _weighed(
    model: OnlineModel, supports: Sequence[np.ndarray], behind: Sequence[Mapping[str, Behind]]
) -> np.ndarray:
    """Return (B, N) scores by weights, one by one through the code of requests: batches know of no weights."""
    rule = rule_of_settings()
    return np.stack(
        [
            model.answer(support, weights=weights_of(support, events, model, rule)).scores
            for support, events in zip(supports, behind)
        ]
    )


def _ranking(model: OnlineModel, scores: np.ndarray, support: np.ndarray, lift: float) -> list[list[object]]:
    order = model.rank(scores, KEPT, support, lift)
    values = scores[order] - lift * model.log_prior[order]
    return [[model.key(product), float(value)] for product, value in zip(order, values)]
