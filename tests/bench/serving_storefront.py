"""The demo shop without its cards' pictures: both sides of tests.bench.serving read the same columns of a product."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest

from shop.metarec import ShopStorefront


class BareStorefront(ShopStorefront):
    def visible_to(self, request: HttpRequest | None, queryset: QuerySet) -> QuerySet:
        return queryset.filter(stock__gt=0)
