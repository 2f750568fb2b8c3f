"""The demo keeps the contract that every mapping keeps."""

from __future__ import annotations

from typing import Any

from django.test import TestCase

from metarec_plugin.testing import StorefrontContract
from shop.models import OrderLine, Product
from tests.storefronts.factories import make_customer, make_order, make_product


class DemoShop(StorefrontContract, TestCase):
    def make_user(self) -> Any:
        return make_customer().user

    def make_product(self) -> Product:
        return make_product()

    def withdraw(self, product: Product) -> None:
        product.is_active = False
        product.save()

    def make_purchase(
        self, product: Product, *, user: Any = None, visitor: str = "", counts: bool = True
    ) -> OrderLine:
        order = make_order(
            product,
            owner=user and user.customer,
            visitor=visitor,
            status="paid" if counts else "pending",
        )
        return order.lines.get()

    def let_count(self, purchase: OrderLine) -> None:
        purchase.order.status = "paid"
        purchase.order.save()
