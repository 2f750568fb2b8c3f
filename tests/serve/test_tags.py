"""What the template tags print: semantic, marked for the beacon, safe, and replaceable block by block."""

from __future__ import annotations

import re

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.test import override_settings
from django.utils import translation
from django.utils.html import escape

from metarec_plugin.collect import read_slate
from metarec_plugin.collect.visitor import Visitor
from metarec_plugin.serve import recommend
from shop.models import Product
from tests.settings import METAREC

pytestmark = pytest.mark.urls("tests.serve.urls")

HOME = '{% load metarec %}{% recommend placement="home" k=4 %}'


def render(source: str, request=None, **values) -> str:
    return Template(source).render(Context({"request": request, **values}))


@pytest.fixture(autouse=True)
def any_shop(settings):
    """Only what every shop has: the demo shop's own context and file server are not under test."""
    [engine] = settings.TEMPLATES
    options = {"context_processors": ["django.template.context_processors.request"]}
    settings.TEMPLATES = [{**engine, "DIRS": [], "OPTIONS": options}]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise")]


@pytest.fixture
def override(settings):
    """Put the shop's own templates in front: names, with __ for /, to sources."""

    def use(**sources: str) -> None:
        templates = {name.replace("__", "/") + ".html": source for name, source in sources.items()}
        loaders = [
            ("django.template.loaders.locmem.Loader", templates),
            "django.template.loaders.app_directories.Loader",
        ]
        [engine] = settings.TEMPLATES
        options = {**engine["OPTIONS"], "loaders": loaders}
        settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]

    return use


def test_a_list_has_a_heading_and_a_link_for_each_product(publish, visit, keys):
    publish()
    html = render(HOME, visit(keys[:2]))
    [heading] = re.findall(r'<h2[^>]* id="([^"]+)"', html)
    assert f'aria-labelledby="{heading}"' in html
    assert 'data-metarec-placement="home"' in html
    assert 'data-metarec-stage="adapted"' in html
    assert html.count("<li") == 4
    wanted = [entry.key for entry in recommend(visit(keys[:2]), placement="home", k=4)]
    assert re.findall(r'href="/product/([^/]+)/"', html) == wanted
    assert re.findall(r'data-metarec-position="(\d+)"', html) == ["0", "1", "2", "3"]
    [token] = set(re.findall(r'data-metarec-slate="([^"]+)"', html))
    assert read_slate(token)


def test_the_heading_does_not_promise_more_than_the_list_holds(publish, visit, keys):
    assert "New in this shop" in render(HOME, visit())
    publish()
    assert "Popular right now" in render(HOME, visit())
    assert "For you" in render(HOME, visit(keys[:2]))


def test_two_lists_on_a_page_have_headings_of_their_own(publish, visit, keys):
    publish()
    headings = re.findall(r'<h2[^>]* id="([^"]+)"', render(HOME + HOME, visit(keys[:2])))
    assert len(set(headings)) == 2


def test_each_placement_has_its_words(publish, visit, products):
    publish()
    source = "{% load metarec %}{% recommend placement=place k=4 context=about %}"
    assert "Similar products" in render(source, visit(), place="product", about=products[0])
    assert "Goes with your basket" in render(source, visit(), place="basket", about=products[:2])


def test_a_missing_context_is_none(publish, visit):
    publish()
    source = '{% load metarec %}{% recommend placement="product" k=4 context=nothing %}'
    assert render(source, visit()).count("<li") == 4


def test_an_empty_shop_says_so(db, visit):
    html = render(HOME, visit())
    assert "nothing to recommend yet" in html
    assert "<ul" not in html


def test_a_page_without_a_request_gets_the_popular_list(publish):
    publish()
    assert 'data-metarec-stage="popular"' in render(HOME)


def test_titles_are_escaped(publish, visit):
    publish()
    nasty = '"><script>alert(1)</script>'
    Product.objects.update(name=nasty)
    html = render(HOME, visit())
    assert "<script" not in html
    assert escape(nasty) in html


def test_a_product_without_a_price_is_shown_without_one(publish, visit, monkeypatch):
    publish()
    assert render(HOME, visit()).count("metarec-price") == 4
    monkeypatch.setattr("metarec_plugin.storefront.base.Storefront.price_of", lambda self, product: None)
    html = render(HOME, visit())
    assert "metarec-price" not in html
    assert html.count("<li") == 4


