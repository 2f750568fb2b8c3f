"""Streams rows of the shop as tuples: one `values_list` over the declared paths, never row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import CharField, F, Model, QuerySet, Value
from django.db.models.functions import Coalesce

from metarec_plugin.storefront.declarations import Feature, Interactions
from metarec_plugin.storefront.keys import key_field
from metarec_plugin.storefront.paths import SEPARATOR, walk

CHUNK = 20_000


class InteractionRow(NamedTuple):
    """A row of the shop, the values as the database gives them; what the mapping leaves out is None."""

    pk: Any
    user: Any
    visitor: Any
    product: Any
    at: Any
    quantity: Any
    value: Any
    price: Any
    order: Any


def key_path(model: type[Model], path: str) -> str:
    """The path to the key behind a path: a foreign key may hold another column than the primary key."""
    walked = walk(model, path)
    return f"{path}{SEPARATOR}pk" if walked.ends_on_relation and not walked.rest else path


def interaction_queryset(
    interactions: Interactions, *, since: Any = None, within: Mapping[str, Any] | None = None
) -> QuerySet[Any, Any]:
    """The `values_list` of the rows that count, in the columns of InteractionRow and in no order."""
    model = apps.get_model(interactions.model)
    paths = interactions.paths()
    columns = [
        _column(model, paths[role]) if role in paths else Value(None, output_field=CharField())
        for role in InteractionRow._fields[1:]
    ]
    queryset = model._default_manager.filter(**(within or {}))
    if interactions.where is not None:
        queryset = queryset.filter(interactions.where)
    if since is not None:
        queryset = queryset.filter(**{f"{interactions.at}__gte": since})
    return queryset.order_by().values_list("pk", *columns)


def _column(model: type[Model], paths: tuple[str, ...]) -> Any:
    """The path to a value or key; of several paths the first that leads to one."""
    if len(paths) == 1:
        return key_path(model, paths[0])
    target = walk(model, paths[0]).target
    # Its type is named: a foreign key and the key behind it are fields of two types.
    of_type = None if target is None else key_field(target)
    return Coalesce(*(F(key_path(model, path)) for path in paths), output_field=of_type)


def stream(queryset: QuerySet[Any, Any]) -> Iterator[InteractionRow]:
    return map(InteractionRow._make, queryset.iterator(chunk_size=CHUNK))


def feature_rows(queryset: QuerySet[Any], features: Mapping[str, Feature]) -> Iterator[tuple[Any, ...]]:
    """Yield (key, *features) per row; features of many values come as tuples, read by one query each."""
    queryset = queryset.order_by()
    many = {name: _many_values(queryset, feature.path) for name, feature in features.items() if feature.many}
    single = [name for name, feature in features.items() if not feature.many]
    for pk, *values in queryset.values_list("pk", *(features[name].path for name in single)).iterator(CHUNK):
        found = dict(zip(single, values))
        yield str(pk), *(many[name].get(pk, ()) if name in many else found[name] for name in features)


def _many_values(queryset: QuerySet[Any], path: str) -> dict[Any, tuple[Any, ...]]:
    values: dict[Any, list[Any]] = defaultdict(list)
    for pk, value in queryset.values_list("pk", path).iterator(CHUNK):
        if value is not None:
            values[pk].append(value)
    return {pk: tuple(found) for pk, found in values.items()}
