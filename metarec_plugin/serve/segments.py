"""Which of the merchant's rules are for this shopper: guests, members, members who declare something."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from metarec_plugin.collect.reading import read_once
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.policy import Policy
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.serve.question import Question
from metarec_plugin.serve.rules import MerchantRule, Rules
from metarec_plugin.storefront import get_storefront

USER = "user:"


def rules_of(policy: Policy, question: Question, subject: str, now: datetime, guard: Guard) -> Rules:
    """Return the rules that count for a question. One query a request where a rule asks what a member declares.

    Where that fails nothing is known of the member, and the rules for everybody still count.
    """
    found = policy.rules_for(question.placement, now)
    if not found:
        return Rules()
    user = _user(question, subject)
    asked = frozenset(rule.segment.feature for rule in found if rule.segment is not None)
    values: dict[str, Any] = {}
    if asked and user:
        values = guard(partial(_declared, question, user, asked), {})
    if user and question.request is not None and any(rule.who or rule.segment for rule in found):
        mark_personal(question.request)  # it is a list for members, or for what this one declares
    return Rules(tuple(rule for rule in found if _is_for(rule, user, values)))


def _declared(question: Question, user: str, asked: frozenset[str]) -> dict[str, Any]:
    return read_once(
        question.who, ("declared", user, asked), lambda: get_storefront().user_values(user, asked)
    )


def _user(question: Question, subject: str) -> str:
    """The key of the member, whatever was consented to: it is the shop that knows who is logged in."""
    request = question.request
    if request is None:
        return subject.removeprefix(USER) if subject.startswith(USER) else ""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else ""


def _is_for(rule: MerchantRule, user: str, values: dict[str, object]) -> bool:
    if rule.segment is not None:
        return bool(user) and rule.segment.holds(values)
    return not rule.who or (rule.who == "member") is bool(user)
