"""Global Privacy Control: a browser that sends it agrees to what METAREC says at most."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from metarec_plugin.collect import consent_of
from metarec_plugin.collect.consent import state_consent
from metarec_plugin.models import Event
from tests.collect.conftest import MakeRequest
from tests.storefronts.factories import make_product
from tests.web.conftest import BROWSER, send

pytestmark = pytest.mark.urls("tests.web.urls")


@pytest.mark.parametrize("given", ["none", "session", "full"])
def test_by_default_it_is_session_at_most(given: str, make_request: MakeRequest, settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": given}
    request = make_request()
    assert consent_of(request) == given
    request.META["HTTP_SEC_GPC"] = "1"
    assert consent_of(request) == ("none" if given == "none" else "session")
    request.META["HTTP_SEC_GPC"] = "0"
    assert consent_of(request) == given


@pytest.mark.parametrize("level", ["none", "session", "full"])
def test_the_shop_says_what_it_counts_as(level: str, make_request: MakeRequest, settings: Any) -> None:
    settings.METAREC = {
        **settings.METAREC,
        "CONSENT": lambda request: "full",
        "GLOBAL_PRIVACY_CONTROL": level,
    }
    request = make_request()
    request.META["HTTP_SEC_GPC"] = "1"
    assert consent_of(request) == level
    state_consent(request, "full")
    assert consent_of(request) == level


@pytest.mark.django_db
@pytest.mark.parametrize(("level", "status", "remembered"), [("session", 202, True), ("none", 204, False)])
def test_the_beacon_stores_nothing_of_who_opted_out(
    level: str, status: int, remembered: bool, settings: Any
) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full", "GLOBAL_PRIVACY_CONTROL": level}
    client, key = Client(headers={"user-agent": BROWSER, "sec-gpc": "1"}), str(make_product().pk)
    body = json.dumps({"events": [{"id": str(uuid.uuid4()), "kind": "view", "product": key}]})
    assert send(client, body).status_code == status
    assert not Event.objects.exists()
    assert ("metarec" in client.cookies) is remembered
    assert client.get("/look/").content.decode() == (key if remembered else "")
