"""Malformed bodies: the beacon's endpoint answers each with 400 or 413, never with an error of its own."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarec_plugin.collect import sign_slate
from metarec_plugin.collect.beacon import parse_body
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import Event
from tests.web.conftest import URL, send

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b'{"events": []}',
        b'{"events": {}}',
        b'{"events": [5]}',
        b'{"events": [[]]}',
        b'{"events": [{"kind": "view", "kind": "basket"}]}',
        b'{"events": [{}], "events": [{}]}',
        b'{"events": [{"value": NaN}]}',
        b'{"events": [{"value": Infinity}]}',
        b'{"events": [{"value": -Infinity}]}',
        b'{"events": [{"value": 1e400}]}',
        b'{"events": [{"value": ' + b"9" * 5_000 + b"}]}",
        b'{"events": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b'{"events": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"}",
        b"[" * 29_000,
        b'{"events": [{"query": "\\ud800"}]}',
        b'{"events": [{"\\udfff": 1}]}',
        b'{"events": [{"query": "a\\u0000b"}]}',
        b'{"events": [{"query": {"deep": ["\\u0000"]}}]}',
        b'{"events": [{"query": "\xff"}]}',
        b"\xed\xa0\x80",
        json.dumps({"events": [{}] * 101}).encode(),
        gzip.compress(b'{"events": [' + b" " * 10_000_000 + b"]}"),
    ],
)
def test_a_malformed_body_is_400_with_a_word_why(client: Client, body: bytes) -> None:
    response = send(client, body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert not Event.objects.exists()


def test_a_body_beyond_the_limit_is_413_however_long_it_says_it_is(client: Client) -> None:
    body = b'{"events": [' + b" " * 1_000_000 + b"]}"
    assert send(client, body).status_code == 413
    assert send(client, body, CONTENT_LENGTH="").status_code in (400, 413)
    assert send(client, body, CONTENT_LENGTH="nine").status_code in (400, 413)


def test_other_content_types_and_methods_are_refused(client: Client) -> None:
    assert send(client, "{}", content_type="text/html").status_code == 415
    assert client.post(URL, {"events": "[]"}).status_code == 415
    assert client.get(URL).status_code == 405


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
event_like = st.fixed_dictionaries(
    {},
    optional={
        "id": st.uuids().map(str) | json_values,
        "kind": st.sampled_from(["view", "dwell", "search", "basket", "click"]) | json_values,
        **{
            name: json_values | st.sampled_from(["", "\x00", "\ud800", sign_slate("a")])
            for name in ("product", "query", "value", "quantity", "slate", "position", "at")
        },
    },
)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(InvalidEvent):
        assert isinstance(parse_body(body), list)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(event_like, min_size=1, max_size=5))
def test_whatever_is_in_an_event_the_endpoint_answers(
    client: Client, key: str, events: list[dict[str, Any]]
) -> None:
    for fields in events:
        if fields.get("product") == "":
            fields["product"] = key
    response = send(client, json.dumps({"events": events}))
    assert response.status_code in (202, 400)
