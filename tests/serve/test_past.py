"""A shopper's own past in a list: the disliked never come back, what was bought may."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone, translation

from metarec_plugin import record_event
from metarec_plugin.collect.visitor import write_cookie
from metarec_plugin.evaluate.repeats import RepeatParams, Repeats
from metarec_plugin.models import SubjectState
from metarec_plugin.placements import DEFAULT_PLACEMENTS
from metarec_plugin.serve import recommend
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.privacy import keep_private
from shop.models import Product
from tests.serve.test_recommend import keys_of, ranked, saw
from tests.settings import METAREC

ME = "user:1"
NOW = timezone.now()


def bought(key: str, *days_ago: float, subject: str = ME) -> None:
    for days in days_ago:
        record_event(subject, "purchase", key, at=NOW - timedelta(days=days))


def placements(**options) -> override_settings:
    return override_settings(METAREC={**METAREC, "PLACEMENTS": {"home": {"lift": 0.5, **options}}})


@pytest.fixture
def habits(publish, keys):
    """A bundle that expects half of what comes next to be the shopper's own, and the even products most."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        propensity = np.where(np.arange(len(keys)) % 2, 0.1, 1.0).astype("f4")
        arrays |= Repeats({1: RepeatParams(0.5, 90.0, 0.0, 1.0)}, propensity).arrays()

    return lambda kind="linear": publish(kind, change=change)


# Dislikes


@pytest.mark.parametrize("placement", [*DEFAULT_PLACEMENTS, "elsewhere"])
@pytest.mark.parametrize("model", [True, False])
def test_a_disliked_product_is_shown_nowhere(publish, keys, placement, model):
    if model:
        publish()
    for key in keys[:5]:
        bought(key, 3)
    for key in (keys[0], keys[10]):
        record_event(ME, "dislike", key)
    slate = recommend(ME, placement=placement, k=60, context=keys[50:52])
    assert not {keys[0], keys[10]} & set(keys_of(slate))
    assert {keys[0], keys[10]} <= set(keys_of(recommend("user:2", placement="home", k=60)))


def test_a_dislike_taken_back_lets_the_product_come_again(publish, keys):
    publish()
    record_event(ME, "dislike", keys[10], event_id="no:1")
    assert keys[10] not in keys_of(recommend(ME, placement="home", k=60))
    record_event(ME, "return", keys[10], reverses="no:1")
    assert keys[10] in keys_of(recommend(ME, placement="home", k=60))


def test_a_disliked_product_is_nothing_to_adapt_from(publish, keys):
    publish()
    saw(ME, *keys[:3])
    record_event(ME, "dislike", keys[1])
    assert keys_of(recommend(ME, placement="home")) == ranked([keys[0], keys[2]], 10, 0.5, exclude=[keys[1]])


def test_a_visitor_under_session_consent_is_spared_what_they_dislike(publish, visit, keys):
    publish()
    request = visit(keys[:2])
    shown = keys_of(recommend(request, placement="home"))
    record_event(request, "dislike", shown[0])
    assert keys_of(recommend(request, placement="home"))[:9] == shown[1:]


def test_a_page_about_a_product_is_private_for_who_dislikes_something(publish, visit, keys):
    publish()
    for dislikes, private in (([], False), ([keys[8]], True)):
        request, response = visit(), HttpResponse()
        for key in dislikes:
            record_event(request, "dislike", key)
        shown = keys_of(recommend(request, placement="product", context=keys[3], k=60))
        assert (keys[8] in shown) != private
        keep_private(request, response)
        assert ("private" in response.get("Cache-Control", "")) == private


def test_a_shop_without_dislikes_has_pages_that_do_not_depend_on_the_cookie(publish, visit, keys):
    publish()
    for dislikes, depends in (({"dislike": None}, True), ({}, False)):
        with override_settings(METAREC={**METAREC, "DISLIKES": dislikes}):
            request, response = visit(), HttpResponse()
            recommend(request, placement="product", context=keys[3])
            write_cookie(request, response)
        assert response.has_header("Vary") == depends


@pytest.mark.usefixtures("large_catalogue")
def test_a_workers_list_is_served_without_what_is_disliked_since(publish, keys):
    version = publish()
    saw(ME, *keys[:2])
    record_event(ME, "dislike", keys[30])
    SubjectState.objects.create(
        subject=ME, version=str(version.pk), lift=0.5, window=50, placement="home",
        last_event=max(event.pk for event in _events()), ranking=[[key, 0.0] for key in keys[30:50]],
    )  # fmt: skip
    assert keys_of(recommend(ME, placement="home")) == keys[31:41]


def _events():
    from metarec_plugin.models import Event

    return Event.objects.filter(subject=ME)


def test_what_is_like_a_disliked_product_falls_only_where_the_shop_wants_it(publish, keys):
    publish()
    saw(ME, *keys[:2])
    plain = keys_of(recommend(ME, placement="home", exclude=[keys[5]]))
    record_event(ME, "dislike", keys[5])
    assert keys_of(recommend(ME, placement="home")) == plain
    model = get_model()
    alone = model.scores(model.index([keys[5]])) - model.log_prior
    nearest = next(key for key in ranked(keys[:2], 10, 0.5) if alone[model.index([key])[0]] > 1)
    with override_settings(METAREC={**METAREC, "DISLIKE_PUSH": 2.0}):
        pushed = keys_of(recommend(ME, placement="home", k=60))
    assert pushed.index(nearest) > plain.index(nearest)