def test_a_product_whose_address_cannot_be_made_is_left_out(publish, visit, keys, monkeypatch):
    publish()
    [first, *_] = recommend(visit(), placement="home", k=4)

    def address(product):
        if product == first.product:
            raise AttributeError("no slug")
        return f"/product/{product.pk}/"

    monkeypatch.setattr(Product, "get_absolute_url", address)
    with override_settings(METAREC={**METAREC, "STRICT": False}):
        html = render(HOME, visit())
    assert html.count("<li") == 3
    assert first.key not in html


def test_a_shop_replaces_a_block_of_one_placement(publish, visit, override):
    publish()
    override(
        metarec__home='{% extends "metarec/recommendations.html" %}'
        "{% block metarec_heading %}Hello{% endblock %}"
        "{% block metarec_product %}[{{ card.product.name }}|{{ card.entry.source }}|{{ mine }}]{% endblock %}"
    )
    html = render(HOME, visit(), mine="page value")
    assert "Hello" in html
    assert re.search(r"\[Milk \d+\|popular\|page value\]", html)
    assert html.count("<li") == 4


def test_a_placement_name_reaches_no_other_template(publish, visit):
    publish()
    source = "{% load metarec %}{% recommend placement=place k=4 %}"
    assert render(source, visit(), place="../admin/base").count("<li") == 4


def test_an_unknown_argument_is_a_template_error(db, visit):
    with pytest.raises(TemplateSyntaxError, match="takes placement"):
        render("{% load metarec %}{% recommend size=4 %}", visit())


def test_the_list_speaks_chinese(publish, visit, keys):
    publish()
    with translation.override("zh-hans"):
        html = render(HOME, visit(keys[:2]))
    assert "为你推荐" in html
    assert 'data-metarec-position="0"' in html


def test_a_list_costs_two_queries_and_no_second_run_of_the_pages_own(
    publish, visit, keys, django_assert_num_queries
):
    publish()
    request = visit(keys[:2])
    render(HOME, request)
    with django_assert_num_queries(2):  # the pointer, the products
        render(HOME, request)


def test_nothing_is_inline(publish, visit, keys):
    publish()
    html = render(HOME + "{% metarec_beacon %}", visit(keys[:2]))
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", html)


def test_the_beacon_is_a_module_that_knows_where_to_report(db):
    html = render("{% load metarec %}{% metarec_beacon %}")
    assert 'type="module"' in html
    assert 'src="/static/metarec/beacon.js"' in html
    assert "data-metarec-beacon" in html
    assert 'data-endpoint="/metarec/beacon/"' in html
    assert 'data-mark="metarec_mark"' in html


def test_a_page_with_an_adapted_list_is_private(client, publish, keys, settings):
    publish()
    fresh = client.get("/")
    assert "private" not in fresh.get("Cache-Control", "")
    assert "Cookie" in fresh["Vary"]
    client.cookies["shop_consent"] = "full"
    client.post(
        "/metarec/beacon/", f'{{"events": [{{"kind": "view", "product": "{keys[0]}"}}]}}', "application/json"
    )
    assert "private" in client.get("/")["Cache-Control"]


def visitor_cookie(keys: list[str]) -> str:
    return Visitor(products=keys).dumps()


def test_a_list_about_the_page_alone_may_be_cached_and_is_the_same_for_all(client, publish, keys):
    publish()
    page = f"/similar/{keys[5]}/"
    listed = re.compile(r'data-metarec-product="([^"]+)"')
    fresh = client.get(page)
    client.cookies["metarec"] = visitor_cookie(keys[:2])
    again = client.get(page)
    assert 'data-metarec-stage="adapted"' in again.content.decode()
    for answer in (fresh, again):
        assert "private" not in answer.get("Cache-Control", "")
    assert listed.findall(fresh.content.decode()) == listed.findall(again.content.decode())


def test_under_full_consent_a_list_about_the_page_is_private_for_what_is_recorded_of_it(
    client, publish, keys
):
    publish()
    client.cookies["shop_consent"] = "full"
    client.cookies["metarec"] = visitor_cookie([])
    assert "private" in client.get(f"/similar/{keys[5]}/")["Cache-Control"]


def test_a_popular_list_without_what_a_visitor_saw_is_private(client, publish, keys):
    publish(keys=keys[1:])  # the model knows nothing of what was seen
    client.cookies["metarec"] = visitor_cookie(keys[:1])
    answer = client.get("/")
    assert 'data-metarec-stage="popular"' in answer.content.decode()
    assert "private" in answer["Cache-Control"]


def test_a_page_renders_without_the_beacon_where_its_address_is_not_included(settings):
    settings.ROOT_URLCONF = "tests.serve.no_urls"
    page = Template("{% load metarec %}before{% metarec_beacon %}after").render(Context())
    assert page.split() == ["before", "after"]
