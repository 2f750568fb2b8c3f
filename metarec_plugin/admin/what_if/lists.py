"""The columns of the what-if bench: each list as the page shows it, what the last event moved, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _

from metarec_plugin.admin.products import titles_of
from metarec_plugin.admin.what_if.address import EVERYBODY, SERVED, Address, Column
from metarec_plugin.admin.what_if.words import (
    expert_words,
    move_words,
    rule_words,
    said_by,
    source_words,
    step_words,
)
from metarec_plugin.conf import get_config
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.cards import Card, cards_of
from metarec_plugin.serve.given import Given
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.newcomers import still
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.slate import ADAPTED, RULE
from metarec_plugin.serve.what_if import Looked, carried_by, moved, what_if

MOST_WITHOUT = 10  # products that are left out one by one


@dataclass(frozen=True)
class Shopper:
    """Whose lists are made. extra: events clicked together, which come after those of the log.

    own: the shopper's events in the log; None for somebody made up.
    """

    subject: str
    own: Given | None
    extra: Given

    @property
    def all(self) -> Given:
        own = self.own or Given()
        return replace(own, events=(*own.events, *self.extra.events))

    @property
    def products(self) -> list[str]:
        """The last distinct products, the newest first."""
        return list(reversed(self.all.support(MOST_WITHOUT)))


def ask(shopper: Shopper, column: Column, given: Given | None, *, reasons: bool = True) -> Looked:
    """Make one list. given: None for the shopper's log as it is, read the way a page of the shop reads it."""
    version = None if column.version in (SERVED, EVERYBODY) else column.version
    if column.version == EVERYBODY:
        return what_if(placement=column.placement, reasons=reasons)
    events = shopper.all if given is None else given
    context = page_products(column.placement, events)
    return what_if(
        shopper.subject, given, placement=column.placement, version=version, context=context, reasons=reasons
    )


def page_products(placement: str, events: Given) -> list[str]:
    """The products that the page would be about: where a placement goes by its page, the last one stands for it."""
    options = _options(placement)
    if options.history and "together" not in options.strategies:
        return []
    newest_first = list(reversed(events.support(MOST_WITHOUT)))
    return newest_first[::-1] if placement == "basket" else newest_first[:1]


def _options(placement: str) -> PlacementConfig:
    policy: Policy = Guard(placement)(get_policy, Policy())
    return policy.placement(placement)


def list_of(
    shopper: Shopper, column: Column, number: int, address: Address, titles: Mapping[str, str]
) -> dict[str, Any]:
    """One column: the list, and what is said of it. titles: of the shopper's last products, by key."""
    plain = shopper.own is not None and not shopper.extra
    looked = ask(shopper, column, None if plain else shopper.all)
    prepared = (
        plain and looked.stage == ADAPTED and not looked.shares
    )  # by a worker, not adapted in the request
    now, moves, before, was = looked, {}, None, {}
    if shopper.all and column.version != EVERYBODY:
        with still():
            before = ask(shopper, column, shopper.all.without_last(), reasons=False)
            if prepared:  # like is held against like
                now = ask(shopper, column, shopper.all, reasons=False)
        moves = moved(before, now)
        was = {card.entry.key: card.title or card.entry.key for card in cards_of(before)}
    opened = address.entry[1] if address.entry and address.entry[0] == number else ""
    entries = []
    for card in cards_of(looked):
        sign, words = move_words(moves.get(card.entry.key))
        entries.append(
            {
                "card": card,
                "number": card.entry.rank + 1,
                "score": formats.number_format(card.entry.score, 2),
                "source": source_words(card.entry.source),
                "sign": sign,
                "moved": words,
                "link": address.link(entry=None if card.entry.key == opened else (number, card.entry.key)),
                "why": _why(shopper, column, looked, now, card, titles) if card.entry.key == opened else None,
            }
        )
    met = shopper.all.support(get_config().support_window)
    went = [key for key, move in moves.items() if move.now is None]
    own, gone = [key for key in went if key in met], [key for key in went if key not in met]
    page = page_products(column.placement, shopper.all) if column.version != EVERYBODY else []
    return {
        "number": number,
        "looked": looked,
        "prepared": prepared,
        "entries": entries,
        "stage": source_words(looked.stage),
        "opened": next((entry for entry in entries if entry["why"]), None),
        "own": [was.get(key, key) for key in own],
        "gone": [was.get(key, key) for key in gone],
        "page": [titles.get(key, key) for key in page],
        "needs_page": column.version != EVERYBODY and not page and not _options(column.placement).history,
        "moved_nothing": before is not None and not moves and bool(entries),
        "steps": _steps(looked),
        "ms": formats.number_format(looked.ms, 1),
        "is_everybody": column.version == EVERYBODY,
    }


