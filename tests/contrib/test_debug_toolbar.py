"""The panel of django-debug-toolbar tells every list of a request, with what each step did."""

from __future__ import annotations

import pytest
from debug_toolbar.toolbar import DebugToolbar
from django.http import HttpResponse
from django.template import Context, Template
from django.test import RequestFactory

from metarec_plugin.contrib.debug_toolbar import RecommendationsPanel
from metarec_plugin.serve import recommend
from tests.serve.conftest import fresh_process, keys, products, publish, visit  # noqa: F401

PAGE = '{% load metarec %}{% recommend placement="home" k=4 %}{% recommend placement="product" k=3 context=about %}'


@pytest.fixture
def shown(settings, visit):  # noqa: F811
    """Answer a page through the panel, and give the panel."""
    settings.ROOT_URLCONF = "tests.contrib.urls"

    def make(page):
        bar = DebugToolbar(visit(), page)
        panel = RecommendationsPanel(bar, page)
        bar._panels = {panel.panel_id: panel}
        response = panel.process_request(bar.request)
        panel.generate_stats(bar.request, response)
        return panel

    return make


def test_each_list_of_a_page_is_told(publish, keys, shown):  # noqa: F811
    version = publish()

    def page(request):
        return HttpResponse(Template(PAGE).render(Context({"request": request, "about": keys[5]})))

    panel = shown(page)
    home, product = panel.get_stats()["calls"]
    assert (home["placement"], home["stage"], len(home["entries"])) == ("home", "popular", 4)
    assert (product["placement"], product["stage"], len(product["entries"])) == ("product", "adapted", 3)
    assert product["version"] == str(version.pk)
    assert product["asked"]["context"] == f"('{keys[5]}',)"
    assert home["ms"] > 0
    assert product["steps"]
    assert panel.nav_subtitle.startswith("2 lists in ")
    content = panel.content
    assert keys[5] in content
    assert "<script" not in content


def test_a_problem_is_shown(db, shown, settings):
    settings.METAREC = {**settings.METAREC, "STRICT": False}
    panel = shown(lambda request: HttpResponse(len(recommend(request, k=4))))
    [call] = panel.get_stats()["calls"]
    assert "NoModel" in call["problem"]


def test_a_page_without_lists_says_so(db, shown):
    panel = shown(lambda request: HttpResponse())
    assert "No list was asked for" in panel.content


def test_without_the_panel_nothing_is_traced(publish, keys):  # noqa: F811
    publish()
    assert recommend(RequestFactory().get("/"), k=4).trace == ()
