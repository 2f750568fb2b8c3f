"""What the dashboard asks of tables that are not by day: the same each time, so that it is written into SQL once."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, DateTimeField, F, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat

from metarec_plugin.models import Event, ModelVersion, Placement, Pulse, TrainingRun

RUNS = 5  # of the newest runs, what is looked at
VERSIONS = 6
PLACEMENT = "placement:"


def asked_signs() -> QuerySet[Any, Any]:
    return (
        Pulse.objects.annotate(newest=Subquery(newest_event()))
        .values_list("name", "at", "says", "newest")
        .union(
            Placement.objects.filter(active=True)
            .order_by()
            .annotate(
                key=Concat(Value(PLACEMENT), "name", output_field=CharField()),
                newest=Value(None, output_field=DateTimeField()),
            )
            .values_list("key", "updated_at", "options", "newest"),
            all=True,
        )
    )


def newest_event() -> QuerySet[Any, Any]:
    return Event.objects.order_by("-at").values("at")[:1]  # from the index on `at`


_VERSION = ("pk", "learner", "state", "data_hash", "created", "promoted_at", "verdict")
_METRICS = {
    "test": F("metrics__test"),
    "together": F("metrics__training__bought_together__formula"),
    "again": F("metrics__training__buy_again"),
    "before": F("previous__metrics__test"),
}


def asked_versions() -> QuerySet[Any, Any]:
    return (
        ModelVersion.objects.filter(Q(is_current=True) | Q(promoted_at=None, pruned_at=None))
        .exclude(is_current=False, state=ModelVersion.State.BASELINE)
        .annotate(**_METRICS)
        .order_by("-is_current", "-created")
        .values_list(
            *_VERSION, "is_current", "previous_id", "previous__learner", "previous__data_hash", *_METRICS
        )[:VERSIONS]
    )


def asked_runs() -> QuerySet[Any, Any]:
    fields = ("pk", "state", "created", "rung_at", "lease_until", "finished", "progress", "error")
    return TrainingRun.objects.order_by("-pk").values_list(*fields)[:RUNS]
