"""The cards of a slate: what a template shows of each entry, read through the storefront's mapping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.slate import Entry, Slate
from metarec_plugin.storefront import get_storefront


@dataclass(frozen=True)
class Card:
    """What a template shows of an entry; empty where nothing is mapped."""

    entry: Entry
    product: Any
    title: str
    url: str
    image: str
    price: Any


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
