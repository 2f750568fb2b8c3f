"""The mark by which beacon.js tells whose turn it is at a shared device: what waits from another turn is dropped."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare, salted_hmac

from metarec_plugin.collect.visitor import ATTRIBUTE, UNKNOWN, owner_of
from metarec_plugin.conf import get_config

WEEK = 7 * 24 * 60 * 60  # a day longer than an event waits in the browser, however short COOKIE_AGE is
RANDOM_BYTES = 8
TURN = "Metarec-Turn"
_ATTRIBUTE = "_metarec_mark"


def mark_cookie() -> str:
    """The name of the cookie that scripts may read: it says nothing but that it is another turn than before."""
    return f"{get_config().cookie_name}_mark"


def renew_mark(request: HttpRequest) -> None:
    """Begin another turn with the answer: at login, at logout, and when somebody is forgotten."""
    setattr(request, _ATTRIBUTE, True)


def is_their_turn(request: HttpRequest) -> bool:
    """Tell whether what a browser reports is of whoever the request speaks for, and not of who was here before.

    A member's session ran out, or their last page reports while they log out: then the mark was made for another
    owner, and the answer brings a new one. A visitor without a mark is the first at this browser.
    """
    mark, owner = request.COOKIES.get(mark_cookie(), ""), owner_of(request)
    if owner == UNKNOWN:
        return True  # whoever asks for the subject next says that the database does not answer
    if mark and not constant_time_compare(mark, _mark(mark[: 2 * RANDOM_BYTES], owner)):
        renew_mark(request)
        return False
    if owner and not mark:
        renew_mark(request)
    return True


def _mark(random: str, owner: str) -> str:
    return random + salted_hmac("metarec.mark", random + owner).hexdigest()[:16]


def write_mark(request: HttpRequest, response: HttpResponse) -> None:
    """Set the cookie anew where the request asked for it; an app knows by itself whose turn it is."""
    visitor = getattr(request, ATTRIBUTE, None)
    if not hasattr(request, _ATTRIBUTE) or (visitor is not None and visitor.bearer):
        return
    patch_vary_headers(response, ["Cookie"])
    response.headers[TURN] = "new"  # so that a page tells it from what another tab did
    response.set_cookie(
        mark_cookie(),
        _mark(secrets.token_hex(RANDOM_BYTES), owner_of(request)),
        max_age=max(get_config().cookie_age, WEEK),
        samesite="Lax",
        secure=request.is_secure(),
    )
