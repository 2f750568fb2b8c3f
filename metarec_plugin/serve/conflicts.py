"""Which of the merchant's rules stand in each other's way, and which one has its will."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations

from django.db.models import BooleanField, Case, Q, Value, When
from django.utils.translation import gettext as _

from metarec_plugin.models import Rule
from metarec_plugin.serve.conditions import Condition
from metarec_plugin.serve.policy import Policy
from metarec_plugin.serve.rules import MerchantRule, keys_of
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys

MOST_RULES, AT_ONCE = 300, 50  # rules that are looked at; conditions asked in one query
NEWEST_RULE = 2**62  # the key of a rule that is not stored yet: of equal priority, newer rows go first
PLACE, HIDDEN, NARROWED, SHARES, BOTH_WAYS, NOT_SOLD, NOWHERE = (
    "place", "hidden", "narrowed", "shares", "both_ways", "not_sold", "nowhere",
)  # fmt: skip


@dataclass(frozen=True)
class Conflict:
    """kind: one of the words above. rules: those concerned. wins: the one that has its will, where one has."""

    kind: str
    rules: tuple[MerchantRule, ...]
    says: str
    wins: MerchantRule | None = None


@dataclass(frozen=True)
class Shop:
    """What the live shop says of the products that rules name.

    sold: the keys that can be recommended now. met: by condition, the named products that meet it, sold or not.
    titles: by key. placements: the names that there are.
    """

    sold: frozenset[str] = frozenset()
    met: Mapping[Condition, frozenset[str]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    placements: frozenset[str] = frozenset()

    def title(self, key: str) -> str:
        return self.titles.get(key, key)

    def meets(self, rule: MerchantRule, key: str) -> bool:
        """Whether the rule is about the product."""
        if rule.condition is None:
            return rule.product == key
        return key in self.met.get(rule.condition, frozenset())


def ask_shop(rules: Sequence[MerchantRule], placements: Collection[str]) -> Shop:
    """Ask the live shop about what rules name: two queries, and one per AT_ONCE conditions."""
    storefront, model = get_storefront(), get_storefront().product_model
    named = {rule.product for rule in rules if rule.product}
    pks = list(parse_keys(model, named).values())
    if not pks:
        return Shop(placements=frozenset(placements))
    titles = {str(row.pk): storefront.title_of(row) for row in model._base_manager.filter(pk__in=pks)}
    conditions = list(dict.fromkeys(rule.condition for rule in rules if rule.condition is not None))
    met: dict[Condition, set[str]] = {condition: set() for condition in conditions}
    for start in range(0, len(conditions), AT_ONCE):
        some = conditions[start : start + AT_ONCE]
        marks = {
            f"metarec_{at}": Case(
                When(Q(pk__in=keys_of(model, each.q())), then=Value(True)),
                default=Value(False),
                output_field=BooleanField(),
            )
            for at, each in enumerate(some)
        }
        rows = model._base_manager.filter(pk__in=pks).annotate(**marks).values_list("pk", *marks)
        for pk, *flags in rows:
            for condition, flag in zip(some, flags):
                if flag:
                    met[condition].add(str(pk))
    return Shop(
        frozenset(storefront.known_products(named)),
        {condition: frozenset(keys) for condition, keys in met.items()},
        {key: title or key for key, title in titles.items()},
        frozenset(placements),
    )


def conflicts_of(policy: Policy, now: datetime, placements: Collection[str]) -> list[Conflict]:
    """The conflicts among the first MOST_RULES rules that count now or will."""
    rules = [rule for rule in policy.rules if rule.ends_at is None or rule.ends_at > now][:MOST_RULES]
    return find_conflicts(rules, ask_shop(rules, placements))


def conflicts_with(
    rule: MerchantRule, policy: Policy, now: datetime, placements: Collection[str]
) -> list[Conflict]:
    """Those of one rule, stored or not, with the others of the policy."""
    own = rule if rule.pk else replace(rule, pk=NEWEST_RULE)
    others = (each for each in policy.rules if each.pk != own.pk)
    found = conflicts_of(replace(policy, rules=(own, *others)), now, placements)
    return [conflict for conflict in found if own in conflict.rules]


def find_conflicts(rules: Sequence[MerchantRule], shop: Shop) -> list[Conflict]:
    """Each conflict once, those of a pin first. rules: all that count now or will, whatever their order."""
    pins = [rule for rule in rules if rule.action == Rule.Action.PIN]
    return [
        *_one_place(pins, shop),
        *_pins_not_shown(pins, rules, shop),
        *_shares(rules),
        *_both_ways(rules, shop),
        *_lost(rules, shop),
    ]


def stronger(one: MerchantRule, other: MerchantRule) -> MerchantRule:
    """Of two rules of the same kind the one of the higher priority, then the newer row."""
    return max(one, other, key=lambda rule: (rule.priority, rule.pk))


def meet(one: MerchantRule, other: MerchantRule) -> bool:
    """Whether both can count for one list: same placement, overlapping times, not guests here and members there."""
    if one.placement and other.placement and one.placement != other.placement:
        return False
    if {_who(one), _who(other)} == {"guest", "member"}:
        return False
    return _before_end(one.starts_at, other.ends_at) and _before_end(other.starts_at, one.ends_at)


def _who(rule: MerchantRule) -> str:
    return "member" if rule.segment is not None else rule.who  # only members declare something


def _before_end(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def _one_place(pins: Sequence[MerchantRule], shop: Shop) -> Iterator[Conflict]:
    by_position: dict[int, list[MerchantRule]] = defaultdict(list)
    for pin in pins:
        by_position[pin.position].append(pin)
    for position, some in sorted(by_position.items()):
        for one, other in combinations(some, 2):
            if one.product != other.product and meet(one, other):
                wins = stronger(one, other)
                loses = other if wins is one else one
                says = _(
                    "Both pin a product at place %(place)s. “%(wins)s” has it; what “%(loses)s” pins goes to the next "
                    "free place."
                ) % {"place": position, "wins": wins.name, "loses": loses.name}
                yield Conflict(PLACE, (one, other), says, wins)


def _pins_not_shown(
    pins: Sequence[MerchantRule], rules: Sequence[MerchantRule], shop: Shop
) -> Iterator[Conflict]:
    """What hides always wins over a pin, whatever the priorities."""
    for pin in pins:
        for rule in rules:
            if not meet(pin, rule):
                continue
            words = {"product": shop.title(pin.product), "pin": pin.name, "rule": rule.name}
            if rule.action == Rule.Action.HIDE and shop.meets(rule, pin.product):
                says = _(
                    "“%(pin)s” pins %(product)s, and “%(rule)s” hides it. Hiding always wins: it is not shown."
                )
                yield Conflict(HIDDEN, (pin, rule), says % words, rule)
            if rule.action == Rule.Action.FILTER and not shop.meets(rule, pin.product):
                says = _(
                    "“%(pin)s” pins %(product)s, which is not among the only products that “%(rule)s” lets through. "
                    "That rule always wins: it is not shown."
                )
                yield Conflict(NARROWED, (pin, rule), says % words, rule)


def _shares(rules: Sequence[MerchantRule]) -> Iterator[Conflict]:
    """Of each share, together with those that can count beside it: reported where it is the one that does not fit."""
    shares = sorted(
        (rule for rule in rules if rule.action == Rule.Action.SHARE),
        key=lambda rule: (-rule.priority, -rule.pk),
    )
    for at, rule in enumerate(shares):
        before = [other for other in shares[:at] if meet(rule, other)]
        whole = math.fsum(each.share for each in (*before, rule))
        if before and whole > 1 + 1e-9:
            says = _(
                "Together these shares ask for %(whole)s %% of the list. “%(wins)s” gets its part first; “%(loses)s” "
                "gets what is left."
            ) % {"whole": round(100 * whole), "wins": before[0].name, "loses": rule.name}
            yield Conflict(SHARES, (*before, rule), says, before[0])


def _both_ways(rules: Sequence[MerchantRule], shop: Shop) -> Iterator[Conflict]:
    boosts = [rule for rule in rules if rule.action == Rule.Action.BOOST]
    burials = [rule for rule in rules if rule.action == Rule.Action.BURY]
    for boost in boosts:
        for bury in burials:
            if not meet(boost, bury) or not (product := _shared_product(boost, bury, shop)):
                continue
            says = _(
                "“%(boost)s” raises %(product)s and “%(bury)s” lowers it. Both count: together it is %(factor)s times "
                "as likely."
            ) % {
                "boost": boost.name,
                "bury": bury.name,
                "product": _("the same products") if product is True else shop.title(product),
                "factor": f"{boost.weight * bury.weight:.3g}",
            }
            yield Conflict(BOTH_WAYS, (boost, bury), says)


def _shared_product(one: MerchantRule, other: MerchantRule, shop: Shop) -> str | bool:
    """The product that both are about; True where both have the same condition; False where none is known."""
    if one.condition is not None and other.condition is not None:
        return one.condition == other.condition
    product = one.product or other.product
    return product if shop.meets(one, product) and shop.meets(other, product) else False


def _lost(rules: Sequence[MerchantRule], shop: Shop) -> Iterator[Conflict]:
    for rule in rules:
        if rule.product and rule.product not in shop.sold:
            says = _(
                "“%(rule)s” is about %(product)s, which is not sold now. The rule does nothing until it is."
            )
            yield Conflict(NOT_SOLD, (rule,), says % {"rule": rule.name, "product": shop.title(rule.product)})
        if rule.placement and rule.placement not in shop.placements:
            says = _("“%(rule)s” is for the placement “%(placement)s”, which there is not.")
            yield Conflict(NOWHERE, (rule,), says % {"rule": rule.name, "placement": rule.placement})
