"""A basket holds what can be bought, follows a guest into the account, and reports what was put in."""

from __future__ import annotations

import pytest

from metarec_plugin.models import Event
from shop.models import Basket, BasketLine
from tests.shop.conftest import PASSWORD


def units() -> dict[str, int]:
    return dict(BasketLine.objects.values_list("product__name", "quantity"))


def test_looking_around_makes_no_basket(client, small):
    client.get("/")
    client.get("/basket/")
    assert not Basket.objects.exists()


def test_products_add_up_to_the_stock_and_no_further(client, small, put):
    put(small.cheese, 2)
    put(small.cheese, 2)
    assert units() == {"Cheese Block, 8 oz": 3}
    assert b"$10.50" in client.get("/basket/").content


def test_out_of_stock_cannot_be_put_in(client, small, put):
    put(small.gone)
    assert units() == {}
    assert client.post(f"/basket/add/{small.fuel.pk}/").status_code == 404


def test_lines_are_changed_and_removed(client, small, put):
    put(small.milk, 2)
    address = f"/basket/update/{small.milk.pk}/"
    client.post(address, {"quantity": "4"})
    assert units() == {"Fresh Milk, 1 gal": 4}
    for nonsense in ("", "-1", "1e3", "²", "100"):
        client.post(address, {"quantity": nonsense})
    assert units() == {"Fresh Milk, 1 gal": 4}
    client.post(address, {"quantity": "0"})
    assert units() == {}
    assert client.post(address, {"quantity": "1"}).status_code == 404


def test_more_than_the_most_units_are_no_number_of_units(client, small, put, monkeypatch):
    monkeypatch.setattr("shop.views.basket.MAX_UNITS", 5)
    put(small.milk)
    for wanted, kept in (("5", 5), ("6", 5), ("3", 3)):
        client.post(f"/basket/update/{small.milk.pk}/", {"quantity": wanted})
        assert units() == {"Fresh Milk, 1 gal": kept}


def test_a_line_that_sold_out_since_blocks_the_checkout(client, small, put):
    put(small.milk)
    small.milk.stock = 0
    small.milk.save()
    page = client.get("/basket/").content.decode()
    assert "No longer available" in page
    assert "/checkout/" not in page


def test_a_guests_basket_is_merged_into_the_members_at_login(client, small, member, put):
    own = Basket.objects.create(owner=member)
    own.add(small.milk, 1)
    put(small.milk, 2)
    put(small.cheese, 1)
    client.post("/login/", {"username": "ann", "password": PASSWORD})
    assert list(Basket.objects.all()) == [own]
    assert units() == {"Fresh Milk, 1 gal": 3, "Cheese Block, 8 oz": 1}
    client.post("/logout/")
    assert b"Your basket is empty" in client.get("/basket/").content


def test_another_guest_does_not_see_this_basket(client, small, put):
    from django.test import Client

    put(small.milk)
    assert b"Your basket is empty" in Client().get("/basket/").content


def test_adding_is_an_event_of_a_visitor_who_allowed_it(
    client, small, put, django_capture_on_commit_callbacks
):
    client.post("/consent/", {"level": "full"})
    with django_capture_on_commit_callbacks(execute=True):
        put(small.milk)
    [event] = Event.objects.all()
    assert (event.kind, event.product) == ("basket", str(small.milk.pk))
    assert event.subject.startswith("visitor:")


@pytest.mark.parametrize("level", ["session", "none"])
def test_without_full_consent_nothing_is_logged(client, small, put, level):
    client.post("/consent/", {"level": level})
    put(small.milk)
    assert not Event.objects.exists()


def test_only_own_pages_are_returned_to(client, small):
    answer = client.post(f"/basket/add/{small.milk.pk}/", {"next": "https://elsewhere.example/"})
    assert answer.url == "/basket/"
    answer = client.post(f"/basket/add/{small.milk.pk}/", {"next": "/search/?q=milk"})
    assert answer.url == "/search/?q=milk"
