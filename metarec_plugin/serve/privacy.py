"""Remember that a page was made for one shopper, so that no cache shows it to another."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

_ATTRIBUTE = "_metarec_personal"


def mark_personal(request: HttpRequest) -> None:
    setattr(request, _ATTRIBUTE, True)


def is_personal(request: HttpRequest) -> bool:
    return bool(getattr(request, _ATTRIBUTE, False))


def keep_private(request: HttpRequest, response: HttpResponse) -> None:
    """Tell caches that the answer to a marked request is for this browser only."""
    if is_personal(request):
        patch_cache_control(response, private=True)
        patch_vary_headers(response, ["Cookie"])
