"""Which events say that somebody dislikes a product, and which are no reason to adapt to it."""

from __future__ import annotations

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
