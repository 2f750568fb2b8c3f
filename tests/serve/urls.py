"""A site with a home page that holds a list, and a page for each product."""

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path

HOME = '{% load metarec %}{% recommend placement="home" k=4 %}{% metarec_beacon %}'


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(HOME).render(RequestContext(request, {"request": request})))


urlpatterns = [
    path("", home, name="home"),
    path("product/<uuid:pk>/", home, name="product"),
    path("metarec/", include("metarec_plugin.urls")),
]
