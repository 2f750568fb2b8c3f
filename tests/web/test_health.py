"""The health page tells what is missing and fails only where the shop would."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from metarec_plugin.models import ModelVersion

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def test_a_shop_without_a_model_is_well_and_says_so(client: Client) -> None:
    response = client.get("/metarec/health/")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "storefront": "ok", "database": "ok", "model": "none promoted"}
    ModelVersion.objects.create(learner="popularity", is_current=True)
    assert client.get("/metarec/health/").json()["model"] == "ok"
    assert "no-cache" in response["Cache-Control"]


def test_a_broken_mapping_fails(client: Client, settings: Any) -> None:
    settings.METAREC = {}
    response = client.get("/metarec/health/")
    assert response.status_code == 503
    assert response.json()["storefront"] == "misconfigured"


def test_a_database_that_does_not_answer_fails(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused by 10.0.0.7")

    monkeypatch.setattr(ModelVersion.objects, "filter", gone)
    response = client.get("/metarec/health/")
    assert response.status_code == 503
    assert response.json()["database"] == "no answer"
    assert "10.0.0.7" not in response.content.decode()
    assert Client().post("/metarec/health/").status_code == 405
