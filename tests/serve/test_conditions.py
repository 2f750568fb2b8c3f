"""Conditions on declared features: read strictly, the same in the database and of a member's own values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.serve import recommend
from metarec_plugin.serve.conditions import Condition, product_condition, user_condition
from metarec_plugin.storefront import Category, get_storefront
from shop.models import Product
from tests.serve.merchants import branded, keys_of


@pytest.mark.parametrize(
    "op, value, found",
    [
        ("eq", "A", [0, 1]),
        ("ne", "A", [2, 3]),
        ("in", ["A", "B"], [0, 1, 2]),
        ("not_in", ["A", "B"], [3]),
        ("eq", "' OR 1=1 --", []),
    ],
)
def test_a_category(keys, op, value, found):
    branded(keys[:2], "A")
    branded(keys[2:3], "B")
    condition = product_condition({"feature": "brand", "op": op, "value": value})
    rows = Product.objects.filter(condition.q(), pk__in=keys[:4])
    assert {str(row.pk) for row in rows} == {keys[at] for at in found}
    assert product_condition(condition.as_json()) == condition


@pytest.mark.parametrize(
    "op, found", [("lt", [0]), ("lte", [0, 1]), ("gt", [2]), ("gte", [1, 2]), ("eq", [1])]
)
@pytest.mark.parametrize("value", [2, 2.0])
def test_a_number(keys, op, value, found):
    for at in range(3):
        Product.objects.filter(pk=keys[at]).update(price=at + 1)
    condition = product_condition({"feature": "price", "op": op, "value": value})
    rows = Product.objects.filter(condition.q(), pk__in=keys[:3])
    assert {str(row.pk) for row in rows} == {keys[at] for at in found}


@pytest.mark.parametrize(
    "given",
    [
        None, "brand = 'x'", [], {}, {"feature": "brand"},
        {"feature": "brand", "op": "eq", "value": "x", "more": 1},
        {"feature": "category__department__id", "op": "eq", "value": "x"},
        {"feature": ["brand"], "op": "eq", "value": "x"},
        {"feature": "title", "op": "eq", "value": "x"},
        {"feature": "brand", "op": "regex", "value": "x"},
        {"feature": "brand", "op": ["eq"], "value": "x"},
        {"feature": "brand", "op": "lt", "value": "x"},
        {"feature": "brand", "op": "eq", "value": None},
        {"feature": "brand", "op": "eq", "value": "x" * 201},
        {"feature": "brand", "op": "eq", "value": "a\0b"},
        {"feature": "brand", "op": "eq", "value": 10**40},
        {"feature": "brand", "op": "in", "value": "x"},
        {"feature": "brand", "op": "in", "value": []},
        {"feature": "brand", "op": "in", "value": ["x"] * 101},
        {"feature": "price", "op": "eq", "value": "1"},
        {"feature": "price", "op": "eq", "value": True},
        {"feature": "price", "op": "eq", "value": float("nan")},
        {"feature": "price", "op": "lt", "value": float("inf")},
        {"feature": "price", "op": "lt", "value": 10**400},
        {"feature": "region", "op": "eq", "value": "West"},  # of members
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_in_words(db, given):
    with pytest.raises(InvalidRule, match=r"found|compares"):
        product_condition(given)


@pytest.mark.parametrize("value", [1e15, -1e15, 123456789.987654321, 0.1])
def test_a_number_of_more_digits_than_the_column_is_compared_all_the_same(keys, value):
    condition = product_condition({"feature": "price", "op": "lt", "value": value})
    assert Product.objects.filter(condition.q()).count() == (60 if value > 1 else 0)


def test_a_value_that_the_column_cannot_hold_is_refused(db, monkeypatch):
    monkeypatch.setitem(get_storefront().products.features, "owner", Category("stock"))
    with pytest.raises(InvalidRule, match="cannot be compared with 'many'"):
        product_condition({"feature": "owner", "op": "eq", "value": "many"})


def test_filters_of_a_call_narrow_its_list_and_odd_ones_leave_it_empty_with_the_reason(
    publish, visit, keys, settings
):
    publish()
    ours = branded(keys[10:20], "Ours")
    asked = {"feature": "brand", "op": "eq", "value": "Ours"}
    slate = recommend(visit(keys[:2]), placement="home", filters=[asked])
    assert set(keys_of(slate)) == set(ours)
    odd = recommend(visit(keys[:2]), placement="home", filters=[{**asked, "feature": "shoe"}])
    assert (len(odd), odd.stage) == (0, "empty")
    assert "found 'shoe'" in odd.problem


@pytest.mark.parametrize(
    "op, value, values, holds",
    [
        ("eq", "West", {"region": "West"}, True),
        ("eq", "West", {"region": None}, False),
        ("eq", "West", {}, False),
        ("ne", "West", {}, True),
        ("ne", "West", {"region": "West"}, False),
        ("in", ("West", "East"), {"region": "East"}, True),
        ("not_in", ("West", "East"), {"region": "East"}, False),
        ("eq", "a", {"region": ("a", "b")}, True),
        ("eq", 3, {"region": Decimal("3.00")}, True),
        ("eq", 3, {"region": 3.0}, True),
        ("eq", "3", {"region": 3}, True),
        ("eq", 3.5, {"region": Decimal("3.50")}, True),
        ("lt", 4, {"region": Decimal("3.5")}, True),
        ("gte", 4, {"region": 3}, False),
        ("gt", 4, {"region": None}, False),
    ],
)
def test_a_members_values(op, value, values, holds):
    assert Condition("region", op, value).holds(values) is holds


def test_a_members_condition_is_on_what_members_declare(db):
    assert user_condition({"feature": "region", "op": "eq", "value": "West"}).feature == "region"
    with pytest.raises(InvalidRule, match="of a user"):
        user_condition({"feature": "brand", "op": "eq", "value": "x"})
