"""The shop of UUID keys keeps the contract, whether the parent is sold or one of its children."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import TestCase, override_settings

from metarec_plugin.testing import StorefrontContract
from tests.storefronts.uuid_pk.models import Product, Sale


@override_settings(
    METAREC={**settings.METAREC, "STOREFRONT": "tests.storefronts.uuid_pk.metarec.UuidStorefront"}
)
class UuidShop(StorefrontContract, TestCase):
    def make_user(self) -> User:
        return User.objects.create_user(f"shopper{User.objects.count()}")

    def make_product(self) -> Product:
        number = Product.objects.count()
        return Product.objects.create(title=f"Lamp {number}", slug=f"lamp-{number}", kilocalories=None)

    def withdraw(self, product: Product) -> None:
        product.deleted = True
        product.save()

    def make_purchase(
        self, product: Product, *, user: Any = None, visitor: str = "", counts: bool = True
    ) -> Sale:
        return Sale.objects.create(buyer=user, product=self.sold(product), void=not counts)

    def sold(self, product: Product) -> Product:
        return product

    def let_count(self, purchase: Sale) -> None:
        purchase.void = False
        purchase.save(update_fields=["void"])


class UuidShopOfChildren(UuidShop):
    def sold(self, product: Product) -> Product:
        return Product.objects.create(parent=product, title="Lamp, red", slug="lamp-red", colour="red")
