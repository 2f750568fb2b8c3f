"""What each step did to a list, written down when somebody asks for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from metarec_plugin.serve.slate import Entry, Slate


@dataclass(frozen=True)
class Step:
    """One step: what came out, best first, and what it has to say. ms: how long it took."""

    name: str
    keys: tuple[str, ...]
    ms: float
    says: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"step": self.name, "keys": list(self.keys), "ms": round(self.ms, 3), **self.says}


@dataclass(frozen=True)
class Mark:
    """Part of the way to the candidates. found: how many products it gave. ms: how long it took."""

    name: str
    found: int
    ms: float


@dataclass(frozen=True)
class Call:
    """One call of `recommend()` as a developer's panel shows it. ms: how long it took."""

    slate: Slate
    ms: float
    asked: dict[str, Any]


_WATCHED = "_metarec_calls"


def watch(request: HttpRequest) -> list[Call]:
    """From now on every call for this request is traced and noted in the list that is returned."""
    calls: list[Call] = []
    setattr(request, _WATCHED, calls)
    return calls


def watched(who: HttpRequest | str) -> list[Call] | None:
    return None if isinstance(who, str) else getattr(who, _WATCHED, None)


@dataclass
class Trace:
    """The steps of one answer, in their order. Without `wanted` nothing is kept."""

    wanted: bool = False
    steps: list[Step] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)
    _marked: float = field(default_factory=time.perf_counter)

    def note(self, name: str, entries: Sequence[Entry], **says: Any) -> None:
        if self.wanted:
            now = time.perf_counter()
            keys = tuple(entry.key for entry in entries)
            self.steps.append(Step(name, keys, 1e3 * (now - self._since), says))
            self._since = now

    def mark(self, name: str, found: int) -> None:
        """Note a part of the way to the candidates, which is a step of its own only as a whole."""
        if self.wanted:
            now = time.perf_counter()
            self.marks.append(Mark(name, found, 1e3 * (now - self._marked)))
            self._marked = now

    def as_json(self) -> list[dict[str, Any]]:
        return [step.as_json() for step in self.steps]
