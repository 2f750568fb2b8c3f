"""The way from the API to `serve`: questions that were checked go in, slates come out as dicts without a score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urljoin

from django.http import HttpRequest
from django.utils.encoding import iri_to_uri

from metarec_plugin.api.v1.cursors import Cursor, write_cursor
from metarec_plugin.api.v1.problems import invalid, unknown_name
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.placements import MAX_SIZE
from metarec_plugin.serve.conditions import product_condition
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.page import dedupes
from metarec_plugin.serve.policy import get_policy
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.reranking import rerank
from metarec_plugin.serve.slate import Entry, Slate
from metarec_plugin.storefront import Storefront, get_storefront


def check_placement(name: str, pointer: str) -> None:
    """A page falls back to the default placement; who writes an app wants to know that a name is wrong."""
    policy = get_policy()
    if not policy.knows(name):
        raise unknown_name(pointer, "placement", name, {*policy.placements, *get_config().placements})


def check_filters(filters: Sequence[Mapping[str, Any]], pointer: str) -> None:
    """Raises the problem of a filter that the mapping, or the database's column, does not take."""
    for place, given in enumerate(filters):
        try:
            product_condition(dict(given))
        except InvalidRule as error:
            raise invalid(f"{pointer}/{place}", str(error)) from error


def slate_of(
    request: HttpRequest,
    cursor: Cursor,
    names: Collection[str],
    *,
    trace: bool = False,
    already: Collection[str] = (),
) -> Slate:
    """One part of a list: what the cursor has not shown. names: the entry fields that are asked for; already: what the
    page lists elsewhere.
    """
    size = cursor.size
    if size is None and cursor.room < MAX_SIZE:
        size = get_policy().placement(cursor.placement).size
    return recommend(
        request,
        k=None if size is None else min(size, cursor.room),
        placement=cursor.placement,
        context=cursor.context,
        exclude=(*cursor.exclude, *cursor.shown, *already),
        filters=cursor.filters,
        trace=trace,
        dry_run=cursor.dry_run,
        reasons=not _REASONS.isdisjoint(names),
    )


def page_of(
    request: HttpRequest, cursors: Sequence[Cursor], names: Collection[str], traces: Sequence[bool]
) -> list[Slate]:
    """The lists of one page; none repeats what one before it lists, where its placement minds."""
    listed: dict[str, None] = {}
    slates = []
    for cursor, trace in zip(cursors, traces):
        already = listed if dedupes(cursor.placement) else ()
        slate = slate_of(request, cursor, names, trace=trace, already=already)
        listed.update(dict.fromkeys(entry.key for entry in slate))
        slates.append(slate)
    return slates


def order_of(request: HttpRequest, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The keys in the shopper's order, each with the place it had; those that may not be shown are left out."""
    live = get_storefront().live_products(keys, request)
    ranked = [each for each in rerank(request, keys) if each.key in live]
    return [{"key": each.key, "rank": rank, "was": each.was} for rank, each in enumerate(ranked)]


def slate_json(
    request: HttpRequest, slate: Slate, cursor: Cursor, names: Sequence[str], trace: bool
) -> dict[str, Any]:
    """A slate as the API gives it. A pin may stand in each part of a list: what was shown is left out here, too."""
    shown = set(cursor.shown)
    fresh = [entry for entry in slate if entry.key not in shown]
    guard = Guard(slate.placement)
    root = request.build_absolute_uri("/")
    entries = [guard(partial(_entry_json, entry, names, root), None) for entry in fresh]
    found: dict[str, Any] = {
        "id": slate.id,
        "placement": slate.placement,
        "stage": slate.stage,
        "version": None if slate.model_version is None else str(slate.model_version),
        "variant": slate.variant,
        "entries": [entry for entry in entries if entry is not None],
        "next": _next(request, cursor, [entry.key for entry in fresh]),
    }
    if trace:
        found["trace"] = [step.as_json() for step in slate.trace]
    return found


def _next(request: HttpRequest, cursor: Cursor, fresh: Sequence[str]) -> str | None:
    after = Cursor(**{**vars(cursor), "shown": (*cursor.shown, *fresh)})
    return write_cursor(after, known_subject(request)) if fresh and after.room > 0 else None


def _entry_json(entry: Entry, names: Sequence[str], root: str) -> dict[str, Any]:
    return {name: _READ[name](get_storefront(), entry, root) for name in names}


_REASONS = frozenset({"reason", "because"})
# What is read of an entry; root: the address that the shop's own paths lie under.
_READ: Mapping[str, Callable[[Storefront, Entry, str], Any]] = {
    "key": lambda storefront, entry, root: entry.key,
    "title": lambda storefront, entry, root: storefront.title_of(entry.product),
    "url": lambda storefront, entry, root: _absolute(root, storefront.url_of(entry.product)),
    "image": lambda storefront, entry, root: _absolute(root, storefront.image_of(entry.product)),
    "price": lambda storefront, entry, root: _text(storefront.price_of(entry.product)),
    "rank": lambda storefront, entry, root: entry.rank,
    "source": lambda storefront, entry, root: entry.source,
    "reason": lambda storefront, entry, root: entry.reason,
    "because": lambda storefront, entry, root: entry.because or None,
}


def _absolute(root: str, url: str) -> str:
    return iri_to_uri(urljoin(root, url)) if url else ""


def _text(price: Any) -> str | None:
    return None if price is None else str(price)
