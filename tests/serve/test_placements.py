"""Placements as a merchant saves them: checked, revised, never over another's change, and heeded."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Placement, PlacementRevision
from metarec_plugin.serve import placements, recommend
from metarec_plugin.serve.placements import save_placement
from shop.models import Product
from tests.serve.merchants import branded, keys_of


def test_each_save_is_a_revision(db):
    first = save_placement("home", {"size": 4}, by="anna")
    second = save_placement("home", {"size": 5}, by="ben", revision=first.revision)
    assert (first.revision, second.revision, second.updated_by) == (1, 2, "ben")
    kept = PlacementRevision.objects.order_by("revision").values_list("revision", "options", "by")
    assert list(kept) == [(1, {"size": 4}, "anna"), (2, {"size": 5}, "ben")]


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_a_change_since_is_not_written_over(db, revision):
    for size in (4, 5):
        save_placement("home", {"size": size})
    with pytest.raises(InvalidRule, match="changed since"):
        save_placement("home", {"size": 9}, revision=revision)
    assert Placement.objects.get().options == {"size": 5}
    assert PlacementRevision.objects.count() == 2


def test_of_two_at_once_the_later_one_is_told(db, monkeypatch):
    save_placement("home", {"size": 4})
    check = placements.check_options

    def meanwhile(name, options):
        monkeypatch.setattr(placements, "check_options", check)
        save_placement("home", {"size": 6}, revision=1)
        return check(name, options)

    monkeypatch.setattr(placements, "check_options", meanwhile)
    with pytest.raises(InvalidRule, match="changed since"):
        save_placement("home", {"size": 5}, revision=1)
    assert Placement.objects.get().options == {"size": 6}
    assert PlacementRevision.objects.count() == 2


def test_a_revision_that_is_there_already_is_told(db):
    PlacementRevision.objects.create(name="home", revision=1)
    with pytest.raises(InvalidRule, match="at the same time") as told:
        save_placement("home", {"size": 4})
    assert isinstance(told.value.__cause__, IntegrityError)
    assert not Placement.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        None, [], {"colour": "red"}, {"size": 0}, {"size": True}, {"size": 101}, {"lift": 2},
        {"strategies": []}, {"strategies": ["adapted", "adapted"]}, {"strategies": ["guess"]},
        {"filters": [{"feature": "shoe", "op": "eq", "value": 1}]}, {"filters": ["brand"]},
        {"diversity": 0.5}, {"diversity": 0.5, "diversity_by": "price"},
        {"objective": {"brand": 1}}, {"objective": {"price": float("nan")}},
        {"exploration": 0.9}, {"fatigue": -1}, {"fatigue_days": 0}, {"repeats": "sometimes"}, {"dedupe": 1},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(db, options):
    with pytest.raises(InvalidRule):
        save_placement("home", options)
    assert not Placement.objects.exists()
    assert not PlacementRevision.objects.exists()


@pytest.mark.parametrize("name", ["", "two words", "x" * 41])
def test_a_name_that_cannot_be_is_refused(db, name):
    with pytest.raises(InvalidRule, match="cannot be kept"):
        save_placement(name, {"size": 4})
    assert not PlacementRevision.objects.exists()


@pytest.mark.usefixtures("merchant")
class TestHeeded:
    def test_a_row_goes_before_the_settings_and_none_or_one_that_is_off_leaves_them(
        self, publish, visit, settings
    ):
        publish()
        settings.METAREC = {**settings.METAREC, "PLACEMENTS": {"home": {"size": 7}}}
        assert len(recommend(visit(), placement="home")) == 7
        save_placement("home", {"size": 3})
        assert len(recommend(visit(), placement="home")) == 3
        assert len(recommend(visit(), placement="home", k=5)) == 5
        save_placement("home", {"size": 3}, active=False)
        assert len(recommend(visit(), placement="home")) == 7

    def test_an_unknown_placement_is_filled_like_the_default_one(self, publish, visit):
        publish()
        assert len(recommend(visit(), placement="nowhere")) == 10
        save_placement("default", {"size": 4})
        slate = recommend(visit(), placement="nowhere")
        assert (len(slate), slate.placement) == (4, "nowhere")
        assert len(recommend(visit(), placement="home")) == 10

    def test_filters_of_a_placement(self, publish, visit, keys):
        publish()
        ours = branded(keys[10:20], "Ours")
        save_placement("home", {"filters": [{"feature": "brand", "op": "eq", "value": "Ours"}]})
        assert set(keys_of(recommend(visit(keys[:2]), placement="home"))) == set(ours)

    def test_the_strategies_are_gone_through_in_their_order(self, publish, visit, keys):
        publish()
        save_placement("home", {"strategies": ["recent", "newest"]})
        slate = recommend(visit(keys[:3]), placement="home", k=5)
        assert keys_of(slate)[:3] == keys[:3][::-1]
        assert [entry.source for entry in slate] == ["recent"] * 3 + ["newest"] * 2

    @pytest.mark.parametrize("weight, first", [(3.0, "dearest"), (-3.0, "cheapest"), (0.0, "neither")])
    def test_the_price_is_part_of_the_objective(self, publish, visit, keys, weight, first):
        publish()
        before = keys_of(recommend(visit(keys[:2]), placement="home", k=60))
        for place, key in enumerate(before):
            Product.objects.filter(pk=key).update(price=1 + place % 7)
        save_placement("home", {"objective": {"price": weight}})
        found = recommend(visit(keys[:2]), placement="home", k=6).products
        mean = sum(float(product.price) for product in found) / 6
        assert {"dearest": mean > 5.5, "cheapest": mean < 2.5, "neither": 3 < mean < 5}[first]

    def test_a_margin_that_no_product_has_changes_nothing(self, publish, visit, keys):
        publish()
        before = keys_of(recommend(visit(keys[:2]), placement="home"))
        Product.objects.update(price=1)
        save_placement("home", {"objective": {"price": 50}})
        assert keys_of(recommend(visit(keys[:2]), placement="home")) == before
