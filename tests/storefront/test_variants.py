"""What is sold counts as what is shown: a size as its product, a child as its parent; each kind by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from metarec_plugin.collect.sync import sync
from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.schema import NOT_APPLICABLE, UNKNOWN
from metarec_plugin.features.table import product_table
from metarec_plugin.models import Event
from metarec_plugin.storefront import Storefront, get_storefront
from metarec_plugin.storefront.raw import raw_stream
from metarec_plugin.storefront.rows import interaction_queryset
from tests.storefronts.plain.models import BasketRow, Line, Look, Order, Product, Rating, Variant, Wish
from tests.storefronts.uuid_pk.models import Category, Sale
from tests.storefronts.uuid_pk.models import Product as Child

pytestmark = pytest.mark.django_db


def use(settings: Any, path: str) -> Storefront:
    settings.METAREC = {**settings.METAREC, "STOREFRONT": f"tests.storefronts.{path}"}
    return get_storefront()


@pytest.fixture
def plain(settings: Any) -> Storefront:
    return use(settings, "plain.metarec.PlainStorefront")


@pytest.fixture
def by_uuid(settings: Any) -> Storefront:
    return use(settings, "uuid_pk.metarec.UuidStorefront")


@pytest.fixture
def shopper() -> User:
    return User.objects.create_user("shopper")


def events() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("id").values_list("kind", "product"))


def test_of_several_paths_the_first_that_leads_to_a_product_counts(plain: Storefront, shopper: User) -> None:
    socks, mug, other = (Product.objects.create(name=name, price=1) for name in ("Socks", "Mug", "Other"))
    order = Order.objects.create(user=shopper, paid_at=timezone.now())
    size = Variant.objects.create(product=socks, size="M")
    Line.objects.create(order=order, variant=size, product=other)
    Line.objects.create(order=order, product=mug)
    Line.objects.create(order=order)  # of neither: left out by where
    assert sync(full=True).new == 2
    assert set(events()) == {("purchase", str(socks.pk)), ("purchase", str(mug.pk))}


def test_a_child_counts_as_its_parent_and_the_fast_read_says_the_same(
    by_uuid: Storefront, shopper: User
) -> None:
    parent = Child.objects.create(title="Lamp", slug="lamp")
    child = Child.objects.create(title="Lamp, red", slug="lamp-red", parent=parent)
    alone = Child.objects.create(title="Bulb", slug="bulb")
    for sold in (child, parent, alone):
        Sale.objects.create(buyer=shopper, product=sold)
    (sales,) = by_uuid.interactions
    queryset = interaction_queryset(sales).order_by("moment")
    expected = [str(parent.pk), str(parent.pk), str(alone.pk)]
    assert sorted(str(row.product) for row in by_uuid.interaction_rows(sales)) == sorted(expected)
    assert [row.product for row in raw_stream(queryset, text_moments=True)] == expected
    assert by_uuid.known_products([str(child.pk), str(parent.pk)]) == {str(parent.pk)}


def test_a_change_of_a_product_has_no_order_read_again(
    by_uuid: Storefront, shopper: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    product = Child.objects.create(title="Lamp", slug="lamp")
    Sale.objects.create(buyer=shopper, product=product)
    with django_capture_on_commit_callbacks() as callbacks:
        product.title = "Desk lamp"
        product.save()
    assert callbacks == []


def test_each_thing_that_a_shopper_does_is_an_event_of_its_kind(
    plain: Storefront, shopper: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    product = Product.objects.create(name="Mug", price=1)
    with django_capture_on_commit_callbacks(execute=True):
        for model in (Look, Wish, BasketRow):
            model.objects.create(user=shopper, product=product)
        Rating.objects.create(user=shopper, product=product, stars=4)
    assert sorted(events()) == [(kind, str(product.pk)) for kind in ("basket", "rating", "view", "wish")]
    assert Event.objects.get(kind="rating").value == 4
    assert sync(full=True).new == 0


def test_a_feature_of_one_part_of_the_shop_does_not_apply_to_the_rest(by_uuid: Storefront) -> None:
    """Apart from one that is unknown: the shop says n/a, or says nothing."""
    red, milk, odd = (
        Child.objects.create(title=colour, slug=str(place), colour=colour, kilocalories=number)
        for place, (colour, number) in enumerate([("red", None), ("n/a", 64.0), ("", None)])
    )
    for name in ("Dairy", "Fresh"):
        milk.categories.add(Category.objects.create(name=name))
    table = product_table()
    keys = np.array([str(each.pk) for each in (red, milk, odd)])
    found = encode(table, fit_schema(table, keys), keys)
    assert found.codes["colour"].tolist()[1:] == [NOT_APPLICABLE, UNKNOWN]
    assert found.codes["colour"][0] not in (NOT_APPLICABLE, UNKNOWN)
    assert found.codes["kilocalories"].tolist()[0::2] == [UNKNOWN, UNKNOWN]
    indptr, codes = found.many["categories"]
    assert indptr.tolist() == [0, 0, 2, 2]
    assert len(set(codes.tolist())) == 2
