"""The Python client against the API itself: it keeps its visitor, sends again under the same ids, says what failed."""

from __future__ import annotations

import io
from collections.abc import Callable
from email.message import Message
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request

import pytest
from django.test import Client as Browser

from metarec_plugin.api.client import ApiError, Client, new_event
from metarec_plugin.models import Event

pytestmark = pytest.mark.django_db
BASE = "http://shop.test/api/metarec/v1"


class Response(io.BytesIO):
    headers: Any = {}


def open_in_process(request: Request, timeout: float) -> Response:
    """What urlopen does, without a network."""
    parts = urlsplit(request.full_url)
    answer = Browser().generic(
        request.get_method(),
        f"{parts.path}?{parts.query}",
        request.data or b"",  # type: ignore[arg-type]
        request.get_header("Content-type") or "application/octet-stream",
        headers=dict(request.header_items()),
    )
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    headers = Message()
    for name, value in answer.items():
        headers[name] = value
    if answer.status_code >= 400:
        raise HTTPError(request.full_url, answer.status_code, answer.reason_phrase, headers, io.BytesIO(body))
    found = Response(body)
    found.headers = headers
    return found


@pytest.fixture
def make(api_key: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    monkeypatch.setattr("metarec_plugin.api.client.time.sleep", lambda seconds: None)

    def made(open_url: Any = open_in_process, **options: Any) -> Client:
        return Client(BASE, key=api_key, open_url=open_url, **options)

    return made


def test_the_whole_way_of_an_app(make: Any, keys: list[str]) -> None:
    client = make()
    client.become("full")
    home, arrivals = client.recommendations([{"name": "home", "size": 4}, {"name": "arrivals", "size": 3}])
    assert len(arrivals.entries) == 3
    assert home.entries[0].title.startswith("Loaf")
    after = client.next(arrivals.next, fields=["key", "title"])
    assert {entry.key for entry in after.entries}.isdisjoint(entry.key for entry in arrivals.entries)
    assert after.entries[0].price is None
    assert len(client.similar(keys[0], size=2).entries) == 2
    [stored, refused] = client.send(
        [
            new_event("click", home.entries[0].key, slate=home.id, position=0),
            new_event("view", "nothing"),
        ]
    )
    assert (stored.status, refused.status) == ("stored", "refused")
    assert client.send([new_event("view", "nothing")])[0].status == "refused"
    assert sorted(client.rerank("loaf", keys[:3])) == sorted(keys[:3])
    assert client.feedback(home.entries[1].key, "why", slate=home.id)["reason"]
    assert client.feedback(keys[1], "not_interested")["changed"]
    assert client.profile()["events"] == 2
    assert len(client.export()["events"]) == 2
    before = client.visitor
    assert client.forget()["deleted"]["event"] == 2
    assert client.visitor != before
    assert client.profile()["events"] == 0


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_once(make: Any, keys: list[str]) -> None:
    lost = [URLError("reset"), IncompleteRead(b"{")]
    bodies: list[Any] = []

    def flaky(request: Request, timeout: float) -> Response:
        answer = open_in_process(request, timeout)
        if request.full_url.endswith("events/"):
            bodies.append(request.data)
            if lost:
                raise lost.pop()
        return answer

    client = make(flaky)
    client.become("full")
    [result] = client.send([new_event("view", keys[0])])
    assert result.status == "known"
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert Event.objects.count() == 1


def test_what_stays_lost_is_said(make: Any, settings: Any, keys: list[str]) -> None:
    def dead(request: Request, timeout: float) -> Response:
        raise URLError("no route")

    with pytest.raises(URLError):
        make(dead).profile()
    with pytest.raises(ApiError) as caught:
        make().recommendations(["nowhere"])
    assert (caught.value.status, caught.value.kind) == (400, "invalid")
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": {"me": "1/min"}}
    client = make()
    client.profile()
    with pytest.raises(ApiError) as caught:
        client.profile()
    assert caught.value.status == 429


def test_only_http_is_opened() -> None:
    with pytest.raises(ValueError, match="http or https"):
        Client("file:///etc/passwd")
