"""What a cached page asks for later, signed: nobody can ask for another list than a page of this site did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing

from metarec_plugin.exceptions import InvalidSignature

SALT = "metarec.fragment"  # of this purpose alone: the signature of a slate or a cookie is worth nothing here
VERSION = 1
MAX_TOKEN = 4000  # an address of 8,000 letters is refused by many servers
MAX_EXCLUDED = 24


@dataclass(frozen=True)
class Late:
    """The arguments of a list. exclude: what the page listed before, the last few of it."""

    placement: str
    k: int | None = None
    context: Sequence[str] = ()
    exclude: Sequence[str] = ()
    filters: Sequence[Mapping[str, Any]] = ()


def sign_late(late: Late) -> str:
    """The token of a list. It does not expire: a page may lie in a cache for as long as the shop likes."""
    payload = [
        VERSION, late.placement, late.k, list(late.context), list(late.exclude)[-MAX_EXCLUDED:], list(late.filters),
    ]  # fmt: skip
    return signing.dumps(payload, salt=SALT, compress=True)


def read_late(token: object) -> Late:
    """The list of a token. Raises InvalidSignature if no page of this site made it."""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN:
        raise InvalidSignature("A list must be named by the token that the page came with.")
    try:
        version, placement, k, context, exclude, filters = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError) as error:
        raise InvalidSignature("The list was not signed by this site.") from error
    if version != VERSION:
        raise InvalidSignature(f"The list has version {version!r}; this site reads {VERSION!r}.")
    return Late(placement, k, tuple(context), tuple(exclude), tuple(filters))
