"""Whatever rules a merchant writes, a list holds nothing that it must not, and what was promised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarec_plugin.models import Placement, Rule
from metarec_plugin.serve import recommend
from metarec_plugin.serve.policy import forget_policy
from metarec_plugin.serve.rules import save_rule
from shop.models import Product
from tests.serve.merchants import keys_of, shelved

SHELVES = ("Bread", "Fruit", "Milk")
conditions = st.one_of(
    st.builds(lambda value: {"feature": "category", "op": "eq", "value": value}, st.sampled_from(SHELVES)),
    st.builds(lambda value: {"feature": "category", "op": "ne", "value": value}, st.sampled_from(SHELVES)),
    st.builds(
        lambda op, value: {"feature": "price", "op": op, "value": value},
        st.sampled_from(["lt", "gte"]),
        st.integers(0, 20),
    ),
)
products = st.integers(0, 59)
about = st.one_of(
    st.builds(lambda at: {"product": at}, products), st.builds(lambda c: {"condition": c}, conditions)
)
rules = st.one_of(
    st.builds(
        lambda at, position, priority: {
            "action": "pin", "product": at, "position": position, "priority": priority,
        },
        products, st.integers(1, 14), st.integers(0, 2),
    ),
    st.builds(lambda on, weight: {"action": "boost", "weight": weight, **on}, about, st.floats(1.5, 1000)),
    st.builds(lambda on, weight: {"action": "bury", "weight": weight, **on}, about, st.floats(0.001, 0.9)),
    st.builds(lambda on: {"action": "hide", **on}, about),
    st.builds(lambda on: {"action": "filter", "condition": on}, conditions),
    st.builds(lambda on, share: {"action": "share", "condition": on, "share": share}, conditions, st.floats(0.05, 1)),
)  # fmt: skip
options = st.fixed_dictionaries(
    {},
    optional={
        "diversity": st.floats(0, 1),
        "diversity_by": st.just("category"),
        "exploration": st.floats(0, 0.5),
        "objective": st.just({"price": 1.5}),
        "filters": st.lists(conditions, max_size=1),
        "strategies": st.sampled_from(
            [["adapted", "popular", "newest"], ["newest"], ["popular"], ["trending", "adapted"]]
        ),
    },
)


@pytest.fixture
def shop(publish, keys):
    """Sixty products on three shelves, of prices 0 to 19; each seventh is sold out, each eleventh withdrawn."""
    publish()
    for number, name in enumerate(SHELVES):
        shelved(keys[number::3], name)
    for number, key in enumerate(keys):
        Product.objects.filter(pk=key).update(
            price=number % 20, stock=0 if number % 7 == 0 else 5, is_active=number % 11 != 0
        )
    return keys


def meets(product: Product, condition: dict[str, Any]) -> bool:
    if condition["feature"] == "category":
        return (product.category.name == condition["value"]) is (condition["op"] == "eq")
    return (
        product.price < condition["value"] if condition["op"] == "lt" else product.price >= condition["value"]
    )


@pytest.mark.usefixtures("merchant")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(rules, max_size=6), given_options=options, k=st.integers(0, 14), seen=st.integers(0, 3)
)
def test_no_rules_surface_what_the_shop_would_not_show(shop, visit, written, given_options, k, seen):
    keys = shop
    Rule.objects.all().delete()
    Placement.objects.all().delete()
    if given_options.get("diversity") and not given_options.get("diversity_by"):
        given_options = {**given_options, "diversity_by": "brand"}
    Placement.objects.create(name="home", options=given_options)
    rows = []
    for fields in written:
        fields = {**fields, **({"product": keys[fields["product"]]} if "product" in fields else {})}
        rows.append(save_rule(Rule(name="r", **fields)))
    forget_policy()
    slate = recommend(visit(keys[3 : 3 + seen]), placement="home", k=k)
    listed = keys_of(slate)
    assert slate.problem == ""
    assert len(listed) <= k
    assert len(set(listed)) == len(listed)
    assert [entry.rank for entry in slate] == list(range(len(listed)))

    def allowed(product: Product) -> bool:
        hidden = [r for r in rows if r.action == "hide"]
        filters = [r.condition for r in rows if r.action == "filter"] + list(given_options.get("filters", []))
        return (
            product.is_active
            and product.stock > 0
            and not any(
                str(product.pk) == r.product or (r.condition and meets(product, r.condition)) for r in hidden
            )
            and all(meets(product, condition) for condition in filters)
        )

    live = Product.objects.select_related("category").in_bulk()
    eligible = {str(pk) for pk, product in live.items() if allowed(product)}
    assert set(listed) <= eligible
    assert all(0 < entry.propensity <= 1 for entry in slate)
    promised = places(rows, eligible, k)
    if "newest" in given_options.get("strategies", ["newest"]):
        assert len(listed) == min(
            k, len(eligible - set(keys[3 : 3 + seen])) + len(promised & set(keys[3 : 3 + seen]))
        )
        for place, key in promised.positions.items():
            if place < len(listed) - 1:
                assert listed[place] == key
    assert promised <= set(listed)


class Promised(set):
    positions: dict[int, str]


def places(rows: list[Rule], eligible: set[str], k: int) -> Promised:
    """Where each pin belongs, told without the code that puts it there."""
    positions: dict[int, str] = {}
    for row in sorted(rows, key=lambda row: (-row.priority, -row.pk)):
        if row.action != "pin" or row.product not in eligible or row.product in positions.values():
            continue
        free = [place for place in range(k) if place not in positions]
        if free:
            after = [place for place in free if place >= min(row.position - 1, k - 1)]
            positions[after[0] if after else free[-1]] = row.product
    found = Promised(positions.values())
    found.positions = positions
    return found
