"""Shelves show what is for sale, in the order and with the filters that the address asks for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest
from django.template.loader import render_to_string

from metarec_plugin.serve import current, trends
from metarec_plugin.serve.policy import forget_policy

PAGES = (
    "/", "/departments/", "/department/dairy/", "/department/dairy/milk/", "/search/", "/search/?q=milk", "/basket/",
    "/privacy/", "/login/", "/register/",
)  # fmt: skip


def names(response) -> list[str]:
    return [product.name for product in response.context["listing"].products]


@pytest.mark.parametrize("address", PAGES)
def test_pages_render_with_no_model_and_carry_their_policy(client, small, address):
    response = client.get(address)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=')  # nothing inline


def test_an_empty_shop_renders(client, db):
    assert client.get("/").status_code == 200
    assert client.get("/search/?q=milk").status_code == 200


def test_best_sellers_come_first_unless_another_order_is_asked_for(client, small):
    assert names(client.get("/department/dairy/")) == ["Fresh Milk, 1 gal", "Cheese Block, 8 oz"]
    assert names(client.get("/department/dairy/?sort=-price")) == ["Cheese Block, 8 oz", "Fresh Milk, 1 gal"]
    assert names(client.get("/department/dairy/?sort=nonsense&page=99")) == [
        "Fresh Milk, 1 gal",
        "Cheese Block, 8 oz",
    ]


def test_filters_narrow_a_shelf(client, small):
    assert names(client.get("/department/dairy/?own=1")) == ["Fresh Milk, 1 gal"]
    assert names(client.get("/department/dairy/milk/?price=10-")) == []
    assert names(client.get("/department/bakery/")) == ["Rye Bread"]
    assert names(client.get("/department/bakery/?stock=1")) == []


def test_search_needs_each_word_and_leaves_out_what_is_withdrawn(client, small):
    assert names(client.get("/search/", {"q": "milk"})) == [
        "Fresh Milk, 1 gal",
        "Cheese Block, 8 oz",
    ]  # by category
    assert names(client.get("/search/", {"q": "CHEESE milk"})) == ["Cheese Block, 8 oz"]
    assert names(client.get("/search/", {"q": "otter"})) == ["Cheese Block, 8 oz"]
    assert names(client.get("/search/", {"q": "gasoline"})) == []
    assert names(client.get("/search/", {"q": ""})) == []


@pytest.mark.parametrize("query", ["%", "'; --", "\x00milk", "x" * 5000, "<script>alert(1)</script>"])
def test_search_survives_what_people_type(client, small, query):
    response = client.get("/search/", {"q": query})
    assert response.status_code == 200
    assert b"<script>alert" not in response.content


def test_search_page_tells_the_beacon_its_words(client, small):
    assert (
        b'data-metarec-query="fresh &quot;milk&quot;"'
        in client.get("/search/", {"q": 'fresh  "milk"'}).content
    )


def test_product_page_marks_itself_for_the_beacon(client, small):
    page = client.get(f"/product/{small.milk.pk}/").content.decode()
    assert f'<main id="main" tabindex="-1" data-metarec-product="{small.milk.pk}">' in page
    assert "$2.69" in page
    assert "In stock" in page


def test_stock_is_told_and_an_empty_shelf_sells_nothing(client, small):
    assert b"Only 3 left" in client.get(f"/product/{small.cheese.pk}/").content
    page = client.get(f"/product/{small.gone.pk}/").content.decode()
    assert "Out of stock" in page
    assert "/basket/add/" not in page.partition('<div class="product">')[2].partition("<section")[0]


def test_what_is_withdrawn_or_unlisted_is_not_found(client, small):
    for address in (
        f"/product/{small.fuel.pk}/",
        f"/product/{uuid.uuid4()}/",
        "/department/fuel/",
        "/department/fuel/fuel/",
    ):
        assert client.get(address).status_code == 404
    assert b"This page does not exist" in client.get("/department/fuel/").content


def test_the_error_page_needs_no_database_and_no_context():
    assert "Something went wrong" in render_to_string("500.html")


def test_a_chinese_visitor_reads_chinese(client, small):
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})
    page = client.get("/").content.decode()
    assert '<html lang="zh-hans">' in page
    assert "加入购物车" in client.get(f"/product/{small.milk.pk}/").content.decode()


@dataclass(frozen=True)
class Placed:
    key: str


@pytest.fixture
def looked_up(settings, monkeypatch):
    """A process that looks for the version, the merchant's rows and the trends at the first page and not again soon.

    What tests before this one looked for would be due again in between.
    """
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    monkeypatch.setattr(current, "_served", current.Served())
    monkeypatch.setattr(trends, "_kept", trends.Kept())
    forget_policy()
    yield
    forget_policy()


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize(
    ("address", "queries"),
    [
        ("/departments/", 0),
        (
            "/department/dairy/",
            5,
        ),  # department, categories, number of products, keys of a page, products
        ("/department/dairy/milk/", 6),  # 4 of the shop's own; popular events, products of the list
        ("/search/?q=milk", 3),
        ("/privacy/", 0),
    ],
)
def test_a_page_asks_the_same_few_questions_however_many_products(
    client, small, address, queries, django_assert_num_queries
):
    client.get(address)  # the menu is cached
    with django_assert_num_queries(queries):
        client.get(address)


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize("address", ["/", "product"])
def test_lists_of_recommendations_do_not_ask_per_product(client, small, address, django_assert_num_queries):
    address = f"/product/{small.milk.pk}/" if address == "product" else address
    client.get(address)
    with django_assert_num_queries(4):
        client.get(address)


def test_a_search_in_no_asked_order_is_the_shopper_s(client, small, monkeypatch):
    monkeypatch.setattr(
        "shop.views.catalogue.rerank", lambda request, keys: [Placed(key) for key in keys[::-1]]
    )
    best, turned = (client.get(f"/search/?q=milk{order}") for order in ("&sort=best", ""))
    listed = [[product.pk for product in answer.context["listing"].products] for answer in (best, turned)]
    assert len(listed[0]) == 2
    assert listed[1] == listed[0][::-1]


def test_a_search_for_nothing_and_a_wrong_address_offer_something(client, small):
    for address, status in (("/search/?q=zebra", 200), ("/nowhere/", 404)):
        answer = client.get(address)
        assert answer.status_code == status
        assert 'data-metarec-placement="nothing_found"' in answer.content.decode()


def test_new_arrivals_have_a_page(client, small):
    page = client.get("/new/").content.decode()
    assert page.count("data-metarec-slate") == 2
    assert 'data-metarec-placement="arrivals"' in page


def test_a_script_adds_to_the_basket_without_a_new_page(client, small):
    headers = {"accept": "application/json"}
    answer = client.post(f"/basket/add/{small.milk.pk}/", {"quantity": 2}, headers=headers)
    assert answer.json() == {"message": "Fresh Milk, 1 gal is in your basket.", "count": 2}
    answer = client.post(f"/basket/add/{small.gone.pk}/", headers=headers)
    assert answer.json() == {"message": "Rye Bread is out of stock."}
