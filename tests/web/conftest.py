"""A browser of the shop, and a way to post to the beacon's endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.storefronts.factories import make_product

URL = "/metarec/beacon/"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140"


@pytest.fixture
def client(settings: Any) -> Client:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full"}
    return Client(headers={"user-agent": BROWSER}, enforce_csrf_checks=True)


def send(
    client: Client, body: str | bytes, content_type: str = "text/plain;charset=UTF-8", **extra: Any
) -> Any:
    return client.post(URL, data=body, content_type=content_type, **extra)


@pytest.fixture
def key() -> str:
    return str(make_product().pk)
