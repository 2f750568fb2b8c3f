"""The plugin's public names, loaded on first use so that importing the package costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "Ask": "serve",
    "Category": "storefront",
    "Embedding": "storefront",
    "Interactions": "storefront",
    "MetaRecError": "exceptions",
    "MultiCategory": "storefront",
    "Number": "storefront",
    "Products": "storefront",
    "Slate": "serve",
    "Storefront": "storefront",
    "Text": "storefront",
    "Users": "storefront",
    "get_storefront": "storefront",
    "recommend": "serve",
    "recommend_page": "serve",
    "record_event": "collect",
    "rerank": "serve",
    "subject_key": "collect",
    "warm_up": "serve",
}

if TYPE_CHECKING:
    from metarec_plugin.collect import record_event as record_event
    from metarec_plugin.collect import subject_key as subject_key
    from metarec_plugin.exceptions import MetaRecError as MetaRecError
    from metarec_plugin.serve import Ask as Ask
    from metarec_plugin.serve import Slate as Slate
    from metarec_plugin.serve import recommend as recommend
    from metarec_plugin.serve import recommend_page as recommend_page
    from metarec_plugin.serve import rerank as rerank
    from metarec_plugin.serve import warm_up as warm_up
    from metarec_plugin.storefront import Category as Category
    from metarec_plugin.storefront import Embedding as Embedding
    from metarec_plugin.storefront import Interactions as Interactions
    from metarec_plugin.storefront import MultiCategory as MultiCategory
    from metarec_plugin.storefront import Number as Number
    from metarec_plugin.storefront import Products as Products
    from metarec_plugin.storefront import Storefront as Storefront
    from metarec_plugin.storefront import Text as Text
    from metarec_plugin.storefront import Users as Users
    from metarec_plugin.storefront import get_storefront as get_storefront
else:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOME])


__all__ = [
    "Ask", "Category", "Embedding", "Interactions", "MetaRecError", "MultiCategory", "Number", "Products", "Slate",
    "Storefront", "Text", "Users", "get_storefront", "recommend", "recommend_page", "record_event", "rerank",
    "subject_key", "warm_up",
]  # fmt: skip
