"""Tells visitors apart by signed cookies, written only when they changed; stores at once what a page showed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from metarec_plugin.collect.impressions import forget_impressions, hold_impressions, let_impressions_go
from metarec_plugin.collect.marks import write_mark
from metarec_plugin.collect.visitor import write_cookie
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.serve.privacy import keep_private

log = logging.getLogger(__name__)


class SubjectMiddleware:
    """Write the visitor's cookies with the answer. Reading it is left to whoever asks for the subject.

    What the page's lists showed is stored in one insert before the answer leaves. A streamed answer is made after
    that: its lists store what they show themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hold_impressions(request)
        try:
            response = self.get_response(request)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                forget_impressions(request)  # the page that held the lists was never shown
        finally:
            let_impressions_go(request)
        keep_private(request, response)
        try:
            write_cookie(request, response)
            write_mark(request, response)
        except ConfigurationError:
            log.exception(
                "visitor's cookies left as they were"
            )  # check E001 says so too; the page is still good
        return response
