"""The mapping of the shop of UUID keys: a child counts as its parent, a product without one as itself."""

from django.db.models import Q

import metarec_plugin as metarec


class UuidStorefront(metarec.Storefront):
    users = metarec.Users(model="auth.User")
    products = metarec.Products(
        model="uuid_pk.Product",
        where=Q(parent__isnull=True, deleted=False),
        title="title",
        url="address",
        features={
            "categories": metarec.MultiCategory("categories__name"),
            "colour": metarec.Category("colour"),
            "kilocalories": metarec.Number("kilocalories"),
        },
    )
    sales = metarec.Interactions(
        kind="purchase",
        model="uuid_pk.Sale",
        where=Q(void=False),
        user="buyer",
        product=("product__parent", "product"),
        at="moment",
    )
