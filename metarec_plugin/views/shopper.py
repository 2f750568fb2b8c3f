"""The shopper's own: what is known of them, not interested, pause, forget me. Forms that work without JavaScript."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_POST

from metarec_plugin.collect import disliked_keys, read_slate
from metarec_plugin.collect.consent import is_paused
from metarec_plugin.collect.controls import forget, set_paused
from metarec_plugin.collect.disliking import dislike, forgive
from metarec_plugin.exceptions import InvalidEvent, InvalidSignature
from metarec_plugin.serve.known import known_of
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.storefront import get_storefront


@require_GET
@never_cache
@csrf_protect
def own_page(request: HttpRequest) -> HttpResponse:
    """What is known of the shopper, and what they can do about it."""
    return _own_page(request)


@require_POST
@never_cache
@csrf_protect
def opinion(request: HttpRequest) -> HttpResponse:
    """Take "not interested" in a product, or take it back (`undo`), and go back to the page that asked.

    A script that asks for JSON is told in words what it may announce. 400 for a product that the shop does not have.
    """
    product, slate = request.POST.get("product", ""), request.POST.get("slate") or None
    if not product or product not in get_storefront().known_products({product}):
        return JsonResponse({"error": _("This product is not in the shop.")}, status=400)
    try:
        if request.POST.get("undo"):
            done = forgive(request, product)
            said = _("It may be recommended to you again.")
        else:
            if slate is not None:
                read_slate(slate)
            done = dislike(request, product, slate=slate) or product in disliked_keys(request)
            said = _("You will not see this product here again.")
    except (InvalidEvent, InvalidSignature) as error:
        return JsonResponse({"error": str(error)}, status=400)
    if not done:
        said = _("Nothing was changed: nothing may be remembered in this browser.")
    return _answer(request, done, said)


@require_POST
@never_cache
@csrf_protect
def pause(request: HttpRequest) -> HttpResponse:
    """Pause personalisation in this browser, or go on (`resume`)."""
    paused = not request.POST.get("resume")
    said = (
        _("Personal recommendations are paused.") if paused else _("Personal recommendations are on again.")
    )
    response = _answer(request, True, said)
    set_paused(request, response, paused)
    return response


@require_POST
@never_cache
@csrf_protect
def forget_me(request: HttpRequest) -> HttpResponse:
    """Erase what is known of the shopper, once they ticked that they mean it, and show a receipt."""
    if not request.POST.get("sure"):
        return _own_page(
            request, error=_("Tick the box first: what is erased cannot be brought back."), status=400
        )
    receipt, held = forget(request)
    names = {
        "event": _("things you did in the shop"),
        "impression": _("products that lists showed you"),
        "subjectstate": _("prepared recommendations"),
        "exposure": _("parts in tests of lists"),
        "quarantinedevent": _("reports that could not be used"),
        "cookie": _("products in this browser's cookie"),
    }
    erased = {"cookie": held, **(receipt.deleted if receipt else {})}
    lines = [(names.get(table, table), rows) for table, rows in erased.items()]
    number = str(receipt.pk) if receipt else ""
    return _own_page(request, receipt=lines, number=number, at=receipt.at if receipt else timezone.now())


def _own_page(request: HttpRequest, status: int = 200, **values: Any) -> HttpResponse:
    mark_personal(request)
    context = {"known": known_of(request), "paused": is_paused(request), **values}
    return render(request, "metarec/your_recommendations.html", context, status=status)


def _answer(request: HttpRequest, done: bool, said: str) -> HttpResponse:
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"done": done, "message": said})
    level = messages.SUCCESS if done else messages.WARNING
    messages.add_message(request, level, said, fail_silently=True)
    return HttpResponseRedirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The path of this site that the shopper came from; the host's own part of an address never leads elsewhere."""
    for target in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if target and url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
            parts = urlsplit(target)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            if url_has_allowed_host_and_scheme(path, None) and path.startswith("/"):
                return path
    return reverse("metarec:your-recommendations")
