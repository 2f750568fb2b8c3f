"""What all views of the API share: who may call, request ids, problems, headers, and the visitor's renewed token."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from threading import local
from typing import Any, ClassVar

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.decorators.gzip import gzip_page
from drf_spectacular.openapi import AutoSchema
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from metarec_plugin.api.v1 import cors, problems
from metarec_plugin.api.v1.callers import (
    VISITOR_HEADER,
    KeyAuthentication,
    PageAuthentication,
    UserTokenAuthentication,
)
from metarec_plugin.api.v1.parsing import AnswerRenderer, OnlyJSON, StrictJSONParser, too_large
from metarec_plugin.api.v1.throttles import CallerThrottle, KeyThrottle
from metarec_plugin.collect.bearer import write_token
from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.models import ApiKey

log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@method_decorator(gzip_page, name="dispatch")
class View(APIView):
    """A view of the API. scope: what a key must be allowed; throttle: the rate that counts; query: the names in the
    address that it knows.
    """

    scope: ClassVar[str] = ""
    throttle: ClassVar[str] = ""
    query: ClassVar[tuple[str, ...]] = ()

    schema: Any = AutoSchema()
    authentication_classes = (KeyAuthentication, UserTokenAuthentication, PageAuthentication)
    permission_classes = (AllowAny,)
    throttle_classes = (CallerThrottle, KeyThrottle)
    parser_classes = (StrictJSONParser,)
    renderer_classes = (AnswerRenderer,)
    content_negotiation_class = OnlyJSON
    versioning_class = None

    @property
    def http(self) -> HttpRequest:
        """The request as the rest of the plugin knows it, with the caller that was found."""
        return self.request._request

    @property
    def key(self) -> ApiKey | None:
        auth = getattr(self.request, "auth", None)
        return auth if isinstance(auth, ApiKey) else None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        given = request.headers.get("X-Request-ID", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)  # before all else: whatever is answered looks at the caller
        length = request.META.get("CONTENT_LENGTH") or "0"
        limit = get_config().api_max_bytes
        if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > limit):
            raise too_large(limit)
        super().initial(request, *args, **kwargs)
        if self.key is not None and self.scope and self.scope not in self.key.scopes:
            raise PermissionDenied(f"The key has no scope {self.scope!r}.")
        for name in request.query_params:
            if name not in self.query:
                raise problems.unknown_name("", "query parameter", name, self.query)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return cors.answer_preflight(self.http, self.allowed_methods)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, DatabaseError | ConfigurationError):
            log.exception("api: not answered request_id=%s", self.request_id)
            exc = problems.Problem(
                503, "not-now", "This cannot be answered now; ask again.", headers={"Retry-After": "30"}
            )
        response = problems.answer_to(exc, self.http.path, self.request_id)
        if response is None:
            self.raise_uncaught_exception(exc)
            raise AssertionError("raised above")  # for who reads types
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Key realm="metarec"'
        response.exception = True
        return response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["X-Request-ID"] = self.request_id
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        patch_vary_headers(response, ["Cookie", "Authorization", VISITOR_HEADER])
        cors.let_read(self.http, response, self.key)
        if response.status_code < 400:
            self._return_visitor(response)
        return response

    def _return_visitor(self, response: Any) -> None:
        """An app keeps its visitor as a browser keeps its cookie: a changed one goes back in the header."""
        if request_speaks_for_bearer(self.http) and visitor_of(self.http).changed:
            level = consent_of(self.http)
            if level != "none":
                response[VISITOR_HEADER] = write_token(visitor_of(self.http), level)

    def read(self, serializer: Callable[[], Serializer[Any]], given: Any) -> dict[str, Any]:
        """What a serializer makes of what came in. Raises its ValidationError."""
        read: dict[str, Any] = _readers.of(serializer).run_validation(given)
        return read


class _Readers(local):
    """A serializer of each kind for each thread and language: a new one copies every field of every object in it.

    DRF's texts stay in the language in which they were first said, and that is no work for two threads at once.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, str | None], Serializer[Any]] = {}

    def of(self, serializer: Callable[[], Serializer[Any]]) -> Serializer[Any]:
        name = serializer, get_language()
        if name not in self._kept:
            self._kept[name] = serializer()
        return self._kept[name]


_readers = _Readers()


def request_speaks_for_bearer(request: HttpRequest) -> bool:
    return request.headers.get(VISITOR_HEADER) is not None and visitor_of(request).bearer


class NotFound(View):
    """Whatever is under the API's address and is no part of it, in the API's own words."""

    schema: Any = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        raise problems.not_found("The API has no such address; schema/ lists those that it has.")
