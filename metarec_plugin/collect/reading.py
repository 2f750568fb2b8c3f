"""What was read of a shopper is read once a request, until the request itself records something."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from django.http import HttpRequest

T = TypeVar("T")
_ATTRIBUTE = "_metarec_read"


def read_once(who: HttpRequest | str, name: Hashable, read: Callable[[], T]) -> T:
    """Return what `read` gave before under this name for this request, else what it gives now.

    The answer belongs to whoever is logged in: another user on the same request is asked about anew.
    """
    if isinstance(who, str):
        return read()
    user = getattr(getattr(who, "user", None), "pk", None)
    kept: dict[Hashable, object] = getattr(who, _ATTRIBUTE, None) or {}
    setattr(who, _ATTRIBUTE, kept)
    if (user, name) not in kept:
        kept[user, name] = read()
    return kept[user, name]  # type: ignore[return-value]


def forget_reading(who: HttpRequest | str) -> None:
    """Read again: something was recorded in this request."""
    if not isinstance(who, str):
        setattr(who, _ATTRIBUTE, None)
