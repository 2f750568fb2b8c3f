"""Registering, logging in and out, and what a visitor allows to be remembered."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from shop import consent
from shop.models import Customer
from tests.shop.conftest import PASSWORD


def register(client, **changes: str):
    form = {"username": "bob", "email": "", "password1": PASSWORD, "password2": PASSWORD, **changes}
    return client.post("/register/", form)


def test_registering_makes_a_customer_and_logs_in(client, db):
    assert register(client).status_code == 302
    assert Customer.objects.get().user.username == "bob"
    assert b"Log out" in client.get("/").content


def test_names_of_the_demos_households_are_not_given_away(client, db):
    for name in ("household-12", "shopper", "staff"):
        assert b"This name is taken." in register(client, username=name).content
    assert not User.objects.exists()


def test_weak_or_mistyped_passwords_are_refused(client, db):
    assert register(client, password1="12345678", password2="12345678").status_code == 200
    assert register(client, password2="another").status_code == 200
    assert not User.objects.exists()


def test_login_and_logout(client, member):
    assert client.post("/login/", {"username": "ann", "password": "wrong"}).status_code == 200
    assert client.post("/login/", {"username": "ann", "password": PASSWORD}).url == "/"
    assert client.get("/register/").url == "/"
    client.post("/logout/")
    assert b"Log in" in client.get("/").content


def test_consent_starts_at_session_and_the_banner_asks(client, db):
    assert b"Accept all" in client.get("/").content
    assert consent.level(RequestFactory().get("/")) == "session"


@pytest.mark.parametrize("level", consent.LEVELS)
def test_the_choice_is_remembered_and_the_banner_goes(client, db, level):
    answer = client.post("/consent/", {"level": level, "next": "/privacy/"})
    assert answer.url == "/privacy/"
    page = client.get("/privacy/").content.decode()
    assert "Accept all" not in page
    assert f'value="{level}" checked' in page
    request = RequestFactory().get("/")
    request.COOKIES[consent.COOKIE] = level
    assert consent.level(request) == level


def test_an_unknown_level_is_refused_and_a_forged_one_is_no_choice(client, db):
    assert client.post("/consent/", {"level": "everything"}).status_code == 400
    assert client.get("/consent/").status_code == 405
    client.cookies[consent.COOKIE] = "everything"
    assert b"Accept all" in client.get("/").content
