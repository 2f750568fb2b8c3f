"""A late list: personal, never kept by a cache, and only as a page of this site asked for it."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.core.cache import cache
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.test import Client
from django.urls import include, path
from django.views.decorators.cache import cache_page

from metarec_plugin.collect.visitor import Visitor
from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.serve.late import Late, read_late, sign_late
from tests.serve.conftest import fresh_process, keys, products, publish, visit  # noqa: F401

PAGE = '{% load metarec %}<main>{% recommend_late placement="home" k=4 %}</main>'
LISTED = re.compile(r'data-metarec-product="([^"]+)"')


@cache_page(600)
def cached(request):
    return HttpResponse(Template(PAGE).render(RequestContext(request)))


urlpatterns = [
    path("", cached, name="home"),
    path("product/<uuid:pk>/", cached, name="product"),
    path("metarec/", include("metarec_plugin.urls")),
]
pytestmark = pytest.mark.urls("tests.web.test_late_lists")


@pytest.fixture(autouse=True)
def any_shop(settings):
    cache.clear()
    [engine] = settings.TEMPLATES
    options = {"context_processors": ["django.template.context_processors.request"]}
    settings.TEMPLATES = [{**engine, "DIRS": [], "OPTIONS": options}]
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *(name for name in settings.MIDDLEWARE if not name.startswith("whitenoise")),
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]


def browser(seen: list[str]) -> Client:
    client = Client()
    if seen:
        client.cookies["metarec"] = Visitor(products=seen).dumps()
    return client


def address_in(page: str) -> str:
    return unescape(re.search(r'data-metarec-late="([^"]+)"', page)[1])


def test_nobody_sees_another_s_list_through_a_cache(publish, keys):  # noqa: F811
    publish()
    # Nobody, then two shoppers with histories of their own, then all again: the page is the cached one each time.
    shoppers = {"nobody": browser([]), "a": browser(keys[:2]), "b": browser(keys[40:43])}
    pages, lists = {}, {}
    for turn in (1, 2):
        for name, client in shoppers.items():
            page = client.get("/").content.decode()
            answer = client.get(address_in(page))
            assert answer.status_code == 200
            assert answer["Cache-Control"] == "private, no-store"
            assert "Cookie" in answer["Vary"]
            pages[turn, name], lists[turn, name] = page, LISTED.findall(answer.content.decode())
            assert len(lists[turn, name]) == 4
    assert len(set(pages.values())) == 1  # one page for all, which holds nothing of anybody
    for name in shoppers:
        assert lists[1, name] == lists[2, name]
    assert len({tuple(each) for each in lists.values()}) == 3
    assert not set(lists[1, "a"]) & set(keys[:2])


def test_the_cached_page_sets_no_cookie_and_shows_everybody_s_list_without_scripts(publish, keys):  # noqa: F811
    publish()
    answer = browser(keys[:2]).get("/")
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")
    everybodys = re.search(r"<noscript>(.*?)</noscript>", answer.content.decode(), re.DOTALL)[1]
    assert 'data-metarec-stage="popular"' in everybodys
    assert len(LISTED.findall(everybodys)) == 4
    assert "<form" not in everybodys


def test_the_place_is_as_many_cards_high_and_says_nothing(publish):  # noqa: F811
    publish()
    page = browser([]).get("/").content.decode()
    assert page.count("metarec-waiting-place") == 4
    assert re.search(r'class="metarec-waiting" aria-hidden="true"', page)
    assert "aria-live" not in page
    assert "role=" not in page.split("<noscript>")[0]


@pytest.mark.parametrize(
    "token",
    [
        "", "made-up", "x" * 5000, "\x00", "\ud800", sign_late(Late("home"))[:-2],
        signing.dumps([1, "home", 4, [], [], []], salt="metarec.slate"),
        signing.dumps([1, "home"], salt="metarec.fragment"),
        signing.dumps([9, "home", 4, [], [], []], salt="metarec.fragment"),
    ],
    ids=["empty", "made up", "long", "nul", "surrogate", "cut", "of a slate", "short", "of another version"],
)  # fmt: skip
def test_no_other_list_can_be_asked_for(token):
    with pytest.raises(InvalidSignature):
        read_late(token)


def test_a_wrong_token_is_told_so_and_not_kept(db):
    for query in ("", "?list=made-up", "?placement=home&k=4"):
        answer = Client().get(f"/metarec/fragment/{query}")
        assert answer.status_code == 400
        assert answer["Cache-Control"] == "private, no-store"


def test_only_looking_is_allowed(db):
    assert Client().post("/metarec/fragment/").status_code == 405


def test_what_the_page_listed_before_is_left_out(publish, keys, visit):  # noqa: F811
    publish()
    request = visit()
    source = "{% load metarec %}{% recommend k=4 %}|{% recommend_late placement='home' k=4 %}"
    before, late = Template(source).render(RequestContext(request)).split("|")
    answer = browser([]).get(address_in(late))
    after = LISTED.findall(answer.content.decode())
    assert len(after) == 4
    assert not set(after) & set(LISTED.findall(before))


def late_after(listed: str, tag: str, visit) -> Late:  # noqa: F811
    source = f"{{% load metarec %}}{listed}|{{% recommend_late {tag} %}}"
    late = Template(source).render(RequestContext(visit())).split("|")[1]
    return read_late(parse_qs(urlsplit(address_in(late)).query)["list"][0])


def test_a_late_list_that_need_not_mind_the_page_does_not(publish, keys, visit):  # noqa: F811
    publish()
    listed = "{% recommend k=4 %}"
    assert late_after(listed, "placement='recent'", visit).exclude == ()
    assert len(late_after(listed, "placement='home'", visit).exclude) == 4


def test_what_is_excluded_by_name_is_kept_however_much_the_page_listed(publish, keys, visit):  # noqa: F811
    publish()
    late = late_after("{% recommend k=30 %}", f"placement='home' exclude='{keys[59]}'", visit)
    assert keys[59] in late.exclude


def test_an_empty_list_is_no_content(db):
    assert Client().get("/metarec/fragment/", {"list": sign_late(Late("home"))}).status_code == 204


def test_context_and_filters_come_along(keys, publish, products):  # noqa: F811
    publish()
    type(products[0]).objects.filter(pk__in=keys[:2]).update(brand="Ours")
    only = {"feature": "brand", "op": "eq", "value": "Ours"}
    answer = Client().get(
        "/metarec/fragment/", {"list": sign_late(Late("product", 4, keys[5:6], (), (only,)))}
    )
    assert sorted(LISTED.findall(answer.content.decode())) == sorted(keys[:2])
