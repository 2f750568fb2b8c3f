"""What a visitor allows the shop to remember: the cookie behind the banner."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

COOKIE = "shop_consent"
COOKIE_AGE = 60 * 60 * 24 * 180
LEVELS = ("none", "session", "full")
DEFAULT = "session"


def chosen(request: HttpRequest) -> str | None:
    """The level that this visitor picked, None before any choice."""
    value = request.COOKIES.get(COOKIE)
    return value if value in LEVELS else None


def level(request: HttpRequest) -> str:
    """The level in force: "none", "session" (the default) or "full"."""
    return chosen(request) or DEFAULT


def remember(response: HttpResponseBase, value: str, secure: bool) -> None:
    """Store the choice. It names nobody, so it needs no signature; an unknown value counts as no choice."""
    response.set_cookie(COOKIE, value, max_age=COOKIE_AGE, samesite="Lax", httponly=True, secure=secure)
