"""The home page, the privacy page, and the answer to the consent banner."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from shop import consent


def home(request: HttpRequest) -> HttpResponse:
    # Only who has an account can have bought here and be known again.
    return render(request, "shop/home.html", {"shows_again": request.user.is_authenticated})


def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/privacy.html", {"level": consent.level(request)})


@require_POST
def set_consent(request: HttpRequest) -> HttpResponse:
    """Remember the level picked in the banner or on the privacy page; anything else is refused."""
    value = request.POST.get("level", "")
    if value not in consent.LEVELS:
        return HttpResponseBadRequest("level must be one of " + ", ".join(consent.LEVELS))
    response = redirect(safe_next(request) or reverse("home"))
    consent.remember(response, value, secure=request.is_secure())
    return response


def safe_next(request: HttpRequest) -> str:
    """Where the form asks to go on, if that is a page of this site."""
    target = request.POST.get("next", "")
    own = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if own else ""
