"""The plugin's URLs, and a page that says who asks."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


urlpatterns = [path("who/", who), path("metarec/", include("metarec_plugin.urls"))]
