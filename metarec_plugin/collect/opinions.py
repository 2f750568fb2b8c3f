"""Which events say that somebody dislikes a product, and which are no reason to adapt to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from metarec_plugin.conf import get_config

# What somebody disliked or sent back says nothing about what they like.
NOT_SUPPORT = ("dislike", "return")


def opinion(kind: str, value: float | None) -> bool | None:
    """True for a dislike, False for a better opinion of a kind that can say dislike, None for any other event."""
    dislikes = get_config().dislikes
    if kind not in dislikes:
        return None
    most = dislikes[kind]
    if most is None:
        return True
    return None if value is None else value <= most


def not_support() -> tuple[str, ...]:
    """The kinds that are never part of a support: returns, and those that say dislike whatever their value."""
    return tuple({*NOT_SUPPORT, *(kind for kind, most in get_config().dislikes.items() if most is None)})


class Told(NamedTuple):
    """What an event says of its subject's opinion."""

    event_id: str
    kind: str
    product: str
    value: float | None
    reverses: str


def disliked_of(oldest_first: Iterable[Told]) -> frozenset[str]:
    """Return the products of which one subject's newest opinion, not taken back, is a dislike."""
    if not get_config().dislikes:
        return frozenset()
    told = list(oldest_first)
    taken_back = {each.reverses for each in told if each.reverses}
    newest: dict[str, bool] = {}
    for each in told:
        said = None if each.reverses or not each.product else opinion(each.kind, each.value)
        if said is not None and each.event_id not in taken_back:
            newest[each.product] = said
    return frozenset(product for product, disliked in newest.items() if disliked)
