"""Tells visitors apart by a signed cookie that is written only when it changed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from metarec_plugin.collect.visitor import write_cookie
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.serve.privacy import keep_private

log = logging.getLogger(__name__)


class SubjectMiddleware:
    """Write the visitor's cookie with the answer. Reading it is left to whoever asks for the subject."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        keep_private(request, response)
        try:
            write_cookie(request, response)
        except ConfigurationError:
            log.exception("visitor's cookie left as it was")  # check E001 says so too; the page is still good
        return response
