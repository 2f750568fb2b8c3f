"""Meta-training: learners that adapt to a shopper from a few products. The only package, with adapt.batch, of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarec_plugin.train.fitted import Fitted
    from metarec_plugin.train.learners import fit

__all__ = ["Fitted", "fit"]


def __getattr__(name: str) -> Any:
    """Import torch when somebody trains, not when somebody imports a neighbour of the trainer."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from metarec_plugin.train import learners

    return getattr(learners, name)
