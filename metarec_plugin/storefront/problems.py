"""Judges a storefront class against the installed models: what is wrong, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import CompositePrimaryKey, Model

from metarec_plugin.conf_rules import KIND
from metarec_plugin.storefront.base import Storefront
from metarec_plugin.storefront.declarations import REQUIRED_ROLES, Interactions, Products, Users
from metarec_plugin.storefront.keys import key_field
from metarec_plugin.storefront.paths import BrokenPath, Walk, condition_paths, excludes_null, walk


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
    for name, model in models.items():
        yield from _keys(storefront, name, model)
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


def _keys(storefront: type[Storefront], name: str, model: type[Model]) -> Iterator[Problem]:
    if isinstance(model._meta.pk, CompositePrimaryKey):
        yield Problem(
            "E010",
            f"{storefront.__name__}.{name}: {model._meta.label} has a composite primary key.",
            "Map a model whose primary key is one column: a key is kept as one text.",
            storefront,
        )
    who_logs_in = apps.get_model(settings.AUTH_USER_MODEL)
    if name == "users" and key_field(model) is not key_field(who_logs_in):
        yield Problem(
            "W006",
            f"{storefront.__name__}.users are {model._meta.label}, but who logs in is {who_logs_in._meta.label}: "
            "one key may mean two people.",
            f"Map users to {who_logs_in._meta.label} and let each user= path go on to it. Where nobody that is "
            f"{who_logs_in._meta.label} shops, silence this.",
            storefront,
        )


def _interactions(
    storefront: type[Storefront], name: str, interactions: Interactions, models: dict[str, type[Model]]
) -> Iterator[Problem]:
    model = models[name]
    for role, paths in interactions.paths().items():
        found = [_follow(storefront, f"{name}.{role}", model, path) for path in paths]
        wrong = [each for each in found if isinstance(each, Problem)]
        walks = [each for each in found if isinstance(each, Walk)]
        expected = models.get({"user": "users", "product": "products"}.get(role, ""))
        if expected is not None:
            wrong += [
                _elsewhere(storefront, name, role, walked, expected)
                for walked in walks
                if walked.target is None or key_field(walked.target) is not key_field(expected)
            ]
        yield from wrong
        if not wrong and role in REQUIRED_ROLES and not (role == "user" and interactions.visitor):
            yield from _nullable(storefront, name, role, walks, interactions)
    yield from _conditions(storefront, name, model, interactions.where)


def _elsewhere(
    storefront: type[Storefront], name: str, role: str, walked: Walk, expected: type[Model]
) -> Problem:
    reached = walked.target._meta.label if walked.target else f"the field {walked.steps[-1].field.name!r}"
    return Problem(
        "E006",
        f"{storefront.__name__}.{name}.{role}: the path {walked.path!r} leads to {reached}, "
        f"but {role}s are {expected._meta.label}.",
        f"Extend the path until it reaches {expected._meta.label}, or map {role}s to the model it reaches.",
        storefront,
    )


def _nullable(
    storefront: type[Storefront], name: str, role: str, walks: list[Walk], interactions: Interactions
) -> Iterator[Problem]:
    """Of several paths it is enough that one always leads somewhere."""
    where = interactions.where
    loose = [
        [step for step in walked.steps if step.nullable and not excludes_null(where, step.path)]
        for walked in walks
    ]
    one_of_them = max(map(len, loose)) == 1 and excludes_null(
        where, *(steps[0].path for steps in loose if steps)
    )
    if all(loose) and not one_of_them:
        step = loose[-1][0]
        yield Problem(
            "W002",
            f"{storefront.__name__}.{name}.{role}: {step.path!r} may be null; rows where it is are left out.",
            f"Say so in where: Q({step.path}__isnull=False)"
            + (", or map visitor= for guests." if role == "user" else "."),
            storefront,
        )


def _repetitions(
    storefront: type[Storefront], interactions: dict[str, Interactions], declared: dict[str, Any]
) -> Iterator[Problem]:
    kinds: dict[str, str] = {}
    for name, value in interactions.items():
        if not KIND.fullmatch(value.kind):
            yield Problem(
                "E007",
                f"{storefront.__name__}.{name}: {value.kind!r} cannot be the kind of an event.",
                "Write a lower-case word of at most 32 letters, digits and underscores.",
                storefront,
            )
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
