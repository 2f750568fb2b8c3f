"""Events by the API: stored before the answer, once for each id, each with a word on what became of it."""

from __future__ import annotations

import json
import time
import tracemalloc
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import translation
from rest_framework.exceptions import ValidationError

from metarec_plugin.api.v1.base import View
from metarec_plugin.api.v1.requests import RecommendationsIn
from metarec_plugin.collect import sign_slate
from metarec_plugin.collect.untrusted import MOST_PARTS
from metarec_plugin.models import Event
from tests.api.conftest import Api, assert_problem, event

pytestmark = pytest.mark.django_db


def statuses(response: Any) -> list[str]:
    return [result["status"] for result in response.json()["results"]]


def test_each_event_has_its_result_in_the_order_sent(app: Api, keys: list[str]) -> None:
    events = [
        event(product=keys[0]),
        event("dwell", product=keys[0], value=12.5),
        event("search", query="rye"),
        event("basket", product=keys[1], quantity=3),
        event("click", product=keys[1], slate=sign_slate("a" * 32), position=4),
        event(product="nothing"),
        event("click", product=keys[1], slate="forged"),
        event(product=keys[0], price=5),
        {"kind": "view", "product": keys[0]},
    ]
    response = app.post("events/", {"events": events})
    assert response.status_code == 202
    assert statuses(response) == ["stored"] * 5 + ["refused"] * 4
    results = response.json()["results"]
    assert [result["id"] for result in results] == [*(each["id"] for each in events[:8]), "8"]
    assert [result["reason"] for result in results[:5]] == [""] * 5
    assert "price" in results[7]["reason"]
    assert set(Event.objects.values_list("source", flat=True)) == {"api"}
    assert Event.objects.values("subject").distinct().count() == 1


def test_the_same_ids_again_are_known_and_stored_once(app: Api, keys: list[str]) -> None:
    first = event(product=keys[0])
    body = {"events": [first, {**first, "kind": "basket"}, {**first, "id": first["id"].upper()}]}
    assert statuses(app.post("events/", body)) == ["stored", "known", "known"]
    again = app.post("events/", body)
    assert again.status_code == 202
    assert statuses(again) == ["known", "known", "known"]
    assert Event.objects.get().kind == "view"


def test_five_hundred_are_taken_and_one_more_is_400(app: Api, keys: list[str]) -> None:
    events = [event(product=keys[0]) for _ in range(501)]
    assert_problem(app.post("events/", {"events": events}), 400)
    assert not Event.objects.exists()
    assert statuses(app.post("events/", {"events": events[:500]})) == ["stored"] * 500
    assert Event.objects.count() == 500


def test_nothing_usable_is_400_with_the_results(app: Api, keys: list[str]) -> None:
    body = assert_problem(app.post("events/", {"events": [event(product="x")]}), 400, "no-event")
    assert body["results"][0]["status"] == "refused"


@pytest.mark.parametrize(
    "body", [{}, [], {"events": []}, {"events": [5]}, {"events": {}}, {"events": [{}], "user": 1}]
)
def test_another_shape_is_400(app: Api, keys: list[str], body: Any) -> None:
    assert_problem(app.post("events/", body), 400)


def test_without_a_visitor_nothing_is_stored(api_key: str, keys: list[str]) -> None:
    assert_problem(Api(api_key).post("events/", {"events": [event(product=keys[0])]}), 403, "no-consent")
    assert not Event.objects.exists()


def test_a_consent_that_the_settings_give_to_all_is_the_most(
    new_app: Any, keys: list[str], settings: Any
) -> None:
    app = new_app("full")
    settings.METAREC = {**settings.METAREC, "CONSENT": "session"}
    assert app.post("events/", {"events": [event(product=keys[0])]}).status_code == 202
    assert not Event.objects.exists()
    settings.METAREC = {**settings.METAREC, "CONSENT": "none"}
    assert_problem(app.post("events/", {"events": [event(product=keys[0])]}), 403, "no-consent")


def test_under_session_consent_a_search_has_no_place(new_app: Any, keys: list[str]) -> None:
    app = new_app("session")
    response = app.post("events/", {"events": [event(product=keys[0]), event("search", query="rye")]})
    assert statuses(response) == ["stored", "refused"]
    assert not Event.objects.exists()


