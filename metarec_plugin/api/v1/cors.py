"""Pages of other sites: which may read an answer (CORS). Cookies never travel with these."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.cache import patch_vary_headers
from rest_framework.response import Response

from metarec_plugin.api.v1.callers import VISITOR_HEADER
from metarec_plugin.models import ApiKey

ASKED = f"Authorization, Content-Type, {VISITOR_HEADER}, X-Request-ID"
SHOWN = f"{VISITOR_HEADER}, X-Request-ID, Retry-After"
MAX_AGE = "600"


def answer_preflight(request: HttpRequest, methods: list[str]) -> Response:
    """A preflight has no key with it: the origin must be one that some working key lists. One query."""
    response = Response(status=204)
    origin = request.headers.get("Origin", "")
    listed = ApiKey.objects.filter(active=True).values_list("origins", flat=True) if origin else ()
    if any(origin in origins for origins in listed):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = ", ".join(methods)
        response["Access-Control-Allow-Headers"] = ASKED
        response["Access-Control-Max-Age"] = MAX_AGE
    return response


def let_read(request: HttpRequest, response: Response, key: ApiKey | None) -> None:
    """Let the page of a key's site read the answer."""
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin")
    if key is not None and origin in key.origins:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = SHOWN
