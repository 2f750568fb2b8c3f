"""`recommend()`: what is adapted, what is left out, and how many queries it takes."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import override_settings
from django.utils import timezone

from metarec_plugin.collect import read_slate
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, Impression, SubjectState
from metarec_plugin.placements import DEFAULT_PLACEMENTS
from metarec_plugin.serve import Slate, recommend
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.states import reads_states
from metarec_plugin.signals import slate_served
from shop.models import Product
from tests.settings import METAREC

PRODUCT_LIFT, BASKET_LIFT = (DEFAULT_PLACEMENTS[name].lift for name in ("product", "basket"))


def keys_of(slate: Slate) -> list[str]:
    return [entry.key for entry in slate]


def saw(subject: str, *keys: str, kind: str = "view") -> None:
    now = timezone.now()
    Event.objects.bulk_create(
        Event(event_id=f"{subject}:{kind}:{key}", subject=subject, kind=kind, product=key, at=now)
        for key in keys
    )


def ranked(support: list[str], n: int, lift: float, exclude: list[str] = ()) -> list[str]:
    """The plain ranking of the whole catalogue, for comparison."""
    model = get_model()
    scores = model.scores(model.index(support)) - np.float32(lift) * model.log_prior
    order = [model.key(i) for i in np.argsort(-scores, kind="stable")]
    return [key for key in order if key not in {*support, *exclude}][:n]


def test_a_visitors_last_products_turn_the_list(publish, visit, keys):
    publish()
    newcomer, seen = recommend(visit(), placement="home"), recommend(visit(keys[3:5]), placement="home")
    assert (newcomer.stage, seen.stage) == ("popular", "adapted")
    assert keys_of(newcomer) != keys_of(seen)
    assert keys_of(seen) == ranked(keys[3:5], 10, lift=0.5)
    assert {entry.source for entry in seen} == {"adapted"}
    assert [entry.rank for entry in seen] == list(range(10))
    assert [entry.product.pk.hex for entry in seen] == [key.replace("-", "") for key in keys_of(seen)]
    assert seen.model_version == get_model().version


def test_a_newcomer_gets_the_prior_whatever_the_lift(publish, visit, keys):
    publish()
    assert keys_of(recommend(visit(), placement="home")) == ranked([], 10, lift=0)


def test_the_configured_lift_goes_before_the_bundles(publish, visit, keys):
    publish(lifts={"home": 0.5, "rail": 1.0})
    seen = keys[3:5]
    for placement, lift in (("rail", 1.0), ("elsewhere", 0.5)):
        assert keys_of(recommend(visit(seen), placement=placement)) == ranked(seen, 10, lift)
    with override_settings(METAREC={**METAREC, "PLACEMENTS": {"home": {"lift": 0.0}}}):
        assert keys_of(recommend(visit(seen), placement="home")) == ranked(seen, 10, 0.0)


def test_the_pages_products_count_and_history_does_not_where_the_placement_says_so(
    publish, visit, products, keys
):
    publish()
    slate = recommend(visit(keys[3:5]), placement="product", context=products[7])
    assert keys_of(slate) == ranked([keys[7]], 10, PRODUCT_LIFT)
    basket = recommend(visit(keys[3:5]), placement="basket", context=products[7:9])
    assert keys_of(basket) == ranked(keys[7:9], 10, BASKET_LIFT)


def test_support_context_and_exclude_are_left_out(publish, visit, products, keys):
    publish()
    slate = recommend(
        visit(keys[:5]), placement="home", k=60, context=products[5], exclude=[keys[6], products[7]]
    )
    assert set(keys_of(slate)) == set(keys[8:])


def test_only_the_last_products_of_the_window_count(publish, keys):
    publish()
    saw("user:1", *keys[:10])
    Event.objects.filter(product__in=keys[:5]).update(at=timezone.now() - timezone.timedelta(days=1))
    with override_settings(METAREC={**METAREC, "SUPPORT_WINDOW": 5}):
        assert keys_of(recommend("user:1", placement="home")) == ranked(keys[5:10], 10, 0.5)


def test_dislikes_and_returns_are_no_support(publish, keys):
    publish()
    saw("user:1", *keys[:2])
    saw("user:1", keys[2], kind="dislike")
    saw("user:1", keys[3], kind="return")
    assert keys_of(recommend("user:1", placement="home", exclude=keys[2:4])) == ranked(
        keys[:2], 10, 0.5, exclude=keys[2:4]
    )


def test_an_unknown_product_in_context_is_a_labelled_fallback(publish, visit):
    publish()
    slate = recommend(visit(), placement="product", context=["no such product", "\ud800", ""])
    assert (slate.stage, len(slate)) == ("popular", 10)


def test_an_unknown_product_beside_known_ones_is_passed_over(publish, visit, keys):
    publish()
    slate = recommend(visit(), placement="product", context=["unknown", keys[3]])
    assert keys_of(slate) == ranked([keys[3]], 10, PRODUCT_LIFT)


@pytest.mark.parametrize("change", [{"is_active": False}, {"stock": 0}])
def test_a_withdrawn_or_sold_out_product_is_never_served_and_the_gap_is_filled(publish, visit, keys, change):
    publish()
    wanted = ranked(keys[:2], 20, 0.5)
    Product.objects.filter(pk__in=wanted[:10:2]).update(**change)
    slate = recommend(visit(keys[:2]), placement="home")
    assert keys_of(slate) == [key for key in wanted if key not in wanted[:10:2]][:10]
    assert slate.stage == "adapted"


def test_a_deleted_product_is_never_served(publish, visit, keys):
    publish()
    gone = ranked([], 1, 0)
    Product.objects.filter(pk__in=gone).delete()
    assert not set(gone) & set(keys_of(recommend(visit(), k=60)))


def test_when_the_first_candidates_are_all_gone_further_ones_are_looked_at(publish, visit, keys):
    publish()
    wanted = ranked(keys[:2], 58, 0.5)
    Product.objects.filter(pk__in=wanted[:50]).update(stock=0)
    slate = recommend(visit(keys[:2]), placement="home", k=5)
    assert keys_of(slate) == wanted[50:55]


def test_products_that_the_bundle_does_not_know_fill_up_as_new(publish, visit, keys):
    publish(keys=keys[:6])
    slate = recommend(visit(keys[:1]), placement="home", k=8)
    assert [entry.source for entry in slate] == ["adapted"] * 5 + ["newest"] * 3
    assert slate.stage == "adapted"
    assert len(set(keys_of(slate))) == 8


@pytest.mark.parametrize("k, length", [(0, 0), (-3, 0), (1, 1), (10**9, 60)])
def test_k_is_bounded(publish, visit, k, length):
    publish()
    assert len(recommend(visit(), k=k)) == length


def test_without_consent_the_shoppers_events_do_not_count(publish, visit, keys):
    publish()
    assert recommend(visit(keys[3:5], consent="none"), placement="home").stage == "popular"


# What a shopper's page leaves behind


def test_impressions_are_kept_under_full_consent_only(publish, visit, keys, rf):
    publish()
    recommend(visit(keys[:2]), placement="home")
    assert not Impression.objects.exists()
    slate = recommend(visit(keys[:2], consent="full"), placement="home", k=4)
    rows = Impression.objects.order_by("rank")
    assert [row.product for row in rows] == keys_of(slate)
    assert [row.rank for row in rows] == [0, 1, 2, 3]
    assert {(row.slate, row.placement, str(row.version)) for row in rows} == {
        (read_slate(slate.id), "home", slate.model_version)
    }


def test_a_slate_for_a_subject_outside_a_request_leaves_no_impression(publish, keys):
    publish()
    recommend("user:1", placement="home")
    assert not Impression.objects.exists()


def test_a_slate_is_announced(publish, visit, keys):
    publish()
    heard = []

    def listen(sender, slate, subject, placement, **kwargs):
        heard.append((slate, placement))

    slate_served.connect(listen)
    try:
        slate = recommend(visit(keys[:2]), placement="home")
    finally:
        slate_served.disconnect(listen)
    assert heard == [(slate, "home")]


# What a worker left


def left(subject: str, version: str, ranking: list[str], last_event: int, placement: str = "home") -> None:
    SubjectState.objects.create(
        subject=subject,
        version=version,
        last_event=last_event,
        placement=placement,
        lift=0.5,  # of the bundles of these tests
        window=get_config().support_window,
        ranking=[[key, -float(i)] for i, key in enumerate(ranking)],
    )


def newest_event(subject: str) -> int:
    return Event.objects.filter(subject=subject).latest("pk").pk


@pytest.mark.usefixtures("large_catalogue")
def test_a_fresh_state_is_served(publish, keys):
    version = publish()
    saw("user:1", *keys[:2])
    left("user:1", str(version.pk), keys[20:40], newest_event("user:1"))
    slate = recommend("user:1", placement="home")
    assert keys_of(slate) == keys[20:30]
    assert slate.stage == "adapted"


@pytest.mark.usefixtures("large_catalogue")
def test_a_state_of_too_few_eligible_products_is_filled_by_adaptation(publish, keys):
    version = publish()
    saw("user:1", *keys[:2])
    left("user:1", str(version.pk), keys[20:24], newest_event("user:1"))
    slate = recommend("user:1", placement="home")
    assert keys_of(slate) == keys[20:24] + ranked(keys[:2], 6, 0.5, exclude=keys[20:24])


@pytest.mark.usefixtures("large_catalogue")
@pytest.mark.parametrize("changed", [{"PLACEMENTS": {"home": {"lift": 0.9}}}, {"SUPPORT_WINDOW": 7}])
def test_a_state_made_under_other_settings_is_not_used(publish, keys, changed):
    version = publish()
    saw("user:1", *keys[:2])
    left("user:1", str(version.pk), keys[20:40], newest_event("user:1"))
    with override_settings(METAREC={**METAREC, **changed}):
        lift = get_config().placement("home").lift or 0.5
        assert keys_of(recommend("user:1", placement="home")) == ranked(keys[:2], 10, lift)


@pytest.mark.usefixtures("large_catalogue")
@pytest.mark.parametrize("stale", ["older event", "other version", "other placement", "page has context"])
def test_a_state_that_is_not_about_this_moment_is_not_used(publish, keys, stale):
    other, version = publish(seed=1), publish(seed=2)
    saw("user:1", *keys[:2])
    left(
        "user:1",
        str(other.pk if stale == "other version" else version.pk),
        keys[20:40],
        newest_event("user:1") - (stale == "older event"),
        "rail" if stale == "other placement" else "home",
    )
    context = keys[5:6] if stale == "page has context" else []
    assert keys_of(recommend("user:1", placement="home", context=context)) == ranked(
        [*keys[:2], *context], 10, 0.5
    )


# Queries


def test_an_anonymous_page_takes_two_queries(publish, visit, keys, django_assert_num_queries):
    publish()
    request = visit(keys[:2])
    get_model()
    with django_assert_num_queries(2):  # the pointer, the products
        recommend(request, placement="home")


def test_the_pointer_costs_nothing_between_two_looks(publish, visit, keys, django_assert_num_queries):
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 60}):
        publish()
        get_model()
        request = visit(keys[:2])
        with django_assert_num_queries(1):
            recommend(request, placement="home")


def test_a_small_catalogue_is_adapted_without_asking_for_a_state(publish, keys):
    version = publish()
    saw("user:1", *keys[:2])
    left("user:1", str(version.pk), keys[20:40], newest_event("user:1"))
    assert keys_of(recommend("user:1", placement="home")) == ranked(keys[:2], 10, 0.5)


def test_what_a_worker_adapts_by_a_network_is_asked_for_however_small_the_catalogue(
    publish, keys, monkeypatch
):
    publish()
    model = get_model()
    assert not reads_states(model)
    for products, reads in ((99_999, False), (100_000, True)):
        with monkeypatch.context() as patch:
            patch.setattr(type(model), "__len__", lambda self, n=products: n)
            assert reads_states(model) is reads
    monkeypatch.setattr(model, "kind", "network")
    assert reads_states(model)
    with override_settings(METAREC={**METAREC, "SUPPORT_WEIGHTS": {"kinds": {"view": 0.5}}}):
        assert not reads_states(model)  # then workers answer what requests would


def test_a_page_under_full_consent_takes_four_queries(publish, visit, keys, django_assert_num_queries):
    publish()
    get_model()
    request = visit(keys[:2], consent="full")
    from metarec_plugin.collect import known_subject

    saw(known_subject(request), *keys[:2])
    with django_assert_num_queries(4):  # events, pointer, products, impressions
        recommend(request, placement="home")


@pytest.mark.parametrize("gone", [0, 1, 10, 55, 60])
def test_the_number_of_queries_has_a_bound_however_many_products_are_gone(publish, visit, keys, gone):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    publish()
    get_model()
    Product.objects.filter(pk__in=ranked(keys[:2], gone, 0.5)).update(stock=0)
    request = visit(keys[:2])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        recommend(request, placement="home")
    assert len(queries) <= 6  # pointer, two batches of adapted, two of popular, the newest


@pytest.mark.parametrize("rule", [{}, {"half_life_days": 30}], ids=["all alike", "weighed"])
def test_a_shopper_of_many_events_takes_a_query_of_dislikes(
    publish, visit, keys, settings, django_assert_num_queries, rule
):
    from metarec_plugin.collect import known_subject

    publish()
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60, "SUPPORT_WEIGHTS": rule}
    request = visit(keys[:2], consent="full")
    subject, now = known_subject(request), timezone.now()
    Event.objects.bulk_create(
        Event(event_id=f"many:{n}", subject=subject, kind="view", product=keys[n % 50], at=now)
        for n in range(210)
    )
    recommend(visit(keys[:2], consent="full"), placement="home")
    with django_assert_num_queries(4):  # events, dislikes, products, impressions
        recommend(request, placement="home")
