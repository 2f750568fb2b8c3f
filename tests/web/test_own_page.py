"""The shopper's own: not interested, pause, forget me, as plain forms and as a script sends them."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from metarec_plugin import record_event
from metarec_plugin.collect.visitor import Visitor, loads
from metarec_plugin.models import ErasureReceipt, Event, Impression
from tests.serve.conftest import fresh_process, keys, products, publish  # noqa: F401

OWN = "/metarec/your-recommendations/"
OPINION, PAUSE, FORGET = OWN + "opinion/", OWN + "pause/", OWN + "forget/"
LISTED = re.compile(r'data-metarec-product="([^"]+)"')
pytestmark = pytest.mark.usefixtures("products")


def browser(level: str, seen: list[str] = (), **options) -> Client:
    client = Client(**options)
    client.cookies["shop_consent"] = level
    client.cookies["metarec"] = Visitor(products=list(seen)).dumps()
    return client


def home(client: Client) -> str:
    return client.get("/").content.decode()


@pytest.mark.parametrize("level", ["session", "full"])
def test_what_is_not_wanted_is_not_listed_until_it_is_taken_back(publish, level):  # noqa: F811
    publish()
    client = browser(level)
    [first, *_] = LISTED.findall(home(client))
    for _ in range(2):  # a second click changes nothing
        answer = client.post(OPINION, {"product": first, "next": "/search/?q=a"})
        assert (answer.status_code, answer["Location"]) == (302, "/search/?q=a")
    assert first not in LISTED.findall(home(client))
    assert f'value="{first}"' in client.get(OWN).content.decode()
    assert Event.objects.filter(kind="dislike").count() == (level == "full")
    client.post(OPINION, {"product": first, "undo": "1"})
    assert first in LISTED.findall(home(client))
    client.post(OPINION, {"product": first})  # and may be said again
    assert first not in LISTED.findall(home(client))


def test_a_script_is_told_what_to_say(keys):  # noqa: F811
    answer = browser("session").post(OPINION, {"product": keys[0]}, headers={"accept": "application/json"})
    assert answer.json() == {"done": True, "message": "You will not see this product here again."}


def test_without_consent_nothing_is_kept_and_that_is_said(keys):  # noqa: F811
    client = browser("none")
    assert "Not interested" not in home(client)
    answer = client.post(OPINION, {"product": keys[0]}, headers={"accept": "application/json"})
    assert answer.json()["done"] is False
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "///evil.example",
        "\x00",
        "",
    ],
)
def test_nobody_is_sent_to_another_site(keys, target):  # noqa: F811
    client = browser("session")
    for extra in ({}, {"headers": {"referer": "https://evil.example/x"}}):
        answer = client.post(OPINION, {"product": keys[0], "next": target}, **extra)
        assert answer["Location"] == OWN


def test_without_a_next_page_the_one_before_is_gone_back_to(keys):  # noqa: F811
    answer = browser("session").post(
        OPINION, {"product": keys[0]}, headers={"referer": "http://testserver/new/?a=1"}
    )
    assert answer["Location"] == "/new/?a=1"


@pytest.mark.parametrize("product", ["", "unknown", "00000000-0000-0000-0000-00000000ffff", "\x00"])
def test_a_product_that_is_not_there_is_an_error(product):
    assert browser("session").post(OPINION, {"product": product}).status_code == 400


def test_a_made_up_slate_is_an_error(keys):  # noqa: F811
    assert browser("full").post(OPINION, {"product": keys[0], "slate": "made-up"}).status_code == 400


@pytest.mark.parametrize("address", [OPINION, PAUSE, FORGET])
def test_every_form_needs_a_token_of_this_site(address, keys):  # noqa: F811
    client = browser("session", enforce_csrf_checks=True)
    values = {"product": keys[0], "sure": "1"}
    assert client.post(address, values).status_code == 403
    page = client.get(OWN).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    assert client.post(address, {**values, "csrfmiddlewaretoken": token}).status_code in (200, 302)
    assert client.get(address).status_code == 405


@pytest.mark.parametrize("level", ["session", "full"])
def test_pausing_shows_what_everybody_sees_and_keeps_what_is_known(publish, keys, level):  # noqa: F811
    publish()
    client = browser(level, keys[:2])
    record_event(f"visitor:{loads(client.cookies['metarec'].value).id}", "view", keys[1])
    everybodys = LISTED.findall(home(Client()))
    before = LISTED.findall(home(client))
    assert before != everybodys
    assert client.post(PAUSE)["Location"] == OWN
    paused = client.get("/")
    assert LISTED.findall(paused.content.decode()) == everybodys
    assert "Cookie" in paused["Vary"]
    assert "paused in this browser" in client.get(OWN).content.decode()
    events = Event.objects.count()
    client.post("/metarec/beacon/", {"events": [{"kind": "view", "product": keys[9]}]}, "application/json")
    assert Event.objects.count() == events
    assert client.cookies["metarec"].value  # as it was
    client.post(PAUSE, {"resume": "1"})
    assert LISTED.findall(home(client)) == before


def test_a_shopper_sees_what_is_known(keys):  # noqa: F811
    page = browser("session", keys[:2]).get(OWN)
    assert page["Cache-Control"].count("private") >= 1
    text = page.content.decode()
    assert text.index("Milk 1") < text.index("Milk 0")  # the newest first
    assert "signed cookie" in text
    text = browser("none", keys[:2]).get(OWN).content.decode()
    assert "Milk 1" not in text


def test_forgetting_needs_a_yes_and_leaves_a_receipt_and_nothing_else(publish, keys):  # noqa: F811
    publish()
    user = User.objects.create_user("ann")
    client = browser("full", keys[:2])
    visitor = f"visitor:{loads(client.cookies['metarec'].value).id}"
    record_event(visitor, "view", keys[0])
    client.force_login(user)  # merges the visitor
    record_event(f"user:{user.pk}", "view", keys[3])
    record_event("user:999", "view", keys[4])
    home(client)
    assert Impression.objects.filter(subject=f"user:{user.pk}").exists()
    refused = client.post(FORGET)
    assert refused.status_code == 400
    assert "Tick the box first" in refused.content.decode()
    receipt = client.post(FORGET, {"sure": "1"}).content.decode()
    assert "Forgotten" in receipt
    assert str(ErasureReceipt.objects.get().pk) in receipt
    assert Event.objects.get().subject == "user:999"
    assert not Impression.objects.filter(subject__in=[f"user:{user.pk}", visitor]).exists()
    assert loads(client.cookies["metarec"].value).products == []
    assert "Nothing yet." in client.get(OWN).content.decode()


def test_a_page_that_all_may_share_bears_no_token(publish, settings):  # noqa: F811
    publish()
    settings.ROOT_URLCONF = "tests.serve.urls"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise")]
    [engine] = settings.TEMPLATES
    options = {"context_processors": ["django.template.context_processors.request"]}
    settings.TEMPLATES = [{**engine, "DIRS": [], "OPTIONS": options}]
    answer = Client().get("/")
    assert "csrfmiddlewaretoken" not in answer.content.decode()
    assert not answer.cookies


def test_the_page_stands_alone_in_a_shop_without_a_frame_for_it(settings):
    [engine] = settings.TEMPLATES
    options = {"context_processors": ["django.template.context_processors.request"]}
    settings.TEMPLATES = [{**engine, "DIRS": [], "OPTIONS": options}]
    page = Client().get(OWN).content.decode()
    assert page.strip().startswith("<!doctype html>")
    assert "<h1>Your recommendations</h1>" in page


def test_scripts_are_loaded_as_a_module_with_the_words_they_say(client):
    page = client.get("/").content.decode()
    [tag] = re.findall(r"<script[^>]*widgets\.js[^>]*>", page)
    assert 'type="module"' in tag
    assert 'data-close="Close"' in tag
