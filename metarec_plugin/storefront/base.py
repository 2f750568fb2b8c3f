"""The storefront: one class per shop that says where its users, products and interactions lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any, ClassVar

from django.apps import apps
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from metarec_plugin.storefront import display, products, rows
from metarec_plugin.storefront.declarations import Interactions, Products, Users
from metarec_plugin.storefront.keys import parse_keys

Narrow = Callable[[QuerySet[Any]], QuerySet[Any]]


class Storefront:
    """Subclass, declare `users`, `products` and any number of `Interactions`, and name it in METAREC.

    Reading code trusts the mapping: the system checks have judged it. Keys are `str(pk)` everywhere.
    """

    users: ClassVar[Users]
    products: ClassVar[Products]

    @classmethod
    def declared_interactions(cls) -> dict[str, Interactions]:
        """The interactions by attribute name, in the order written; a subclass may replace or drop (None) one."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            found.update(vars(base))
        return {name: value for name, value in found.items() if isinstance(value, Interactions)}

    @cached_property
    def interactions(self) -> list[Interactions]:
        return list(self.declared_interactions().values())

    @cached_property
    def user_model(self) -> type[Model]:
        return apps.get_model(self.users.model)

    @cached_property
    def product_model(self) -> type[Model]:
        return apps.get_model(self.products.model)

    # What a shop may override

    def visible_to(self, request: HttpRequest | None, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the products to those this request may see; `request` is None outside a request."""
        return queryset

    # Products, asked of the live database

    def products_queryset(self, pks: Collection[Any] | None = None) -> QuerySet[Any]:
        """The products that can be recommended at all, those of some primary keys where given."""
        within = {} if pks is None else {"pk__in": list(pks)}
        where = () if self.products.where is None else (self.products.where,)
        return self.product_model._default_manager.filter(*where, **within)

    def live_products(
        self, keys: Collection[str], request: HttpRequest | None = None, narrow: Narrow | None = None
    ) -> dict[str, Any]:
        """Fetch those of `keys` that are visible right now, by key, in one query; narrow: leaves out more of them."""
        pks = parse_keys(self.product_model, keys)
        if not pks:
            return {}
        queryset = self.visible_to(request, self.products_queryset(pks.values()))
        queryset = queryset if narrow is None else narrow(queryset)
        return {str(product.pk): product for product in products.with_display(self, queryset)}

    def known_products(self, keys: Collection[str]) -> set[str]:
        """Tell which of `keys` are products that can be recommended, in one query."""
        pks = parse_keys(self.product_model, keys)
        if not pks:
            return set()
        found = self.products_queryset(pks.values()).order_by()
        return {str(pk) for pk in found.values_list("pk", flat=True)} & set(keys)

    def newest_products(
        self, request: HttpRequest | None, limit: int, narrow: Narrow | None = None
    ) -> list[Any]:
        """Fetch the `limit` products that entered the shop last, the newest first."""
        queryset = self.visible_to(request, self.products_queryset()).order_by(*products.newest_first(self))
        queryset = queryset if narrow is None else narrow(queryset)
        return list(products.with_display(self, queryset)[:limit])

    def product_rows(self) -> Iterator[tuple[Any, ...]]:
        """Stream (key, *features) of every product, the features in the order declared.

        A MultiCategory is a tuple of its values; the values are those of the database otherwise.
        """
        return rows.feature_rows(self.products_queryset(), self.products.features)

    def user_rows(self) -> Iterator[tuple[Any, ...]]:
        """Stream (key, *features) of every user, as `product_rows` does."""
        return rows.feature_rows(self.user_model._default_manager.all(), self.users.features)

    def user_values(self, key: str, names: Collection[str]) -> dict[str, Any]:
        """Return one user's values of those declared features that are named, in one query; none for a stranger."""
        declared = {name: feature for name, feature in self.users.features.items() if name in names}
        pks = parse_keys(self.user_model, [key])
        if not declared or not pks:
            return {}
        queryset = self.user_model._default_manager.filter(pk__in=list(pks.values()))
        return {
            name: value
            for _, *values in rows.feature_rows(queryset, declared)
            for name, value in zip(declared, values)
        }

    # What a page shows of a product

    def title_of(self, product: Any) -> str:
        return str(display.attribute(product, self.products.title) or "")

    def url_of(self, product: Any) -> str:
        """The product's address, empty unless it is relative, http or https."""
        return display.safe_url(display.attribute(product, self.products.url))

    def image_of(self, product: Any) -> str:
        """The address of the product's picture, or an empty string."""
        return display.image_url(display.attribute(product, self.products.image))

    def price_of(self, product: Any) -> Any:
        return display.attribute(product, self.products.price)

    # Interactions

    def interaction_rows(
        self, interactions: Interactions, since: Any = None, pks: Collection[Any] | None = None
    ) -> Iterator[rows.InteractionRow]:
        """Stream the rows that count, those not before `since` (a datetime) and of the keys `pks` where given."""
        within = {} if pks is None else {"pk__in": list(pks)}
        return rows.stream(rows.interaction_queryset(interactions, since=since, within=within))

    def feature_schema(self) -> list[dict[str, str]]:
        """Describe the declared features as JSON: a bundle made for another schema is not served."""
        return [
            {"of": of, "name": name, "kind": feature.kind}
            for of, declared in (("users", self.users), ("products", self.products))
            for name, feature in declared.features.items()
        ]
