"""What is known of the shopper behind a request, as their own page tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest

from metarec_plugin.collect import disliked_keys, known_subject, support_keys
from metarec_plugin.collect.consent import given_consent, is_paused
from metarec_plugin.collect.past import bought_by
from metarec_plugin.conf import get_config
from metarec_plugin.serve.guard import Guard
from metarec_plugin.storefront import get_storefront

MOST = 50  # products of a list: as many as lists follow by default


@dataclass(frozen=True)
class Thing:
    key: str
    title: str
    url: str


@dataclass(frozen=True)
class Known:
    """level: what the shopper allows. looked_at and disliked: newest first, those that the shop still shows.

    unnamed: how many more there are. bought: how many products; None where nothing of it is kept. While paused nothing
    of it counts, and none is read.
    """

    level: str
    looked_at: tuple[Thing, ...] = ()
    disliked: tuple[Thing, ...] = ()
    unnamed: int = 0
    bought: int | None = None


def known_of(request: HttpRequest) -> Known:
    """At most four queries: last products, dislikes, what was bought, and the names of it all."""
    level = given_consent(request)
    if level == "none" or is_paused(request):
        return Known(level)
    looked_at = support_keys(request, get_config().support_window)[::-1][:MOST]
    disliked = sorted(disliked_keys(request))[:MOST]
    things = _things([*looked_at, *disliked], request)
    subject = known_subject(request) if level == "full" else ""
    return Known(
        level,
        tuple(things[key] for key in looked_at if key in things),
        tuple(things[key] for key in disliked if key in things),
        len({*looked_at, *disliked} - things.keys()),
        len(bought_by(subject)) if subject else None,
    )


def _things(keys: Sequence[str], request: HttpRequest) -> dict[str, Thing]:
    """What the shopper met, as far as the shop shows it to them now."""
    if not keys:
        return {}
    storefront, guard = get_storefront(), Guard("your-recommendations")
    things: dict[str, Thing] = {}
    for key, product in storefront.live_products(keys, request).items():
        title = guard(partial(storefront.title_of, product), "") or key
        things[key] = Thing(key, title, _url(guard, product))
    return things


def _url(guard: Guard, product: Any) -> str:
    return guard(partial(get_storefront().url_of, product), "")
