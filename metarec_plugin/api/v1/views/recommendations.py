"""Lists of recommendations: of several placements, of one, the part after a cursor, and what is similar."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from metarec_plugin.api.v1 import requests, responses
from metarec_plugin.api.v1.answers import check_filters, check_placement, page_of, slate_json, slate_of
from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.cursors import Cursor, read_cursor
from metarec_plugin.api.v1.describing import described
from metarec_plugin.api.v1.problems import not_found, unknown_name
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.storefront import get_storefront

FIELDS = OpenApiParameter(
    "fields",
    OpenApiTypes.STR,
    description="Entry fields, with commas between: key,title,url. By default all.",
)
SIZE = OpenApiParameter("size", OpenApiTypes.INT)


class ListView(View):
    """A view that answers slates."""

    scope = throttle = "recommendations"

    def names(self) -> tuple[str, ...]:
        """The entry fields that ?fields= asks for, in our order."""
        given = self.request.query_params.get("fields")
        if given is None:
            return responses.ENTRY_FIELDS
        wanted = given.split(",")
        for name in wanted:
            if name not in responses.ENTRY_FIELDS:
                raise unknown_name("fields", "entry field", name, responses.ENTRY_FIELDS)
        return tuple(name for name in responses.ENTRY_FIELDS if name in wanted)

    def one(self, cursor: Cursor) -> Response:
        names = self.names()
        slate = slate_of(self.http, cursor, names)
        return Response(slate_json(self.http, slate, cursor, names, trace=False))

    def require_trace(self) -> None:
        user = self.request.user
        allowed = (
            "trace" in self.key.scopes if self.key else user.is_staff or user.has_perm("metarec.operate")
        )
        if not allowed:
            raise PermissionDenied("A trace is for staff, and for keys with the scope 'trace'.")


class Recommendations(ListView):
    query = ("fields", "placement", "size", "context")

    @described(
        summary="Lists for one placement",
        parameters=[
            OpenApiParameter("placement", OpenApiTypes.STR, description="By default home."),
            SIZE,
            OpenApiParameter(
                "context", OpenApiTypes.STR, many=True, description="Keys; the name once for each."
            ),
            FIELDS,
        ],
        responses=responses.answers(200, responses.Slate),
    )
    def get(self, request: Any) -> Response:
        given = {
            name: request.query_params[name] for name in ("placement", "size") if name in request.query_params
        }
        read = self.read(
            requests.RecommendationsQuery, {**given, "context": request.query_params.getlist("context")}
        )
        check_placement(read["placement"], "placement")
        return self.one(Cursor(read["placement"], read.get("size"), tuple(read["context"])))

    @described(
        summary="Lists for all placements of a page",
        description="No product is listed twice on the page. What is stored of it: an impression of each entry, "
        "where the shopper agreed to that.",
        parameters=[FIELDS],
        request=requests.RecommendationsIn,
        responses=responses.answers(200, responses.Slates),
    )
    def post(self, request: Any) -> Response:
        read = self.read(requests.RecommendationsIn, request.data)
        names = self.names()
        cursors, traces = [], []
        for place, ask in enumerate(read["placements"]):
            pointer = f"/placements/{place}"
            check_placement(ask["name"], f"{pointer}/name")
            filters = [dict(each) for each in ask.get("filters", ())]
            check_filters(filters, f"{pointer}/filters")
            traces.append(ask.get("trace", False))
            cursors.append(
                Cursor(
                    ask["name"],
                    ask.get("size"),
                    tuple(ask.get("context", ())),
                    tuple(ask.get("exclude", ())),
                    tuple(filters),
                    dry_run=read.get("dry_run", False),
                )
            )
        if any(traces):
            self.require_trace()
        slates = page_of(self.http, cursors, names, traces)
        return Response(
            {
                "slates": [
                    slate_json(self.http, slate, cursor, names, trace)
                    for slate, cursor, trace in zip(slates, cursors, traces)
                ]
            }
        )


class Next(ListView):
    query = ("fields", "cursor")

    @described(
        summary="What comes after a list",
        description="Repeats nothing. A long cursor does not fit into an address: send it by POST.",
        parameters=[OpenApiParameter("cursor", OpenApiTypes.STR, required=True), FIELDS],
        responses=responses.answers(200, responses.Slate, 410),
    )
    def get(self, request: Any) -> Response:
        given = {"cursor": request.query_params["cursor"]} if "cursor" in request.query_params else {}
        return self._after(given)

    @described(
        summary="What comes after a list, by a cursor of any length",
        parameters=[FIELDS],
        request=requests.CursorIn,
        responses=responses.answers(200, responses.Slate, 410),
    )
    def post(self, request: Any) -> Response:
        return self._after(request.data)

    def _after(self, given: Any) -> Response:
        read = self.read(requests.CursorIn, given)
        return self.one(read_cursor(read["cursor"], known_subject(self.http)))


class Similar(ListView):
    query = ("fields", "size")

    @described(
        summary="What is similar to a product",
        parameters=[SIZE, FIELDS, OpenApiParameter("key", OpenApiTypes.STR, OpenApiParameter.PATH)],
        responses=responses.answers(200, responses.Slate),
    )
    def get(self, request: Any, key: str) -> Response:
        given = {"size": request.query_params["size"]} if "size" in request.query_params else {}
        read = self.read(requests.SizeQuery, given)
        if not get_storefront().known_products([key]):
            raise not_found("There is no such product.")
        return self.one(Cursor("product", read.get("size"), (key,), (key,)))
