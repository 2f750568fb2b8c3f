"""Merchant's rules: what each does to a list, which one wins, and that none surfaces what the shop would not show."""

from __future__ import annotations

import pytest

from metarec_plugin.serve import recommend
from shop.models import Product
from tests.serve.merchants import brand, branded, keys_of, rule

pytestmark = pytest.mark.usefixtures("merchant")


@pytest.fixture
def ask(publish, visit, keys):
    """The keys of a list for somebody who saw the first two products."""
    publish()
    return lambda **named: keys_of(recommend(visit(keys[:2]), **{"placement": "home", "k": 8, **named}))


# Pins


@pytest.mark.parametrize("position", [1, 3, 8])
def test_a_pin_stands_at_its_position_and_moves_the_others_down(ask, keys, position):
    before = ask(k=60)
    last = before[-1]
    rule("pin", product=last, position=position)
    assert ask() == [*before[: position - 1], last, *before[position - 1 : 7]]


def test_a_pin_is_labelled(publish, visit, keys):
    publish()
    rule("pin", product=keys[40], position=1)
    slate = recommend(visit(keys[:2]), placement="home", k=3)
    assert (slate.entries[0].source, slate.entries[0].rank, slate.stage) == ("rule", 0, "adapted")


def test_a_pinned_product_that_is_ranked_already_comes_once(ask):
    before = ask()
    rule("pin", product=before[4], position=2)
    assert ask() == [before[0], before[4], *before[1:4], *before[5:]]


def test_a_pin_beyond_the_list_stands_at_its_end(ask):
    before = ask(k=60)
    rule("pin", product=before[-1], position=100)
    assert ask() == [*before[:7], before[-1]]


def test_two_pins_of_one_position_the_higher_priority_then_the_newer(ask):
    before = ask(k=60)
    old, new, high = before[-1], before[-2], before[-3]
    rule("pin", product=old, position=2)
    rule("pin", product=new, position=2)
    rule("pin", product=high, position=2, priority=1)
    assert ask() == [before[0], high, new, old, *before[1:5]]


def test_pins_of_a_full_list_take_the_free_places_before(ask):
    last = ask(k=60)[-3:]
    for each in last:
        rule("pin", product=each, position=2)
    assert ask(k=2) == [last[1], last[2]]


@pytest.mark.parametrize("change", [{"stock": 0}, {"is_active": False}])
def test_a_pin_that_the_shop_does_not_show_is_not_shown(ask, change):
    before = ask(k=60)
    Product.objects.filter(pk=before[-1]).update(**change)
    rule("pin", product=before[-1], position=1)
    assert ask() == before[:8]


def test_a_hidden_product_is_never_pinned(ask):
    before = ask(k=60)
    rule("pin", product=before[-1], position=1, priority=9)
    rule("hide", product=before[-1])
    assert ask() == before[:8]


def test_a_pin_holds_though_the_shopper_saw_the_product(ask, keys):
    rule("pin", product=keys[0], position=1)
    assert ask()[0] == keys[0]


@pytest.mark.parametrize("named", ["context", "exclude"])
def test_a_pin_is_not_shown_on_its_own_page_nor_where_it_is_left_out(ask, keys, named):
    rule("pin", product=keys[30], position=1)
    assert keys[30] not in ask(**{named: [keys[30]]})


def test_a_pin_is_found_however_its_key_is_written(ask, keys):
    assert rule("pin", product=keys[30].replace("-", "").upper(), position=1).product == keys[30]
    assert ask()[0] == keys[30]


def test_pins_fill_a_list_that_has_nothing_else(merchant, visit, keys):
    Product.objects.exclude(pk__in=keys[5:7]).update(stock=0)
    rule("pin", product=keys[6], position=5)
    slate = recommend(visit(), placement="again", k=5)
    assert (keys_of(slate), slate.stage) == ([keys[6]], "rule")


def test_a_pin_costs_no_query_where_there_are_candidates(
    publish, visit, keys, settings, django_assert_num_queries
):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    publish()
    rule("pin", product=keys[30], position=1)
    recommend(visit(keys[:2]), placement="home")
    request = visit(keys[:2])
    with django_assert_num_queries(1):
        recommend(request, placement="home")


