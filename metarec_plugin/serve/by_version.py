"""What is made of a bundle once and kept beside its model, for as long as this process keeps that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from metarec_plugin.adapt.online import OnlineModel

T = TypeVar("T")


class ByVersion(Generic[T]):
    """Threads that ask at the same moment may make it twice; all of them get the one that was there first."""

    def __init__(self, make: Callable[[OnlineModel], T]) -> None:
        self._make = make

    def of(self, model: OnlineModel) -> T:
        if self not in model.beside:
            model.beside.setdefault(self, self._make(model))
        return cast(T, model.beside[self])
