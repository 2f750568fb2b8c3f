"""Whatever the schema allows, and some of what it does not, is answered as the schema says: schemathesis."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from metarec_plugin.api.v1.cursors import Cursor, write_cursor
from shop.wsgi import application
from tests.api import golden
from tests.api.conftest import Api
from tests.storefronts.factories import make_product

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KEYS = [str(uuid.UUID(int=number)) for number in range(1, 9)]


def narrowed() -> dict[str, Any]:
    """The promised schema, with names that exist in this shop: random ones would be refused nearly always."""
    found = copy.deepcopy(yaml.safe_load(golden.PATH.read_text()))
    parts = found["components"]["schemas"]
    key = {"type": "string", "enum": KEYS}
    parts["AskIn"]["properties"]["name"] = {
        "type": "string",
        "enum": ["home", "product", "recent", "arrivals"],
    }
    parts["AskIn"]["properties"]["trace"] = {"type": "boolean", "enum": [False]}
    parts["FilterIn"]["properties"] = {
        "feature": {"type": "string", "enum": ["price"]},
        "op": {"type": "string", "enum": ["gt", "lte", "eq"]},
        "value": {"type": "number", "minimum": 0, "maximum": 100},
    }
    parts["EventIn"]["properties"]["product"] = parts["FeedbackIn"]["properties"]["product"] = key
    parts["EventIn"]["required"].append("product")
    del parts["EventIn"]["properties"]["slate"]  # one that we did not sign is refused
    parts["RerankIn"]["properties"]["keys"]["items"] = key
    parts["CursorIn"]["properties"]["cursor"] = {
        "type": "string",
        "enum": [write_cursor(Cursor("home", 2), "")],
    }
    for methods in found["paths"].values():
        for parameter in methods.get("get", {}).get("parameters", []):
            known = {
                "placement": ["home", "arrivals"],
                "cursor": [write_cursor(Cursor("home", 2), "")],
                "fields": ["key", "key,title"],
                "key": KEYS,
            }
            if parameter["name"] in known:
                parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    return found


schema = schemathesis.openapi.from_dict(narrowed())
schema.app = application


@pytest.fixture
def unlimited(settings: Any, app: Api) -> Api:
    names = ("recommendations", "events", "feedback", "me", "visitors")
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": dict.fromkeys(names)}
    for key in KEYS:
        make_product(id=uuid.UUID(key))
    return app


OPERATIONS = [
    (path, method)
    for path, methods in yaml.safe_load(golden.PATH.read_text())["paths"].items()
    for method in methods
]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda part: part.strip("/"))
def test_the_api_keeps_to_its_schema(path: str, method: str, unlimited: Api) -> None:
    answered = 0

    @given(case=schema[path][method.upper()].as_strategy())
    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def call(case: Any) -> None:
        nonlocal answered
        # In process nobody unpacks an answer.
        headers = {**unlimited.headers, "X-Visitor": unlimited.visitor, "Accept-Encoding": "identity"}
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        answered += response.status_code < 300

    call()
    assert answered, "refused whatever came, it would tell nothing"
