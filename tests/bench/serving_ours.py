"""Our side of tests.bench.serving: the REST API, or two bare views of the same work where the plugin has none."""

from __future__ import annotations

import json
import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

API = "api/metarec/v1/"
SIZE = 10


def process(request: HttpRequest) -> HttpResponse:
    """Which process answers: the load spreads its connections evenly by it."""
    return HttpResponse(str(os.getpid()), content_type="text/plain")


@csrf_exempt
def recommendations(request: HttpRequest) -> JsonResponse:
    from metarec_plugin import recommend
    from metarec_plugin.storefront import get_storefront

    storefront = get_storefront()
    slate = recommend(request, k=SIZE, placement="home")
    entries = [
        {
            "key": entry.key,
            "title": storefront.title_of(entry.product),
            "url": storefront.url_of(entry.product),
            "price": str(storefront.price_of(entry.product)),
            "rank": entry.rank,
            "source": entry.source,
            "reason": entry.reason,
        }
        for entry in slate
    ]
    return JsonResponse({"slates": [{"id": slate.id, "stage": slate.stage, "entries": entries}]})


@csrf_exempt
def events(request: HttpRequest) -> JsonResponse:
    from metarec_plugin.collect.beacon import receive

    receipt = receive(request, json.loads(request.body)["events"])
    return JsonResponse({"stored": receipt.stored, "refused": receipt.refused}, status=202)


bare = [path("recommendations/", recommendations), path("events/", events)]
urlpatterns = [
    path("process/", process),
    path(API, include("metarec_plugin.api.v1.urls" if settings.HAS_API else bare)),
    path("", include("shop.urls")),  # products have their addresses in the answer
]
