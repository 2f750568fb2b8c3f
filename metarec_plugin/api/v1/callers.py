"""Who calls: a publishable key with a visitor of its own, a user's token, or the session of a page of this site."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from metarec_plugin.api.v1.problems import Problem
from metarec_plugin.collect.bearer import read_token
from metarec_plugin.collect.consent import consent_of, state_consent
from metarec_plugin.collect.visitor import Visitor, bear
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.models import ApiKey

KEYWORD = "key"
MAX_HEADER = 200
MOST_KEPT = 1_000
VISITOR_HEADER = "X-Visitor"


class _Kept:
    """Keys that this process saw in the last RELOAD_SECONDS, so that a busy app costs no query a call."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, ApiKey]] = {}

    def find(self, key: str) -> ApiKey | None:
        until, row = self._rows.get(key, (0.0, None))
        if row is not None and time.monotonic() < until and row.works:
            return row
        row = ApiKey.find(key)
        self._rows.pop(key, None)
        if row is not None:
            if len(self._rows) >= MOST_KEPT:
                self._rows.clear()
            self._rows[key] = (time.monotonic() + get_config().reload_seconds, row)
        return row


_kept = _Kept()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Key pk_...`. The caller is the visitor of its X-Visitor header and nobody else."""

    def authenticate(self, request: Any) -> tuple[AnonymousUser, ApiKey] | None:
        keyword, _, key = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() != KEYWORD:
            return None
        row = _kept.find(key.strip()) if len(key) <= MAX_HEADER else None
        if row is None:
            raise AuthenticationFailed("The key is not known, was revoked, or has expired.")
        http: HttpRequest = request._request
        if not origin_allowed(http, row.origins):
            raise PermissionDenied("The key may not be used from this site.")
        row.note_use()
        if not attach_visitor(http):
            bear(http, Visitor())
            state_consent(http, "none")  # without a visitor there is nobody to remember
        return AnonymousUser(), row

    def authenticate_header(self, request: Any) -> str:
        return 'Key realm="metarec"'


class UserTokenAuthentication(TokenAuthentication):
    """`Authorization: Token ...`, where the shop installed rest_framework.authtoken."""

    def authenticate(self, request: Any) -> Any:
        if not apps.is_installed("rest_framework.authtoken"):
            return None
        found = super().authenticate(request)
        if found is not None:
            http: HttpRequest = request._request
            http.user = found[0]  # whom the shop's consent function asks about
            if not attach_visitor(http):
                bear(http, Visitor())  # an app's cookies say nothing of its user
                if consent_of(http) == "session":
                    state_consent(http, "none")  # there is no token for the products to travel in
        return found


class PageAuthentication(SessionAuthentication):
    """A page of this site: a member's session or a visitor's cookie; what changes something needs the CSRF token."""

    def authenticate(self, request: Any) -> tuple[Any, None]:
        if request.headers.get("Authorization"):
            raise AuthenticationFailed(
                "Authorization must be a key (Key pk_...) or a user's token (Token ...)."
            )
        self.enforce_csrf(request)
        user = getattr(request._request, "user", None)
        active = user is not None and user.is_active
        return (user if active else AnonymousUser()), None


def attach_visitor(request: HttpRequest) -> bool:
    """Let the request speak for the visitor of its header, with the consent in it. Returns whether it has one."""
    token = request.headers.get(VISITOR_HEADER)
    if not token:
        return False
    try:
        visitor, level = read_token(token)
    except InvalidSignature as error:
        raise Problem(401, "invalid-visitor", f"{error} Ask visitors/ for a new one.") from error
    bear(request, visitor)
    state_consent(request, level)
    return True


def origin_allowed(request: HttpRequest, origins: list[str]) -> bool:
    """An app sends no Origin; a page's must be listed, or be this site's own."""
    origin = request.headers.get("Origin")
    if origin is None or origin in origins:
        return True
    try:
        return urlsplit(origin).netloc == request.get_host()
    except ValueError:
        return False
