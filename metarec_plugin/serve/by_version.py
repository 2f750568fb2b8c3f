"""What is made of a bundle once and kept beside it, for as many versions as one process serves in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.serve.current import Variants

T = TypeVar("T")
MOST = 1 + Variants.KEPT  # the current version, and those that experiments answer by


class ByVersion(Generic[T]):
    """Threads read the old dict while one of them puts a new one in its place."""

    def __init__(self, make: Callable[[OnlineModel], T]) -> None:
        self._make = make
        self._made: dict[str, T] = {}

    def of(self, model: OnlineModel) -> T:
        if model.version not in (made := self._made):
            made = {**dict(list(made.items())[1 - MOST :]), model.version: self._make(model)}
            self._made = made
        return made[model.version]
