"""Where browsers report to, and whether the plugin is well."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from metarec_plugin.collect.beacon import parse_body, receive
from metarec_plugin.collect.marks import is_their_turn
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError, InvalidEvent
from metarec_plugin.models import ModelVersion
from metarec_plugin.storefront import get_storefront

log = logging.getLogger(__name__)
CONTENT_TYPES = ("text/plain", "application/json")  # sendBeacon sends text without asking permission first
RETRY_SECONDS = "30"
_BOT = re.compile(
    r"bot\b|crawl|spider|slurp|lighthouse|preview|archiver|facebookexternalhit|uptime|pingdom", re.IGNORECASE
)


@csrf_exempt  # sendBeacon cannot carry a token; the origin is checked instead, and the log only grows
@require_POST
@never_cache
def beacon(request: HttpRequest) -> HttpResponse:
    """Record what a page of this site reports.

    202 says what was stored and what was refused why; 204 that nothing was wanted (no consent, a bot, somebody who
    is gone); 400, 413 and 415 that the body is unfit and 403 that it came from another site; 503 that it may be sent
    again, once the database answers or METAREC is mended.
    """
    if not _is_same_site(request):
        return _error(403, "Events are taken from pages of this site only.")
    if request.content_type not in CONTENT_TYPES:
        return _error(415, f"The content type must be {' or '.join(CONTENT_TYPES)}.")
    try:
        limit = get_config().beacon_max_bytes
        if _content_length(request) > limit:
            return _error(413, f"The body must be at most {limit:,} bytes; send fewer events.")
        body = request.read(limit + 1)
        if len(body) > limit:
            return _error(413, f"The body must be at most {limit:,} bytes; send fewer events.")
        events = parse_body(body)
        if _BOT.search(request.headers.get("User-Agent", "")):
            return HttpResponse(status=204)
        if not is_their_turn(request):
            return HttpResponse(status=204)
        receipt = receive(request, events)
    except InvalidEvent as error:
        return _error(400, str(error))
    except UnreadablePostError:
        return _error(400, "The body did not arrive whole.")
    except (DatabaseError, ConfigurationError):
        log.exception("events not stored")
        response = _error(503, "The events could not be stored now; send them again.")
        response.headers["Retry-After"] = RETRY_SECONDS
        return response
    if not receipt.stored and not receipt.known and not receipt.refused:
        return HttpResponse(status=204)
    kept = receipt.stored or receipt.known
    return JsonResponse(
        {
            "stored": receipt.stored,
            "known": receipt.known,
            "refused": [{"id": name, "reason": reason} for name, reason in receipt.refused],
        },
        status=202 if kept else 400,
    )


def _is_same_site(request: HttpRequest) -> bool:
    """Tell whether a page of this site sent the request, by the headers that a browser lets no script set."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        # The host alone: behind a proxy that ends TLS the scheme seen here is another.
        return urlsplit(origin).netloc == request.get_host()
    except ValueError:
        return False


def _content_length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 12 else 0


def _error(status: int, message: str) -> JsonResponse:
    return JsonResponse({"error": message}, status=status)


@require_GET
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Say whether the mapping is found, the database answers and a model is promoted.

    503 if one of the first two fails: without a model the shop still shows what is popular.
    """
    found = {"storefront": "ok", "database": "ok", "model": "ok"}
    try:
        get_storefront()
    except ConfigurationError:
        found["storefront"] = "misconfigured"
    try:
        if not ModelVersion.objects.filter(is_current=True).exists():
            found["model"] = "none promoted"
    except DatabaseError:
        log.exception("health: database does not answer")
        found["database"], found["model"] = "no answer", "unknown"
    well = found["storefront"] == found["database"] == "ok"
    return JsonResponse({"status": "ok" if well else "failing", **found}, status=200 if well else 503)
