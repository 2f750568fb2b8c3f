"""The visitor's cookie: signed, bounded, written only when it changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import signing
from django.http import HttpResponse

from metarec_plugin import subject_key
from metarec_plugin.collect import known_subject, sign_slate, support_keys
from metarec_plugin.collect.visitor import SALT, Visitor, loads, visitor_of, write_cookie
from tests.collect.conftest import MakeRequest, cookie_after

IDENTITY = "0123456789abcdef" * 2


def test_a_cookie_survives_the_round_trip() -> None:
    written = Visitor(id=IDENTITY, products=["p1", "ключ", "a.b:c"])
    read = loads(written.dumps())
    assert (read.id, read.products, read.returning, read.changed) == (IDENTITY, written.products, True, False)


def test_twenty_long_keys_fit_into_a_cookie() -> None:
    visitor = Visitor()
    for number in range(40):
        visitor.add_product(f"{number:064d}")
    assert len(visitor.products) == 20
    assert len(visitor.dumps()) < 3_000


@pytest.mark.parametrize(
    "cookie",
    [
        None,
        "",
        "garbage",
        "1." + IDENTITY + ".:x:y",
        Visitor(id=IDENTITY).dumps()[:-1] + "?",
        Visitor(id=IDENTITY).dumps().replace(IDENTITY, "f" * 32),
        signing.TimestampSigner(salt="other").sign(f"1.{IDENTITY}."),
        signing.TimestampSigner(salt=SALT).sign(f"0.{IDENTITY}."),
        signing.TimestampSigner(salt=SALT).sign(f"1.{IDENTITY}"),
        signing.TimestampSigner(salt=SALT).sign("1.not-an-id."),
        signing.TimestampSigner(salt=SALT).sign(f"1.{IDENTITY}._w"),
        sign_slate(IDENTITY),
        "x" * 100_000,
        "\ud800",
        "\x00",
    ],
    ids=lambda cookie: "none" if cookie is None else f"{len(cookie)} letters",  # signatures hold the time
)
def test_a_forged_or_foreign_cookie_is_as_good_as_none(cookie: str | None) -> None:
    visitor = loads(cookie)
    assert not visitor.returning
    assert visitor.products == []
    assert visitor.id != IDENTITY


def test_an_expired_cookie_is_as_good_as_none(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    cookie = Visitor(id=IDENTITY).dumps()
    settings.METAREC = {**settings.METAREC, "COOKIE_AGE": 60}
    assert loads(cookie).returning
    later = time.time() + 62
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert not loads(cookie).returning


def test_a_cookie_past_half_its_age_is_written_anew_when_something_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    visitor = loads(Visitor(id=IDENTITY).dumps())
    visitor.keep()
    assert not visitor.changed
    later = time.time() + 60 * 60 * 24 * 100
    monkeypatch.setattr("metarec_plugin.collect.visitor.time.time", lambda: later)
    visitor.keep()
    assert visitor.changed
    assert visitor.id == IDENTITY


def test_looking_sets_no_cookie(consent: Callable[[str], None], make_request: MakeRequest) -> None:
    consent("session")
    request = make_request("get")
    assert subject_key(request).startswith("visitor:")
    assert subject_key(request) == subject_key(request)
    assert known_subject(request) == ""
    assert support_keys(request, 50) == []
    assert cookie_after(request) is None


def test_asking_for_the_key_in_a_post_makes_it_last(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("session")
    request = make_request("post")
    key = subject_key(request)
    again = make_request("get", cookie=cookie_after(request))
    assert subject_key(again) == known_subject(again) == key
    assert cookie_after(again) is None


def test_without_consent_a_visitor_has_no_key(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("none")
    request = make_request("post", cookie=Visitor(id=IDENTITY).dumps())
    assert subject_key(request) == known_subject(request) == ""


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    secure: bool, consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("session")
    request = make_request("post", secure=secure)
    subject_key(request)
    response = HttpResponse()
    write_cookie(request, response)
    cookie = response.cookies["metarec"]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert bool(cookie["secure"]) is secure
    assert response["Vary"] == "Cookie"


def test_an_answer_that_looked_at_nobody_varies_by_nothing(make_request: MakeRequest) -> None:
    response = HttpResponse()
    write_cookie(make_request("get"), response)
    assert not response.has_header("Vary")
    request = make_request("get")
    visitor_of(request)
    write_cookie(request, response)
    assert response["Vary"] == "Cookie"
    assert not response.cookies


@pytest.mark.parametrize("level", ["none", "session", "full"])
def test_the_cookie_of_somebody_who_withdrew_consent_is_taken_away(
    level: str, consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent(level)
    response = HttpResponse()
    write_cookie(make_request("get", cookie=Visitor(id=IDENTITY).dumps()), response)  # nobody asked who it is
    if level == "none":
        assert response.cookies["metarec"]["max-age"] == 0
        assert response["Vary"] == "Cookie"
    else:
        assert not response.cookies


def test_without_consent_no_cookie_is_set(consent: Callable[[str], None], make_request: MakeRequest) -> None:
    consent("none")
    request = make_request("post")
    visitor_of(request).add_product("p1")
    assert cookie_after(request) is None
