"""Product querysets: what to fetch along for display, and which products are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import DateField, Model, QuerySet
from django.utils import timezone

from metarec_plugin.storefront.paths import SEPARATOR, BrokenPath, walk

if TYPE_CHECKING:
    from metarec_plugin.storefront.base import Storefront


def with_display(storefront: Storefront, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Fetch along the rows that title, url, image and price lead over, so that a page makes no query per product."""
    declared = storefront.products
    related = [
        prefix
        for path in (declared.title, declared.url, declared.image, declared.price)
        if path and (prefix := _relations(storefront.product_model, path))
    ]
    return queryset.select_related(*related) if related else queryset


def _relations(model: type[Model], path: str) -> str:
    """The leading relations of a path, empty for a plain field or a method."""
    names = path.split(SEPARATOR)
    for end in range(len(names) - 1, 0, -1):
        prefix = SEPARATOR.join(names[:end])
        try:
            if walk(model, prefix).ends_on_relation:
                return prefix
        except BrokenPath:
            continue
    return ""


def newest_first(storefront: Storefront) -> tuple[str, ...]:
    """The ordering that puts the products that entered the shop last in front."""
    if storefront.products.added:
        return (f"-{storefront.products.added}", "-pk")
    for field in storefront.product_model._meta.get_fields():
        if isinstance(field, DateField) and (field.auto_now_add or field.default is timezone.now):
            return (f"-{field.name}", "-pk")
    return ("-pk",)