def test_a_database_that_does_not_answer_is_503_and_to_be_asked_again(
    app: Api, keys: list[str], monkeypatch: Any
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(Event.objects, "bulk_create", fails)
    monkeypatch.setattr("metarec_plugin.collect.judging.keep", fails)
    response = app.post("events/", {"events": [event(product=keys[0])]})
    assert_problem(response, 503, "not-now")
    assert response["Retry-After"]


JSON_BOMBS = [
    b"",
    b"{",
    b"null",
    b'{"events": [{"value": NaN}]}',
    b'{"events": [{"value": -Infinity}]}',
    b'{"events": [{"value": 1e400}]}',
    b'{"events": [{"value": ' + b"9" * 5_000 + b"}]}",
    b"[" * 1_000 + b"]" * 1_000,
    b'{"events": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"}",
    b"[" * 29_000,
    b"[" * 40 + b"]" * 40,
    b'{"events": [{"query": "\\ud800"}]}',
    b'{"events": [{"query": "a\\u0000b"}]}',
    b'{"events": [], "events": []}',
    b'{"events": [{"query": "\xff"}]}',
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00",
]


@pytest.mark.parametrize("path", ["events/", "recommendations/", "search/rerank/", "feedback/", "visitors/"])
@pytest.mark.parametrize("body", JSON_BOMBS)
def test_no_body_is_an_error_of_ours(app: Api, path: str, body: bytes) -> None:
    assert_problem(app("POST", path, body), 400)


LARGEST = 262_144
SWOLLEN = {
    "lists": b"[" + b"[]," * 87_000 + b"[]]",
    "objects": b"[" + b"{}," * 87_000 + b"{}]",
    "numbers": b"[" + b"1," * 131_000 + b"1]",
    "nested": b"[" + b"[[[[[[[[]]]]]]]]," * 15_000 + b"[]]",
    "just few enough": b"[" + b"[]," * 5_990 + b"[]]",
    "names": b"{" + b",".join(b'"%d":1' % name for name in range(11_990)) + b"}",
    "text": b'["' + b"a" * (LARGEST - 4) + b'"]',
    "escapes": b'["' + b"\\u00e9" * (LARGEST // 6 - 2) + b'"]',
    "digits": b"9" * LARGEST,
}


@pytest.mark.parametrize("body", SWOLLEN.values(), ids=SWOLLEN)
def test_the_worst_body_within_the_limit_is_refused_in_little_time_and_memory(app: Api, body: bytes) -> None:
    """50 ms of processor time, of the best of five, and 5 MB (bodies that fill them take four times that unchecked)."""
    assert len(body) <= LARGEST
    assert_problem(app("POST", "events/", body), 400)
    seconds = []
    for _ in range(5):
        began = time.process_time()
        app("POST", "events/", body)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.05
    tracemalloc.start()
    try:
        app("POST", "events/", body)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_error_is_said_in_the_language_of_who_asks_whoever_asked_before(app: Api, keys: list[str]) -> None:
    long = {"placements": [{"name": "n" * 50}]}
    said = []
    for language in ("de", "en", "zh-hans"):
        with translation.override(language):
            said.append(str(_said(RecommendationsIn, long)))
    assert len(set(said)) == 3
    assert "40" in said[0]


def _said(serializer: Any, given: Any) -> Any:
    with pytest.raises(ValidationError) as caught:
        View().read(serializer, given)
    return caught.value.detail


def test_the_largest_batch_is_far_from_too_many_parts(app: Api, keys: list[str]) -> None:
    batch = [event(product=keys[0], query="a, b", quantity=1, position=3, at=0) for _ in range(500)]
    body = json.dumps({"events": batch}).encode()
    assert sum(body.count(sign) for sign in (b",", b"[", b"{")) < MOST_PARTS / 2


def test_a_body_beyond_the_limit_is_413_however_long_it_says_it_is(app: Api, settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "API_MAX_BYTES": 1_000}
    body = b'{"events": [' + b" " * 2_000 + b"]}"
    assert_problem(app("POST", "events/", body), 413, "too-large")
    assert_problem(app("POST", "events/", b" " * 10_000_000), 413, "too-large")


def test_another_content_type_is_415(app: Api) -> None:
    response = app.client.post(
        "/api/metarec/v1/events/", "{}", "text/plain", headers={**app.headers, "X-Visitor": app.visitor}
    )
    assert_problem(response, 415)


def test_an_id_is_the_shoppers_own(app: Api, new_app: Any, keys: list[str]) -> None:
    """Somebody else's id is known, and neither moved nor shown."""
    theirs = event(product=keys[0])
    app.post("events/", {"events": [theirs]})
    before = Event.objects.get().subject
    assert statuses(new_app().post("events/", {"events": [theirs]})) == ["known"]
    assert Event.objects.get().subject == before
    assert uuid.UUID(theirs["id"])
