"""The beacon's endpoint: what it takes, what it refuses and how, and that nothing makes it fail."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from metarec_plugin.collect import sign_slate
from metarec_plugin.models import Event
from tests.storefronts.factories import make_product
from tests.web.conftest import send

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def event(kind: str = "view", **fields: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "kind": kind, **fields}


def post(client: Client, *events: Any, **extra: Any) -> Any:
    return send(client, json.dumps({"events": events}), **extra)


def refusals(response: Any) -> list[str]:
    return [refused["reason"] for refused in response.json()["refused"]]


def test_each_kind_of_event_is_stored(client: Client, key: str) -> None:
    slate = sign_slate("a" * 32)
    response = post(
        client,
        event("view", product=key),
        event("dwell", product=key, value=12.5),
        event("search", query=" rye bread "),
        event("basket", product=key, quantity=3),
        event("click", product=key, slate=slate, position=4),
    )
    assert response.status_code == 202
    assert response.json() == {"stored": 5, "known": 0, "refused": []}
    rows = Event.objects.order_by("id").values_list(
        "kind", "product", "query", "value", "quantity", "slate", "position"
    )
    assert list(rows) == [
        ("view", key, "", None, 1, "", None),
        ("dwell", key, "", 12.5, 1, "", None),
        ("search", "", "rye bread", None, 1, "", None),
        ("basket", key, "", None, 3, "", None),
        ("click", key, "", None, 1, "a" * 32, 4),
    ]
    assert set(Event.objects.values_list("source", flat=True)) == {"beacon"}
    assert client.cookies["metarec"]["httponly"]


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain;charset=UTF-8", "application/json"])
def test_text_and_json_are_read_without_a_csrf_token(client: Client, key: str, content_type: str) -> None:
    body = json.dumps({"events": [event(product=key)]})
    assert send(client, body, content_type=content_type).status_code == 202


def test_an_event_sent_again_is_known_and_the_first_counts(client: Client, key: str) -> None:
    first = event(product=key)
    other = {**first, "kind": "basket", "quantity": 9}
    assert post(client, first).json()["stored"] == 1
    response = post(client, other)
    assert response.status_code == 202
    assert response.json() == {"stored": 0, "known": 1, "refused": []}
    assert post(client, {**first, "id": first["id"].upper()}).json()["known"] == 1
    assert Event.objects.get().kind == "view"


def test_one_id_twice_in_a_body_is_stored_once(client: Client, key: str) -> None:
    twice = event(product=key)
    post(client, twice, {**twice, "kind": "basket"})
    assert Event.objects.get().kind == "view"


def test_a_browser_cannot_take_the_id_of_an_order(client: Client, key: str) -> None:
    response = post(client, {"id": "purchase:1:1", "kind": "view", "product": key})
    assert response.status_code == 400
    post(client, event(product=key))
    assert Event.objects.get().event_id.startswith("beacon:")


def test_unfit_events_are_refused_one_by_one_with_a_reason(client: Client, key: str) -> None:
    good, unknown = event(product=key), event(product=str(uuid.uuid4()))
    response = post(client, unknown, good, event("view"), {"kind": "view", "product": key})
    assert response.status_code == 202
    assert response.json()["stored"] == 1
    assert response.json()["refused"][0]["id"] == unknown["id"]
    assert refusals(response)[:2] == ["product is not in the catalogue."] * 2
    assert "id must be a UUID" in refusals(response)[2]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"product": "no such product"}, "catalogue"),
        ({"product": 5}, "catalogue"),
        ({"product": ["a"]}, "catalogue"),
        ({"product": "x" * 5_000}, "catalogue"),
        ({"kind": "purchase"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["view"]}, "kind"),
        ({"kind": "search"}, "query"),
        ({"kind": "search", "query": "   "}, "query"),
        ({"kind": "search", "query": 5}, "query"),
        ({"kind": "dwell"}, "value"),
        ({"kind": "dwell", "value": -1}, "value"),
        ({"kind": "dwell", "value": 1e9}, "value"),
        ({"kind": "dwell", "value": "5"}, "value"),
        ({"kind": "dwell", "value": True}, "value"),
        ({"kind": "dwell", "value": int("9" * 4_000)}, "value"),
        ({"kind": "basket", "quantity": 0}, "quantity"),
        ({"kind": "basket", "quantity": 10**6}, "quantity"),
        ({"kind": "basket", "quantity": 1.5}, "quantity"),
        ({"kind": "click"}, "slate"),
        ({"kind": "click", "slate": "made up"}, "slate id"),
        ({"kind": "click", "slate": sign_slate("a")[:-2] + "!!"}, "slate id"),
        ({"kind": "click", "slate": {"id": 1}}, "slate id"),
        ({"kind": "click", "slate": sign_slate("a"), "position": -1}, "position"),
        ({"kind": "click", "slate": sign_slate("a"), "position": 10**30}, "position"),
        ({"kind": "click", "slate": sign_slate("a"), "position": "1"}, "position"),
        ({"id": None}, "id"),
        ({"id": "1"}, "id"),
    ],
)
def test_when_nothing_of_a_body_is_fit_the_answer_is_400(
    client: Client, key: str, fields: dict[str, Any], reason: str
) -> None:
    response = post(client, {**event(product=key), **fields})
    assert response.status_code == 400
    assert reason in refusals(response)[0]
    assert not Event.objects.exists()


# Where it comes from


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://testserver.evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:8000"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_stores_nothing(client: Client, key: str, headers: dict[str, str]) -> None:
    assert post(client, event(product=key), headers=headers).status_code == 403
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://testserver"}, {"origin": "https://testserver", "sec-fetch-site": "same-origin"}],
)
def test_the_own_site_may_report(client: Client, key: str, headers: dict[str, str]) -> None:
    assert post(client, event(product=key), headers=headers).status_code == 202


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (compatible; Googlebot/2.1)", "bingbot/2.0", "Some Spider", "Chrome-Lighthouse"]
)
def test_bots_are_thanked_and_ignored(client: Client, key: str, agent: str) -> None:
    assert post(client, event(product=key), headers={"user-agent": agent}).status_code == 204
    assert not Event.objects.exists()
    assert send(client, b"{", headers={"user-agent": agent}).status_code == 400


def test_a_forged_cookie_makes_a_new_visitor(client: Client, key: str) -> None:
    client.cookies["metarec"] = "1." + "a" * 32 + ".:1xVyco:forged"
    assert post(client, event(product=key)).status_code == 202
    assert Event.objects.get().subject != "visitor:" + "a" * 32


# Consent


def test_session_consent_stores_nothing_and_fills_the_cookie(client: Client, key: str, settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "session"}
    response = post(client, event(product=key), event("search", query="rye"))
    assert response.status_code == 202
    assert not Event.objects.exists()
    assert client.get("/look/").content.decode() == key


def test_without_consent_nothing_is_kept_or_set(client: Client, key: str, settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "none"}
    response = post(client, event(product=key))
    assert response.status_code == 204
    assert not response.cookies
    assert not Event.objects.exists()
    assert send(client, b"{").status_code == 400


# Time


def test_the_browsers_time_counts_for_an_event_that_was_held_up(client: Client, key: str) -> None:
    at = timezone.now() - timedelta(hours=5)
    post(client, event(product=key, at=int(at.timestamp() * 1000)))
    stored = Event.objects.get()
    assert abs(stored.at - at) < timedelta(seconds=1)
    assert stored.received_at - stored.at > timedelta(hours=4)
    assert stored.context == {}


@pytest.mark.parametrize("at", [23 * 3600, -30 * 24 * 3600, 8_000 * 365 * 24 * 3600])
def test_a_wrong_clock_is_replaced_and_said_so(client: Client, key: str, at: int) -> None:
    milliseconds = (timezone.now().timestamp() + at) * 1000
    assert post(client, event(product=key, at=milliseconds)).status_code == 202
    stored = Event.objects.get()
    assert abs(stored.at - timezone.now()) < timedelta(minutes=1)
    assert stored.context["clock"] in ("wrong", "unreadable")


@pytest.mark.parametrize("at", [23 * 3600, 8_000 * 365 * 24 * 3600])
def test_a_clock_that_is_ahead_never_orders_history(client: Client, at: int) -> None:
    first, then, last = (str(make_product().pk) for _ in range(3))
    now = timezone.now().timestamp()
    post(client, event(product=first, at=(now + at) * 1000))
    post(client, event(product=then, at=timezone.now().timestamp() * 1000))
    post(client, event(product=last))
    assert client.get("/look/").content.decode() == f"{first},{then},{last}"


@pytest.mark.parametrize("at", ["yesterday", -1, [], True, 10**40])
def test_an_unreadable_clock_is_replaced_and_said_so(client: Client, key: str, at: Any) -> None:
    assert post(client, event(product=key, at=at)).status_code == 202
    assert Event.objects.get().context == {"clock": "unreadable"}


# Cost and failure


def test_fields_that_are_nobodys_business_are_ignored(client: Client, key: str) -> None:
    claims = {
        "subject": "user:1",
        "price": 0,
        "source": "sync",
        "order": "7",
        "reverses": "x",
        "received_at": 0,
    }
    assert post(client, event(product=key, **claims)).status_code == 202
    stored = Event.objects.get()
    assert stored.subject.startswith("visitor:")
    assert (stored.price, stored.source, stored.order, stored.reverses) == (None, "beacon", "", "")


def test_a_full_body_costs_as_many_queries_as_one_event(
    client: Client, key: str, django_assert_max_num_queries: Any
) -> None:
    # the catalogue, the known ids, the erased, the insert, all in a savepoint
    with django_assert_max_num_queries(7):
        response = post(client, *(event(product=key) for _ in range(100)))
    assert response.json()["stored"] == 100


def test_a_database_that_does_not_answer_asks_for_the_events_again(
    client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*args: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("metarec_plugin.views.reporting.receive", locked)
    response = post(client, event(product=key))
    assert response.status_code == 503
    assert response["Retry-After"] == "30"


def test_the_script_runs_under_a_strict_policy_and_as_a_module() -> None:
    from django.contrib.staticfiles import finders

    path = finders.find("metarec/beacon.js")
    assert path is not None
    source = Path(path).read_text()
    assert "eval(" not in source
    assert "innerHTML" not in source
    assert "currentScript" not in source.replace("document.currentScript is null", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"CONSENT": "shop.nowhere.level"},
        {"BEACON_MAX_BYTES": "60000"},
        {"STOREFRONT": "shop.metarec.NoSuchClass"},
    ],
)
def test_a_misconfigured_shop_is_told_to_send_again_later_and_the_log_says_why(
    wrong: dict[str, Any], client: Client, key: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.METAREC = {**settings.METAREC, **wrong}
    response = post(client, event(product=key))
    assert response.status_code == 503
    assert response["Retry-After"]
    assert next(iter(wrong.values())) in caplog.text
    assert not Event.objects.exists()
