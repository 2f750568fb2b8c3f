"""Judges a storefront class against the installed models: what is wrong, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model

from metarec_plugin.storefront.base import Storefront
from metarec_plugin.storefront.declarations import Interactions, Products, Users
from metarec_plugin.storefront.paths import BrokenPath, Walk, condition_paths, excludes_null, walk

REQUIRED_ROLES = ("user", "product", "at")


@dataclass(frozen=True)
class Problem:
    """One finding; `id` is the part behind "metarec."."""

    id: str
    message: str
    hint: str
    obj: Any


def find_problems(storefront: type[Storefront]) -> list[Problem]:
    """List everything that keeps the mapping from being read, and what looks like a mistake. No query."""
    return list(_problems(storefront))


def is_usable(storefront: type[Storefront]) -> bool:
    """Tell whether the mapping can be read at all."""
    return not any(problem.id.startswith("E") for problem in find_problems(storefront))


def _problems(storefront: type[Storefront]) -> Iterator[Problem]:
    models: dict[str, type[Model]] = {}
    declared: dict[str, Any] = {}
    for name, kind in (("users", Users), ("products", Products)):
        value = getattr(storefront, name, None)
        if isinstance(value, kind):
            declared[name] = value
        else:
            yield Problem(
                "E005",
                f"{storefront.__name__}.{name} must be metarec_plugin.{kind.__name__}(...); found {value!r}.",
                f"Declare {name} = metarec_plugin.{kind.__name__}(model=..., ...).",
                storefront,
            )
    interactions = storefront.declared_interactions()
    for name, value in {**declared, **interactions}.items():
        try:
            models[name] = apps.get_model(value.model)
        except (LookupError, ValueError, AttributeError):
            yield Problem(
                "E002",
                f"{storefront.__name__}.{name}: the model {value.model!r} is not installed.",
                "Write the label as 'app_label.ModelName' and add the app to INSTALLED_APPS.",
                storefront,
            )
    for name, value in declared.items():
        if name in models:
            yield from _features(storefront, name, models[name], value)
    if "products" in models:
        yield from _products(storefront, models["products"], declared["products"])
    for name, value in interactions.items():
        if name in models:
            yield from _interactions(storefront, name, value, models)
    yield from _repetitions(storefront, interactions, declared)
    if not interactions:
        yield Problem(
            "W001",
            f"{storefront.__name__} declares no interactions: there is nothing to learn from but the beacon.",
            'Declare purchases = metarec_plugin.Interactions(kind="purchase", model=..., ...).',
            storefront,
        )


def _follow(
    storefront: type[Storefront],
    where: str,
    model: type[Model],
    path: str,
    *,
    many: bool = False,
    lookups: bool = False,
) -> Walk | Problem:
    """Walk one path; a broken one and one that yields many come back as the problem."""
    try:
        walked = walk(model, path, lookups=lookups)
    except BrokenPath as error:
        nearest = f"Did you mean {error.nearest!r}? " if error.nearest else ""
        return Problem(
            "E003",
            f"{storefront.__name__}.{where}: the path {path!r} breaks at {error.step!r}: "
            f"{error.model._meta.label} has no such field.",
            f"{nearest}It has: {error.known}.",
            storefront,
        )
    if walked.many is not None and not many:
        step = walked.many
        return Problem(
            "E004",
            f"{storefront.__name__}.{where}: the path {path!r} yields many rows at {step.field.name!r} "
            f"of {step.model._meta.label}.",
            "Map the model on the side of the many, or use MultiCategory for a feature of many values; a "
            "condition over many rows is written as a subquery (pk__in=...).",
            storefront,
        )
    return walked


def _features(storefront: type[Storefront], name: str, model: type[Model], value: Any) -> Iterator[Problem]:
    for feature, declared in value.features.items():
        found = _follow(storefront, f"{name}.features[{feature!r}]", model, declared.path, many=declared.many)
        if isinstance(found, Problem):
            yield found


def _conditions(storefront: type[Storefront], name: str, model: type[Model], where: Any) -> Iterator[Problem]:
    for path in condition_paths(where):
        found = _follow(storefront, f"{name}.where", model, path, lookups=True)
        if isinstance(found, Problem):
            yield found


def _products(storefront: type[Storefront], model: type[Model], products: Products) -> Iterator[Problem]:
    for role in ("title", "url", "image", "price", "added"):
        path = getattr(products, role)
        if not path or (role != "added" and hasattr(model, path)):
            continue  # a property or method of the model
        found = _follow(storefront, f"products.{role}", model, path)
        if isinstance(found, Problem):
            yield found
    yield from _conditions(storefront, "products", model, products.where)


def _interactions(
    storefront: type[Storefront], name: str, interactions: Interactions, models: dict[str, type[Model]]
) -> Iterator[Problem]:
    model = models[name]
    for role, path in interactions.paths().items():
        found = _follow(storefront, f"{name}.{role}", model, path)
        if isinstance(found, Problem):
            yield found
            continue
        expected = models.get({"user": "users", "product": "products"}.get(role, ""))
        if expected is not None and not _same_table(found.target, expected):
            reached = (
                found.target._meta.label if found.target else f"the field {found.steps[-1].field.name!r}"
            )
            yield Problem(
                "E006",
                f"{storefront.__name__}.{name}.{role}: the path {path!r} leads to {reached}, "
                f"but {role}s are {expected._meta.label}.",
                f"Extend the path until it reaches {expected._meta.label}, or map {role}s to the model it reaches.",
                storefront,
            )
        elif role in REQUIRED_ROLES and not (role == "user" and interactions.visitor):
            yield from _nullable(storefront, name, role, found, interactions)
    yield from _conditions(storefront, name, model, interactions.where)


def _nullable(
    storefront: type[Storefront], name: str, role: str, walked: Walk, interactions: Interactions
) -> Iterator[Problem]:
    for step in walked.steps:
        if step.nullable and not excludes_null(interactions.where, step.path):
            yield Problem(
                "W002",
                f"{storefront.__name__}.{name}.{role}: {step.path!r} may be null; rows where it is are left out.",
                f"Say so in where: Q({step.path}__isnull=False)"
                + (", or map visitor= for guests." if role == "user" else "."),
                storefront,
            )
            return


def _same_table(reached: type[Model] | None, expected: type[Model]) -> bool:
    if reached is None:
        return False
    one, other = reached._meta.concrete_model or reached, expected._meta.concrete_model or expected
    # With multi-table inheritance parent and child share the key.
    return one is other or issubclass(one, other) or issubclass(other, one)


def _repetitions(
    storefront: type[Storefront], interactions: dict[str, Interactions], declared: dict[str, Any]
) -> Iterator[Problem]:
    kinds: dict[str, str] = {}
    for name, value in interactions.items():
        first = kinds.setdefault(value.kind, name)
        if first != name:
            yield Problem(
                "E007",
                f"{storefront.__name__}: {first} and {name} both have the kind {value.kind!r}.",
                "Give each Interactions a kind of its own: event ids are made of it.",
                storefront,
            )
    users, products = declared.get("users"), declared.get("products")
    for feature in sorted(set(users.features) & set(products.features)) if users and products else ():
        yield Problem(
            "E007",
            f"{storefront.__name__}: users and products both have a feature {feature!r}.",
            "Rename one of them: a feature is known by its name.",
            storefront,
        )
