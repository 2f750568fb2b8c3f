""" "Not interested", and the way back: what a shopper says of a product that was recommended."""

from __future__ import annotations

import uuid

from django.http import HttpRequest

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.events import record_event
from metarec_plugin.collect.past import disliked_keys
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event

KIND = "dislike"


def can_dislike(request: HttpRequest) -> bool:
    """Whether a dislike would be kept: the shop heeds them, and the shopper lets something be remembered."""
    return get_config().dislikes.get(KIND, 0.0) is None and consent_of(request) != "none"


def dislike(
    request: HttpRequest, product: str, *, slate: str | None = None, position: int | None = None
) -> bool:
    """Record that the shopper is not interested. Returns whether that is news; saying it twice is saying it once."""
    if not can_dislike(request) or product in disliked_keys(request):
        return False
    # An id of its own each time: after it was taken back, the same may be said again.
    name = f"{KIND}:{uuid.uuid4().hex}"
    return record_event(request, KIND, product, slate=slate, position=position, event_id=name)


def forgive(request: HttpRequest, product: str) -> bool:
    """Take back every dislike of a product, of whatever kind. Returns whether there was anything to take back."""
    if product not in disliked_keys(request):
        return False
    if consent_of(request) != "full":
        return record_event(request, "return", product, reverses=KIND)
    told = Event.objects.filter(subject=known_subject(request), product=product)
    kinds = list(get_config().dislikes)
    open_ids = told.filter(kind__in=kinds).exclude(event_id__in=told.exclude(reverses="").values("reverses"))
    done = [
        record_event(request, "return", product, reverses=event_id, event_id=f"undo:{event_id}"[:200])
        for event_id in open_ids.values_list("event_id", flat=True)
    ]
    return any(done)
