"""A shop with planted tastes: three shelves, and members who buy from one of them only."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from metarec_plugin.collect.sync import sync
from shop.models import Category, Customer, Department, Order, OrderLine, Product

SHELVES, PER_SHELF, MEMBERS, BOUGHT = 3, 20, 150, 12


@dataclass(frozen=True)
class PlantedShop:
    products: list[Product]  # shelf by shelf
    members: list[Customer]

    def shelf_of(self, key: str) -> int:
        return self.keys.index(key) // PER_SHELF

    @property
    def keys(self) -> list[str]:
        return [str(product.pk) for product in self.products]


def buy(owner: Customer, products: list[Product], at) -> Order:
    """A paid order, one line a product, saved as a shop's checkout does."""
    order = Order.objects.create(owner=owner, status=Order.Status.PAID, placed_at=at, total=len(products))
    for product in products:
        OrderLine.objects.create(order=order, product=product, quantity=1, price=product.price)
    return order


@pytest.fixture
def planted(transactional_db) -> PlantedShop:
    rng = np.random.default_rng(0)
    products = []
    for shelf in range(SHELVES):
        department = Department.objects.create(name=f"Shelf {shelf}", slug=f"shelf-{shelf}")
        category = Category.objects.create(department=department, name=f"Kind {shelf}", slug=f"kind-{shelf}")
        products += Product.objects.bulk_create(
            Product(
                id=uuid.UUID(int=1000 * (shelf + 1) + i),
                category=category,
                name=f"P{shelf}-{i}",
                price=2,
                stock=9,
            )
            for i in range(PER_SHELF)
        )
    # By number: who is on which side of the split must not hang on the tests that ran before.
    users = User.objects.bulk_create(User(id=1001 + i, username=f"member-{i}") for i in range(MEMBERS))
    members = Customer.objects.bulk_create(Customer(user=user) for user in users)
    start = timezone.now() - timedelta(days=100)
    for i, member in enumerate(members):
        shelf = i % SHELVES
        chosen = rng.choice(PER_SHELF, BOUGHT, replace=False) + shelf * PER_SHELF
        order = Order.objects.create(
            owner=member, status=Order.Status.PAID, placed_at=start + timedelta(hours=i), total=BOUGHT
        )
        OrderLine.objects.bulk_create(
            OrderLine(order=order, product=products[p], quantity=1, price=2) for p in chosen
        )
    sync(full=True)
    return PlantedShop(products, members)
