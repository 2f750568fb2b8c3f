"""The plain shop's mapping: one source of events for each thing that a shopper does."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

import metarec_plugin as metarec


def opinions(kind: str, model: str, **more: Any) -> metarec.Interactions:
    return metarec.Interactions(
        kind=kind, model=f"plain.{model}", user="user", product="product", at="at", **more
    )


class PlainStorefront(metarec.Storefront):
    users = metarec.Users(model="auth.User")
    products = metarec.Products(
        model="plain.Product",
        where=Q(on_sale=True),
        title="name",
        url="get_absolute_url",
        price="price",
        features={"price": metarec.Number("price")},
    )
    purchases = metarec.Interactions(
        kind="purchase",
        model="plain.Line",
        where=Q(order__paid_at__isnull=False) & (Q(variant__isnull=False) | Q(product__isnull=False)),
        user="order__user",
        visitor="order__guest",
        product=("variant__product", "product"),
        at="order__paid_at",
        quantity="count",
        price="price",
        order="order",
    )
    views = opinions("view", "Look")
    wishes = opinions("wish", "Wish")
    baskets = opinions("basket", "BasketRow")
    ratings = opinions("rating", "Rating", value="stars")


class SitesStorefront(PlainStorefront):
    """The same shop, each of whose sites shows its own products."""

    def visible_to(self, request: HttpRequest | None, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(sites__domain=request.get_host()) if request else queryset
