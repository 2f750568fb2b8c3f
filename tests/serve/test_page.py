"""Several lists on one page: no product twice, the shopper read once, and few queries for all of it."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.template import Context, Template

from metarec_plugin.collect import known_subject, log_impressions
from metarec_plugin.collect.controls import forget
from metarec_plugin.collect.impressions import Shown
from metarec_plugin.middleware import SubjectMiddleware
from metarec_plugin.models import Exposure, Impression
from metarec_plugin.serve import Ask, recommend, recommend_page
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.privacy import is_personal
from tests.serve.merchants import keys_of, rule, running, saw

LISTS = (("home", 4), ("category", 4), ("search", 4))


@pytest.fixture
def shopper(publish, visit, keys):
    """A returning shopper's request under full consent."""
    publish()

    def make():
        request = visit(keys[:2], consent="full")
        saw(known_subject(request), *keys[:2])
        return request

    return make


def page(request, lists=LISTS) -> HttpResponse:
    tags = "".join(f'{{% recommend placement="{name}" k={k} %}}' for name, k in lists)
    template = Template("{% load metarec %}" + tags)
    return HttpResponse(template.render(Context({"request": request})))


# One call


def test_no_product_comes_twice(shopper):
    slates = recommend_page(shopper(), [Ask(name, k) for name, k in LISTS])
    listed = [key for slate in slates for key in keys_of(slate)]
    assert [slate.placement for slate in slates] == [name for name, _ in LISTS]
    assert len(listed) == len(set(listed)) == 12


def test_a_placement_that_is_not_deduplicated_repeats_what_was_listed(publish, visit, keys):
    publish()
    asks = [Ask("recent", 3), Ask("home", 5), Ask("recent", 3)]
    first, home, again = map(keys_of, recommend_page(visit(keys[:4]), asks))
    assert first == again == keys[:4][::-1][:3]
    assert not set(home) & set(first)


@pytest.mark.usefixtures("merchant")
def test_a_product_pinned_everywhere_stands_on_a_page_once(publish, visit, keys):
    publish()
    rule("pin", product=keys[40], position=1)
    slates = recommend_page(visit(keys[:2]), [Ask("home", 4), Ask("category", 4)])
    assert [keys[40] in keys_of(slate) for slate in slates] == [True, False]


@pytest.mark.usefixtures("merchant")
def test_each_ask_has_its_own_arguments(shopper, keys):
    save_placement("category", {"size": 3})
    brand = {"feature": "brand", "op": "eq", "value": "none such"}
    asks = [Ask("category", trace=True), Ask("home", 4, exclude=[keys[9]]), Ask("home", filters=[brand])]
    short, left_out, empty = recommend_page(shopper(), iter(asks), dry_run=True)
    assert (len(short), bool(short.trace), bool(left_out.trace), len(empty)) == (3, True, False, 0)
    assert keys[9] not in keys_of(left_out)
    assert not Impression.objects.exists()


@pytest.mark.usefixtures("merchant")
def test_a_dry_run_stores_nothing_and_is_personal_all_the_same(shopper):
    running([{"name": "a", "share": 1.0}])
    request = shopper()
    slate = recommend(request, placement="home", dry_run=True)
    assert (slate.variant, Impression.objects.count(), Exposure.objects.count()) == ("a", 0, 0)
    assert is_personal(request)
    recommend(request, placement="home")
    assert (Impression.objects.count(), Exposure.objects.count()) == (10, 1)


# What a page costs


@pytest.mark.usefixtures("merchant")
def test_three_lists_under_full_consent_take_five_queries(shopper, settings, django_assert_num_queries):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    handle = SubjectMiddleware(page)
    handle(shopper())
    Impression.objects.all().delete()
    request = shopper()
    with django_assert_num_queries(5) as queries:  # events, products of each list, impressions
        handle(request)
    assert sum("INSERT" in query["sql"] for query in queries.captured_queries) == 1
    assert Impression.objects.count() == 12


@pytest.mark.usefixtures("merchant")
def test_rules_pins_and_orders_cost_no_query_more(shopper, keys, settings, django_assert_num_queries):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    rule("pin", product=keys[40], position=1)
    rule("hide", product=keys[41])
    rule("boost", condition={"feature": "price", "op": "lt", "value": 9}, weight=2.0)
    save_placement("home", {"diversity": 0.5, "diversity_by": "category", "objective": {"price": 1}})
    handle = SubjectMiddleware(page)
    handle(shopper())
    request = shopper()
    with django_assert_num_queries(5):
        handle(request)


# Impressions leave with the answer


def test_they_wait_for_the_answer_and_are_stored_before_it_leaves(shopper, keys):
    request, seen = shopper(), []

    def view(given):
        recommend(given, placement="home", k=3)
        seen.append(Impression.objects.count())
        return HttpResponse()

    SubjectMiddleware(view)(request)
    assert (seen, Impression.objects.count()) == ([0], 3)
    log_impressions(request, "later", "home", [Shown(keys[0], 0, "adapted")])
    assert Impression.objects.count() == 4, "after the answer they are stored at once"


def test_a_streamed_answer_loses_none(shopper):
    def view(given):
        return StreamingHttpResponse(str(len(recommend(given, placement="home", k=3))) for _ in "ab")

    response = SubjectMiddleware(view)(shopper())
    assert Impression.objects.count() == 0
    assert b"".join(response.streaming_content) == b"33"
    assert Impression.objects.count() == 6


def test_an_insert_that_fails_is_logged_and_breaks_no_page(shopper, monkeypatch, caplog):
    def fail(rows):
        raise DatabaseError("disk full")

    monkeypatch.setattr("metarec_plugin.collect.impressions._insert", fail)
    with caplog.at_level(logging.ERROR):
        response = SubjectMiddleware(page)(shopper())
    assert (response.status_code, response.content.count(b"data-metarec-product") >= 12) == (200, True)
    assert "impressions not stored rows=12" in caplog.text


def test_what_an_error_page_never_showed_is_not_stored_and_what_was_raised_goes_on(shopper):
    def view(given):
        page(given)
        return HttpResponse(status=500)

    SubjectMiddleware(view)(shopper())
    assert not Impression.objects.exists()

    def raises(given):
        page(given)
        raise RuntimeError("a bug")

    request = shopper()
    with pytest.raises(RuntimeError, match="a bug"):
        SubjectMiddleware(raises)(request)


def test_what_waits_of_somebody_who_is_erased_goes_too(shopper):
    def view(given):
        page(given)
        forget(given)
        return HttpResponse()

    SubjectMiddleware(view)(shopper())
    assert not Impression.objects.exists()
