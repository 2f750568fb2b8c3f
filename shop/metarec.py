"""How the recommendation plugin reads this shop: labels and lookup paths, nothing else."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpRequest

import metarec_plugin as metarec


class ShopStorefront(metarec.Storefront):
    users = metarec.Users(
        model="auth.User",
        features={
            "region": metarec.Category("customer__region"),
            "age": metarec.Category("customer__age_band"),
            "income": metarec.Category("customer__income"),
        },
    )
    products = metarec.Products(
        model="shop.Product",
        where=Q(is_active=True),
        title="name",
        url="get_absolute_url",
        price="price",
        features={
            "category": metarec.Category("category__name"),
            "department": metarec.Category("category__department__name"),
            "brand": metarec.Category("brand"),
            "price": metarec.Number("price"),
            "title": metarec.Text("name"),
        },
    )
    purchases = metarec.Interactions(
        kind="purchase",
        model="shop.OrderLine",
        where=Q(order__status="paid"),
        user="order__owner__user",
        visitor="order__visitor",
        product="product",
        at="order__placed_at",
        quantity="quantity",
        price="price",
        order="order",
    )

    def visible_to(self, request: HttpRequest | None, queryset: QuerySet) -> QuerySet:
        """Offer what can be delivered; the picture of a card comes with the same query."""
        return queryset.filter(stock__gt=0).select_related("category__department")
