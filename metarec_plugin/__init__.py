"""The plugin's public names, loaded on first use so that importing the package costs nothing."""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Category": "storefront",
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
    "record_event": "collect",
    "subject_key": "collect",
}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
