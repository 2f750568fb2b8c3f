"""Requests and rows for tests of collecting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from metarec_plugin.collect.visitor import write_cookie
from metarec_plugin.conf import get_config
from metarec_plugin.signals import event_recorded

MakeRequest = Callable[..., HttpRequest]


@pytest.fixture
def consent(settings: Any) -> Callable[[str], None]:
    def choose(level: str) -> None:
        settings.METAREC = {**settings.METAREC, "CONSENT": level}

    return choose


@pytest.fixture
def make_request(rf: RequestFactory) -> MakeRequest:
    def make(
        method: str = "post", *, user: Any = None, cookie: str | None = None, secure: bool = False
    ) -> HttpRequest:
        request = getattr(rf, method)("/", secure=secure)
        request.user = user or AnonymousUser()
        if cookie is not None:
            request.COOKIES[get_config().cookie_name] = cookie
        return request

    return make


def cookie_after(request: HttpRequest) -> str | None:
    """The cookie that the answer to a request sets, None if it sets none."""
    response = HttpResponse()
    write_cookie(request, response)
    morsel = response.cookies.get(get_config().cookie_name)
    return morsel.value if morsel else None


@pytest.fixture
def announced() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def hear(signal: Any, sender: Any, **values: Any) -> None:
        heard.append(values)

    event_recorded.connect(hear)
    yield heard
    event_recorded.disconnect(hear)


@pytest.fixture
def bookshop() -> Iterator[None]:
    with override_settings(
        METAREC={"STOREFRONT": "tests.storefronts.bookshop.metarec.BookStorefront", "STRICT": True}
    ):
        yield
