"""Who may call: keys, users' tokens and pages; scopes, rotation, origins."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from metarec_plugin.models import ApiKey, Event
from tests.api import golden
from tests.api.conftest import ROOT, Api, assert_problem, event
from tests.storefronts.factories import make_customer

pytestmark = pytest.mark.django_db


def test_a_page_needs_the_csrf_token_to_change_something(keys: list[str]) -> None:
    user = make_customer().user
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["shop_consent"] = "full"
    body = json.dumps({"events": [event(product=keys[0])]})
    for path in (
        "events/",
        "feedback/",
        "recommendations/",
        "visitors/",
        "search/rerank/",
        "recommendations/next/",
    ):
        assert_problem(client.post(ROOT + path, body, "application/json"), 403, "not-allowed")
    assert_problem(client.delete(f"{ROOT}me/"), 403, "not-allowed")
    assert not Event.objects.exists()
    client.get("/login/")
    client.cookies["csrftoken"] = token = "a" * 32
    response = client.post(f"{ROOT}events/", body, "application/json", headers={"X-CSRFToken": token})
    assert response.status_code == 202, response.content
    assert Event.objects.get().subject == f"user:{user.pk}"
    assert client.get(f"{ROOT}me/profile/").json()["who"] == "member"


def test_whatever_changes_something_wants_the_csrf_token_of_a_page(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_customer().user)
    for path, methods in yaml.safe_load(golden.PATH.read_text())["paths"].items():
        for method in methods:
            if method != "get":
                response = client.generic(
                    method.upper(), ROOT + path.strip("/") + "/", "{}", "application/json"
                )
                assert_problem(response, 403, "not-allowed")


def test_no_cache_gives_one_shoppers_list_to_another(new_app: Any, keys: list[str], settings: Any) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    one, other = new_app(), new_app()
    one.post("events/", {"events": [event(product=keys[0])]})
    path = "recommendations/?placement=recent"
    lists = [[entry["key"] for entry in app.get(path).json()["entries"]] for app in (one, one, other, Api())]
    assert lists == [[keys[0]], [keys[0]], [], []]


def test_a_visitor_of_a_page_needs_it_too(keys: list[str]) -> None:
    client = Client(enforce_csrf_checks=True)
    assert_problem(client.post(f"{ROOT}events/", "{}", "application/json"), 403)
    assert client.get(f"{ROOT}recommendations/").status_code == 200


def test_a_users_token_speaks_for_the_user(keys: list[str], new_app: Any) -> None:
    user = make_customer().user
    app = Api(Authorization=f"Token {Token.objects.create(user=user)}")
    assert app.get("me/profile/").json()["who"] == "member"
    # Without a visitor token nothing says what the user agreed to.
    assert_problem(app.post("events/", {"events": [event(product=keys[0])]}), 403, "no-consent")
    visitor = new_app()
    visitor.post("events/", {"events": [event(product=keys[1])]})
    app.visitor = visitor.visitor
    app.become()
    assert set(Event.objects.values_list("subject", flat=True)) == {f"user:{user.pk}"}
    app.post("events/", {"events": [event(product=keys[2])]})
    assert app.get("me/profile/").json()["products"] == [keys[1], keys[2]]
    assert_problem(Api(Authorization="Token wrong").get("me/profile/"), 401)


@pytest.mark.parametrize(
    "given", ["Key", "Key pk_00000000_nothing", "Key " + "x" * 9_000, "Bearer x", "Key pk_é", "x"]
)
def test_a_key_that_is_not_known_is_401(db: None, given: str) -> None:
    caller = Api(Authorization=given)
    for path in ("recommendations/", "nonsense/"):
        response = caller.get(path)
        assert_problem(response, 401)
        assert response["WWW-Authenticate"]
    assert_problem(caller("POST", "events/", b"x" * 300_000), 401)


@pytest.mark.parametrize("token", ["x", "a:b:c", "x" * 9_000, "1.full:x:y"])
def test_a_visitor_that_was_made_up_is_401(api_key: str, token: str) -> None:
    assert_problem(Api(api_key).get("me/profile/", **{"X-Visitor": token}), 401, "invalid-visitor")


def test_the_cookie_of_a_visitor_is_no_visitor_token(api_key: str, app: Api, keys: list[str]) -> None:
    client = Client()
    client.cookies["shop_consent"] = "full"
    client.post("/metarec/beacon/", json.dumps({"events": [event(product=keys[0])]}), "text/plain")
    cookie = client.cookies["metarec"].value
    assert_problem(Api(api_key).get("me/profile/", **{"X-Visitor": cookie}), 401, "invalid-visitor")
    client.cookies["metarec"] = app.visitor
    assert client.get(f"{ROOT}me/profile/").json()["who"] == "nobody"


def test_a_key_does_what_its_scopes_say(products: list[Any]) -> None:
    app = Api(ApiKey.issue("lists", scopes=["recommendations"])[1]).become()
    assert app.get("recommendations/").status_code == 200
    for method, path in (
        ("POST", "events/"),
        ("GET", "me/profile/"),
        ("DELETE", "me/"),
        ("POST", "feedback/"),
    ):
        assert_problem(app(method, path, {}), 403, "not-allowed")


def test_a_page_of_another_site_uses_a_key_that_lists_it(products: list[Any]) -> None:
    key = ApiKey.issue("page", origins=["https://pages.test"])[1]
    theirs, others = {"Origin": "https://pages.test"}, {"Origin": "https://evil.test"}
    response = Api(key, **theirs).get("recommendations/")
    assert response["Access-Control-Allow-Origin"] == "https://pages.test"
    assert "Access-Control-Allow-Credentials" not in response
    assert {"Origin", "Cookie", "Authorization", "X-Visitor"} <= set(re.split(r",\s*", response["Vary"]))
    assert_problem(Api(key, **others).get("recommendations/"), 403, "not-allowed")
    assert Api(key, Origin="http://shop.test").get("recommendations/").status_code == 200
    preflight = Api(**theirs)("OPTIONS", "recommendations/")
    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Origin"] == "https://pages.test"
    assert "Access-Control-Allow-Origin" not in Api(**others)("OPTIONS", "recommendations/")


def test_the_session_does_not_count_beside_a_key(api_key: str, keys: list[str]) -> None:
    client = Client(headers={"Authorization": f"Key {api_key}"})
    client.force_login(make_customer().user)
    response = client.get(f"{ROOT}me/profile/")
    assert response.json()["who"] == "nobody"
    assert "metarec" not in response.cookies


def test_methods_that_are_not_there_are_405(app: Api) -> None:
    for method, path in (
        ("DELETE", "events/"),
        ("PUT", "me/"),
        ("GET", "visitors/"),
        ("PATCH", "recommendations/"),
    ):
        assert_problem(app(method, path, {}), 405, "no-such-method")


def command(*arguments: str, capsys: Any) -> str:
    call_command("metarec_api_key", *arguments)
    return capsys.readouterr().out


def key_in(text: str) -> str:
    [key] = re.findall(r"pk_[0-9a-f]{8}_\S+", text)
    return key


def test_a_key_is_shown_once_rotates_with_an_overlap_and_is_revoked(products: list[Any], capsys: Any) -> None:
    old = key_in(command("create", "app", "--scope", "recommendations", "--rate", "9/min", capsys=capsys))
    assert not ApiKey.objects.filter(digest=old).exists()
    assert Api(old).get("recommendations/").status_code == 200
    assert ApiKey.objects.get().last_used == timezone.now().date()
    listed = command("list", capsys=capsys)
    assert old[:11] in listed
    assert old not in listed
    new = key_in(command("rotate", old[:11], "--hours", "1", capsys=capsys))
    row = ApiKey.objects.get(prefix=old[:11])
    assert row.replaced_by == ApiKey.objects.get(prefix=new[:11])
    assert row.replaced_by.scopes == ["recommendations"]
    assert [Api(each).get("recommendations/").status_code for each in (old, new)] == [200, 200]
    ApiKey.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert [Api(each).get("recommendations/").status_code for each in (old, new)] == [401, 200]
    command("revoke", new[:11], capsys=capsys)
    assert_problem(Api(new).get("recommendations/"), 401)


@pytest.mark.parametrize(
    "arguments",
    [
        ("rotate", "pk_nothing"),
        ("revoke", "pk_nothing"),
        ("create", "a", "--scope", "all"),
        ("create", "a", "--rate", "often"),
        ("create", "a", "--origin", "pages.test/path"),
        ("create", "a", "--origin", "*"),
    ],
)
def test_the_command_refuses_what_cannot_be(db: None, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("metarec_api_key", *arguments)
