"""Run inside the project that a test of the quickstart makes: `seed` its shop, or `look` at it as a browser does."""

from __future__ import annotations

import os
import random
import re
import sys
import uuid
from datetime import timedelta

SHELVES, PER_SHELF, SHOPPERS, BOUGHT = 3, 10, 600, 7


def seed() -> None:
    """Shoppers who buy from one shelf only, each an order of their own; every tenth order is not paid."""
    from django.contrib.auth.models import User
    from django.utils import timezone
    from myshop.models import Category, Customer, Order, OrderLine, Product

    rng = random.Random(0)
    shelves = [
        Product.objects.bulk_create(
            Product(name=f"{category.name} {i}", category=category, price=2) for i in range(PER_SHELF)
        )
        for category in [Category.objects.create(name=f"Shelf {shelf}") for shelf in range(SHELVES)]
    ]
    users = User.objects.bulk_create(User(username=f"shopper{i}") for i in range(SHOPPERS))
    customers = Customer.objects.bulk_create(Customer(user=user) for user in users)
    start = timezone.now() - timedelta(days=90)
    orders = Order.objects.bulk_create(
        Order(
            customer=customer,
            status="open" if i % 10 == 9 else "paid",
            placed_at=start + timedelta(hours=i),
        )
        for i, customer in enumerate(customers)
    )
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=product)
        for i, order in enumerate(orders)
        for product in rng.sample(shelves[i % SHELVES], BOUGHT)
    )


def look() -> None:
    """Open home, two products of the last shelf, and home again, with what the page's script would report."""
    from django.test import Client
    from myshop.models import Product

    browser = Client(headers={"user-agent": "Mozilla/5.0 Chrome/140"}, enforce_csrf_checks=True)
    shelf = f"Shelf {SHELVES - 1}"
    print("before", *shown(browser))
    for product in Product.objects.filter(category__name=shelf)[:2]:
        page = browser.get(product.get_absolute_url()).content.decode()
        [key] = re.findall(r'<h1 data-metarec-product="(\d+)"', page)
        [endpoint] = re.findall(r'data-endpoint="([^"]+)"', page)
        events = {"events": [{"id": str(uuid.uuid4()), "kind": "view", "product": key}]}
        assert browser.post(endpoint, events, content_type="application/json").status_code == 202
    print("after", *shown(browser))


def shown(browser: object) -> list[str]:
    """The stage of the list on the home page, and the shelf of each of its products."""
    from myshop.models import Product

    page = browser.get("/").content.decode()  # type: ignore[attr-defined]
    [stage] = re.findall(r'data-metarec-stage="(\w*)"', page)
    keys = list(dict.fromkeys(re.findall(r'href="/products/(\d+)/', page)))
    return [stage, *(Product.objects.get(pk=key).category.name[-1] for key in keys)]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    sys.path.insert(0, os.getcwd())
    import django

    django.setup()
    {"seed": seed, "look": look}[sys.argv[1]]()
