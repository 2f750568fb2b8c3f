"""What `recommend()` answers: a slate of ranked entries, each with where it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

ADAPTED = "adapted"  # ranked from this subject's events, or from the page's own products
CONTENT = (
    "content"  # a product without a history, or a list that only such products led to: ranked from features
)
POPULAR = "popular"  # what others choose, the same for everybody
TOGETHER = "together"  # what others bought in the same order as the page's products
RECENT = "recent"  # what this subject looked at last
TRENDING = "trending"  # what sells more than it did
RULE = "rule"  # pinned by a merchant
NEWEST = "newest"  # what entered the shop last: there is nothing else to go by
EMPTY = "empty"  # no product could be shown


@dataclass(frozen=True)
class Entry:
    """One product of a slate. `rank` counts from 0; `score` is comparable within one source only.

    because: the key of the product that led here: of the shopper's own, or of the page's; empty where none did, where
    it is not known, and where the list without them would have it too. expert: the part of the model that heard it,
    or `prior` or `trend`, which are the same for everybody; empty where no model was asked. propensity: how
    likely it was to stand here; explored: it was drawn, not ranked. tier: which strategy of the chain gave it.
    """

    key: str
    product: Any  # the shop's own model instance, as the live database had it
    rank: int
    score: float
    source: str
    reason: str
    because: str = ""
    expert: str = ""
    propensity: float = 1.0
    explored: bool = False
    tier: int = 0


@dataclass(frozen=True)
class Slate:
    """One answer. `id` is signed: the page sends it back with a click.

    stage: what the list was ranked by, at best; newcomers in it do not change that, and a list that is the same as
    without the shopper's products is popular. problem: why a better source was not used, empty if none failed.
    variant: of the experiment that the placement is in, empty without one. trace: what each step did, where asked for.
    """

    id: str
    entries: tuple[Entry, ...]
    stage: str
    model_version: str | None
    placement: str = "default"
    problem: str = ""
    variant: str = ""
    trace: tuple[Any, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def products(self) -> list[Any]:
        return [entry.product for entry in self.entries]


_BEST_FIRST = (ADAPTED, CONTENT, TOGETHER, RECENT, TRENDING, POPULAR, NEWEST, RULE)


def stage_of(sources: Collection[str]) -> str:
    return next((source for source in _BEST_FIRST if source in sources), EMPTY)
