"""The addresses of version 1: path("api/metarec/v1/", include("metarec_plugin.api.v1.urls"))."""

from __future__ import annotations

from django.urls import path, re_path

from metarec_plugin.api.v1 import security  # noqa: F401  (tells the schema of the ways to authenticate)
from metarec_plugin.api.v1.base import NotFound
from metarec_plugin.api.v1.views import events, feedback, me, recommendations, schema, search, visitors

app_name = "metarec-api-v1"
urlpatterns = [
    path("recommendations/", recommendations.Recommendations.as_view(), name="recommendations"),
    path("recommendations/next/", recommendations.Next.as_view(), name="next"),
    path("products/<path:key>/similar/", recommendations.Similar.as_view(), name="similar"),
    path("search/rerank/", search.Rerank.as_view(), name="rerank"),
    path("events/", events.Events.as_view(), name="events"),
    path("feedback/", feedback.Feedback.as_view(), name="feedback"),
    path("visitors/", visitors.Visitors.as_view(), name="visitors"),
    path("me/", me.Me.as_view(), name="me"),
    path("me/profile/", me.Profile.as_view(), name="profile"),
    path("me/export/", me.Export.as_view(), name="export"),
    path("schema/", schema.schema, name="schema"),
    path("docs/", schema.docs, name="docs"),
    re_path(r".*", NotFound.as_view(), name="nothing"),
]
