"""A placement's options as the mapping lets them be: filters, categories and numbers that are declared."""

from __future__ import annotations

from typing import Any

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError, InvalidRule
from metarec_plugin.placements import PlacementConfig, with_options
from metarec_plugin.serve.conditions import product_condition
from metarec_plugin.storefront import get_storefront


def read_placement(name: str, options: Any) -> PlacementConfig:
    """Return the placement that the options make of the one of the settings. Raises InvalidRule if they cannot."""
    return checked(get_config().placement(name), options, f"Placement {name!r}")


def checked(before: PlacementConfig, options: Any, of: str) -> PlacementConfig:
    """Return `before` with the options in place of its own. of: whose they are, for the error."""
    try:
        placement = with_options(before, options, of)
    except ConfigurationError as error:
        raise InvalidRule(str(error)) from error
    features = get_storefront().products.features
    for condition in placement.filters:
        product_condition(condition)
    by = placement.diversity_by
    if placement.diversity and (by not in features or features[by].kind != "category"):
        known = ", ".join(key for key, feature in features.items() if feature.kind == "category")
        raise InvalidRule(
            f"diversity_by is a category that the mapping declares of products: {known or 'none is declared'}; "
            f"found {by!r}."
        )
    for number in placement.objective:
        if number not in features or features[number].kind != "number":
            known = ", ".join(key for key, feature in features.items() if feature.kind == "number")
            raise InvalidRule(
                f"objective weighs numbers that the mapping declares of products: {known or 'none is declared'}; "
                f"found {number!r}."
            )
    return placement
