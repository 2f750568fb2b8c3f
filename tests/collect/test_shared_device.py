"""One browser, several people, several tabs: nothing of one shopper reaches the next."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from metarec_plugin.collect.visitor import loads
from metarec_plugin.models import Event, Impression
from tests.collect.test_subjects import log_in
from tests.storefronts.factories import make_customer, make_product
from tests.web.conftest import BROWSER, send

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]
LEVELS = pytest.mark.parametrize("level", ["session", "full"])


def looked_at(client: Client) -> list[str]:
    found = client.get("/look/").content.decode()
    return found.split(",") if found else []


def user() -> User:
    return make_customer().user


@LEVELS
def test_two_members_after_each_other_share_nothing(level: str, consent: Callable[[str], None]) -> None:
    consent(level)
    browser, ann, ben = Client(), user(), user()
    browser.get("/like/before-ann/")
    log_in(browser, ann)
    browser.get("/like/anns/")
    assert looked_at(browser) == ["before-ann", "anns"]
    browser.post("/out/")
    assert looked_at(browser) == []
    log_in(browser, ben)
    assert looked_at(browser) == []
    browser.get("/like/bens/")
    browser.post("/out/")
    log_in(browser, ann)
    assert looked_at(browser) == (["before-ann", "anns"] if level == "full" else [])
    rows = set(Event.objects.values_list("subject", "product"))
    if level == "full":
        assert rows == {
            (f"user:{ann.pk}", "before-ann"), (f"user:{ann.pk}", "anns"), (f"user:{ben.pk}", "bens"),
        }  # fmt: skip
    else:
        assert rows == set()


@LEVELS
@pytest.mark.parametrize("next_person", ["a visitor", "another member"])
def test_an_answer_that_comes_after_the_logout_brings_nothing_back(
    level: str, next_person: str, consent: Callable[[str], None]
) -> None:
    """A page reports its last seconds while the form that logs out is sent: the answers may come in either order."""
    consent(level)
    browser = Client()
    log_in(browser, user())
    browser.get("/like/anns/")
    tab = Client()
    tab.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    tab.get("/like/anns-too/")
    late = tab.cookies.get("metarec")
    browser.post("/out/")
    if late is not None:
        browser.cookies["metarec"] = late.value
    if next_person == "another member":
        log_in(browser, user())
    assert looked_at(browser) == []
    browser.get("/like/bens/")
    assert looked_at(browser) == ["bens"]
    if level == "session":
        assert late is not None
        assert loads(browser.cookies["metarec"].value).id != loads(late.value).id


def test_who_comes_after_a_session_that_ran_out_is_somebody_else(consent: Callable[[str], None]) -> None:
    consent("session")
    browser, ann = Client(), user()
    log_in(browser, ann)
    browser.get("/like/anns/")
    Session.objects.all().delete()
    assert looked_at(browser) == []
    log_in(browser, ann)
    assert looked_at(browser) == ["anns"], "nobody was there in between"
    Session.objects.all().delete()
    browser.get("/like/bens/")
    assert looked_at(browser) == ["bens"]
    log_in(browser, ann)
    assert looked_at(browser) == ["bens"]


@LEVELS
def test_a_tab_of_before_the_login_moves_nothing_twice(level: str, consent: Callable[[str], None]) -> None:
    consent(level)
    browser, ann, ben = Client(), user(), user()
    browser.get("/like/p1/")
    old = browser.cookies["metarec"].value
    log_in(browser, ann)
    browser.post("/out/")
    browser.cookies["metarec"] = old  # the answer to a page that was asked for before the login
    if level == "full":
        assert looked_at(browser) == [], "what the id stood for is the member's"
    log_in(browser, ben)
    if level == "full":
        assert looked_at(browser) == []
        assert set(Event.objects.values_list("subject", flat=True)) == {f"user:{ann.pk}"}
    assert not Impression.objects.exists()


def test_the_cookie_names_its_member_to_nobody(consent: Callable[[str], None]) -> None:
    consent("session")
    browser, ann = Client(), user()
    log_in(browser, ann)
    browser.get("/like/p1/")
    visitor = loads(browser.cookies["metarec"].value)
    assert len(visitor.owner) == 16
    other = Client()
    log_in(other, ann)
    other.get("/like/p1/")
    assert loads(other.cookies["metarec"].value).owner == visitor.owner


# What browsers report: an event that waits in the browser is sent again by whoever comes next


def reports(client: Client, product: str) -> Any:
    event = {"id": str(uuid.uuid4()), "kind": "dwell", "product": product, "value": 3}
    return send(client, json.dumps({"events": [event]}), headers={"user-agent": BROWSER})


def tells_the_api(client: Client, product: str) -> Any:
    event = {"id": str(uuid.uuid4()), "kind": "view", "product": product}
    body = json.dumps({"events": [event]})
    return client.post("/api/metarec/v1/events/", body, content_type="application/json")


def mark(client: Client) -> str:
    return client.cookies["metarec_mark"].value if "metarec_mark" in client.cookies else ""


@LEVELS
def test_every_turn_at_a_browser_has_a_mark_that_scripts_read_and_nobody_recognises(
    level: str, consent: Callable[[str], None]
) -> None:
    consent(level)
    browser, ann, key = Client(), user(), str(make_product().pk)
    assert reports(browser, key).status_code == 202
    assert mark(browser) == "", "a visitor needs none, and pages stay cacheable"
    log_in(browser, ann)
    marks = [mark(browser)]
    assert not browser.cookies["metarec_mark"]["httponly"]
    assert reports(browser, key).status_code == 202
    assert mark(browser) == marks[0]
    assert browser.delete("/api/metarec/v1/me/").status_code == 200
    marks.append(mark(browser))
    browser.post("/out/")
    marks.append(mark(browser))
    log_in(browser, ann)
    marks.append(mark(browser))
    assert len(set(marks)) == 4
    assert reports(browser, key).status_code == 202
    assert mark(browser) == marks[-1]


@LEVELS
@pytest.mark.parametrize("gone", ["logged out", "session ran out"])
@pytest.mark.parametrize("door", [reports, tells_the_api])
def test_what_a_members_page_reports_when_they_are_gone_is_nobody_elses(
    level: str, gone: str, door: Callable[[Client, str], Any], consent: Callable[[str], None]
) -> None:
    consent(level)
    browser, keys = Client(), [str(make_product().pk) for _ in range(2)]
    log_in(browser, user())
    late = Client()  # the request that left with the page, or that the next page makes of what waits
    late.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    if gone == "logged out":
        browser.post("/out/")
    else:
        Session.objects.all().delete()
    assert door(late, keys[0]).status_code in (204, 400)
    assert mark(late) not in ("", mark(browser)), "what waits for the member goes, too"
    assert looked_at(late) == []
    assert not Event.objects.exists()
    assert door(late, keys[1]).status_code == 202
    assert looked_at(late) == [keys[1]]
