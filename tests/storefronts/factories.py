"""Rows of the demo shop and of the bookshop for tests."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from shop.models import Category, Customer, Department, Order, OrderLine, Product
from tests.storefronts.bookshop.models import Author, Book, Loan, Reader, Receipt

_numbers = itertools.count(1)


def make_customer() -> Customer:
    number = next(_numbers)
    user = User.objects.create_user(f"shopper{number}", password="open sesame")
    customer, _ = Customer.objects.get_or_create(user=user)
    return customer


def make_product(**fields: Any) -> Product:
    number = next(_numbers)
    department, _ = Department.objects.get_or_create(name="Grocery", slug="grocery")
    category, _ = Category.objects.get_or_create(department=department, name="Bread", slug="bread")
    return Product.objects.create(
        **{"category": category, "name": f"Loaf {number}", "price": "2.50", "stock": 9, **fields}
    )


def make_order(
    *products: Product,
    owner: Customer | None = None,
    status: str = "paid",
    at: datetime | None = None,
    **fields: Any,
) -> Order:
    order = Order.objects.create(owner=owner, status=status, placed_at=at or timezone.now(), **fields)
    for product in products:
        OrderLine.objects.create(order=order, product=product, quantity=2, price="2.4950")
    return order


def make_book(**fields: Any) -> Book:
    number = next(_numbers)
    author, _ = Author.objects.get_or_create(name="Ada")
    return Book.objects.create(
        **{
            "isbn": f"isbn-{number}",
            "shelf_code": f"A{number}",
            "title": f"Book {number}",
            "author": author,
            **fields,
        }
    )


def make_loan(book: Book, *, settled: bool = True, **fields: Any) -> Loan:
    loan = Loan.objects.create(**{"book": book, "day": date(2026, 3, 1), **fields})
    Receipt.objects.create(loan=loan, settled=settled)
    return loan


def make_reader(card: str) -> Reader:
    return Reader.objects.create(card=card, town="Delft")
