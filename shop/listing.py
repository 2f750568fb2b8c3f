"""What a list of products shows: the filters, the order and the page that the address asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from shop.models import Product, ProductQuerySet

PAGE_SIZE = 30  # fills rows of two, three and five
SORTS = {
    "best": (_("Best selling"), ("-sold", "pk")),
    "price": (_("Price, low to high"), ("price", "pk")),
    "-price": (_("Price, high to low"), ("-price", "pk")),
    "name": (_("Name"), ("name", "pk")),
    "new": (_("Newest"), ("-created_at", "pk")),
}
PRICES = {
    "0-2": (_("Under $2"), Decimal(0), Decimal(2)),
    "2-5": (_("$2 to $5"), Decimal(2), Decimal(5)),
    "5-10": (_("$5 to $10"), Decimal(5), Decimal(10)),
    "10-": (_("$10 and over"), Decimal(10), None),
}


@dataclass(frozen=True)
class Choice:
    """One link of a facet."""

    label: str
    url: str
    is_on: bool


@dataclass(frozen=True)
class Listing:
    page: Page[Any]  # of keys
    products: list[Product]  # those of this page
    sort: str
    sorts: list[tuple[str, str]]
    prices: list[Choice]
    switches: list[Choice]
    kept: list[tuple[str, str]]  # the other parameters, for the sort form
    query: str  # the parameters without the page, for the links of the pager
    is_filtered: bool

    def ordered(self, keys: Sequence[str]) -> Listing:
        """The same page with its products in the order of their keys."""
        place = {key: at for at, key in enumerate(keys)}
        return replace(self, products=sorted(self.products, key=lambda product: place[str(product.pk)]))


def listing(products: ProductQuerySet, parameters: QueryDict) -> Listing:
    """Apply what the address asks for; what it asks for in error is left out."""
    chosen = {
        "sort": parameters.get("sort") if parameters.get("sort") in SORTS else "",
        "price": parameters.get("price") if parameters.get("price") in PRICES else "",
        "stock": "1" if parameters.get("stock") == "1" else "",
        "own": "1" if parameters.get("own") == "1" else "",
        "q": parameters.get("q", ""),
    }
    if chosen["price"]:
        _label, low, high = PRICES[chosen["price"]]
        products = products.filter(price__gte=low)
        products = products.filter(price__lt=high) if high is not None else products
    if chosen["stock"]:
        products = products.filter(stock__gt=0)
    if chosen["own"]:
        products = products.filter(is_own_brand=True)
    sort = chosen["sort"] or "best"
    # Sorting the keys of a big department is quick; sorting its whole rows is not.
    keys = products.order_by(*SORTS[sort][1]).values_list("pk", flat=True)
    page = Paginator(keys, PAGE_SIZE).get_page(parameters.get("page"))
    found = Product.objects.select_related("category__department").in_bulk(list(page.object_list))

    def link(**changes: str) -> str:
        kept = {name: value for name, value in {**chosen, **changes}.items() if value}
        return "?" + urlencode(kept)

    return Listing(
        page=page,
        products=[found[key] for key in page.object_list if key in found],
        sort=sort,
        sorts=[(value, str(label)) for value, (label, _order) in SORTS.items()],
        prices=[
            Choice(
                str(label), link(price="" if value == chosen["price"] else value), value == chosen["price"]
            )
            for value, (label, _low, _high) in PRICES.items()
        ],
        switches=[
            Choice(str(label), link(**{name: "" if chosen[name] else "1"}), bool(chosen[name]))
            for name, label in (("stock", _("In stock only")), ("own", _("Our own brand")))
        ],
        kept=[(name, value) for name, value in chosen.items() if value and name != "sort"],
        query=link(),
        is_filtered=any(chosen[name] for name in ("price", "stock", "own")),
    )
