"""Our side of tests.bench.serving: the REST API."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

SIZE = 10


def process(request: HttpRequest) -> HttpResponse:
    """Which process answers: the load spreads its connections evenly by it."""
    return HttpResponse(str(os.getpid()), content_type="text/plain")


urlpatterns = [
    path("process/", process),
    path("api/metarec/v1/", include("metarec_plugin.api.v1.urls")),
    path("", include("shop.urls")),  # products have their addresses in the answer
]
