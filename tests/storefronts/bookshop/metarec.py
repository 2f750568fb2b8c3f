"""The bookshop's mapping."""

from django.db.models import Q

import metarec_plugin as metarec


class BookStorefront(metarec.Storefront):
    users = metarec.Users(model="bookshop.Reader", features={"town": metarec.Category("town")})
    products = metarec.Products(
        model="bookshop.Book",
        where=Q(withdrawn=False),
        title="title",
        url="address",
        features={
            "author": metarec.Category("author__name"),
            "genres": metarec.MultiCategory("genres__name"),
            "pages": metarec.Number("extra__pages"),
        },
    )
    loans = metarec.Interactions(
        kind="loan",
        model="bookshop.Loan",
        where=Q(receipt__settled=True, day__isnull=False),
        user="reader",
        visitor="guest",
        product="book",
        at="day",
        quantity="copies",
        value="stars",
    )
