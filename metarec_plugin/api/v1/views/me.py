"""What is known of the caller: in short, in full, and away with it. Nobody can ask about anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from rest_framework.response import Response

from metarec_plugin.api.v1 import responses
from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.describing import described
from metarec_plugin.collect import consent_of, disliked_keys, known_subject, support_keys
from metarec_plugin.collect.controls import forget
from metarec_plugin.collect.exporting import as_json
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event
from metarec_plugin.serve.recommendation import recommend


class Profile(View):
    scope = throttle = "me"

    @described(summary="What is known of me", responses=responses.answers(200, responses.Profile))
    def get(self, request: Any) -> Response:
        subject = known_subject(self.http)
        level = consent_of(self.http)
        remembered = level != "none"
        return Response(
            {
                "who": "member" if request.user.is_authenticated else "visitor" if subject else "nobody",
                "consent": level,
                "stage": recommend(self.http, placement="home", k=1, dry_run=True).stage,
                "events": Event.objects.filter(subject=subject).count() if subject else 0,
                "products": support_keys(self.http, get_config().support_window) if remembered else [],
                "disliked": sorted(disliked_keys(self.http)) if remembered else [],
            }
        )


class Export(View):
    scope = throttle = "me"

    @described(
        summary="All that is stored of me",
        description="Every row, streamed; and what the caller's own token or cookie holds.",
        responses=responses.answers(200, responses.Export),
    )
    def get(self, request: Any) -> StreamingHttpResponse:
        stream = StreamingHttpResponse(_export(self.http), content_type="application/json")
        stream["Content-Disposition"] = 'attachment; filename="metarec-export.json"'
        return stream


class Me(View):
    scope = throttle = "me"

    @described(
        summary="Forget me",
        description="Deletes every row about the caller in one transaction, and gives a visitor a new id. The receipt "
        "is kept by the shop and names nobody; it is null for a caller of whom nothing can be known.",
        responses=responses.answers(200, responses.Receipt),
    )
    def delete(self, request: Any) -> Response:
        receipt, _ = forget(self.http)
        return Response(
            {
                "receipt": receipt and str(receipt.pk),
                "erased_at": (receipt.at if receipt else timezone.now()).isoformat(),
                "deleted": receipt.deleted if receipt else {},
            }
        )


def _export(request: HttpRequest) -> Iterator[str]:
    visitor = visitor_of(request)
    # Whoever paused, or allows nothing any more, has a right to see what was stored before.
    subject = known_subject(request) or (visitor.subject if visitor.returning else "")
    token = (
        {"id": visitor.id, "products": visitor.products, "disliked": visitor.disliked}
        if visitor.returning
        else {}
    )
    yield from as_json(subject, token=token)
