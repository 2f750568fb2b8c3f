"""An app with a key, a page with a session, products, and the API's addresses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from metarec_plugin.models import ApiKey
from metarec_plugin.serve import policy
from shop.models import Product
from tests.storefronts.factories import make_product

ROOT = "/api/metarec/v1/"


class Api:
    """Speaks to the API as an app does: it keeps the visitor token that it is given."""

    def __init__(self, key: str = "", **headers: str) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.headers = {**({"Authorization": f"Key {key}"} if key else {}), **headers}
        self.visitor = ""

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {**self.headers, **({"X-Visitor": self.visitor} if self.visitor else {}), **headers}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(
            method, ROOT + path, data, "application/json", headers=sent, HTTP_HOST="shop.test"
        )
        self.visitor = response.headers.get("X-Visitor", self.visitor)
        return response

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def become(self, consent: str = "full") -> Api:
        response = self.post("visitors/", {"consent": consent})
        assert response.status_code == 201, response.content
        self.visitor = response.json()["visitor"]
        return self


@pytest.fixture(autouse=True)
def a_fresh_process() -> Iterator[None]:
    """Neither throttles nor the merchant's policy of another test."""
    cache.clear()
    policy.forget_policy()
    yield
    cache.clear()


@pytest.fixture
def products(db: Any) -> list[Product]:
    return [make_product(name=f"Loaf number {place}") for place in range(12)]


@pytest.fixture
def keys(products: list[Product]) -> list[str]:
    return [str(product.pk) for product in products]


@pytest.fixture
def api_key(db: Any) -> str:
    return ApiKey.issue("app", scopes=["recommendations", "events", "feedback", "me"])[1]


@pytest.fixture
def new_app(api_key: str) -> Callable[..., Api]:
    def make(consent: str = "full") -> Api:
        return Api(api_key).become(consent)

    return make


@pytest.fixture
def app(new_app: Callable[..., Api]) -> Api:
    """An app whose shopper agreed to everything."""
    return new_app()


def event(kind: str = "view", **fields: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "kind": kind, **fields}


def assert_problem(response: Any, status: int, kind: str = "") -> dict[str, Any]:
    """The answer is a problem as RFC 9457 and docs/api.md say; returns it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id", "errors"} <= set(body)
    assert body["status"] == status
    assert body["request_id"] == response["X-Request-ID"]
    assert body["type"].startswith("urn:metarec:problem:")
    if kind:
        assert body["type"].rpartition(":")[2] == kind
    return body
