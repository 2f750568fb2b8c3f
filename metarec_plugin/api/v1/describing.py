"""Describes operations and bodies for the schema, whatever DEFAULT_SCHEMA_CLASS the project has for its own views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema

Method = TypeVar("Method", bound=Callable[..., Any])


def described(**options: Any) -> Callable[[Method], Method]:
    """drf-spectacular's extend_schema on its own AutoSchema."""
    options.setdefault("description", options["summary"])  # not the view's docstring, which is for us

    def decorate(method: Method) -> Method:
        method.schema = AutoSchema  # type: ignore[attr-defined]
        return extend_schema(**options)(method)

    return decorate


class StrictExtension(OpenApiSerializerExtension):  # it registers itself
    """An object of the schema has no names but its own, as `fields.Strict` refuses others."""

    target_class = "metarec_plugin.api.v1.fields.Strict"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        found = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**found, "additionalProperties": False}
