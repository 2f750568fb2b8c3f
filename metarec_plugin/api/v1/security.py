"""How the schema names the three ways to say who calls."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

_HOME = "metarec_plugin.api.v1.callers"


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = f"{_HOME}.KeyAuthentication"
    name = ["publishableKey", "visitor"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Key pk_..."},
            {"type": "apiKey", "in": "header", "name": "X-Visitor", "description": "The token of visitors/."},
        ]


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = f"{_HOME}.UserTokenAuthentication"
    name = "userToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token ..."}


class PageScheme(OpenApiAuthenticationExtension):
    target_class = f"{_HOME}.PageAuthentication"
    name = ["session", "csrf"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": "sessionid"},
            {"type": "apiKey", "in": "header", "name": "X-CSRFToken", "description": "With POST and DELETE."},
        ]
