"""Fill a slate with candidates that the live database still shows: in stock, visible, not left out."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from metarec_plugin.serve.candidates import Batches
from metarec_plugin.serve.past import OwnPast
from metarec_plugin.serve.question import Question
from metarec_plugin.serve.reasons import reason_for, reason_to_buy_again
from metarec_plugin.serve.slate import CONTENT, NEWEST, Entry
from metarec_plugin.storefront import get_storefront


class Filling:
    """The entries found so far for one question; each product at most once."""

    def __init__(self, question: Question, left_out: Iterable[str], past: OwnPast) -> None:
        self.question, self.past = question, past
        self.left_out = frozenset(left_out)
        self._seen = set(self.left_out)
        self.entries: list[Entry] = []
        self.sources: set[str] = set()  # what the steps that gave an entry ranked by

    @property
    def full(self) -> bool:
        return len(self.entries) >= self.question.k

    def add(self, batches: Batches, source: str, newcomers: Container[str] = ()) -> None:
        """Append eligible candidates until the slate is full: one query a batch, no batch once it is full.

        newcomers: keys among the candidates whose scores come from features, whatever the rest were ranked by.
        """
        for batch in batches:
            fresh = {key: score for key, score in batch if key not in self._seen}
            if fresh:
                live = get_storefront().live_products(list(fresh), self.question.request)
                found = ((key, live[key], score) for key, score in fresh.items() if key in live)
                self._append(found, source, newcomers)
            if self.full:
                return

    def add_newest(self) -> None:
        """Append the newest products. One query, for enough rows to survive all that is left out."""
        limit = self.question.k + len(self._seen)
        newest = get_storefront().newest_products(self.question.request, limit)
        self._append(((str(product.pk), product, 0.0) for product in newest), NEWEST)

    def _append(
        self, found: Iterable[tuple[str, Any, float]], source: str, newcomers: Container[str] = ()
    ) -> None:
        for key, product, score in found:
            if self.full:
                return
            if key not in self._seen:
                self._seen.add(key)
                self.sources.add(source)
                own = CONTENT if key in newcomers else source
                again = key in self.past.bought
                reason = reason_to_buy_again() if again else reason_for(own, self.question.placement)
                self.entries.append(Entry(key, product, len(self.entries), score, own, reason))
