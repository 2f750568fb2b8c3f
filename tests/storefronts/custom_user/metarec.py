"""The mapping of the shop with a user model of its own."""

from django.db.models import Q

import metarec_plugin as metarec


class MemberStorefront(metarec.Storefront):
    users = metarec.Users(model="custom_user.Member", features={"town": metarec.Category("customer__town")})
    products = metarec.Products(
        model="custom_user.Article",
        where=Q(gone_since__isnull=True),
        title="heading",
        url="get_absolute_url",
    )
    purchases = metarec.Interactions(
        kind="purchase",
        model="custom_user.Purchase",
        where=Q(state="paid", customer__member__isnull=False),
        user="customer__member",
        product="article",
        at="day",
    )
