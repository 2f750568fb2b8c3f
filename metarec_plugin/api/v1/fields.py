"""Fields that take what their type says and nothing that could be turned into it, in objects that know their names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from rest_framework import serializers

MOST_NAMED = 10  # unknown names that an error lists


class Strict(serializers.Serializer):
    """An object. A name that it does not have is an error that says which it has."""

    def to_internal_value(self, data: Any) -> Any:
        known = dict.fromkeys(self.fields)
        if isinstance(data, Mapping) and (
            unknown := list(islice((name for name in data if name not in known), MOST_NAMED))
        ):
            text = f"Unknown field; there are {', '.join(known)}."
            raise serializers.ValidationError({str(name): [text] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or data != int(data):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def keys(most: int, **options: Any) -> serializers.ListField:
    """A list of product keys."""
    return serializers.ListField(child=Text(max_length=64), max_length=most, **options)
