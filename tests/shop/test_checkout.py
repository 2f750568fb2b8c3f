"""An order is paid once, from stock that is there, by guests and members alike, and read by its owner alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client, RequestFactory

from shop import orders
from shop.models import Basket, Customer, Order
from tests.shop.conftest import PASSWORD

DELIVERY = {"name": "Ann Lee", "email": "ann@example.com", "address": "1 Mill Lane"}


@pytest.fixture
def checkout(client):
    """Go through checkout and payment; the order."""

    def run(pay: bool = True) -> Order:
        client.post("/checkout/", DELIVERY)
        order = Order.objects.latest("pk")
        if pay:
            client.post(f"/checkout/{order.pk}/payment/")
            order.refresh_from_db()
        return order

    return run


def test_a_guest_pays_and_sees_the_order(client, small, put, checkout):
    put(small.milk, 2)
    put(small.cheese, 1)
    order = checkout()
    assert (order.status, order.owner, order.total) == ("paid", None, Decimal("8.88"))
    assert order.lines.count() == 2
    small.milk.refresh_from_db()
    assert (small.milk.stock, small.milk.sold) == (8, 10)
    assert not Basket.objects.exists()
    page = client.get(f"/orders/{order.pk}/").content.decode()
    assert "$8.88" in page
    assert "1 Mill Lane" in page


def test_a_member_pays_and_finds_the_order_in_the_history(client, small, member, put, checkout):
    client.post("/login/", {"username": "ann", "password": PASSWORD})
    put(small.milk)
    assert b"1 Mill Lane" in client.get("/checkout/").content  # known already
    order = checkout()
    assert (order.owner, order.visitor, order.status) == (member, "", "paid")
    assert str(order.pk) in client.get("/orders/").content.decode()


def test_a_guests_order_names_the_visitor_only_with_full_consent(client, small, put, checkout):
    put(small.milk)
    assert checkout().visitor == ""
    client.post("/consent/", {"level": "full"})
    put(small.milk)
    assert checkout().visitor.startswith("visitor:")


def test_stock_is_taken_at_payment_and_once(client, small, put, checkout):
    put(small.milk, 3)
    order = checkout(pay=False)
    small.milk.refresh_from_db()
    assert (order.status, small.milk.stock) == ("pending", 10)
    for _again in range(2):
        client.post(f"/checkout/{order.pk}/payment/")
    small.milk.refresh_from_db()
    assert small.milk.stock == 7


def test_what_sold_out_meanwhile_is_not_paid(client, small, put, checkout):
    put(small.milk, 3)
    put(small.cheese, 1)
    order = checkout(pay=False)
    small.milk.stock = 2
    small.milk.save()
    client.post(f"/checkout/{order.pk}/payment/")
    order.refresh_from_db()
    small.cheese.refresh_from_db()
    assert (order.status, small.cheese.stock) == ("pending", 3)


def test_what_sold_out_meanwhile_is_not_ordered(client, small, put):
    put(small.milk, 3)
    small.milk.stock = 2
    small.milk.save()
    assert client.post("/checkout/", DELIVERY).url == "/basket/"
    assert not Order.objects.exists()


def test_a_price_is_fixed_when_the_order_is_placed(client, small, put, checkout):
    put(small.milk)
    order = checkout(pay=False)
    small.milk.price = Decimal("99")
    small.milk.save()
    assert order.lines.get().price == Decimal("2.69")


def test_checkout_says_what_is_missing_and_takes_no_empty_basket(client, small, put):
    assert client.get("/checkout/").url == "/basket/"
    put(small.milk)
    page = client.post("/checkout/", {**DELIVERY, "email": "nonsense"}).content.decode()
    assert "Enter a valid email address." in page
    assert not Order.objects.exists()


@pytest.mark.parametrize("way", ["login", "register"])
def test_a_guests_orders_are_the_members_after_the_login(client, small, member, put, checkout, way):
    client.post("/consent/", {"level": "full"})
    put(small.cheese)
    paid = checkout()
    put(small.milk)
    pending = checkout(pay=False)
    of_another = Order.objects.create()
    form = {"username": "bob", "email": "", "password1": PASSWORD, "password2": PASSWORD}
    client.post(f"/{way}/", form if way == "register" else {"username": "ann", "password": PASSWORD})
    assert client.get(f"/orders/{paid.pk}/").status_code == 200
    assert client.get(f"/checkout/{pending.pk}/payment/").status_code == 200
    client.post(f"/checkout/{pending.pk}/payment/")
    pending.refresh_from_db()
    customer = Customer.objects.get(user__username="ann" if way == "login" else "bob")
    assert (pending.owner, pending.status, pending.visitor) == (customer, "paid", "")
    of_another.refresh_from_db()
    assert of_another.owner is None
    client.post("/logout/")
    assert client.get(f"/orders/{paid.pk}/").status_code == 404


def test_paying_an_older_order_leaves_in_the_basket_what_was_put_there_since(client, small, put, checkout):
    put(small.milk, 2)
    older = checkout(pay=False)
    put(small.milk, 1)
    put(small.cheese, 3)
    for _again in range(2):
        client.post(f"/checkout/{older.pk}/payment/")
    left = Basket.objects.get().lines.values_list("product", "quantity")
    assert dict(left) == {small.milk.pk: 1, small.cheese.pk: 3}


def test_an_order_is_found_by_its_owner_alone(client, small, member, put, checkout):
    put(small.milk)
    of_guest = checkout()
    other = Client()
    assert other.get(f"/orders/{of_guest.pk}/").status_code == 404
    assert other.post(f"/checkout/{of_guest.pk}/payment/").status_code == 404
    of_member = Order.objects.create(owner=member)
    assert client.get(f"/orders/{of_member.pk}/").status_code == 404
    other.force_login(member.user)
    assert other.get(f"/orders/{of_member.pk}/").status_code == 200
    assert other.get(f"/orders/{of_guest.pk}/").status_code == 404
    assert client.get("/orders/").url == "/login/?next=/orders/"


def test_paying_an_order_twice_at_once_takes_the_stock_once(small, member):
    request = RequestFactory().post("/checkout/")
    request.user = member.user
    basket = Basket.objects.create(owner=member)
    basket.add(small.milk, 4)
    order = orders.place(request, basket, orders.Recipient(**DELIVERY))
    stale = Order.objects.get(pk=order.pk)
    orders.pay(order)
    orders.pay(stale)
    small.milk.refresh_from_db()
    assert small.milk.stock == 6


def test_a_stolen_last_unit_is_refused(small, member):
    request = RequestFactory().post("/checkout/")
    request.user = member.user
    basket = Basket.objects.create(owner=member)
    basket.add(small.cheese, 3)
    first, second = (orders.place(request, basket, orders.Recipient(**DELIVERY)) for _ in range(2))
    orders.pay(first)
    with pytest.raises(orders.SoldOut, match="Cheese Block"):
        orders.pay(second)
    assert Customer.objects.get().orders.filter(status="paid").count() == 1


def test_the_history_asks_the_same_few_questions_for_any_number_of_orders(
    client, small, member, django_assert_num_queries
):
    client.force_login(member.user)
    for _ in range(5):
        Order.objects.create(owner=member)
    client.get("/orders/")
    with django_assert_num_queries(5):  # session, user, number of orders, orders, basket; the menu is cached
        client.get("/orders/")
