"""Rows of the tables by day, as a roll-up of a shop that works would leave them."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from metarec_plugin.models import AnswerDay, Event, EventDay, ModelVersion, PlacementDay, Pulse

COMPARED = [
    {"baseline": name, "k": k, "shoppers": 400, "candidate_ndcg": 0.12, "baseline_ndcg": 0.1, "difference": 0.02,
     "low": 0.01, "high": 0.03, "held": True, "rule": "interval above 0"}
    for name in ("popularity", "item-kNN") for k in (None, 0, 1, 2, 3, 5, 10)
]  # fmt: skip
MEASURED = {"test": {str(k): {"ndcg20": 0.12, "se": 0.002} for k in (0, 1, 2, 3, 5, 10)}}


def today() -> date:
    return timezone.now().date()


def working(
    days: int = 60, placements: tuple[str, ...] = ("home", "product", "basket"), events: int = 1_000
) -> None:
    """A shop in which all is well for so many days."""
    now = timezone.now()
    Event.objects.create(event_id="last", subject="user:1", kind="view", product="p", at=now)
    for i in range(days):
        day = today() - timedelta(days=i)
        EventDay.objects.bulk_create(
            EventDay(day=day, kind=kind, source="beacon", events=events // part, unseen=events // 100)
            for part, kind in enumerate(("view", "click", "basket", "purchase"), 1)
        )
        PlacementDay.objects.bulk_create(listed(day, name) for name in placements)
        AnswerDay.objects.bulk_create(
            AnswerDay(day=day, placement=name, stage=stage, ms=ms, answers=100)
            for name in placements for stage, ms in (("adapted", 8), ("adapted", 16), ("popular", 4))
        )  # fmt: skip
    counted()


def listed(day: date, placement: str, variant: str = "", **values: Any) -> PlacementDay:
    given = {
        "impressions": 4_000, "fallbacks": 400, "products": 300, "subjects": 300, "slates": 400, "slates_sq": 800,
        "clicks": 40, "clicks_sq": 50, "clicks_slates": 80, "baskets": 20, "baskets_sq": 22, "baskets_slates": 40,
        "purchases": 10, "purchases_sq": 10, "purchases_slates": 20,
        "revenue": 100.0, "revenue_sq": 1_500.0, "revenue_slates": 200.0,
    }  # fmt: skip
    return PlacementDay(day=day, placement=placement, variant=variant, **{**given, **values})


def counted(until: datetime | None = None) -> None:
    until = until or timezone.now()
    Pulse.objects.update_or_create(
        name="rollup", defaults={"at": until, "says": {"until": until.isoformat(), "days": 1, "left": 0}}
    )


def drifts(version: ModelVersion, distance: float, **says: Any) -> None:
    given = {
        "version": str(version.pk), "problem": "", "days": 7, "events": 500, "unknown": 0.01, "distance": distance,
        "expected": 0.1, "expected_high": 0.12, "catalogue": 1_000,
    }  # fmt: skip
    Pulse.objects.create(name="drift", says={**given, **says})


def version(**values: Any) -> ModelVersion:
    given = {
        "learner": "mixture", "state": "passed", "data_hash": "a" * 64, "metrics": MEASURED,
        "verdict": {"state": "passed", "shoppers": 400, "comparisons": COMPARED, "reasons": []},
    }  # fmt: skip
    return ModelVersion.objects.create(pk=uuid.uuid4(), **{**given, **values})
