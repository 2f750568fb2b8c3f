"""What tests of a merchant's rows write, and how they read an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from metarec_plugin.models import Event, Experiment, Rule
from metarec_plugin.serve import Slate
from metarec_plugin.serve.policy import forget_policy
from metarec_plugin.serve.rules import save_rule
from shop.models import Category, Product


def keys_of(slate: Slate) -> list[str]:
    return [entry.key for entry in slate]


def rule(action: str, **fields: Any) -> Rule:
    """Save a rule as the admin does."""
    return save_rule(Rule(name=fields.pop("name", f"a {action}"), action=action, **fields), by="tests")


def brand(value: object, op: str = "eq") -> dict[str, Any]:
    return {"feature": "brand", "op": op, "value": value}


def branded(keys: Iterable[str], name: str) -> list[str]:
    found = list(keys)
    Product.objects.filter(pk__in=found).update(brand=name)
    return found


def shelved(keys: Iterable[str], name: str) -> None:
    """Put products on a shelf of their own."""
    department = Category.objects.first().department
    shelf, _ = Category.objects.get_or_create(department=department, name=name, slug=name.lower())
    Product.objects.filter(pk__in=list(keys)).update(category=shelf)


def running(variants: list[dict[str, Any]], **fields: Any) -> Experiment:
    values = {"name": "test", "placement": "home", "salt": "s", "state": "running", **fields}
    found = Experiment.objects.create(variants=variants, **values)
    forget_policy()
    return found


def saw(subject: str, *keys: str, kind: str = "view") -> None:
    Event.objects.bulk_create(
        Event(event_id=f"{subject}:{kind}:{key}", subject=subject, kind=kind, product=key, at=timezone.now())
        for key in keys
    )
