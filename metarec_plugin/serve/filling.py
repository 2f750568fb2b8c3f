"""Fill a slate with candidates that the live database still shows: in stock, visible, not left out."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import Answer
from metarec_plugin.collect.supports import Behind
from metarec_plugin.serve.because import NOTHING, Teller, Told
from metarec_plugin.serve.candidates import Batches
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.live import Live
from metarec_plugin.serve.past import OwnPast
from metarec_plugin.serve.question import Question
from metarec_plugin.serve.reasons import reason_for, reason_to_buy_again
from metarec_plugin.serve.slate import ADAPTED, CONTENT, NEWEST, POPULAR, RULE, Entry, stage_of
from metarec_plugin.storefront import get_storefront


@dataclass(frozen=True, eq=False)
class Scored:
    """What the model said for a list. known: (k,) products adapted from; weights: (k,), None where all are 1."""

    answer: Answer
    lift: float
    known: np.ndarray
    weights: np.ndarray | None


class Filling:
    """The entries found so far for one question; each product at most once.

    wanted: how many are looked for; more than the slate holds where its order is still to be changed. pinned: keys that
    are fetched with the first candidates.
    """

    def __init__(
        self,
        question: Question,
        left_out: Iterable[str],
        past: OwnPast,
        live: Live,
        wanted: int,
        pinned: Collection[str] = (),
        behind: Mapping[str, Behind] | None = None,
    ) -> None:
        self.question, self.past, self.wanted = question, past, wanted
        self._live, self._to_pin = live, set(pinned)
        self.pinned: dict[str, Entry] = {}  # those that may be shown
        self.behind = behind or {}  # the events behind the shopper's own products
        self.tier = 0  # of the strategy that adds now
        self.left_out = frozenset(left_out)
        # A merchant's pin may be something that the shopper saw; not what they dislike or what the page has already.
        self._never_pinned = {*question.context, *question.exclude, *past.disliked}
        self._seen = set(self.left_out)
        self.entries: list[Entry] = []
        self._ranked_by: dict[str, str] = {}  # of each entry, what the step that gave it ranked by
        self._not_shown: set[str] = set()  # candidates that the shop does not show now
        self._teller: Teller | None = None
        self.scored: Scored | None = None  # where it was adapted here and now

    @property
    def full(self) -> bool:
        return len(self.entries) >= self.wanted

    def add(
        self, batches: Batches, source: str, newcomers: Container[str] = (), teller: Teller | None = None
    ) -> None:
        """Append eligible candidates until the slate is full: one query a batch, no batch once it is full.

        newcomers: keys among the candidates whose scores come from features, whatever the rest were ranked by.
        teller: explains the rest.
        """
        self._teller = teller or self._teller
        for batch in batches:
            fresh = {key: score for key, score in batch if key not in self._seen}
            if fresh:
                told = self._told(list(fresh), teller)
                named = {each.because for each in told.values() if each.because}
                # What is named is asked for in the same query, and named only if it is shown itself.
                live = self._live.products([*fresh, *(named - fresh.keys()), *(self._to_pin - fresh.keys())])
                self._pin(live)
                self._not_shown |= fresh.keys() - live.keys()
                found = ((key, live[key], score) for key, score in fresh.items() if key in live)
                titles = {key: self._title(live[key]) for key in named if key in live}
                self._append(found, source, newcomers, told, titles)
            if self.full:
                return

    def finished(self, entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], str]:
        """Return the entries, ranked, and what they were ranked by: popular where the support changed nothing."""
        entries = [replace(entry, rank=rank) for rank, entry in enumerate(entries)]
        keys = [entry.key for entry in entries]
        # Of the entries that are shown: more were looked for where the order was still to be changed.
        sources = {self._ranked_by[entry.key] for entry in entries if entry.source != RULE}
        pinned = any(entry.source == RULE for entry in entries)
        same = self._teller is not None and self._teller.is_popular(keys, self._not_shown)
        if not same or pinned or not sources <= {ADAPTED, CONTENT}:
            return tuple(entries), stage_of(sources or ({RULE} if pinned else ()))
        told = []
        for entry in entries:
            reason = self._reason(entry.key, POPULAR, Told(expert=entry.expert), "")
            told.append(replace(entry, source=POPULAR, reason=reason, because=""))
        return tuple(told), POPULAR if keys else stage_of(())

    def add_newest(self) -> None:
        """Append the newest products. One query, for enough rows to survive all that is left out."""
        limit = self.wanted + len(self._seen)
        newest = self._live.newest(limit)
        # A place is all that is known of one: so a rule that makes it twice as likely halves its place.
        placed = ((str(product.pk), product, -math.log1p(place)) for place, product in enumerate(newest))
        self._append(placed, NEWEST)

    def fetch_pinned(self) -> None:
        """Fetch what is pinned, where no candidate was asked for. One query at most."""
        if self._to_pin:
            self._pin(self._live.products(self._to_pin))

    def _pin(self, live: Mapping[str, Any]) -> None:
        for key in self._to_pin & live.keys() - self._never_pinned:
            reason = reason_for(RULE, self.question.placement)
            self.pinned[key] = Entry(key, live[key], 0, 0.0, RULE, reason)
        self._to_pin = set()

    def _told(self, keys: Sequence[str], teller: Teller | None) -> dict[str, Told]:
        if teller is None or not self.question.reasons:
            return {}
        return Guard(self.question.placement)(partial(teller, keys), {})

    def _title(self, product: Any) -> str:
        """The title of a product that led to others; a shop's mistake there costs the name, not the list."""
        return Guard(self.question.placement)(partial(get_storefront().title_of, product), "")

    def _append(
        self,
        found: Iterable[tuple[str, Any, float]],
        source: str,
        newcomers: Container[str] = (),
        told: Mapping[str, Told] | None = None,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        told, titles = told or {}, titles or {}
        for key, product, score in found:
            if self.full:
                return
            if key not in self._seen:
                self._seen.add(key)
                self._ranked_by[key] = source
                own = CONTENT if key in newcomers else source
                each = told.get(key, NOTHING)
                reason = self._reason(key, own, each, titles.get(each.because, ""))
                entry = Entry(
                    key,
                    product,
                    len(self.entries),
                    score,
                    own,
                    reason,
                    each.because,
                    each.expert,
                    tier=self.tier,
                )
                self.entries.append(entry)

    def _reason(self, key: str, source: str, told: Told, title: str) -> str:
        if not self.question.reasons:
            return ""
        if key in self.past.bought:
            return reason_to_buy_again()
        on_page = told.because in self.question.context
        return reason_for(source, self.question.placement, told, title, on_page)
