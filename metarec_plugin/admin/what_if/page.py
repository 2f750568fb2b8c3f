"""The what-if bench: what will this shopper see, and why. It only looks: nothing is stored, whoever asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path
from django.utils import formats
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.admin.products import answer_search, product_search, titles_of
from metarec_plugin.admin.subjects.finding import subjects_like
from metarec_plugin.admin.subjects.names import names_of
from metarec_plugin.admin.what_if.address import (
    EVERYBODY,
    HOME,
    MOST_COLUMNS,
    MOST_EVENTS,
    SERVED,
    Address,
    Column,
    read_address,
)
from metarec_plugin.admin.what_if.choices import (
    MOST_VERSIONS,
    active_shoppers,
    chips,
    examples,
    placements,
    told,
    versions,
)
from metarec_plugin.admin.what_if.lists import Shopper, list_of
from metarec_plugin.admin.what_if.words import kind_words, kinds
from metarec_plugin.serve.given import events_of, given_of

SHOWN = 10  # newest events of a shopper


class WhatIfAdmin(PanelAdmin):
    """One page in the place of a list. All that is chosen stands in its address."""

    class Media:
        css = {"all": ["metarec/admin/what_if.css"]}
        js = ["metarec/admin/what_if.js"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_whatif_{name}")

        return [
            at("", self.changelist_view, "changelist"),
            at("find/", self.find_view, "find"),
            at("products/", self.products_view, "products"),
        ]

    @method_decorator(require_safe)
    def products_view(self, request: HttpRequest) -> HttpResponse:
        self.require(request)
        return answer_search(request)

    @method_decorator(require_POST)
    def find_view(self, request: HttpRequest) -> HttpResponse:
        """By POST, though nothing changes: what is searched for may be an e-mail, and addresses lie in logs."""
        self.require(request)
        address = read_address(QueryDict(request.POST.get("address", "")[:4_000]))
        term = request.POST.get("term", "").strip()[:200]
        found = subjects_like(term)
        if len(found) == 1:
            return HttpResponseRedirect(
                self.url("changelist") + address.link(who=found[0], events=(), entry=None)
            )
        names = names_of(self, request, found) if found else {}
        several = [
            {
                "name": names[each],
                "link": self.url("changelist") + address.link(who=each, events=(), entry=None),
            }
            for each in found
        ]
        return self._bench(request, address, term=term, several=several, unknown=not found)

    @method_decorator(require_safe)
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self.require(request)
        return self._bench(request, read_address(request.GET))

    def _bench(self, request: HttpRequest, address: Address, **more: Any) -> HttpResponse:
        began = time.perf_counter()
        choices, beside = versions(address.columns)
        columns = address.columns or (Column(SERVED, HOME), beside)
        shopper = Shopper(
            address.who, events_of(address.who) if address.who else None, given_of(address.events)
        )
        own = shopper.own.events[-SHOWN:] if shopper.own else ()
        clicked = [key for _kind, key in address.events]
        keys = dict.fromkeys([*clicked, *(event.product for event in own), *shopper.products])
        titles = titles_of([key for key in keys if key]) if keys else {}
        has_chosen = bool(address.who or address.events)
        lists = []
        names = dict(choices)
        for number, column in enumerate(columns if has_chosen else ()):
            found = list_of(shopper, column, number, address, titles)
            lists.append({**found, "version": names.get(column.version, column.version), "column": column})
        last = shopper.all.events[-1] if shopper.all else None
        context = {
            "address": address,
            "shopper": names_of(self, request, [address.who])[address.who] if address.who else "",
            "is_new": bool(address.who) and not shopper.own,
            "is_capped": bool(shopper.own and shopper.own.more),
            "own": told(reversed(own), titles),
            "own_count": len(shopper.own.events) if shopper.own else 0,
            "chips": chips(address, titles),
            "last": _said(last, titles) if last else "",
            "lists": lists,
            "has_chosen": has_chosen,
            "forget_shopper": address.link(who="", entry=None),
            "forget_events": address.link(events=(), entry=None),
            "active": active_shoppers(self, request, address),
            "examples": [] if has_chosen else examples(address),
            "found": self._found(address),
            "kinds": kinds(),
            "add_link": address.with_event("KIND", "KEY"),
            "rows": [*columns, *[None] * (MOST_COLUMNS - len(columns))],
            "versions": choices,
            "more_versions": len(choices) - 2 >= MOST_VERSIONS,
            "placements": placements(),
            "everybody": EVERYBODY,
            "most_events": MOST_EVENTS,
            "search_fields": address.fields("kind", "q", "entry"),
            "column_fields": address.fields("v", "p", "entry", "kind", "q"),
            "here": urlencode(address.fields("q", "kind", "entry")),
            "find_url": self.url("find"),
            "search_url": self.url("products"),
            "bench_url": self.url("changelist"),
            "share": request.build_absolute_uri(self.url("changelist") + address.link(query="")),
            "ms": formats.number_format(1e3 * (time.perf_counter() - began), 0),
            **more,
        }
        return self.page(request, "what_if/bench.html", _("What will this shopper see, and why?"), **context)

    def _found(self, address: Address) -> list[dict[str, str]]:
        """What was searched for without a script, each with the link that adds it."""
        if not address.query:
            return []
        return [
            {"title": each["title"], "link": address.with_event(address.kind, each["key"])}
            for each in product_search(address.query)
        ]


def _said(event: Any, titles: dict[str, str]) -> str:
    title = titles.get(event.product, event.product)
    return f"{kind_words(event.kind)} {title}".strip()
