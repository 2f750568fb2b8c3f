"""A site with a home page that holds a list, a page for each product, and one of what is similar to it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path

SIMILAR = '{% load metarec %}{% recommend placement="product" k=4 context=about %}'
HOME = '{% load metarec %}{% recommend placement="home" k=4 %}{% metarec_beacon %}'


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(HOME).render(RequestContext(request, {"request": request})))


def similar(request: HttpRequest, pk: UUID) -> HttpResponse:
    return HttpResponse(
        Template(SIMILAR).render(RequestContext(request, {"request": request, "about": str(pk)}))
    )


urlpatterns = [
    path("", home, name="home"),
    path("product/<uuid:pk>/", home, name="product"),
    path("similar/<uuid:pk>/", similar),
    path("metarec/", include("metarec_plugin.urls")),
]
