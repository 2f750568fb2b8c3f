"""`{% load metarec %}`: lists of recommendations, and the script that reports what is looked at."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import template
from django.template import Context, Engine
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.question import Products
from metarec_plugin.serve.recommendation import recommend as answer
from metarec_plugin.serve.slate import Entry, Slate
from metarec_plugin.storefront import get_storefront

log = logging.getLogger(__name__)
register = template.Library()

_TEMPLATE_NAME = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True)
class Card:
    """What a template shows of an entry, read through the storefront's mapping; empty where nothing is mapped."""

    entry: Entry
    product: Any
    title: str
    url: str
    image: str
    price: Any


@register.simple_tag(takes_context=True)
def recommend(
    context: Context,
    /,
    placement: str = "default",
    k: int | None = 8,
    exclude: Products = (),
    **named: Products,
) -> SafeString:
    """Render a list: `{% recommend placement="product" k=4 context=product %}`.

    context and exclude take a product, a key, or any number of either. Rendered by metarec/<placement>.html
    where there is one, else by metarec/recommendations.html.
    """
    # Django keeps the name "context" for the template's own; the tag's argument of that name is in `named`.
    about = named.pop("context", ())
    if named:
        raise template.TemplateSyntaxError(
            f"{{% recommend %}} takes placement, k, context and exclude; found {', '.join(sorted(named))}."
        )
    request = context.get("request")
    slate = answer(request, k=k, placement=placement, context=about, exclude=exclude)
    specific = [f"metarec/{placement}.html"] if _TEMPLATE_NAME.fullmatch(placement) else []
    engine = context.template.engine if context.template is not None else Engine.get_default()
    chosen = engine.select_template([*specific, "metarec/recommendations.html"])
    heading_id = f"metarec-{uuid.uuid4().hex[:8]}"  # one page may hold the same placement twice
    # Like an include: in the page's own context, so that its processors do not run once more for each list.
    with context.push(slate=slate, cards=cards_of(slate), heading_id=heading_id):
        return chosen.render(context)


@register.inclusion_tag("metarec/beacon.html")
def metarec_beacon() -> dict[str, object]:
    """Load the script that reports views, dwell time and clicks; the page works the same without it."""
    try:
        return {"endpoint": reverse("metarec:beacon")}
    except NoReverseMatch:  # check W004 says so; a page is not the place
        log.warning("no beacon on the page reason=metarec_plugin.urls is not included")
        return {"endpoint": ""}


def cards_of(slate: Slate) -> list[Card]:
    """The cards of a slate; a product whose title or address cannot be read is logged and left out."""
    guard = Guard(slate.placement)
    cards = [guard(partial(_card, entry), None) for entry in slate]
    return [card for card in cards if card is not None]


def _card(entry: Entry) -> Card:
    storefront, product = get_storefront(), entry.product
    return Card(
        entry=entry,
        product=product,
        title=storefront.title_of(product),
        url=storefront.url_of(product),
        image=storefront.image_of(product),
        price=storefront.price_of(product),
    )
