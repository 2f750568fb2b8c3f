"""What is known of the caller, in short and in full, feedback, and forgetting; throttles, headers and hostile names."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from metarec_plugin.collect import record_event, sign_slate
from metarec_plugin.collect.visitor import Visitor, loads
from metarec_plugin.models import ApiKey, ErasedEvent, Event, Impression
from tests.api.conftest import ROOT, Api, assert_problem, event
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
XSS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}",
    "\u2028\u202e<b>",
]


def exported(app: Api) -> Any:
    return json.loads(b"".join(app.get("me/export/").streaming_content))


def test_the_export_has_every_row_and_the_profile_counts_them(app: Api, keys: list[str]) -> None:
    app.post("events/", {"events": [event(product=key) for key in keys[:3]]})
    app.get("recommendations/?size=2")
    found = exported(app)
    assert [row["product"] for row in found["events"]] == keys[:3]
    assert len(found["impressions"]) == 2
    assert found["exposures"] == found["states"] == []
    assert found["subject"] == Event.objects.first().subject
    profile = app.get("me/profile/").json()
    assert profile == {
        "who": "visitor", "consent": "full", "stage": profile["stage"], "events": 3, "products": keys[:3],
        "disliked": [],
    }  # fmt: skip


def test_under_session_consent_the_export_is_what_the_token_holds(new_app: Any, keys: list[str]) -> None:
    app = new_app("session")
    app.post("events/", {"events": [event(product=keys[0])]})
    found = exported(app)
    assert found["events"] == []
    assert found["token"]["products"] == [keys[0]]
    app("DELETE", "me/")
    assert exported(app)["token"]["products"] == []


def test_forgetting_leaves_no_row_and_gives_a_new_id(app: Api, keys: list[str]) -> None:
    app.post("events/", {"events": [event(product=keys[0]), event("search", query="rye")]})
    app.get("recommendations/?size=2")
    subject, old = exported(app)["subject"], app.visitor
    receipt = app("DELETE", "me/").json()
    assert receipt["deleted"] == {
        "event": 2,
        "impression": 2,
        "exposure": 0,
        "subjectstate": 0,
        "quarantinedevent": 0,
    }
    assert subject not in json.dumps(receipt)
    assert not Event.objects.exists()
    assert not Impression.objects.exists()
    assert ErasedEvent.objects.count() == 2
    assert app.visitor != old
    assert exported(app)["subject"] != subject


def test_who_paused_in_the_browser_sees_and_erases_what_was_stored_before(keys: list[str]) -> None:
    page = Client()
    page.cookies["shop_consent"] = "full"
    page.cookies["metarec"] = visitor = Visitor().dumps()
    subject = loads(visitor).subject
    record_event(subject, "view", keys[0])
    page.cookies["metarec_paused"] = "1"
    found = json.loads(b"".join(page.get(ROOT + "me/export/").streaming_content))
    assert [row["product"] for row in found["events"]] == [keys[0]]
    assert page.delete(ROOT + "me/").json()["deleted"]["event"] == 1
    assert not Event.objects.exists()


def test_not_interested_is_heeded_or_not_recorded(app: Api, keys: list[str], settings: Any) -> None:
    ask = {"product": keys[0], "verdict": "not_interested"}
    settings.METAREC = {**settings.METAREC, "DISLIKES": {}}
    assert app.post("feedback/", ask).json()["changed"] is False
    assert not Event.objects.exists()
    settings.METAREC = {**settings.METAREC, "DISLIKES": {"dislike": None}, "SESSION_PRODUCTS": 40}
    full_cookie = Api(app.headers["Authorization"].removeprefix("Key ")).become("session")
    assert full_cookie.post("feedback/", ask).json()["changed"] is False, "the token has no room for it"


def test_a_low_rating_is_taken_back_by_undo_as_well(app: Api, keys: list[str], settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "DISLIKES": {"dislike": None, "rating": 2.0}}
    app.post("events/", {"events": [event(product=keys[1])]})
    record_event(Event.objects.get().subject, "rating", keys[0], value=1.0)
    assert app.get("me/profile/").json()["disliked"] == [keys[0]]
    assert app.post("feedback/", {"product": keys[0], "verdict": "undo"}).json()["changed"] is True
    assert app.get("me/profile/").json()["disliked"] == []


def test_a_visitors_first_list_may_be_spoken_of_after_their_first_event(
    api_key: str, keys: list[str]
) -> None:
    page = Client()
    page.cookies["shop_consent"] = "full"
    slate = page.get(ROOT + "recommendations/?placement=arrivals").json()
    page.post(ROOT + "events/", {"events": [event(product=keys[0])]}, "application/json")
    ask = {"product": slate["entries"][0]["key"], "verdict": "why", "slate": slate["id"]}
    assert page.post(ROOT + "feedback/", ask, "application/json").status_code == 200


def test_not_interested_is_shown_no_more_until_it_is_undone(app: Api, new_app: Any, keys: list[str]) -> None:
    for shopper in (app, new_app("session")):
        slate = shopper.get("recommendations/?placement=arrivals").json()
        key = slate["entries"][0]["key"]
        ask = {"product": key, "verdict": "not_interested", "slate": slate["id"]}
        assert shopper.post("feedback/", ask).json()["changed"] is True
        assert shopper.post("feedback/", ask).json()["changed"] is False
        shown = [
            entry["key"] for entry in shopper.get("recommendations/?placement=arrivals").json()["entries"]
        ]
        assert key not in shown
        assert shopper.get("me/profile/").json()["disliked"] == [key]
        undo = {"product": key, "verdict": "undo"}
        assert shopper.post("feedback/", undo).json()["changed"] is True
        assert shopper.post("feedback/", undo).json()["changed"] is False
        assert shopper.post("feedback/", ask).json()["changed"] is True  # the same may be said again
        assert shopper.get("me/profile/").json()["disliked"] == [key]


def test_why_gives_the_reason_of_the_entry(app: Api, keys: list[str]) -> None:
    slate = app.get("recommendations/?placement=arrivals&size=3").json()
    entry = slate["entries"][1]
    body = app.post("feedback/", {"product": entry["key"], "verdict": "why", "slate": slate["id"]}).json()
    assert body["reason"] == entry["reason"] == "New in this shop"
    missing = next(key for key in keys if key not in [each["key"] for each in slate["entries"]])
    ask = {"product": missing, "verdict": "why", "slate": slate["id"]}
    assert_problem(app.post("feedback/", ask), 404, "not-found")


def test_why_is_answered_without_a_stored_slate_where_consent_stores_none(
    new_app: Any, keys: list[str]
) -> None:
    app = new_app("session")
    slate = app.get("recommendations/?size=3").json()
    key = slate["entries"][0]["key"]
    body = app.post("feedback/", {"product": key, "verdict": "why", "slate": slate["id"]}).json()
    assert body["reason"] == slate["entries"][0]["reason"]
    assert not Impression.objects.exists()


def test_feedback_that_cannot_be_is_refused(app: Api, api_key: str, keys: list[str]) -> None:
    good = {"product": keys[0], "verdict": "not_interested"}
    for wrong in (
        {},
        {"product": keys[0]},
        {**good, "verdict": "love"},
        {**good, "slate": "forged"},
        {**good, "user": "user:1"},
        {"product": keys[0], "verdict": "why"},
    ):
        assert_problem(app.post("feedback/", wrong), 400)
    assert_problem(app.post("feedback/", {**good, "product": "x"}), 404, "not-found")
    stale = {"product": keys[0], "verdict": "why", "slate": sign_slate("0" * 32)}
    assert_problem(app.post("feedback/", stale), 404, "not-found")
    assert_problem(Api(api_key).post("feedback/", good), 403, "no-consent")


def test_search_results_come_in_the_shoppers_order(app: Api, keys: list[str]) -> None:
    body = app.post("search/rerank/", {"query": "loaf", "keys": [*keys[:4], "nothing"]}).json()
    assert body["query"] == "loaf"
    assert sorted(each["key"] for each in body["results"]) == sorted(keys[:4])
    assert [each["rank"] for each in body["results"]] == [0, 1, 2, 3]
    for wrong in (
        {"query": "a"},
        {"query": "a", "keys": []},
        {"query": 5, "keys": keys},
        {"query": "", "keys": keys},
    ):
        assert_problem(app.post("search/rerank/", wrong), 400)


def test_a_visitor_keeps_their_id_when_consent_changes(app: Api, keys: list[str]) -> None:
    subject = exported(app)["subject"]
    app.become("session")
    assert exported(app)["subject"] == subject
    assert app.get("me/profile/").json()["consent"] == "session"
    for wrong in ({}, {"consent": "none"}, {"consent": "full", "id": "a"}):
        assert_problem(app.post("visitors/", wrong), 400)


def test_throttles_are_read_with_each_request_and_no_header_escapes_them(
    app: Api, products: list[Any], settings: Any
) -> None:
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": {"recommendations": "2/min", "me": None}}
    for _ in range(2):
        assert app.get("recommendations/", **{"X-Forwarded-For": "1.1.1.1"}).status_code == 200
    response = app.get("recommendations/", **{"X-Forwarded-For": "2.2.2.2"})
    assert_problem(response, 429, "slow-down")
    assert 0 < int(response["Retry-After"]) <= 61
    assert app.get("me/profile/").status_code == 200
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": {"recommendations": None}}
    assert app.get("recommendations/").status_code == 200


def test_another_visitor_is_no_way_around_the_throttle(
    new_app: Any, products: list[Any], settings: Any
) -> None:
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": {"recommendations": "1/min"}}
    assert new_app().get("recommendations/").status_code == 200
    assert_problem(new_app().get("recommendations/"), 429)


def test_a_keys_own_rate_counts_for_all_who_use_it(products: list[Any]) -> None:
    key = ApiKey.issue("slow", rate="1/min")[1]
    assert Api(key).get("recommendations/").status_code == 200
    assert_problem(Api(key).get("me/profile/"), 429)


def test_answers_are_private_and_named(app: Api, products: list[Any]) -> None:
    for response in (
        app.get("recommendations/"),
        app.get("me/export/"),
        app.get("nowhere/"),
        app.post("events/", {}),
    ):
        assert response["Cache-Control"] == "private, no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "ETag" not in response
    assert app.get("me/profile/", **{"X-Request-ID": "abc-1"})["X-Request-ID"] == "abc-1"
    for odd in ("a b", "x" * 65, "<b>", "é"):
        assert len(app.get("me/profile/", **{"X-Request-ID": odd})["X-Request-ID"]) == 32


def test_long_answers_are_compressed_for_who_asks(app: Api, products: list[Any]) -> None:
    response = app.get("recommendations/", **{"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(response.content))["entries"]


def test_hostile_text_comes_back_as_json_and_nothing_else(app: Api) -> None:
    for text in XSS:
        make_product(name=text)
    response = app.get("recommendations/", Accept="text/html")
    assert response["Content-Type"] == "application/json"
    assert {entry["title"] for entry in response.json()["entries"]} == set(XSS)
    for text in XSS:
        for answer in (
            app.post("recommendations/", {"placements": [{"name": text[:40]}]}),
            app.post("recommendations/", {text: 1}),
            app.client.get(f"{ROOT}recommendations/", {"fields": text}, headers=app.headers),
            app.client.get(f"{ROOT}{text}/", headers=app.headers),
        ):
            assert answer["Content-Type"] == "application/problem+json"
            assert 400 <= answer.status_code < 500
        found = app.post("search/rerank/", {"query": text, "keys": ["x"]})
        assert found["Content-Type"] == "application/json"
        assert found.json()["query"] == text


def test_a_page_without_anything_is_nobody(products: list[Any]) -> None:
    client = Client()
    assert client.get(f"{ROOT}me/profile/").json()["who"] == "nobody"
    assert client.delete(f"{ROOT}me/").json()["deleted"] == {}
    assert_problem(client.post(f"{ROOT}visitors/", {"consent": "full"}, "application/json"), 401)
