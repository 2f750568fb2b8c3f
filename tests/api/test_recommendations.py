"""Lists by the API: several placements a call, one by address, what is similar, and the part that comes next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import signing

from metarec_plugin.api.v1 import answers, cursors
from metarec_plugin.api.v1.answers import _absolute
from metarec_plugin.collect import read_slate
from metarec_plugin.models import ApiKey, Impression
from tests.api.conftest import Api, assert_problem, event
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
ENTRY = {"key", "title", "url", "image", "price", "rank", "source", "reason", "because"}


def test_several_placements_are_answered_in_one_call_and_no_product_twice(app: Api, keys: list[str]) -> None:
    response = app.post(
        "recommendations/",
        {"placements": [{"name": "home", "size": 4}, {"name": "arrivals", "size": 4}, {"name": "trending"}]},
    )
    assert response.status_code == 200, response.content
    slates = response.json()["slates"]
    assert [slate["placement"] for slate in slates] == ["home", "arrivals", "trending"]
    assert [len(slate["entries"]) for slate in slates] == [4, 4, 4]
    listed = [entry["key"] for slate in slates for entry in slate["entries"]]
    assert sorted(listed) == sorted(set(listed)) == sorted(keys)


def test_an_entry_says_what_a_page_shows_and_no_score(app: Api, products: list[Any]) -> None:
    slate = app.get("recommendations/?placement=arrivals&size=2").json()
    assert {entry["rank"] for entry in slate["entries"]} == {0, 1}
    for entry in slate["entries"]:
        assert set(entry) == ENTRY
        assert entry["price"] == "2.50"
        assert entry["url"] == f"http://shop.test/product/{entry['key']}/"
        assert entry["source"] == "newest"
    assert "score" not in str(slate)
    assert read_slate(slate["id"])


def test_reasons_are_worked_out_only_where_they_are_asked_for(
    app: Api, products: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    told = answers.recommend
    monkeypatch.setattr(
        answers, "recommend", lambda *given, **named: asked.append(named["reasons"]) or told(*given, **named)
    )
    for fields in ("key,title,url,price", "key,reason", "because"):
        assert app.get(f"recommendations/?placement=arrivals&fields={fields}").status_code == 200
    app.get("recommendations/?placement=arrivals")
    app.post("recommendations/?fields=key", {"placements": [{"name": "home"}]})
    assert asked == [False, True, True, True, False]


def test_what_is_shown_is_stored_where_the_shopper_agreed(
    app: Api, new_app: Any, products: list[Any]
) -> None:
    slate = app.get("recommendations/?size=3").json()
    rows = Impression.objects.filter(slate=read_slate(slate["id"]))
    assert sorted(rows.values_list("rank", flat=True)) == [0, 1, 2]
    assert rows[0].subject.startswith("visitor:")
    before = Impression.objects.count()
    app.post("recommendations/", {"placements": [{"name": "home"}], "dry_run": True})
    new_app("session").get("recommendations/?size=3")
    assert Impression.objects.count() == before


def test_an_event_is_reflected_in_the_very_next_answer(app: Api, keys: list[str]) -> None:
    assert app.post("events/", {"events": [event(product=keys[3])]}).status_code == 202
    slate = app.post("recommendations/", {"placements": [{"name": "recent", "size": 3}]}).json()["slates"][0]
    assert [entry["key"] for entry in slate["entries"]] == [keys[3]]


def test_under_session_consent_the_products_travel_in_the_token(new_app: Any, keys: list[str]) -> None:
    app = new_app("session")
    before = app.visitor
    assert app.post("events/", {"events": [event(product=keys[5])]}).status_code == 202
    assert app.visitor != before
    slate = app.post("recommendations/", {"placements": [{"name": "recent", "size": 3}]}).json()["slates"][0]
    assert [entry["key"] for entry in slate["entries"]] == [keys[5]]


def test_filters_and_exclusions_count(app: Api, keys: list[str]) -> None:
    dear = str(make_product(price="99.00").pk)
    ask = {"name": "arrivals", "filters": [{"feature": "price", "op": "gt", "value": 50}]}
    [slate] = app.post("recommendations/", {"placements": [ask]}).json()["slates"]
    assert [entry["key"] for entry in slate["entries"]] == [dear]
    [slate] = app.post("recommendations/", {"placements": [{**ask, "exclude": [dear]}]}).json()["slates"]
    assert slate["entries"] == []
    assert slate["stage"] == "empty"
    assert slate["next"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"feature": "colour", "op": "eq", "value": "red"},
        {"feature": "price", "op": "like", "value": 1},
        {"feature": "price", "op": "gt", "value": "1"},
        {"feature": "price", "op": "gt", "value": 10**400},
        {"feature": "category", "op": "gt", "value": "a"},
        {"feature": "category__name", "op": "eq", "value": "a"},
        {"feature": "price", "op": "in", "value": []},
        {"feature": "price", "op": "eq", "value": None},
        {"feature": "price", "op": "eq"},
        {"feature": "price", "op": "eq", "value": 1, "_connector": "OR"},
    ],
)
def test_a_filter_that_cannot_be_is_400(app: Api, products: list[Any], wrong: dict[str, Any]) -> None:
    response = app.post("recommendations/", {"placements": [{"name": "home", "filters": [wrong]}]})
    [error] = assert_problem(response, 400)["errors"]
    assert error["pointer"].startswith("/placements/0/filters/0")


def test_an_unknown_placement_is_400_and_says_which_there_are(app: Api, products: list[Any]) -> None:
    body = assert_problem(app.post("recommendations/", {"placements": [{"name": "hom"}]}), 400)
    [error] = body["errors"]
    assert error["pointer"] == "/placements/0/name"
    assert "'home'" in error["detail"]
    assert {"home", "product", "basket"} <= set(error["known"])
    assert_problem(app.get("recommendations/?placement=nowhere"), 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"placements": []},
        {"placements": [{"name": "home"}] * 21},
        {"placements": "home"},
        {"placements": [{"name": 5}]},
        {"placements": [{"name": "home", "size": "4"}]},
        {"placements": [{"name": "home", "size": True}]},
        {"placements": [{"name": "home", "size": 0}]},
        {"placements": [{"name": "home", "size": 101}]},
        {"placements": [{"name": "home", "k": 4}]},
        {"placements": [{"name": "home", "context": "a"}]},
        {"placements": [{"name": "home", "context": [5]}]},
        {"placements": [{"name": "home"}], "user": "user:1"},
        {"placements": [{"name": "home"}], "dry_run": "yes"},
    ],
)
def test_a_body_of_another_shape_is_400(app: Api, products: list[Any], body: Any) -> None:
    assert assert_problem(app.post("recommendations/", body), 400)["errors"]


@pytest.mark.parametrize(
    "query", ["size=x", "size=101", "user=1", "ordering=price", "fields=score", "fields="]
)
def test_an_address_that_asks_for_what_is_not_there_is_400(app: Api, products: list[Any], query: str) -> None:
    assert assert_problem(app.get(f"recommendations/?{query}"), 400)["errors"]


def test_fields_are_those_asked_for(app: Api, products: list[Any]) -> None:
    slate = app.get("recommendations/?fields=title,key").json()
    assert {tuple(entry) for entry in slate["entries"]} == {("key", "title")}


def test_a_trace_is_for_keys_that_may(app: Api, products: list[Any]) -> None:
    body = {"placements": [{"name": "home", "size": 2, "trace": True}], "dry_run": True}
    assert_problem(app.post("recommendations/", body), 403, "not-allowed")
    own = Api(ApiKey.issue("desk", scopes=["recommendations", "trace"])[1])
    [slate] = own.post("recommendations/", body).json()["slates"]
    assert [step["step"] for step in slate["trace"]][:1] == ["candidates"]
    assert "score" not in str(slate)


def test_similar_products_leave_out_the_product_itself(app: Api, keys: list[str]) -> None:
    slate = app.get(f"products/{keys[0]}/similar/?size=5").json()
    assert len(slate["entries"]) == 5
    assert keys[0] not in [entry["key"] for entry in slate["entries"]]
    for wrong in ("00000000-0000-0000-0000-000000000000", "nothing", "%00", "a" * 300):
        assert_problem(app.get(f"products/{wrong}/similar/"), 404, "not-found")


def test_a_cursor_goes_through_the_shop_and_repeats_nothing(app: Api, keys: list[str]) -> None:
    slate = app.get("recommendations/?placement=home&size=5").json()
    seen = [entry["key"] for entry in slate["entries"]]
    for way in ("get", "post"):
        # What the shopper does meanwhile may change the order, never what was shown.
        app.post("events/", {"events": [event(product=keys[0])]})
        cursor = slate["next"]
        response = (
            app.get(f"recommendations/next/?cursor={cursor}")
            if way == "get"
            else app.post("recommendations/next/", {"cursor": cursor})
        )
        assert response.status_code == 200, response.content
        slate = response.json()
        seen += [entry["key"] for entry in slate["entries"]]
    assert len(seen) == len(set(seen)) >= 11
    while slate["next"] is not None:
        slate = app.post("recommendations/next/", {"cursor": slate["next"]}).json()
    assert slate["entries"] == []


def test_a_cursor_keeps_filters_context_and_size(app: Api, products: list[Any]) -> None:
    dear = {str(make_product(price="99.00").pk) for _ in range(4)}
    ask = {"name": "arrivals", "size": 2, "filters": [{"feature": "price", "op": "gt", "value": 50}]}
    [first] = app.post("recommendations/", {"placements": [ask]}).json()["slates"]
    second = app.post("recommendations/next/?fields=key", {"cursor": first["next"]}).json()
    assert {entry["key"] for entry in (*first["entries"], *second["entries"])} == dear


def test_a_list_ends_after_five_hundred(app: Api, keys: list[str]) -> None:
    shown = tuple(f"p{i}" for i in range(498))
    cursor = cursors.write_cursor(cursors.Cursor("arrivals", None, shown=shown), "")  # for nobody: anybody's
    slate = app.post("recommendations/next/", {"cursor": cursor}).json()
    assert len(slate["entries"]) == 2
    assert slate["next"] is None


def test_a_forged_cursor_is_400_an_old_one_410_and_a_strangers_404(
    app: Api, new_app: Any, keys: list[str], monkeypatch: Any
) -> None:
    cursor = app.get("recommendations/?size=2").json()["next"]
    forged = [
        cursor[:-1] + ("A" if cursor[-1] != "A" else "B"),
        "x",
        "a:b:c",
        signing.dumps([1, "", {"placement": "home"}], salt="another"),
        "Ω",
    ]
    for wrong in forged:
        assert_problem(app.post("recommendations/next/", {"cursor": wrong}), 400, "invalid")
    assert_problem(app.get("recommendations/next/"), 400)
    assert_problem(new_app().post("recommendations/next/", {"cursor": cursor}), 404, "not-found")
    monkeypatch.setattr(cursors, "CURSOR_AGE", timedelta(seconds=-1))
    assert_problem(app.post("recommendations/next/", {"cursor": cursor}), 410, "expired")


def test_an_empty_shop_answers_an_empty_list(app: Api) -> None:
    slate = app.get("recommendations/").json()
    assert (slate["entries"], slate["stage"], slate["next"]) == ([], "empty", None)


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("", ""),
        ("/product/1/", "http://shop.test/product/1/"),
        ("/產品/a b.jpg?x=<1>", "http://shop.test/%E7%94%A2%E5%93%81/a%20b.jpg?x=%3C1%3E"),
        ("//cdn.test/ü.png", "http://cdn.test/%C3%BC.png"),
        ("https://cdn.test/1.png", "https://cdn.test/1.png"),
        ("1.png", "http://shop.test/1.png"),
    ],
)
def test_an_address_is_whole_and_encoded(url: str, absolute: str) -> None:
    assert _absolute("http://shop.test/", url) == absolute
