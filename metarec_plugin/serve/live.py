"""What the live shop shows of candidates now: visible, met by every filter, with the values that ordering looks at."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import F, QuerySet

from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.question import Question
from metarec_plugin.serve.rules import Rules, keys_of
from metarec_plugin.storefront import get_storefront

_VALUE = "metarec_value_{}"  # by number: a feature may have any name


class Live:
    """Fetches a question's products. Filters and rules are part of the query: what comes is what may be shown."""

    def __init__(self, question: Question, rules: Rules) -> None:
        self._request, self._rules, self._filters = question.request, rules, question.filters
        self._paths = _paths(question.options)
        self._places = {name: _VALUE.format(number) for number, name in enumerate(self._paths)}

    def products(self, keys: Collection[str]) -> dict[str, Any]:
        """Fetch those of the keys that may be shown, by key. One query."""
        return get_storefront().live_products(keys, self._request, self._narrow)

    def newest(self, limit: int) -> list[Any]:
        """Fetch the products that may be shown and entered the shop last. One query."""
        return get_storefront().newest_products(self._request, limit, self._narrow)

    def value(self, product: Any, feature: str) -> Any:
        """A fetched product's value of a feature that the placement's order looks at."""
        return getattr(product, self._places.get(feature, ""), None)

    def _narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for condition in self._filters:
            queryset = queryset.filter(pk__in=keys_of(queryset.model, condition.q()))
        values = {self._places[name]: F(path) for name, path in self._paths.items()}
        queryset = self._rules.narrow(queryset)
        return queryset.annotate(**values) if values else queryset


def _paths(options: PlacementConfig) -> dict[str, str]:
    """The lookup paths of the features that the order looks at; one that is not declared any more has none."""
    names = dict.fromkeys(options.objective, "number")
    if options.diversity:
        names[options.diversity_by] = "category"
    features = get_storefront().products.features
    return {
        name: features[name].path
        for name, kind in names.items()
        if name in features and features[name].kind == kind
    }
