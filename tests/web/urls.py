"""The plugin's addresses, a log in, a log out and a page that only looks, for tests of requests."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from metarec_plugin import record_event, subject_key
from metarec_plugin.collect import support_keys


def look(request: HttpRequest) -> HttpResponse:
    return HttpResponse(",".join(support_keys(request, 50)))


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(subject_key(request))


def like(request: HttpRequest, product: str) -> HttpResponse:
    return HttpResponse(str(record_event(request, "view", product)))


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing of anybody")


urlpatterns = [
    path("metarec/", include("metarec_plugin.urls")),
    path("api/metarec/v1/", include("metarec_plugin.api.v1.urls")),
    path("in/", LoginView.as_view(next_page="/look/"), name="login"),
    path("out/", LogoutView.as_view(next_page="/look/"), name="logout"),
    path("look/", look),
    path("who/", who),
    path("like/<str:product>/", like),
    path("plain/", plain),
]
