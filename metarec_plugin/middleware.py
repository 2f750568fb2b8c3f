"""Tells visitors apart by a signed cookie that is written only when it changed."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from metarec_plugin.collect.visitor import write_cookie
from metarec_plugin.serve.privacy import keep_private


class SubjectMiddleware:
    """Write the visitor's cookie with the answer. Reading it is left to whoever asks for the subject."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        write_cookie(request, response)
        keep_private(request, response)
        return response
