"""What is asked of `recommend()`: who, where, how many, and which products count or are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from metarec_plugin.conf import get_config
from metarec_plugin.placements import MAX_SIZE, PlacementConfig
from metarec_plugin.serve.conditions import Condition, product_condition
from metarec_plugin.serve.given import Given

Products = str | int | Model | Iterable[object] | None


@dataclass(frozen=True)
class Question:
    """One call of `recommend()`, with products as keys.

    who: a request, a subject, or "" for nobody in particular. filters: what every product of the list meets.
    reasons: whether entries say why they are there. given: events in place of those that the log holds of them.
    """

    who: HttpRequest | str
    placement: str
    options: PlacementConfig
    k: int
    context: tuple[str, ...]
    exclude: tuple[str, ...]
    filters: tuple[Condition, ...] = ()
    reasons: bool = True
    given: Given | None = None

    @property
    def request(self) -> HttpRequest | None:
        return None if isinstance(self.who, str) else self.who

    def support(self, history: tuple[str, ...]) -> tuple[str, ...]:
        """The last distinct products to adapt from, the oldest first; the page's own count as most recent."""
        newest_first = dict.fromkeys([*reversed(self.context), *reversed(history)])
        return tuple(reversed(list(newest_first)[: get_config().support_window]))


def read_question(
    who: HttpRequest | str | None,
    k: int | None,
    placement: str,
    options: PlacementConfig,
    context: Products,
    exclude: Products,
    filters: Iterable[Mapping[str, Any]] = (),
    reasons: bool = True,
    given: Given | None = None,
) -> Question:
    """Raises InvalidRule where a filter is no condition on a declared feature."""
    return Question(
        who=who if who is not None else "",
        placement=placement,
        options=options,
        k=options.size if k is None else max(0, min(int(k), MAX_SIZE)),
        context=product_keys(context),
        exclude=product_keys(exclude),
        filters=tuple(product_condition(each) for each in (*options.filters, *filters)),
        reasons=reasons,
        given=given,
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
