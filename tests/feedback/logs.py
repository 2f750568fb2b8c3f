"""Hand-made logs: what was shown, clicked, put into baskets, bought and sent back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from metarec_plugin.models import Event, Experiment, Exposure, Impression

NOW = timezone.now().replace(microsecond=0)
HALVES = [{"name": "control", "share": 0.5}, {"name": "bold", "share": 0.5, "options": {"diversity": 0}}]
_numbers = count()


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def show(
    slate: str, *products: str, to: str = "user:1", at: datetime, placement: str = "home", variant: str = ""
) -> None:
    Impression.objects.bulk_create(
        Impression(
            slate=slate, subject=to, placement=placement, product=product, rank=rank, source="adapted", at=at,
            variant=variant,
        )
        for rank, product in enumerate(products)
    )  # fmt: skip


def did(
    kind: str, product: str, *, by: str = "user:1", at: datetime, price: Any = None, **values: Any
) -> str:
    event_id = values.pop("event_id", f"{kind}:{next(_numbers)}")
    Event.objects.create(
        event_id=event_id, subject=by, kind=kind, product=product, at=at,
        price=None if price is None else Decimal(price), **values,
    )  # fmt: skip
    return event_id


def click(slate: str, product: str, *, by: str = "user:1", at: datetime) -> str:
    return did("click", product, by=by, at=at, slate=slate)


def experiment(name: str = "lift", *, shares: tuple[float, ...] = (0.5, 0.5), **values: Any) -> Experiment:
    names = ("control", "bold", "calm")
    given: dict[str, Any] = {
        "placement": "home",
        "variants": [{"name": names[i], "share": share, "options": {}} for i, share in enumerate(shares)],
        "horizon": 10,
        "state": "running",
        "started_at": ago(days=5),
    }
    return Experiment.objects.create(name=name, **{**given, **values})


def expose(to: Experiment, variant: str, *subjects: str, at: datetime | None = None) -> None:
    Exposure.objects.bulk_create(
        Exposure(experiment=to, subject=subject, variant=variant, at=at or ago(days=4))
        for subject in subjects
    )


def draft(name: str = "lift", **values: Any) -> Experiment:
    return experiment(name, **{"state": "draft", "started_at": None, "variants": HALVES, **values})


def people(variant: str, n: int, of: str = "lift") -> list[str]:
    return [f"user:{of}-{variant}-{number}" for number in range(n)]


def filled(control: int, bold: int, *, bought: tuple[int, int] = (0, 0), **values: Any) -> Experiment:
    """An experiment with subjects, of whom so many bought for 10."""
    found = experiment(**values)
    for variant, n, buyers in (("control", control, bought[0]), ("bold", bold, bought[1])):
        subjects = people(variant, n, found.name)
        expose(found, variant, *subjects)
        for subject in subjects[:buyers]:
            did("purchase", "oat", by=subject, at=ago(days=1), price=10)
    return found
