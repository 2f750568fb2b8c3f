"""The plain shop keeps the contract, sold in sizes or not."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.utils import timezone

from metarec_plugin.testing import StorefrontContract
from tests.storefronts.plain.models import Line, Order, Product, Site, Variant

METAREC = {**settings.METAREC, "STOREFRONT": "tests.storefronts.plain.metarec.PlainStorefront"}


@override_settings(METAREC=METAREC)
class PlainShop(StorefrontContract, TestCase):
    def make_user(self) -> User:
        return User.objects.create_user(f"shopper{User.objects.count()}")

    def make_product(self) -> Product:
        return Product.objects.create(name="Socks", price="3.20")

    def withdraw(self, product: Product) -> None:
        product.on_sale = False
        product.save()

    def make_purchase(
        self, product: Product, *, user: Any = None, visitor: str = "", counts: bool = True
    ) -> Line:
        order = Order.objects.create(user=user, guest=visitor, paid_at=timezone.now() if counts else None)
        return self.make_line(order, product)

    def make_line(self, order: Order, product: Product) -> Line:
        return Line.objects.create(order=order, product=product, count=2)

    def let_count(self, purchase: Line) -> None:
        purchase.order.paid_at = timezone.now()
        purchase.order.save()


class PlainShopOfSizes(PlainShop):
    """What a line names is a size; what is recommended is the product."""

    def make_line(self, order: Order, product: Product) -> Line:
        return Line.objects.create(order=order, variant=Variant.objects.create(product=product, size="M"))


@override_settings(
    METAREC={**METAREC, "STOREFRONT": "tests.storefronts.plain.metarec.SitesStorefront"},
)
class PlainShopOfTwoSites(PlainShop):
    """A request sees the products of its own site; withdrawn is also what another site shows."""

    def make_product(self) -> Product:
        product = super().make_product()
        for domain in ("testserver", "other.example"):
            product.sites.add(Site.objects.get_or_create(domain=domain)[0])
        return product

    def make_request(self, user: Any = None) -> Any:
        request = super().make_request(user)
        request.META["HTTP_HOST"] = "testserver"
        return request
