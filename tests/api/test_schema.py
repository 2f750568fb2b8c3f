"""The schema is the promised one, is served to whom it may, and the clients use nothing that is not in it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.test import Client

from metarec_plugin.api import client as python_client
from tests.api import golden
from tests.api.conftest import ROOT

STATIC = Path(python_client.__file__).parents[1] / "static" / "metarec"
SCHEMA = yaml.safe_load(golden.PATH.read_text())
COMPONENTS = SCHEMA["components"]["schemas"]
OPERATIONS = {(method.upper(), path) for path, methods in SCHEMA["paths"].items() for method in methods}


def test_the_schema_is_the_promised_one() -> None:
    """After a change that was meant: python -m tests.api.golden."""
    assert golden.made() == golden.PATH.read_text()


def test_every_operation_has_a_summary_and_its_problems() -> None:
    assert len(OPERATIONS) == 12
    for path, methods in SCHEMA["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert {"400", "401", "403", "404", "413", "415", "429", "503"} <= set(operation["responses"])


def test_no_score_is_in_the_schema() -> None:
    assert not [
        name for each in COMPONENTS.values() for name in each.get("properties", {}) if "score" in name
    ]


def test_the_python_client_asks_for_what_there_is() -> None:
    source = Path(python_client.__file__).read_text()
    called = re.findall(r'_call\(\s*"([A-Z]+)", f?"([^"]+)"', source)
    paths = {(method, f"/{path}") for method, path in called}
    paths |= {("GET", "/products/{key}/similar/")} if 'f"products/{quote(key' in source else set()
    assert len(paths) == 10
    assert paths <= OPERATIONS
    for made in (python_client.Entry, python_client.Slate, python_client.EventResult):
        assert {field.name for field in fields(made)} == set(COMPONENTS[made.__name__]["properties"])


def test_the_javascript_client_asks_for_what_there_is() -> None:
    source = (STATIC / "client.js").read_text()
    called = re.findall(r'#call\("([A-Z]+)", ["`]([^"`]+)["`]', source)
    paths = {(method, "/" + path.replace("${encodeURIComponent(key)}", "{key}")) for method, path in called}
    assert len(paths) == 10
    assert paths <= OPERATIONS
    types = re.findall(r"@typedef \{object\} (\w+)\n(.*?)\*/", source, re.DOTALL)
    assert [name for name, _ in types] == ["Entry", "Slate", "EventResult"]
    for name, written in types:
        named = set(re.findall(r"@property \{\S+\} (\w+)", written))
        assert named == set(COMPONENTS[name]["properties"]) - {"trace"}


def test_the_bodies_that_the_clients_send_are_those_of_the_schema() -> None:
    python, javascript = Path(python_client.__file__).read_text(), (STATIC / "client.js").read_text()
    for body, names in {
        "VisitorIn": ["consent"],
        "RecommendationsIn": ["placements", "dry_run"],
        "CursorIn": ["cursor"],
        "RerankIn": ["query", "keys"],
        "EventsIn": ["events"],
        "FeedbackIn": ["product", "verdict", "slate"],
    }.items():
        assert set(names) == set(COMPONENTS[body]["properties"])
        for name in names:
            assert f'"{name}"' in python
            assert re.search(rf"\b{name}\b", javascript)


@pytest.mark.django_db
def test_staff_sees_schema_and_page_others_see_nothing(settings: Any) -> None:
    client = Client()
    for path in ("schema/", "docs/"):
        assert client.get(ROOT + path).status_code == 404
    client.force_login(User.objects.create_user("desk", is_staff=True))
    served = client.get(f"{ROOT}schema/")
    assert yaml.safe_load(served.content) == SCHEMA
    page = client.get(f"{ROOT}docs/").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "https://" not in page
    # Nothing that a strict Content-Security-Policy refuses.
    assert not re.search(r"<style|\bon\w+=|<script(?![^>]*\bsrc=)", page)
    client.logout()
    settings.METAREC = {**settings.METAREC, "API_DOCS": "public"}
    assert client.get(f"{ROOT}schema/").status_code == 200
    settings.METAREC = {**settings.METAREC, "API_DOCS": "off"}
    client.force_login(User.objects.get())
    assert client.get(f"{ROOT}docs/").status_code == 404
