"""The demo's data: readable names, nothing dropped, nothing loaded twice, no fuel for sale."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from shop.demo import brands, names, source
from shop.demo.catalogue import product_key
from shop.demo.departments import shelf
from shop.models import Category, Customer, Department, Order, OrderLine, Product

HOUSEHOLDS = 8


@pytest.fixture(scope="module")
def read() -> source.Source:
    return source.read(HOUSEHOLDS)


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker):
    """Load a few households once for the tests of this module, and take all of it away again."""
    with django_db_blocker.unblock():
        first, second = StringIO(), StringIO()
        call_command("load_demo", households=HOUSEHOLDS, stdout=first)
        before = snapshot()
        call_command("load_demo", households=HOUSEHOLDS, stdout=second)
        yield {"first": first.getvalue(), "second": second.getvalue(), "before": before, "after": snapshot()}
        for model in (OrderLine, Order, Product, Category, Department, Customer, User):
            # Row by row through the ORM it would take longer than the tests.
            model.objects.all()._raw_delete(using="default")


def snapshot() -> tuple:
    return (
        OrderLine.objects.count(),
        Product.objects.count(),
        User.objects.count(),
        list(Order.objects.values_list("pk", "placed_at", "total", "owner").order_by("pk")),
        list(User.objects.values_list("username", "password").order_by("pk")),
    )


def test_every_line_of_the_chosen_households_is_loaded(loaded, read, db):
    assert OrderLine.objects.count() == len(read.lines)
    assert Order.objects.count() == read.lines["basket_id"].n_unique()
    assert Product.objects.count() == 92_331 + 17
    assert Customer.objects.count() == HOUSEHOLDS
    assert f"{len(read.lines):,}  every line" in loaded["first"]
    assert OrderLine.objects.filter(quantity=0).count() == (read.lines["quantity"] == 0).sum()


def test_a_second_run_changes_nothing_and_shows_no_password(loaded, db):
    assert loaded["before"] == loaded["after"]
    assert loaded["first"].count("password") == 3  # one in the count of members, two accounts
    assert "shown this once" not in loaded["second"]
    assert "nothing was changed" in loaded["second"]


def test_the_accounts_are_staff_and_a_household_with_a_history(loaded, db):
    staff, shopper = (User.objects.get(username=name) for name in ("staff", "shopper"))
    assert staff.is_superuser
    assert not shopper.is_staff
    assert shopper.customer.orders.count() > 20
    assert shopper.customer.region.startswith("Store area ")
    assert (
        not User.objects.exclude(username__in=["staff", "shopper"])
        .filter(password__startswith="md5")
        .exists()
    )


def test_the_year_ends_this_week_and_keeps_its_weekdays(loaded, read, db):
    moved = (
        Order.objects.get(pk=read.lines["basket_id"][0]).placed_at.replace(tzinfo=None) - read.lines["at"][0]
    )
    assert moved % timedelta(days=7) == timedelta(0)
    last = read.last_sale + moved
    assert timedelta(0) <= timezone.now().replace(tzinfo=None) - last < timedelta(days=7, hours=1)


def test_nothing_that_is_no_product_is_for_sale(loaded, db):
    unlisted = Department.objects.filter(is_listed=False)
    assert {"Fuel", "Coupons", "Till Sundries", "Not in the Catalogue"} <= set(
        unlisted.values_list("name", flat=True)
    )
    assert not Product.objects.filter(category__department__in=unlisted, is_active=True).exists()
    offered = Product.objects.filter(is_active=True)
    for word in ("gasoline", "coupon", "gift card", "cigarettes", "deposit", "unknown product"):
        assert not offered.filter(name__icontains=word).exists(), word
    assert offered.count() > 90_000


def test_new_orders_are_numbered_behind_all_loaded_ones(loaded, read, db):
    assert Order.objects.create().pk > read.last_basket


def test_more_households_later_are_moved_by_the_same_weeks(loaded, db):
    moved = Order.objects.earliest("placed_at").placed_at
    call_command("load_demo", households=HOUSEHOLDS + 1, stdout=StringIO())
    assert Customer.objects.count() == HOUSEHOLDS + 1
    assert Order.objects.filter(placed_at__lt=moved - timedelta(days=7)).count() == 0


def test_a_senseless_number_of_households_is_refused():
    with pytest.raises(CommandError, match="from 1 on; found 0"):
        call_command("load_demo", households=0)


@pytest.mark.parametrize(
    ("moved", "now"),
    [(0, datetime(2018, 1, 5)), (1, datetime(2018, 1, 8, 4, 1, 20)), (0, datetime(2018, 1, 8, 4, 1, 19))],
)
def test_dates_move_by_whole_weeks(moved, now):
    assert source.whole_weeks(datetime(2018, 1, 1, 4, 1, 20), now) == timedelta(weeks=moved)


@pytest.mark.parametrize(
    ("product_type", "category", "name"),
    [
        ("FLUID MILK WHITE ONLY", "FLUID MILK PRODUCTS", "Fresh Milk"),
        ("APPLES GALA (BULK&BAG)", "APPLES", "Gala Apples"),
        ("PREMIUM", "BACON", "Premium Bacon"),
        ("PREMIUM", "ICE CREAM/MILK/SHERBTS", "Premium Ice Cream"),
        ("FRZN GARLIC BREAD/TOAST/STICKS", "FROZEN BREAD/DOUGH", "Frozen Garlic Bread/Toast/Sticks"),
        ("BREAD:SAVORY/SPECIALTY", "BREAD", "Savory/Specialty Bread"),
        ("ONIONS OTHER", "ONIONS", "Onions"),
        ("CORN", "VEGETABLES - SHELF STABLE", "Canned Corn"),
    ],
)
def test_types_read_as_names(product_type, category, name):
    assert names.type_name(product_type, category) == name


@pytest.mark.parametrize(
    ("package", "size"),
    [
        ("12 OZ", "12 oz"), ("6/.5 L", "6 × 0.5 L"), ("P   8.5 OZ", "8.5 oz"), ("(18) 2 LB", "18 × 2 lb"),
        ("1 DZ", "1 dozen"), ("GAL", "1 gal"), ("997874  PK", ""), ("531285 5 PK", ""), (None, ""), ("CTN", ""),
    ],
)  # fmt: skip
def test_sizes_are_read_and_article_codes_are_not(package, size):
    assert names.size_name(package) == size


def test_makers_get_different_invented_names():
    assert len({brands.brand_name(rank) for rank in range(6471)}) == 6471


def test_stray_products_go_back_to_their_shelf_and_services_do_not_sell():
    assert (
        shelf("TRAVEL & LEISURE", "APPLES", "APPLES BRAEBURN (BULK&BAG)").department == "Fruit & Vegetables"
    )
    assert shelf("GROCERY", "BOTTLE DEPOSITS", "BOTTLE DEPOSITS").is_sold is False
    assert shelf("FUEL", "FUEL", "GASOLINE-REG UNLEADED").is_listed is False
    assert shelf("A NEW ONE", None, None).is_sold is False


def test_product_keys_never_change():
    assert str(product_key(25671)) == "5a4be4b7-6c16-5831-9770-11b5dc06208b"
