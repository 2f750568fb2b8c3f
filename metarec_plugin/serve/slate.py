"""What `recommend()` answers: a slate of ranked entries, each with where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ADAPTED = "adapted"  # ranked from this subject's events, or from the page's own products
POPULAR = "popular"  # what others choose, the same for everybody
NEWEST = "newest"  # what entered the shop last: there is nothing else to go by
EMPTY = "empty"  # no product could be shown


@dataclass(frozen=True)
class Entry:
    """One product of a slate. `rank` counts from 0; `score` is comparable within one source only."""

    key: str
    product: Any  # the shop's own model instance, as the live database had it
    rank: int
    score: float
    source: str
    reason: str


@dataclass(frozen=True)
class Slate:
    """One answer. `id` is signed: the page sends it back with a click.

    stage: the best source among the entries. problem: why a better one was not used, empty if none failed.
    """

    id: str
    entries: tuple[Entry, ...]
    stage: str
    model_version: str | None
    placement: str = "default"
    problem: str = ""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def products(self) -> list[Any]:
        return [entry.product for entry in self.entries]


def stage_of(entries: tuple[Entry, ...]) -> str:
    sources = {entry.source for entry in entries}
    return next((source for source in (ADAPTED, POPULAR, NEWEST) if source in sources), EMPTY)
