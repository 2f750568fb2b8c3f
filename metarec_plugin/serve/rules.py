"""Merchant's rules: which of them count for a question, and what they do to a list.

In this order, each having the last word over those behind it: hide and filter, what the live shop shows, pins, shares
of the list, boosts and burials, the score. Hide and filter narrow the live query, so a rule never leaves a list short
that could have been full, and never surfaces a product that the shop would not show.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import BooleanField, Case, Q, QuerySet, Value, When

from metarec_plugin.models import Rule
from metarec_plugin.serve.rule_rows import MerchantRule, read_rule, save_rule
from metarec_plugin.serve.slate import RULE, Entry
from metarec_plugin.storefront import get_storefront

__all__ = ["MerchantRule", "Rules", "keys_of", "read_rule", "save_rule"]
_MARK = "metarec_rule_{}"  # of a live product, whether a rule is about it
_MARKED = (Rule.Action.BOOST, Rule.Action.BURY, Rule.Action.SHARE)


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules that count for one question, those of a higher priority first."""

    rules: tuple[MerchantRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules)

    def of(self, *actions: str) -> list[MerchantRule]:
        return [rule for rule in self.rules if rule.action in actions]

    @property
    def pinned(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.product for rule in self.of(Rule.Action.PIN)))

    def touching(self, entry: Entry) -> list[MerchantRule]:
        """Those that moved an entry, or may have: about its product, and not such as only leave others out."""
        about = [rule for rule in self.of(*_MARKED) if _is_about(rule, entry)]
        return [rule for rule in self.of(Rule.Action.PIN) if rule.product == entry.key] + about

    def first_pinned(self, pinned: Mapping[str, Entry], n: int) -> list[Entry]:
        """Those that find a place in a list of n."""
        return [pinned[key] for key in self.pinned if key in pinned][:n]

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what is hidden and what a filter does not let through; mark what other rules are about."""
        model = get_storefront().product_model
        for rule in self.of(Rule.Action.HIDE):
            queryset = queryset.exclude(_among(model, rule))
        for rule in self.of(Rule.Action.FILTER):
            queryset = queryset.filter(_among(model, rule))
        marks = {
            _MARK.format(rule.pk): Case(
                When(_among(model, rule), then=Value(True)), default=Value(False), output_field=BooleanField()
            )
            for rule in self.of(*_MARKED)
        }
        return queryset.annotate(**marks) if marks else queryset

    def weighed(self, entries: Iterable[Entry]) -> list[Entry]:
        """Boost and bury: so many times as likely, within what one source of the chain gave."""
        rules = self.of(Rule.Action.BOOST, Rule.Action.BURY)
        if not rules:
            return list(entries)
        scored = []
        for entry in entries:
            added = sum(math.log(rule.weight) for rule in rules if _is_about(rule, entry))
            scored.append(replace(entry, score=entry.score + added) if added else entry)
        return sorted(scored, key=lambda entry: (entry.tier, -entry.score))

    def shared(self, entries: Sequence[Entry], n: int, pinned: Collection[Entry] = ()) -> list[Entry]:
        """Let what a share is about have its part of the list, at least, the best of it first.

        n: places left beside what is pinned, which counts to the part and to the list. A part that the candidates
        cannot fill stays smaller; of two shares the one of the higher priority keeps its part.
        """
        entries = list(entries)
        kept: set[str] = set()
        for rule in self.of(Rule.Action.SHARE):
            part = math.ceil(rule.share * (n + len(pinned)) - 1e-9)
            wanted = min(n, part - sum(_is_about(rule, entry) for entry in pinned))
            top, rest = entries[:n], entries[n:]
            missing = wanted - sum(_is_about(rule, entry) for entry in top)
            going = [entry for entry in reversed(top) if not _is_about(rule, entry) and entry.key not in kept]
            coming = [entry for entry in rest if _is_about(rule, entry)][: max(0, min(missing, len(going)))]
            leaving = {entry.key for entry in going[: len(coming)]}
            top = [entry for entry in top if entry.key not in leaving] + coming
            kept |= {entry.key for entry in [e for e in top if _is_about(rule, e)][: max(0, wanted)]}
            in_top = {entry.key for entry in top}
            entries = [*top, *(entry for entry in entries if entry.key not in in_top)]
        return entries

    def pin(self, entries: Sequence[Entry], pinned: Mapping[str, Entry], n: int) -> list[Entry]:
        """Put what is pinned, and can be shown, at its place; a taken place goes to the next one free.

        A pin beyond the list stands at its end.
        """
        places: dict[int, Entry] = {}
        for rule in self.of(Rule.Action.PIN):
            entry = pinned.get(rule.product)
            if entry is None or any(entry.key == other.key for other in places.values()):
                continue
            free = [at for at in range(n) if at not in places]
            if free:
                wanted = min(rule.position - 1, n - 1)
                at = next((place for place in free if place >= wanted), free[-1])
                places[at] = replace(entry, source=RULE, propensity=1.0, explored=False)
        if not places:
            return list(entries)
        own = {entry.key for entry in places.values()}
        others = iter([entry for entry in entries if entry.key not in own])
        found: list[Entry] = []
        for at in range(n):
            entry = places.get(at) or next(others, None)
            if entry is not None:
                found.append(entry)
        return [*found, *others]


def keys_of(model: Any, about: Q) -> QuerySet[Any, Any]:
    """As a subquery, so that a path to many rows makes no product come twice."""
    return model._base_manager.filter(about).order_by().values("pk")


def _among(model: Any, rule: MerchantRule) -> Q:
    """The products that a rule is about, without a join; a rule of one product needs no subquery either."""
    return rule.about() if rule.condition is None else Q(pk__in=keys_of(model, rule.about()))


def _is_about(rule: MerchantRule, entry: Entry) -> bool:
    return bool(getattr(entry.product, _MARK.format(rule.pk), False))
