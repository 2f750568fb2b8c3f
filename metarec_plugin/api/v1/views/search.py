"""Search results in the shopper's own order."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from metarec_plugin.api.v1 import requests, responses
from metarec_plugin.api.v1.answers import order_of
from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.describing import described


class Rerank(View):
    scope = throttle = "recommendations"

    @described(
        summary="Order what a search found for this shopper",
        description="Keys that cannot be shown are left out.",
        request=requests.RerankIn,
        responses=responses.answers(200, responses.Reranked),
    )
    def post(self, request: Any) -> Response:
        read = self.read(requests.RerankIn, request.data)
        return Response({"query": read["query"], "results": order_of(self.http, read["keys"])})