# Buy again


def test_what_was_bought_stays_out_of_a_list_unless_its_placement_wants_it(habits, keys):
    habits()
    bought(keys[4], 10, 20, 30)
    bought(keys[5], 10)
    assert not {keys[4], keys[5]} & set(keys_of(recommend(ME, placement="home", k=60)))
    with placements(repeats=True):
        slate = recommend(ME, placement="home")
    assert keys_of(slate)[0] == keys[4]
    assert slate.entries[0].reason == "Buy again"
    assert slate.entries[0].source == "adapted"
    others = [entry for entry in slate if entry.key not in keys[4:6]]
    assert "Buy again" not in {entry.reason for entry in others}
    with placements(repeats=True):
        whole = keys_of(recommend(ME, placement="home", k=60))
    # The others stay in the order that the model gives them.
    assert [key for key in whole if key not in keys[4:6]] == ranked(keys[4:6], 58, 0.5)


def test_looked_at_products_and_the_pages_own_stay_out_of_a_list_with_repeats(habits, keys):
    habits()
    bought(keys[4], 10)
    bought(keys[6], 10)
    saw(ME, keys[8])
    with placements(repeats=True):
        shown = keys_of(recommend(ME, placement="home", k=60, context=[keys[6]], exclude=[keys[20]]))
    assert keys[4] in shown
    assert not {keys[6], keys[8], keys[20]} & set(shown)


def test_the_bundle_decides_where_the_placement_leaves_it_open(habits, publish, keys):
    bought(keys[4], 10)
    with placements(repeats=None):
        publish()
        assert keys[4] not in keys_of(recommend(ME, placement="home", k=60))
        habits()
        assert keys[4] in keys_of(recommend(ME, placement="home", k=60))


def test_again_lists_what_was_bought_alone_the_likeliest_first(habits, keys):
    habits()
    bought(keys[4], 10, 20, 30)
    bought(keys[6], 10)
    bought(keys[5], 10, 20, 30)  # of a kind that is hardly bought again
    saw(ME, keys[8])
    slate = recommend(ME, placement="again")
    assert keys_of(slate) == [keys[4], keys[6], keys[5]]
    assert {entry.reason for entry in slate} == {"Buy again"}
    assert slate.stage == "adapted"
    Product.objects.filter(pk=keys[6]).update(stock=0)
    assert keys_of(recommend(ME, placement="again", exclude=[keys[4]])) == [keys[5]]


def test_again_lists_what_is_due_before_what_was_bought_yesterday(habits, keys):
    """Both are bought every thirty days, as often as one another; one of them is due today."""
    for model in (False, True):
        if model:
            habits()
        for due, fresh in ((keys[4], keys[6]), (keys[12], keys[10])):
            who = f"user:{due}-{model}"
            bought(due, 30, 60, 90, 120, subject=who)
            bought(fresh, 1, 31, 61, 91, subject=who)
            assert keys_of(recommend(who, placement="again")) == [due, fresh]


def test_again_is_empty_for_who_bought_nothing_and_works_without_a_model(keys):
    saw(ME, *keys[:3])
    assert (len(recommend(ME, placement="again")), recommend(ME, placement="again").stage) == (0, "empty")
    bought(keys[4], 10)
    bought(keys[5], 10, 20)
    assert keys_of(recommend(ME, placement="again")) == [keys[5], keys[4]]


def test_again_knows_nobody_without_full_consent(habits, visit, keys, django_assert_num_queries):
    habits()
    get_model()
    with django_assert_num_queries(1):  # the pointer
        assert len(recommend(visit(keys[:3]), placement="again")) == 0


def test_a_past_takes_one_query_and_only_where_it_is_wanted(habits, keys, django_assert_num_queries):
    habits()
    bought(keys[4], 10)
    get_model()
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 60}):
        recommend(ME, placement="home")
        with django_assert_num_queries(3):  # events, dislikes, products
            recommend(ME, placement="home")
    again = {"RELOAD_SECONDS": 60, "PLACEMENTS": {"home": {"repeats": True}}}
    with override_settings(METAREC={**METAREC, **again}), django_assert_num_queries(4):
        recommend(ME, placement="home")  # events, dislikes, what was bought, products


def test_the_popular_list_of_a_shop_without_a_learner_holds_the_shoppers_own_too(habits, keys):
    habits("popularity")
    bought(keys[4], 10, 20)
    with placements(repeats=True):
        slate = recommend(ME, placement="home")
    assert keys_of(slate)[0] == keys[4]
    assert (slate.entries[0].reason, slate.entries[0].source) == ("Buy again", "adapted")


# What counts as support


def test_every_kind_of_event_turns_the_list_and_all_count_the_same(publish, keys):
    publish()
    lists = {}
    for kind in ("view", "dwell", "basket", "click", "purchase", "wish"):
        saw(f"user:{kind}", *keys[3:5], kind=kind)
        lists[kind] = keys_of(recommend(f"user:{kind}", placement="home"))
    assert all(found == ranked(keys[3:5], 10, 0.5) for found in lists.values())


def test_the_heading_and_the_empty_list_say_what_they_are_about(publish, keys, rf):
    from django.template import Context, Template

    publish()
    html = Template('{% load metarec %}{% recommend placement="again" %}').render(Context({}))
    assert "Buy again" in html
    assert "What you buy here" in html
    with translation.override("zh-hans"):
        assert "Buy again" not in Template('{% load metarec %}{% recommend placement="again" %}').render(
            Context({})
        )
