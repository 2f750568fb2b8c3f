"""Find products by what they are called, and values that they have, for the pages on which somebody picks one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, JsonResponse

from metarec_plugin.serve.conditions import product_condition
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys
from metarec_plugin.storefront.paths import BrokenPath, walk

LIMIT, MOST = 20, 50
LONGEST = 100  # letters of a query
COUNTED = 1_000  # products that are counted
USABLE = ("category", "multi_category", "number")  # kinds of features that a condition can be about


def product_search(query: str, limit: int = LIMIT) -> list[dict[str, str]]:
    """Return {key, title} of products that can be shown, whose title or key the query is part of; two queries at most.

    One whose key it is comes first. Without a query: the newest. At most `limit`, and never more than MOST.
    """
    storefront = get_storefront()
    limit = max(1, min(limit, MOST))
    query = " ".join(query.replace("\0", " ").split())[:LONGEST]
    if not query:
        return [_said(product) for product in storefront.newest_products(None, limit)]
    found = dict(storefront.live_products([query]))
    if paths := _searched():
        words = Q()
        for word in query.split()[:8]:
            either = Q()
            for path in paths:
                either |= Q(**{f"{path}__icontains": word})
            words &= either
        rows = storefront.visible_to(None, storefront.products_queryset()).filter(words).order_by("pk")
        found |= {str(product.pk): product for product in rows[:limit] if str(product.pk) not in found}
    return [_said(product) for product in list(found.values())[:limit]]


def titles_of(keys: Collection[str]) -> dict[str, str]:
    """The titles of products by key, whether or not they are sold now, in one query; none for a key of no product."""
    storefront = get_storefront()
    pks = parse_keys(storefront.product_model, keys)
    if not pks:
        return {}
    rows = storefront.product_model._base_manager.filter(pk__in=list(pks.values()))
    return {str(product.pk): storefront.title_of(product) or str(product.pk) for product in rows}


def feature_values(feature: str, query: str = "", limit: int = LIMIT) -> list[str]:
    """Values that products which are sold have of a category, in order; those that the query is part of. One query."""
    declared = get_storefront().products.features.get(feature)
    if declared is None or declared.kind not in USABLE[:2]:
        return []
    within = (
        {f"{declared.path}__icontains": query[:LONGEST]} if query else {f"{declared.path}__isnull": False}
    )
    rows = get_storefront().products_queryset().filter(**within).order_by(declared.path)
    return [str(value) for value in rows.values_list(declared.path, flat=True).distinct()[:limit]]


def count_meeting(condition: Mapping[str, Any]) -> tuple[int, bool]:
    """How many products that are sold meet a condition, and whether there may be more than COUNTED of them."""
    met = get_storefront().products_queryset().filter(product_condition(condition).q())
    found = met.order_by().values("pk").distinct()[: COUNTED + 1].count()
    return min(found, COUNTED), found > COUNTED


def answer_values(request: HttpRequest) -> JsonResponse:
    """Answer `?feature=&q=` as JSON. Whoever puts it at an address checks the permission first."""
    found = feature_values(request.GET.get("feature", ""), request.GET.get("q", ""))
    return JsonResponse({"values": found})


def answer_search(request: HttpRequest) -> JsonResponse:
    """Answer `?q=` as JSON. Whoever puts it at an address checks the permission first."""
    return JsonResponse({"products": product_search(request.GET.get("q", ""))})


def _said(product: Any) -> dict[str, str]:
    key = str(product.pk)
    return {"key": key, "title": get_storefront().title_of(product) or key}


def _searched() -> list[str]:
    """The columns that hold a product's texts. A title may be a method, which no query can look into."""
    declared = get_storefront().products
    texts = [feature.path for feature in declared.features.values() if feature.kind == "text"]
    found = []
    for path in dict.fromkeys([declared.title, *texts]):
        try:
            step = walk(get_storefront().product_model, path)
        except BrokenPath:
            continue
        if not step.many and not step.ends_on_relation:
            found.append(path)
    return found
