"""A small shop: two departments on the shelves and one that nobody may browse."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from shop.models import Category, Customer, Department, Product

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class SmallShop:
    dairy: Department
    milk: Product
    cheese: Product
    gone: Product  # in the catalogue, none in stock
    fuel: Product  # withdrawn, in a department that is not listed


@pytest.fixture
def small(db) -> SmallShop:
    cache.clear()
    dairy = Department.objects.create(name="Dairy", slug="dairy", picture="milk")
    bakery = Department.objects.create(name="Bakery", slug="bakery", picture="bread")
    hidden = Department.objects.create(name="Fuel", slug="fuel", is_listed=False)
    milk = Category.objects.create(department=dairy, name="Milk", slug="milk", picture="milk")
    bread = Category.objects.create(department=bakery, name="Bread", slug="bread", picture="bread")
    fuel = Category.objects.create(department=hidden, name="Fuel", slug="fuel")

    def make(category: Category, name: str, price: str, stock: int, **more: object) -> Product:
        return Product.objects.create(category=category, name=name, price=Decimal(price), stock=stock, **more)

    return SmallShop(
        dairy=dairy,
        milk=make(milk, "Fresh Milk, 1 gal", "2.69", 10, brand="Greenbarrow", is_own_brand=True, sold=9),
        cheese=make(milk, "Cheese Block, 8 oz", "3.50", 3, brand="Otterwick", sold=5),
        gone=make(bread, "Rye Bread", "1.99", 0, brand="Fernstead"),
        fuel=make(fuel, "Gasoline", "0.01", 100, is_active=False),
    )


@pytest.fixture
def member(db) -> Customer:
    user = User.objects.create_user("ann", email="ann@example.com", password=PASSWORD)
    return Customer.objects.create(user=user, address="1 Mill Lane")


@pytest.fixture
def put(client):
    """Put units of a product into the basket through the page's own form."""

    def add(product: Product, quantity: int = 1) -> None:
        answer = client.post(f"/basket/add/{product.pk}/", {"quantity": quantity})
        assert answer.status_code == 302

    return add
