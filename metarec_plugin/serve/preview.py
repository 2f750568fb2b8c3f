"""What a change of a placement or a rule would do to the lists of real shoppers, before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from metarec_plugin.models import Event
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.conflicts import NEWEST_RULE
from metarec_plugin.serve.policy import Policy
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.rules import MerchantRule
from metarec_plugin.serve.slate import Slate
from metarec_plugin.storefront import get_storefront

LOOKED_AT = 300  # newest events among which shoppers are looked for


@dataclass(frozen=True)
class Shopper:
    """subject: empty for a guest of whom nothing is known. product: the key of what they did something with last."""

    subject: str
    product: str = ""


@dataclass(frozen=True)
class Line:
    """One place of a list. moved: places up (above 0) or down since before; None where it was not listed."""

    key: str
    title: str
    moved: int | None = 0

    @property
    def down(self) -> int:
        return -(self.moved or 0)


@dataclass(frozen=True)
class Lists:
    """A shopper's list as it is and as it would be. gone: titles that are no longer listed."""

    shopper: Shopper
    context: str
    before: tuple[Line, ...]
    after: tuple[Line, ...]
    gone: tuple[str, ...]

    @property
    def same(self) -> bool:
        return [line.key for line in self.before] == [line.key for line in self.after]


def recent_shoppers(n: int = 3) -> list[Shopper]:
    """The subjects of the newest events that name a product, members first, and last a guest. One query."""
    newest = Event.objects.exclude(product="").order_by("-at").values_list("subject", "product")[:LOOKED_AT]
    found: dict[str, Shopper] = {}
    for subject, product in newest:
        found.setdefault(subject, Shopper(subject, product))
    members_first = sorted(found.values(), key=lambda shopper: not shopper.subject.startswith("user:"))
    some = members_first[:n]
    return [*some, Shopper("", some[0].product if some else "")]


def with_placement(policy: Policy, name: str, options: PlacementConfig) -> Policy:
    return replace(policy, placements={**policy.placements, name: options})


def with_rule(policy: Policy, rule: MerchantRule, instead_of: int = 0) -> Policy:
    """The policy with a rule as if it counted now; instead_of: the key of the stored rule that it replaces."""
    now = replace(rule, starts_at=None, ends_at=None, pk=instead_of or NEWEST_RULE)
    others = (each for each in policy.rules if each.pk != instead_of)
    rules = sorted((*others, now), key=lambda each: (-each.priority, -each.pk))
    return replace(policy, rules=tuple(rules))


def compare(
    before: Policy, after: Policy, placement: str, shoppers: Sequence[Shopper], k: int | None = None
) -> list[Lists]:
    """The lists of a placement under both policies. Nothing is stored, and running experiments are left aside.

    A placement that does not count the shopper's own past is about a page's product: the last one is taken.
    """
    before, after = replace(before, experiments={}), replace(after, experiments={})
    return [_lists(before, after, placement, shopper, k) for shopper in shoppers]


def _lists(before: Policy, after: Policy, placement: str, shopper: Shopper, k: int | None) -> Lists:
    of_a_page = not after.placement(placement).history and bool(shopper.product)
    context = (shopper.product,) if of_a_page else ()

    def asked(policy: Policy) -> Slate:
        return recommend(
            shopper.subject or None, k=k, placement=placement, context=context,
            dry_run=True, reasons=False, policy=policy,
        )  # fmt: skip

    was, will = asked(before), asked(after)
    places = {entry.key: place for place, entry in enumerate(was)}
    kept = {entry.key for entry in will}
    title = get_storefront().title_of
    return Lists(
        shopper,
        _title(context),
        tuple(Line(entry.key, title(entry.product) or entry.key) for entry in was),
        tuple(
            Line(
                entry.key,
                title(entry.product) or entry.key,
                places[entry.key] - place if entry.key in places else None,
            )
            for place, entry in enumerate(will)
        ),
        tuple(title(entry.product) or entry.key for entry in was if entry.key not in kept),
    )


def _title(context: tuple[str, ...]) -> str:
    for product in get_storefront().live_products(context).values():
        return get_storefront().title_of(product)
    return ""
