"""The visitor of an app, which has no cookies: a signed token in a header, with what the shopper agreed to in it."""

from __future__ import annotations

from django.core import signing

from metarec_plugin.collect.visitor import Visitor, issued_at, unpacked
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidSignature

SALT = "metarec.api.visitor"  # not the cookie's: neither can be sent in the other's place
LEVELS = ("session", "full")  # who agrees to nothing has no token
MAX_TOKEN = 4_000


def write_token(visitor: Visitor, level: str) -> str:
    """The token of a visitor who agreed to `level`; under "session" the last products travel in it."""
    return signing.TimestampSigner(salt=SALT).sign(f"{level}.{visitor.packed()}")


def read_token(token: str) -> tuple[Visitor, str]:
    """The visitor and their consent. Raises InvalidSignature for a token that is forged or too old."""
    try:
        if len(token) > MAX_TOKEN:
            raise ValueError("too long")
        payload = signing.TimestampSigner(salt=SALT).unsign(token, max_age=get_config().cookie_age)
        level, _, packed = payload.partition(".")
        if level not in LEVELS:
            raise ValueError(level)
        return unpacked(packed, issued_at(token)), level
    except (signing.BadSignature, ValueError) as error:
        raise InvalidSignature("The visitor token was not made by this site, or too long ago.") from error
