"""One list as a template shows it: answered for the page so far, with the words that it bears out."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from metarec_plugin.collect.disliking import can_dislike
from metarec_plugin.serve.cards import cards_of
from metarec_plugin.serve.page import dedupes
from metarec_plugin.serve.privacy import is_personal
from metarec_plugin.serve.question import Products, product_keys
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.slate import EMPTY, RULE, Slate

Filters = Mapping[str, Any] | Iterable[Mapping[str, Any]] | None | str
_NAME = re.compile(r"[a-z0-9_-]+")
_LISTED = "_metarec_listed"


@dataclass(frozen=True)
class Widget:
    """A slate, the templates that may render it, the most special first, and what they are given."""

    slate: Slate
    templates: tuple[str, ...]
    values: Mapping[str, Any]


def widget(
    request: HttpRequest | None,
    *,
    placement: str = "default",
    k: int | None = None,
    context: Products = (),
    exclude: Products = (),
    filters: Filters = (),
    controls: bool | None = None,
) -> Widget:
    """Answer one list of a page; what the page listed before is left out where the placement says so.

    controls: whether the shopper's own controls stand on the cards. None: where the page is not shared between
    shoppers anyway, since their forms carry a token that is one browser's own.
    """
    conditions = conditions_of(filters)
    before = listed_before(request) if dedupes(placement) else ()
    left_out = [*product_keys(exclude), *before]
    slate = recommend(
        request, k=k, placement=placement, context=context, exclude=left_out, filters=conditions
    )
    _remember(request, slate)
    return Widget(slate, templates_of(placement), values_of(slate, request, conditions, controls))


def values_of(
    slate: Slate, request: HttpRequest | None, conditions: Iterable[Mapping[str, Any]], controls: bool | None
) -> dict[str, Any]:
    """What the templates of a list are given. `source`: the one that all entries are of, empty where they differ."""
    shown = has_own_page(request) if controls is None else bool(controls) and request is not None
    return {
        "slate": slate,
        "cards": cards_of(slate),
        "source": source_of(slate),
        "filtered": bool(conditions),
        "heading_id": f"metarec-{uuid.uuid4().hex[:8]}",  # one page may hold the same placement twice
        "controls": shown,
        "can_dislike": shown and request is not None and can_dislike(request),
    }


def source_of(slate: Slate) -> str:
    """The one source of all entries, those that the merchant pinned aside; empty where there are several."""
    sources = {entry.source for entry in slate} - {RULE}
    if len(sources) == 1:
        return sources.pop()
    return "" if sources else (RULE if len(slate) else EMPTY)


def templates_of(placement: str) -> tuple[str, ...]:
    special = (f"metarec/{placement}.html",) if _NAME.fullmatch(placement) else ()
    return (*special, "metarec/recommendations.html")


def conditions_of(filters: Filters) -> tuple[Mapping[str, Any], ...]:
    """One condition or several; the template's "" is none."""
    if not filters:
        return ()
    return (filters,) if isinstance(filters, Mapping) else tuple(filters)  # type: ignore[arg-type]


def listed_before(request: HttpRequest | None) -> tuple[str, ...]:
    return () if request is None else tuple(getattr(request, _LISTED, ()))


def has_own_page(request: HttpRequest | None) -> bool:
    """Whether the page is this browser's own: personal, or with a form's token in it already."""
    return request is not None and (is_personal(request) or "CSRF_COOKIE" in request.META)


def _remember(request: HttpRequest | None, slate: Slate) -> None:
    if request is not None:
        setattr(request, _LISTED, [*listed_before(request), *(entry.key for entry in slate)])
