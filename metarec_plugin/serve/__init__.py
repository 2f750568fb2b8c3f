"""From a request to a slate: adapt, rank, keep what is eligible now, fall back with a label."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Ask": "page",
    "Entry": "slate",
    "Slate": "slate",
    "recommend": "recommendation",
    "recommend_page": "page",
    "rerank": "reranking",
    "warm_up": "warming",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
