"""Products are found by words of their title or by their key, a bounded number of them."""

from __future__ import annotations

import json

import pytest
from django.test import RequestFactory

from metarec_plugin.admin.products import MOST, answer_search, product_search, titles_of
from shop.models import Category, Department, Product


@pytest.fixture
def products(db):
    department = Department.objects.create(name="Dairy", slug="dairy")
    shelf = Category.objects.create(department=department, name="Milk", slug="milk")
    names = ["Oat milk, plain", "Oat milk, vanilla", "Whole milk", "Butter"] + [f"Tin {n}" for n in range(60)]
    return Product.objects.bulk_create(Product(category=shelf, name=name, price=1, stock=1) for name in names)


def test_every_word_is_in_the_title_in_any_order(products):
    assert [each["title"] for each in product_search("VANILLA oat")] == ["Oat milk, vanilla"]
    assert {each["title"] for each in product_search("milk")} == {
        "Oat milk, plain",
        "Oat milk, vanilla",
        "Whole milk",
    }


def test_a_key_finds_its_product(products):
    assert product_search(str(products[3].pk)) == [{"key": str(products[3].pk), "title": "Butter"}]


def test_what_is_not_sold_is_not_found_but_keeps_its_title(products):
    Product.objects.filter(pk=products[3].pk).update(is_active=False)
    assert product_search("Butter") == []
    assert titles_of([str(products[3].pk), "nonsense"]) == {str(products[3].pk): "Butter"}


def test_never_more_than_asked_for_nor_than_the_bound(products, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        assert len(product_search("Tin", 5)) == 5
    assert len(product_search("Tin", 10_000)) == MOST
    assert len(product_search("", 7)) == 7


def test_it_is_answered_as_json(products):
    answer = answer_search(RequestFactory().get("/", {"q": "butter"}))
    assert json.loads(answer.content) == {"products": [{"key": str(products[3].pk), "title": "Butter"}]}
