"""A placement's heading promises no more than its list holds, and no product comes twice on a page."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.template.loader import select_template

from metarec_plugin.placements import DEFAULT_PLACEMENTS
from metarec_plugin.serve.widget import source_of

pytestmark = pytest.mark.urls("tests.serve.urls")


@pytest.fixture(autouse=True)
def any_shop(settings):
    [engine] = settings.TEMPLATES
    options = {"context_processors": ["django.template.context_processors.request"]}
    settings.TEMPLATES = [{**engine, "DIRS": [], "OPTIONS": options}]


def heading(placement: str, stage: str, source: str, **values) -> str:
    slate = SimpleNamespace(placement=placement, stage=stage, id="s")
    template = select_template([f"metarec/{placement}.html", "metarec/recommendations.html"])
    html = template.render({"slate": slate, "source": source, "cards": [], "heading_id": "h", **values})
    return re.search(r"<h2[^>]*>([^<]*)</h2>", html)[1]


@pytest.mark.parametrize(
    ("placement", "stage", "source", "words"),
    [
        ("together", "together", "together", "Often bought together"),
        ("together", "adapted", "", "Goes with this"),
        ("together", "popular", "popular", "Popular right now"),
        ("recent", "recent", "recent", "Recently viewed"),
        ("trending", "trending", "trending", "Trending now"),
        ("trending", "trending", "", "Trending and popular"),
        ("trending", "popular", "popular", "Popular right now"),
        ("trending", "newest", "newest", "New in this shop"),
        ("arrivals", "newest", "newest", "New arrivals"),
        ("search", "adapted", "adapted", "You may also like"),
        ("nothing_found", "adapted", "adapted", "Perhaps one of these?"),
        ("nothing_found", "popular", "popular", "Popular right now"),
        ("confirmation", "together", "together", "Goes with what you bought"),
        ("confirmation", "adapted", "", "You may also like"),
        ("confirmation", "newest", "newest", "New in this shop"),
        ("home", "adapted", "adapted", "For you"),
        ("again", "empty", "empty", "Buy again"),
    ],
)
def test_a_heading_says_what_the_list_is(placement, stage, source, words):
    cards = [] if stage == "empty" else [SimpleNamespace(entry=SimpleNamespace(source=source, rank=0))]
    assert heading(placement, stage, source, cards=cards) == words


def test_a_category_s_list_names_the_category_only_where_it_is_kept_to():
    assert heading("category", "adapted", "adapted", filtered=True) == "For you in this category"
    assert heading("category", "popular", "popular", filtered=True) == "Popular in this category"
    assert heading("category", "adapted", "adapted", filtered=False) == "For you"


def test_every_placement_renders_an_empty_list(db):
    for placement in DEFAULT_PLACEMENTS:
        html = Template("{% load metarec %}{% recommend placement=place %}").render(
            Context({"place": placement})
        )
        assert "<h2" in html
        assert "<ul" not in html


def test_a_list_is_as_long_as_its_placement_says(publish, visit, settings):
    publish()
    settings.METAREC = {**settings.METAREC, "PLACEMENTS": {"home": {"size": 3}}}
    html = Template("{% load metarec %}{% recommend placement='home' %}").render(
        Context({"request": visit()})
    )
    assert html.count("<li") == 3


def test_a_page_lists_no_product_twice_but_where_a_placement_is_its_own(publish, visit, keys):
    publish()
    source = (
        "{% load metarec %}{% recommend placement='home' k=10 %}|{% recommend placement='trending' k=10 %}"
        "|{% recommend placement='recent' k=3 %}|{% recommend placement='recent' k=3 %}"
    )
    html = Template(source).render(Context({"request": visit(keys[:3])}))
    home, trending, *recent = (
        [*re.findall(r'data-metarec-product="([^"]+)"', part)] for part in html.split("|")
    )
    assert len(home) == len(trending) == 10
    assert not set(home) & set(trending)
    assert recent[0] == recent[1] == keys[:3][::-1]


def test_a_filter_of_the_page_counts(publish, visit, products):
    publish()
    type(products[0]).objects.filter(pk__in=[product.pk for product in products[:5]]).update(brand="Ours")
    source = "{% load metarec %}{% recommend placement='category' k=10 filters=only %}"
    only = {"feature": "brand", "op": "eq", "value": "Ours"}
    for filters in (only, [only]):
        html = Template(source).render(Context({"request": visit(), "only": filters}))
        assert html.count("<li") == 5


def test_what_is_pinned_does_not_change_what_a_list_is():
    def slate(*sources):
        return [SimpleNamespace(source=each) for each in sources]

    assert source_of(slate("rule", "together")) == "together"
    assert source_of(slate("together", "popular")) == ""
    assert source_of(slate("rule")) == "rule"
    assert source_of(slate()) == "empty"
