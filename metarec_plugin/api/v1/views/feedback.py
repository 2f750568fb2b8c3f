"""What a shopper says of a recommendation: not interested, take that back, why is it here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.response import Response

from metarec_plugin.api.v1 import requests, responses
from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.describing import described
from metarec_plugin.api.v1.problems import invalid, not_found
from metarec_plugin.api.v1.views.events import require_consent
from metarec_plugin.collect import consent_of, known_subject, read_slate
from metarec_plugin.collect.disliking import dislike, forgive
from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.models import Impression
from metarec_plugin.placements import MAX_SIZE
from metarec_plugin.serve.reasons import reason_for
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.storefront import get_storefront


class Feedback(View):
    scope = throttle = "feedback"

    @described(
        summary="Not interested, why, undo",
        request=requests.FeedbackIn,
        responses=responses.answers(200, responses.Feedback),
    )
    def post(self, request: Any) -> Response:
        read = self.read(requests.FeedbackIn, request.data)
        product, verdict, slate = read["product"], read["verdict"], read.get("slate")
        if not get_storefront().known_products([product]):
            raise not_found("There is no such product.")
        shown = _shown(self.http, slate, product) if slate is not None else None
        changed, reason, because = False, "", None
        if verdict == "why":
            reason, because = _why(self.http, product, shown)
        else:
            require_consent(self)
            if verdict == "not_interested":
                changed = dislike(self.http, product, slate=slate, position=shown.rank if shown else None)
            else:
                changed = forgive(self.http, product)
        return Response(
            {"product": product, "verdict": verdict, "changed": changed, "reason": reason, "because": because}
        )


def _shown(request: HttpRequest, token: str, product: str) -> Impression | None:
    """The entry of a slate, where what was shown is stored; another shopper's slate is not found."""
    try:
        slate = read_slate(token)
    except InvalidSignature as error:
        raise invalid("/slate", str(error)) from error
    rows = list(Impression.objects.filter(slate=slate))
    # The first list of a visitor was shown to nobody in particular: the id came with their first event.
    own = [row for row in rows if row.subject in ("", known_subject(request))]
    if rows and not own:
        raise not_found("There is no such slate.")
    return next((row for row in own if row.product == product), None)


def _why(request: HttpRequest, product: str, shown: Impression | None) -> tuple[str, str | None]:
    """The reason of an entry: as a list made now gives it, else by where the entry came from.

    Without full consent nothing of a slate is stored, and a long list of the home placement has to tell.
    """
    if shown is None and consent_of(request) == "full":
        raise not_found("The slate did not show this product.")
    placement = "home" if shown is None else shown.placement
    size = MAX_SIZE if shown is None else min(max(shown.rank + 1, 10), MAX_SIZE)
    for entry in recommend(request, k=size, placement=placement, dry_run=True):
        if entry.key == product:
            return entry.reason, entry.because or None
    if shown is None:
        raise not_found("No list shows this product now.")
    return reason_for(shown.source, shown.placement), None
