"""A page always renders: each layer made to fail, and what the shopper sees instead."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
from django.test import override_settings
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event
from metarec_plugin.serve import recommend
from shop.models import OrderLine, Product
from tests.settings import METAREC

LENIENT = {**METAREC, "STRICT": False}


def sources(slate) -> set[str]:
    return {entry.source for entry in slate}


def test_no_model_yet_gives_what_sold_of_late_then_what_is_new(visit, keys):
    now = timezone.now()
    for number, key in enumerate([keys[5], keys[5], keys[3]]):
        Event.objects.create(event_id=f"e{number}", subject="user:1", kind="purchase", product=key, at=now)
    slate = recommend(visit(), placement="home", k=4)
    assert [entry.key for entry in slate][:2] == [keys[5], keys[3]]
    assert [entry.source for entry in slate] == ["popular", "popular", "newest", "newest"]
    assert (slate.stage, slate.model_version) == ("popular", None)
    assert slate.problem.startswith("NoModel")


def test_no_model_and_no_events_gives_what_is_new(visit, keys):
    slate = recommend(visit(keys[:1]), placement="home", k=4)
    assert (slate.stage, sources(slate), len(slate)) == ("newest", {"newest"}, 4)
    assert keys[0] not in [entry.key for entry in slate]


def test_an_empty_catalogue_gives_an_empty_slate(db, visit):
    slate = recommend(visit(), placement="home")
    assert (slate.stage, len(slate)) == ("empty", 0)


def test_a_catalogue_with_a_single_product_gives_it(visit, products):
    OrderLine.objects.all().delete()
    Product.objects.exclude(pk=products[0].pk).delete()
    assert [entry.product for entry in recommend(visit(), placement="home")] == [products[0]]


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_bundle_that_cannot_be_read_is_a_labelled_fallback(publish, visit, keys, damage, caplog):
    folder = get_config().artifacts / "bundles" / str(publish().pk)
    if damage == "missing":
        shutil.rmtree(folder)
    else:
        raw = bytearray((folder / "offset.npy").read_bytes())
        raw[-1] ^= 1
        (folder / "offset.npy").write_bytes(raw)
    with caplog.at_level(logging.WARNING):
        slate = recommend(visit(keys[:2]), placement="home")
        recommend(visit(keys[:2]), placement="home")
    assert (slate.stage, len(slate)) == ("newest", 10)
    assert "BundleError" in slate.problem
    assert sum("fell back placement=home" in line for line in caplog.text.splitlines()) == 1, "said once"


def test_a_foreign_bundle_is_a_labelled_fallback(publish, visit, keys):
    publish(feature_schema=[{"of": "products", "name": "colour", "kind": "category"}])
    slate = recommend(visit(keys[:2]), placement="home")
    assert (slate.stage, len(slate), slate.model_version) == ("newest", 10, None)


@pytest.mark.parametrize("kind", ["linear", "gradient"])
def test_scores_that_are_not_finite_give_the_popular_list(publish, visit, keys, kind, monkeypatch):
    from metarec_plugin.adapt.passes import Said
    from metarec_plugin.serve.current import get_model

    publish(kind)
    rows = np.full((1, len(keys)), np.nan, dtype=np.float32), np.ones(1, dtype=np.float32)
    monkeypatch.setattr(get_model()._raw, "answer", lambda support, now, weights: (Said((rows,)), None))
    slate = recommend(visit(keys[:2]), placement="home")
    assert (slate.stage, sources(slate), len(slate)) == ("popular", {"popular"}, 10)
    assert "not finite" in slate.problem


LAYERS = {
    "consent and history": "metarec_plugin.serve.shopper.support_keys",
    "pointer": "metarec_plugin.serve.recommendation.get_model",
    "adaptation": "metarec_plugin.adapt.online.OnlineModel.scores",
    "ranking": "metarec_plugin.adapt.online.OnlineModel.rank",
    "impressions": "metarec_plugin.serve.recommendation.log_impressions",
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_bug_in_any_layer_still_gives_products_and_is_logged(
    publish, visit, keys, layer, monkeypatch, caplog
):
    publish()

    def bug(*args, **kwargs):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(LAYERS[layer], bug)
    with override_settings(METAREC=LENIENT), caplog.at_level(logging.ERROR):
        slate = recommend(visit(keys[:2]), placement="home")
    assert len(slate) == 10
    assert "placement=home" in caplog.text
    assert "planted" in caplog.text
    assert "ZeroDivisionError" in caplog.text, "with its traceback"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_bug_is_raised_in_strict_mode(publish, visit, keys, layer, monkeypatch):
    publish()

    def bug(*args, **kwargs):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(LAYERS[layer], bug)
    with pytest.raises(ZeroDivisionError):
        recommend(visit(keys[:2]), placement="home")


def test_a_bug_in_the_shops_own_visibility_rule_gives_an_empty_slate(
    publish, visit, keys, monkeypatch, caplog
):
    publish()

    def bug(self, request, queryset):
        raise AttributeError("shop")

    monkeypatch.setattr("shop.metarec.ShopStorefront.visible_to", bug)
    with override_settings(METAREC=LENIENT):
        slate = recommend(visit(keys[:2]), placement="home")
    assert (slate.stage, len(slate)) == ("empty", 0)


@pytest.mark.parametrize("wrong", [{"SYNC_DAYS": "30"}, {"CONSENT": "shop.nowhere.level"}])
def test_a_misconfigured_shop_still_has_its_pages_and_the_log_names_the_setting(
    publish, visit, keys, wrong, caplog
):
    publish()
    request = visit(keys[:2])
    with override_settings(METAREC={**METAREC, **wrong}), caplog.at_level(logging.WARNING):
        slate = recommend(request, placement="home")
    assert next(iter(wrong)) in slate.problem
    assert next(iter(wrong)) in caplog.text


def test_a_receiver_that_fails_does_not_reach_the_page(publish, visit, keys):
    from metarec_plugin.signals import slate_served

    def listen(**kwargs):
        raise RuntimeError

    publish()
    slate_served.connect(listen)
    try:
        assert len(recommend(visit(keys[:2]), placement="home")) == 10
    finally:
        slate_served.disconnect(listen)


@pytest.mark.parametrize("cookie", ["", "x", "a.b:c:d", "1.0.:x:y", "\ud800", "🍪" * 2_000])
def test_a_forged_cookie_is_a_newcomer(publish, visit, cookie):
    publish()
    request = visit()
    request.COOKIES["metarec"] = cookie
    assert recommend(request, placement="home").stage == "popular"


def test_an_unknown_placement_is_filled_like_the_default_one(publish, visit, keys):
    publish()
    assert len(recommend(visit(keys[:2]), placement="nowhere")) == 10
