"""The shop with a user model of its own keeps the contract; run by its own settings (see test_contract.py)."""

from __future__ import annotations

from typing import Any

from django.test import TestCase

from metarec_plugin.collect.subjects import support_keys
from metarec_plugin.testing import StorefrontContract
from tests.storefronts.custom_user.models import Article, Customer, Member, Purchase


class MemberShop(StorefrontContract, TestCase):
    def test_an_order_is_of_who_logs_in(self) -> None:
        """Whatever key the customer in between has."""
        Customer.objects.create(town="Leiden")
        member = self.make_user()
        assert str(member.customer.pk) != member.pk
        bought = [self.make_product() for _ in range(2)]
        with self.captureOnCommitCallbacks(execute=True):
            for article in bought:
                self.make_purchase(article, user=member)
        self.client.force_login(member)
        request = self.client.get("/who/").wsgi_request
        assert request.user == member
        assert set(support_keys(request, 50)) == {article.slug for article in bought}

    def make_user(self) -> Member:
        number = Member.objects.count()
        member = Member.objects.create(card=f"M-{number:04d}", email=f"{number}@example.org")
        Customer.objects.create(member=member, town="Delft")
        return member

    def make_product(self) -> Article:
        number = Article.objects.count()
        return Article.objects.create(slug=f"blue-jar-{number}", heading="Blue jar")

    def withdraw(self, product: Article) -> None:
        product.gone_since = "2026-01-01"
        product.save()

    def make_purchase(
        self, product: Article, *, user: Any = None, visitor: str = "", counts: bool = True
    ) -> Purchase:
        return Purchase.objects.create(
            customer=user.customer, article=product, state="paid" if counts else "open"
        )

    def let_count(self, purchase: Purchase) -> None:
        purchase.state = "paid"
        purchase.save()
