"""Whatever the schema allows, and some of what it does not, is answered as the schema says: schemathesis."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shop.wsgi import application
from tests.api import golden
from tests.api.conftest import Api

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
schema = schemathesis.openapi.from_dict(yaml.safe_load(golden.PATH.read_text()))
schema.app = application


@pytest.fixture
def unlimited(settings: Any, app: Api, keys: list[str]) -> Api:
    names = ("recommendations", "events", "feedback", "me", "visitors")
    settings.METAREC = {**settings.METAREC, "API_THROTTLES": dict.fromkeys(names)}
    return app


@pytest.mark.django_db
@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_to_its_schema(case: Any, unlimited: Api) -> None:
    # In process nobody unpacks an answer.
    headers = {**unlimited.headers, "X-Visitor": unlimited.visitor, "Accept-Encoding": "identity"}
    case.call_and_validate(headers=headers, checks=CHECKS)
