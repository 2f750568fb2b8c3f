"""The mapping of a shop's models: what its users, products and interactions are called."""

from metarec_plugin.storefront.base import Storefront
from metarec_plugin.storefront.current import get_storefront
from metarec_plugin.storefront.declarations import (
    Category,
    Embedding,
    Feature,
    Interactions,
    MultiCategory,
    Number,
    Products,
    Text,
    Users,
)

__all__ = [
    "Category",
    "Embedding",
    "Feature",
    "Interactions",
    "MultiCategory",
    "Number",
    "Products",
    "Storefront",
    "Text",
    "Users",
    "get_storefront",
]