# Boost and bury


def test_a_boost_by_product_and_a_burial_by_condition(ask):
    before = ask()
    rule("boost", product=before[7], weight=1000.0)
    assert ask()[0] == before[7]
    buried = branded(before[:2], "Late")
    rule("bury", condition=brand("Late"), weight=1e-6)
    assert not set(buried) & set(ask())
    assert ask()[0] == before[7]


def test_weights_of_several_rules_multiply(publish, visit, keys):
    publish()
    score = {entry.key: entry.score for entry in recommend(visit(keys[:2]), placement="home", k=8)}
    first = next(iter(score))
    rule("boost", product=first, weight=2.0)
    rule("boost", condition=brand("", "eq"), weight=3.0)
    boosted = recommend(visit(keys[:2]), placement="home", k=8).entries[0]
    assert boosted.score == pytest.approx(score[first] + 1.791759, abs=1e-4)


def test_a_boost_does_not_lift_a_fallback_over_what_is_adapted(publish, visit, keys):
    publish(keys=keys[:6])  # what else there is comes as the newest
    rule("boost", condition={"feature": "price", "op": "gt", "value": 0}, weight=2.0)
    rule("boost", product=keys[50], weight=1000.0)
    slate = recommend(visit(keys[:1]), placement="home", k=8)
    assert [entry.source for entry in slate] == ["adapted"] * 5 + ["newest"] * 3
    assert slate.entries[5].key == keys[50]


# Hide and filter


def test_what_is_hidden_is_nowhere_and_the_list_stays_full(ask):
    before = ask(k=60)
    rule("hide", product=before[0])
    rule("hide", condition=brand("Gone"))
    branded(before[1:40], "Gone")
    assert ask() == before[40:48]


def test_a_filter_leaves_the_list_full_where_it_can_be(ask):
    before = ask(k=60)
    kept = branded(before[-9:], "Ours")
    rule("filter", condition=brand("Ours"))
    assert ask() == kept[:8]
    assert ask(k=60) == kept


def test_of_two_filters_both_count(ask, keys):
    branded(keys[10:30], "Ours")
    Product.objects.filter(pk__in=keys[20:30]).update(price=9)
    rule("filter", condition=brand("Ours"))
    rule("filter", condition={"feature": "price", "op": "gte", "value": 9})
    assert set(ask(k=60)) == set(keys[20:30])


# Share of the list


@pytest.mark.parametrize("share, wanted", [(0.25, 2), (0.5, 4), (0.3, 3), (1.0, 8)])
def test_a_share_has_its_part_exactly_the_best_of_it_first(ask, share, wanted):
    before = ask(k=60)
    ours = branded(before[20:30], "Ours")
    rule("share", condition=brand("Ours"), share=share)
    assert ask() == [*before[: 8 - wanted], *ours[:wanted]]


def test_a_share_that_is_there_already_changes_nothing(ask):
    before = ask()
    branded(before[:5], "Ours")
    rule("share", condition=brand("Ours"), share=0.5)
    assert ask() == before


def test_a_share_of_too_few_candidates_stays_smaller_and_the_list_full(ask):
    before = ask(k=60)
    ours = branded(before[20:22], "Ours")
    rule("share", condition=brand("Ours"), share=0.5)
    assert ask() == [*before[:6], *ours]


def test_of_two_shares_the_higher_priority_keeps_its_part_and_no_more(ask):
    before = ask(k=60)
    first, second = branded(before[:8], "First"), branded(before[10:20], "Second")
    rule("share", condition=brand("First"), share=0.25, priority=1)
    rule("share", condition=brand("Second"), share=1.0)
    assert ask() == [*first[:2], *second[:6]]


def test_a_share_holds_beside_pins(ask):
    before = ask(k=60)
    ours = branded(before[20:30], "Ours")
    rule("share", condition=brand("Ours"), share=0.5)
    rule("pin", product=before[50], position=1)
    found = ask()
    assert found[0] == before[50]
    assert len(set(found) & set(ours)) == 4
    rule("pin", product=ours[9], position=2)
    assert len(set(ask()) & set(ours)) == 4, "a pin counts to its share"
