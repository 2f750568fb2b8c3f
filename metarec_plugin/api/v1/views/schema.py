"""The API's own description: the OpenAPI schema and Swagger UI, for staff or whom METAREC lets see them."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import patched_settings

from metarec_plugin.conf import get_config

URLCONF = "metarec_plugin.api.v1.urls"
NAMESPACE = "metarec-api-v1"


def make_schema(server: str) -> dict[str, Any]:
    """The schema as it is mounted at `server`, whatever the project sets for its own."""
    own = {
        "TITLE": "MetaRec",
        "DESCRIPTION": "Recommendations that adapt from the first click. docs/api.md has a quickstart.",
        "VERSION": "1.0.0",
        "SERVERS": [{"url": server}],
        "SCHEMA_PATH_PREFIX": "",
        "COMPONENT_SPLIT_REQUEST": False,
        "SORT_OPERATIONS": True,
        "ENUM_NAME_OVERRIDES": {},
        "POSTPROCESSING_HOOKS": [],
        "PREPROCESSING_HOOKS": [],
        "DISABLE_ERRORS_AND_WARNINGS": True,
    }
    with patched_settings(own):
        return SchemaGenerator(urlconf=URLCONF).get_schema(request=None, public=True)


def as_yaml(schema: dict[str, Any]) -> bytes:
    return OpenApiYamlRenderer().render(schema, renderer_context={})


@require_GET
@never_cache
def schema(request: HttpRequest) -> HttpResponse:
    _require_reader(request)
    server = reverse(f"{NAMESPACE}:schema").removesuffix("/schema/")
    return HttpResponse(as_yaml(make_schema(server)), content_type="application/vnd.oai.openapi")


@require_GET
@never_cache
def docs(request: HttpRequest) -> HttpResponse:
    _require_reader(request)
    return render(request, "metarec/api_docs.html")


def _require_reader(request: HttpRequest) -> None:
    setting = get_config().api_docs
    user = getattr(request, "user", None)
    if setting == "public" or (setting == "staff" and user is not None and user.is_active and user.is_staff):
        return
    raise Http404
