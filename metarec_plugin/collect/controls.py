"""The shopper's own controls: not interested, take it back, pause, forget me."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from metarec_plugin.collect.consent import consent_of, is_paused, pause_cookie
from metarec_plugin.collect.erasing import erase
from metarec_plugin.collect.events import record_event
from metarec_plugin.collect.impressions import forget_impressions
from metarec_plugin.collect.past import disliked_keys
from metarec_plugin.collect.reading import forget_reading
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event

DISLIKE = "dislike"


def can_dislike(request: HttpRequest) -> bool:
    """Whether a dislike would be kept: the shop heeds them, and the shopper lets something be remembered."""
    return get_config().dislikes.get(DISLIKE, 0.0) is None and consent_of(request) != "none"


def dislike(request: HttpRequest, product: str, slate: str | None = None) -> bool:
    """Remember that the shopper does not want a product. Returns whether it is known now."""
    if not can_dislike(request):
        return False
    if product not in disliked_keys(request):
        record_event(request, DISLIKE, product, slate=slate)
    return True


def forgive(request: HttpRequest, product: str) -> bool:
    """Take every dislike of a product back. Returns whether there was any."""
    if consent_of(request) == "session":
        return product in visitor_of(request).disliked and record_event(
            request, "return", product, reverses=DISLIKE
        )
    subject = known_subject(request) if consent_of(request) == "full" else ""
    if not subject:
        return False
    own = Event.objects.filter(subject=subject, product=product)
    taken_back = own.exclude(reverses="").values("reverses")
    ids = own.filter(kind=DISLIKE).exclude(event_id__in=taken_back).values_list("event_id", flat=True)
    return sum(record_event(request, "return", product, reverses=event_id) for event_id in list(ids)) > 0


def set_paused(request: HttpRequest, response: HttpResponse, paused: bool) -> None:
    """Pause personalisation in this browser, or go on; what is known is kept meanwhile, and nothing is added."""
    name = pause_cookie()
    if paused:
        age = get_config().cookie_age
        response.set_cookie(name, "1", max_age=age, httponly=True, samesite="Lax", secure=request.is_secure())
    elif is_paused(request):
        response.delete_cookie(name, samesite="Lax")


def forget(request: HttpRequest) -> dict[str, int]:
    """Erase whoever the request speaks for: rows, and the browser's cookie. Returns what was erased by table.

    A member's browser may hold a visitor's id from before the login: its rows go as well. `cookie` counts the
    products that the cookie held.
    """
    visitor = visitor_of(request)
    subjects = {known_subject(request)} if known_subject(request) else set()
    if visitor.returning:
        subjects.add(visitor.subject)
    receipt = {"cookie": len(visitor.products) + len(visitor.disliked)}
    for subject in sorted(subjects):
        for table, rows in erase(subject).items():
            receipt[table] = receipt.get(table, 0) + rows
    visitor.renew(forget_products=True)
    forget_reading(request)
    forget_impressions(request)
    return receipt
