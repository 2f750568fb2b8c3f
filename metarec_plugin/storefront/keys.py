"""Product and user keys: `str(pk)`, whatever the primary key is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, Model

MAX_KEY = 64
INTEGER_BOUND = 2**63  # a larger integer cannot be bound as a query parameter


def key_field(model: type[Model]) -> Field[Any, Any]:
    """The column that a model's primary key is in the end: a child table and a profile share that of their parent."""
    field: Any = model._meta.pk
    while field.is_relation:
        field = field.target_field
    return field


def parse_keys(model: type[Model], keys: Iterable[str]) -> dict[str, Any]:
    """Turn keys into primary keys, leaving out whatever cannot be one of this model."""
    field = model._meta.pk
    found: dict[str, Any] = {}
    for key in keys:
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            continue
        pk = parse_value(field, key)
        if pk is not None:
            found[key] = pk
    return found


def parse_value(field: Any, text: str) -> Any:
    """What a text is as a value of a column, None where it cannot be one."""
    try:
        value = field.to_python(text)
    except ValidationError:
        return None
    return None if isinstance(value, int) and abs(value) >= INTEGER_BOUND else value
