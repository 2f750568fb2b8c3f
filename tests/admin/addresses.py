"""Every address of every page of the panel, to walk them all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.urls import reverse

from metarec_plugin.admin.pages import PAGES


def addresses(rows: dict[str, str], site: AdminSite = admin.site) -> Iterator[tuple[str, str]]:
    """Every named address of every page, with the key of a row where it takes one; names and their addresses."""
    for model in PAGES:
        name = model._meta.model_name
        assert name in rows, f"A page of {name} was added: give it a row in the fixture `rows`."
        for pattern in site._registry[model].get_urls():
            if pattern.name:
                values = [
                    _value(key, converter, rows[name], place)
                    for place, (key, converter) in enumerate(pattern.pattern.converters.items())
                ]
                yield pattern.name, reverse(f"admin:{pattern.name}", args=values, current_app=site.name)


def _value(key: str, converter: Any, row: str, place: int) -> Any:
    """The row's own key comes first; what else an address takes is any value of its type."""
    if key == "name":
        return "home"  # of a placement
    of_type = {"IntConverter": 1, "UUIDConverter": uuid.UUID(int=0)}.get(type(converter).__name__, "x")
    if place:
        return of_type
    return row if isinstance(of_type, str) else type(of_type)(row)
