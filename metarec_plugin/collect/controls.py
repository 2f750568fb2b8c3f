"""The shopper's own controls over what is remembered: pause, forget me."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from metarec_plugin.collect.consent import is_paused, pause_cookie
from metarec_plugin.collect.erasing import forget_subjects
from metarec_plugin.collect.impressions import forget_impressions
from metarec_plugin.collect.marks import renew_mark
from metarec_plugin.collect.reading import forget_reading
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import ErasureReceipt


def set_paused(request: HttpRequest, response: HttpResponse, paused: bool) -> None:
    """Pause personalisation in this browser, or go on; what is known is kept meanwhile, and nothing is added."""
    name = pause_cookie()
    if paused:
        age = get_config().cookie_age
        response.set_cookie(name, "1", max_age=age, httponly=True, samesite="Lax", secure=request.is_secure())
    elif is_paused(request):
        response.delete_cookie(name, samesite="Lax")


def forget(request: HttpRequest) -> tuple[ErasureReceipt | None, int]:
    """Erase whoever the request speaks for: rows, the browser's cookie, and what waits in the browser.

    Returns the receipt, None where the request speaks for nobody, and how many products the cookie held. A member's
    browser may hold a visitor's id from before the login: its rows go as well.
    """
    visitor = visitor_of(request)
    subjects = {known_subject(request)} if known_subject(request) else set()
    if visitor.returning:
        subjects.add(visitor.subject)
    held = len(visitor.products) + len(visitor.disliked)
    receipt = forget_subjects(sorted(subjects), ErasureReceipt.By.SHOPPER) if subjects else None
    visitor.renew(forget_products=True)
    renew_mark(request)
    forget_reading(request)
    forget_impressions(request)
    return receipt, held
