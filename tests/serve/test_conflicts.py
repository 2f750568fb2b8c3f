"""Rules that stand in each other's way are found, and rules that never meet are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from metarec_plugin.models import Rule
from metarec_plugin.serve.conditions import Condition, product_condition
from metarec_plugin.serve.conflicts import Shop, ask_shop, conflicts_of, find_conflicts
from metarec_plugin.serve.policy import Policy
from metarec_plugin.serve.rules import MerchantRule
from tests.serve.merchants import branded

NOW = datetime(2026, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)
ACME = Condition("brand", "eq", "Acme")
SHOP = Shop(
    sold=frozenset("ab"), met={ACME: frozenset("a")}, titles={"a": "Oat milk"}, placements=frozenset({"home"})
)


def made(action: str, pk: int, **fields: object) -> MerchantRule:
    empty = MerchantRule(pk, f"rule {pk}", action, "", "", None, "", None, 0, 1.0, 0.0, None, None, 0)
    return replace(empty, **fields)


def pin(pk: int, **fields: object) -> MerchantRule:
    return made("pin", pk, **{"product": "a", "position": 1, **fields})


def kinds(*rules: MerchantRule) -> list[str]:
    return [found.kind for found in find_conflicts(rules, SHOP)]


def test_two_pins_of_one_place_and_the_higher_priority_has_it():
    one, other = pin(1, priority=3), pin(2, product="b")
    [found] = find_conflicts([one, other], SHOP)
    assert (found.kind, found.wins, set(found.rules)) == ("place", one, {one, other})
    assert "“rule 1” has it" in found.says
    assert find_conflicts([replace(one, priority=0), other], SHOP)[0].wins == other  # then the newer row


@pytest.mark.parametrize(
    "apart",
    [
        {"position": 2},
        {"product": "a"},
        {"starts_at": NOW + DAY},
        {"who": "guest"},
    ],
)
def test_pins_that_never_meet_do_not_conflict(apart):
    one = pin(1, ends_at=NOW + DAY, who="member", placement="home")
    assert kinds(one, pin(2, **{"product": "b", **apart})) == []


def test_pins_of_two_placements_do_not_meet_and_of_all_placements_do():
    both = replace(SHOP, placements=frozenset({"home", "basket"}))
    one, other = pin(1, placement="home"), pin(2, product="b", placement="basket")
    assert find_conflicts([one, other], both) == []
    assert len(find_conflicts([one, replace(other, placement="")], both)) == 1


def test_a_hidden_pin_is_told_and_hiding_wins_whatever_the_priority():
    hide = made("hide", 2, product="a", priority=-5)
    [found] = find_conflicts([pin(1, priority=9), hide], SHOP)
    assert (found.kind, found.wins) == ("hidden", hide)
    assert "Oat milk" in found.says
    assert kinds(pin(1), replace(hide, product="b")) == []


def test_a_hide_by_condition_is_asked_of_the_shop():
    assert kinds(pin(1), made("hide", 2, condition=ACME)) == ["hidden"]
    assert kinds(pin(1, product="b"), made("hide", 2, condition=ACME)) == []


def test_a_filter_that_does_not_let_the_pinned_product_through():
    only = made("filter", 2, condition=ACME)
    assert kinds(pin(1, product="b"), only) == ["narrowed"]
    assert kinds(pin(1, product="a"), only) == []


def test_shares_that_add_up_to_more_than_the_list():
    first = made("share", 1, condition=ACME, share=0.6, priority=1)
    second = made("share", 2, condition=ACME, share=0.5)
    [found] = find_conflicts([second, first], SHOP)
    assert (found.kind, found.wins) == ("shares", first)
    assert "110 %" in found.says
    assert kinds(first, replace(second, share=0.4)) == []
    assert kinds(replace(first, who="guest"), replace(second, who="member")) == []


def test_a_boost_and_a_burial_of_the_same_product():
    boost, bury = (
        made("boost", 1, product="a", weight=4.0),
        made("bury", 2, condition=ACME, weight=0.5),
    )
    [found] = find_conflicts([boost, bury], SHOP)
    assert (found.kind, found.wins) == ("both_ways", None)
    assert "2 times" in found.says
    assert kinds(replace(boost, product="", condition=ACME), bury) == ["both_ways"]
    assert kinds(replace(boost, product="b"), bury) == []
    assert kinds(replace(boost, product="", condition=Condition("brand", "eq", "Other")), bury) == []


def test_a_product_that_is_not_sold_and_a_placement_that_there_is_not():
    assert kinds(pin(1, product="gone")) == ["not_sold"]
    assert kinds(pin(1, placement="hmoe")) == ["nowhere"]
    assert kinds(pin(1, placement="home")) == []


def test_a_rule_that_is_over_is_left_out():
    policy = Policy(rules=(pin(1, product="gone", ends_at=NOW),))
    assert conflicts_of(policy, NOW, ["home"]) == []


def test_the_live_shop_says_what_is_sold_and_what_meets_a_condition(keys, django_assert_max_num_queries):
    from shop.models import Product

    branded(keys[:1], "Acme")
    Product.objects.filter(pk=keys[1]).update(is_active=False)
    acme = product_condition({"feature": "brand", "op": "eq", "value": "Acme"})
    rules = [pin(1, product=keys[0]), pin(2, product=keys[1]), made(Rule.Action.HIDE, 3, condition=acme)]
    with django_assert_max_num_queries(3):
        shop = ask_shop(rules, ["home"])
    assert shop.sold == {keys[0]}
    assert shop.met == {acme: frozenset({keys[0]})}
    assert shop.titles == {keys[0]: "Milk 0", keys[1]: "Milk 1"}
