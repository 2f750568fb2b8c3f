"""A merchant's rule, read from its row and checked, or written to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Rule
from metarec_plugin.serve.conditions import Condition, product_condition, user_condition
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys

MAX_POSITION, MAX_WEIGHT = 100, 1000.0
WHO = ("guest", "member")


@dataclass(frozen=True)
class MerchantRule:
    """A rule as it was checked. segment: who it is for, None for everybody."""

    pk: int
    name: str
    action: str
    placement: str
    product: str
    condition: Condition | None
    who: str
    segment: Condition | None
    position: int
    weight: float
    share: float
    starts_at: datetime | None
    ends_at: datetime | None
    priority: int

    def counts(self, placement: str, now: datetime) -> bool:
        """Whether it counts on a placement at a moment, whoever looks."""
        begun = self.starts_at is None or self.starts_at <= now
        over = self.ends_at is not None and self.ends_at <= now
        return self.placement in ("", placement) and begun and not over

    def about(self) -> Q:
        """The products it is about, over the product model."""
        if self.condition is not None:
            return self.condition.q()
        return Q(pk__in=list(parse_keys(get_storefront().product_model, [self.product]).values()))


def read_rule(row: Rule) -> MerchantRule:
    """Check a row. Raises InvalidRule, which says what was expected, for one that cannot be followed."""
    action = row.action
    if action not in Rule.Action.values:
        raise InvalidRule(f"A rule's action is one of {', '.join(Rule.Action.values)}; found {action!r}.")
    if bool(row.product) == bool(row.condition):
        raise InvalidRule("A rule names a product or has a condition, one of the two.")
    if action == Rule.Action.PIN and not row.product:
        raise InvalidRule("A pin names the product that is to stand at the position.")
    if action in (Rule.Action.FILTER, Rule.Action.SHARE) and not row.condition:
        raise InvalidRule(f"A rule of the kind {action} has a condition.")
    product = _product(row.product) if row.product else ""
    position = _position(row) if action == Rule.Action.PIN else 0
    weight = _weight(row) if action in (Rule.Action.BOOST, Rule.Action.BURY) else 1.0
    share = _share(row) if action == Rule.Action.SHARE else 0.0
    if row.starts_at and row.ends_at and row.ends_at <= row.starts_at:
        raise InvalidRule(f"A rule ends after it starts; found {row.starts_at} to {row.ends_at}.")
    who, segment = _segment(row.segment)
    return MerchantRule(
        pk=row.pk or 0, name=row.name, action=action, placement=row.placement, product=product,
        condition=product_condition(row.condition) if row.condition else None,
        who=who, segment=segment, position=position, weight=weight, share=share,
        starts_at=row.starts_at, ends_at=row.ends_at, priority=row.priority,
    )  # fmt: skip


def save_rule(row: Rule, by: str = "") -> Rule:
    """Store a rule that can be followed. Raises InvalidRule, which says what was expected, for any other.

    by: who wrote it. This process follows it from its next answer on, others within RELOAD_SECONDS.
    """
    from metarec_plugin.serve.policy import forget_policy  # which reads rules itself

    row.updated_at, row.updated_by = timezone.now(), by
    try:
        row.full_clean()
    except ValidationError as error:
        said = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items())
        raise InvalidRule(f"Rule {row.name!r} cannot be kept: {said}") from error
    row.product = read_rule(row).product
    row.save()
    forget_policy()
    return row


def _product(key: Any) -> str:
    """The key as the live shop has it, so that a pin is found however it was written."""
    pks = parse_keys(get_storefront().product_model, [key]) if isinstance(key, str) else {}
    if not pks:
        raise InvalidRule(f"A rule's product is the key of one; found {key!r}.")
    return str(pks[key])


def _position(row: Rule) -> int:
    if row.position is None or not 1 <= row.position <= MAX_POSITION:
        raise InvalidRule(f"A pin's position is from 1 to {MAX_POSITION}; found {row.position!r}.")
    return int(row.position)


def _weight(row: Rule) -> float:
    boost = row.action == Rule.Action.BOOST
    low, high = (1.0, MAX_WEIGHT) if boost else (0.0, 1.0)
    if row.weight is None or not math.isfinite(row.weight) or not low < row.weight <= high or row.weight == 1:
        raise InvalidRule(
            f"The weight of a {'boost is above 1' if boost else 'burial is between 0 and 1'} "
            f"(so many times as likely), at most {high:g}; found {row.weight!r}."
        )
    return float(row.weight)


def _share(row: Rule) -> float:
    if row.share is None or not 0 < row.share <= 1:
        raise InvalidRule(f"A share is above 0 and at most 1; found {row.share!r}.")
    return float(row.share)


def _segment(given: Any) -> tuple[str, Condition | None]:
    if not given:
        return "", None
    if isinstance(given, Mapping) and set(given) == {"who"}:
        if given["who"] not in WHO:
            raise InvalidRule(f"A segment's who is one of {', '.join(WHO)}; found {given['who']!r}.")
        return str(given["who"]), None
    return "", user_condition(given)
