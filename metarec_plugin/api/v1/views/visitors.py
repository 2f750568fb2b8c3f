"""Visitors of apps: an id that cannot be made up, with what the shopper agreed to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated
from rest_framework.response import Response

from metarec_plugin.api.v1 import requests, responses
from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.describing import described
from metarec_plugin.collect.bearer import write_token
from metarec_plugin.collect.consent import state_consent
from metarec_plugin.collect.subjects import merge_at_login
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config


class Visitors(View):
    throttle = "visitors"

    @described(
        summary="Make a visitor, or note another consent",
        description="With an X-Visitor header the visitor stays the same and its consent changes. With a user's "
        "token, too, what the visitor did becomes the user's: send both once after a login.",
        request=requests.VisitorIn,
        responses=responses.answers(201, responses.Visitor),
    )
    def post(self, request: Any) -> Response:
        if request.auth is None:
            raise NotAuthenticated("Visitors are made with a key or a user's token; a page has its cookie.")
        level = self.read(requests.VisitorIn, request.data)["consent"]
        visitor = visitor_of(self.http)
        if request.user.is_authenticated and visitor.returning:
            merge_at_login(self.http, request.user)
        if level == "full":
            visitor.products, visitor.disliked = [], []  # from here on the shop stores it
        state_consent(self.http, level)
        visitor.changed = False  # the new token is in the body
        config = get_config()
        expires = timezone.now() + timedelta(seconds=config.cookie_age)
        return Response(
            {"visitor": write_token(visitor, level), "consent": level, "expires_at": expires.isoformat()},
            status=201,
        )