def _steps(looked: Looked) -> list[dict[str, Any]]:
    """The way to the list with times: the parts that led to the candidates, then what was done to their order."""
    found: list[dict[str, Any]] = []
    for mark in looked.marks:
        name, says = step_words(mark.name)
        found.append({"name": name, "says": says, "found": mark.found, "ms": _ms(mark.ms)})
    for step in looked.trace:
        name, says = step_words(step.name)
        took = "" if step.name == "candidates" else _ms(step.ms)  # its time is that of the parts above
        found.append({"name": name, "says": said_by(step) or says, "found": len(step.keys), "ms": took})
    return found


def _ms(ms: float) -> str:
    return formats.number_format(ms, 2)


def _why(
    shopper: Shopper, column: Column, looked: Looked, now: Looked, card: Card, titles: Mapping[str, str]
) -> dict[str, Any]:
    """The trace of one entry: its place after each step, who spoke for it, and what it would take to lose it.

    now: the list that one without something is held against.
    """
    ranks = {each.key: each.rank for each in now}
    entry, key = card.entry, card.entry.key
    places = []
    for step in looked.trace:
        name, _says = step_words(step.name)
        place = step.keys.index(key) + 1 if key in step.keys else None
        places.append({"name": name, "place": place, "of": len(step.keys), "says": said_by(step)})
    strategy = "pins" if entry.source == RULE else _strategy(looked, entry.tier)
    shares = looked.shares.get(key, ()) if strategy == "adapted" else ()
    top = max((abs(share) for _name, share in shares), default=0.0)
    without = _without(shopper, column, key, entry.because) if column.version != EVERYBODY else []
    if entry.because and entry.because not in titles:
        titles = {**titles, **titles_of([entry.because])}
    weights = dict(looked.counted)
    return {
        "places": places,
        "shares": [_share(name, share, top) for name, share in shares],
        "strategy": step_words(strategy),
        "fell_back": strategy != "pins" and entry.tier > 0,
        "because": titles.get(entry.because, entry.because),
        "expert": expert_words(entry.expert) if entry.expert else "",
        "lift": None if looked.lift is None else formats.number_format(looked.lift, 2),
        "rules": [rule_words(rule) for rule in looked.rules.get(key, ())],
        "explored": entry.explored,
        "propensity": formats.number_format(100 * entry.propensity, 1),
        "without": [_lost(each, ranks.get(key, entry.rank), titles, weights) for each in without],
        "capped": len(shopper.all.support(get_config().support_window)) > MOST_WITHOUT,
    }


def _share(name: str, share: float, top: float) -> dict[str, Any]:
    part = abs(share) / top if top else 0.0
    return {"name": expert_words(name), "share": formats.number_format(share, 3), "part": part}


def _strategy(looked: Looked, tier: int) -> str:
    return looked.strategies[tier] if tier < len(looked.strategies) else ""


def _without(shopper: Shopper, column: Column, key: str, because: str) -> list[Any]:
    counting = shopper.all.support(get_config().support_window)
    products = dict.fromkeys([because, *shopper.products])

    def leave_out(product: str) -> Looked:
        return ask(shopper, column, shopper.all.without(product), reasons=False)

    with still():
        return carried_by(
            key, [product for product in products if product in counting][:MOST_WITHOUT], leave_out
        )


def _lost(each: Any, rank: int, titles: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, Any]:
    """What leaving out a product does to the entry, in words."""
    if each.rank is None:
        says, carries = _("It would not be on the list."), True
    elif each.rank == rank:
        says, carries = _("It would stand where it stands."), False
    elif each.rank > rank:
        says, carries = _("It would fall to place %(place)d.") % {"place": each.rank + 1}, True
    else:
        says, carries = _("It would rise to place %(place)d.") % {"place": each.rank + 1}, False
    weight = weights.get(each.product)
    return {
        "title": titles.get(each.product, each.product),
        "says": says,
        "carries": carries,
        "weight": "" if weight is None else formats.number_format(weight, 2),
    }
