"""The middleware: an anonymous page that only looks stays cacheable, one that keeps something does not leak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from metarec_plugin.collect.visitor import loads

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


@pytest.fixture(params=["session", "full"])
def client(request: pytest.FixtureRequest, settings: Any) -> Client:
    settings.METAREC = {**settings.METAREC, "CONSENT": request.param}
    return Client()


def test_a_page_that_asks_nothing_of_us_is_left_alone(client: Client) -> None:
    response = client.get("/plain/")
    assert not response.cookies
    assert "Cookie" not in response["Vary"]


def test_a_page_that_only_looks_sets_no_cookie_but_varies_by_it(client: Client) -> None:
    for path in ("/look/", "/who/"):
        response = client.get(path)
        assert not response.cookies
        assert "Cookie" in response["Vary"]


def test_the_cookie_is_set_by_the_first_interaction_and_not_again_without_need(client: Client) -> None:
    assert "metarec" in client.get("/like/p1/").cookies
    assert not client.get("/look/").cookies
    assert not client.get("/like/p1/").cookies
    assert client.get("/look/").content == b"p1"


def test_the_key_that_a_checkout_asks_for_lasts(client: Client) -> None:
    key = client.post("/who/").content.decode()
    assert loads(client.cookies["metarec"].value).subject == key
    assert client.get("/who/").content.decode() == key


def test_two_visitors_share_nothing(client: Client) -> None:
    client.get("/like/p1/")
    other = Client()
    assert other.get("/look/").content == b""
    assert other.get("/who/").content != client.get("/who/").content


def test_events_do_not_need_the_middleware(settings: Any, client: Client) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "metarec" not in name]
    response = Client().get("/like/p1/")
    assert response.content == b"True"
    assert not response.cookies


def test_asking_who_takes_no_query(client: Client, django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(0):
        client.get("/who/")


def test_a_page_renders_however_wrong_the_consent_setting_is(settings: Any, client: Client) -> None:
    client.get("/like/p1/")
    settings.METAREC = {**settings.METAREC, "CONSENT": "shop.nowhere.level"}
    response = client.get("/plain/")
    assert response.status_code == 200
    assert not response.cookies
