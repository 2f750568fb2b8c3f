"""What is asked of `recommend()`: who, where, how many, and which products count or are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Model
from django.http import HttpRequest

from metarec_plugin.conf import PlacementConfig, get_config

Products = str | int | Model | Iterable[object] | None
MAX_PRODUCTS = 100


@dataclass(frozen=True)
class Question:
    """One call of `recommend()`, with products as keys.

    who: a request, a subject, or "" for nobody in particular.
    """

    who: HttpRequest | str
    placement: str
    options: PlacementConfig
    k: int
    context: tuple[str, ...]
    exclude: tuple[str, ...]

    @property
    def request(self) -> HttpRequest | None:
        return None if isinstance(self.who, str) else self.who

    def support(self, history: tuple[str, ...]) -> tuple[str, ...]:
        """The last distinct products to adapt from, the oldest first; the page's own count as most recent."""
        newest_first = dict.fromkeys([*reversed(self.context), *reversed(history)])
        return tuple(reversed(list(newest_first)[: get_config().support_window]))


def read_question(
    who: HttpRequest | str | None, k: int, placement: str, context: Products, exclude: Products
) -> Question:
    return Question(
        who=who if who is not None else "",
        placement=placement,
        options=get_config().placement(placement),
        k=max(0, min(int(k), MAX_PRODUCTS)),
        context=product_keys(context),
        exclude=product_keys(exclude),
    )


def product_keys(products: Products) -> tuple[str, ...]:
    """Read keys from a key, a product, or any number of either; None and the template's "" are none."""
    if products is None or products == "":
        return ()
    if isinstance(products, Model):
        return (str(products.pk),)
    if isinstance(products, str) or not isinstance(products, Iterable):
        return (str(products),)
    return tuple(key for product in products for key in product_keys(product))  # type: ignore[arg-type]
