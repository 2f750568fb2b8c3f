"""Merchant's rules as rows: when, where and for whom they count, and those that cannot be followed."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Rule
from metarec_plugin.serve import policy, recommend
from metarec_plugin.serve.privacy import is_personal
from metarec_plugin.serve.rules import save_rule
from metarec_plugin.storefront import get_storefront
from shop.models import Customer
from tests.serve.merchants import brand, keys_of, rule

pytestmark = pytest.mark.usefixtures("merchant")


@pytest.fixture
def ask(publish, visit, keys):
    """The keys of a list for somebody who saw the first two products."""
    publish()
    return lambda **named: keys_of(recommend(visit(keys[:2]), **{"placement": "home", "k": 8, **named}))


# When, where and for whom


@pytest.mark.parametrize(
    "starts, ends, counts",
    [(-1, 1, True), (None, 1, True), (-1, None, True), (1, None, False), (None, -1, False)],
)
def test_a_rule_counts_within_its_window(ask, keys, starts, ends, counts):
    now = timezone.now()
    at = {
        name: days and now + timedelta(days=days) for name, days in (("starts_at", starts), ("ends_at", ends))
    }
    rule("pin", product=keys[30], position=1, **at)
    assert (ask()[0] == keys[30]) is counts


def test_a_rule_counts_on_its_placement_only(ask, keys):
    rule("pin", product=keys[30], position=1, placement="category")
    assert ask()[0] != keys[30]
    assert ask(placement="category")[0] == keys[30]


def test_a_rule_that_is_off_does_not_count(ask, keys):
    row = rule("pin", product=keys[30], position=1)
    row.active = False
    save_rule(row)
    assert ask()[0] != keys[30]


def test_segments(publish, visit, keys):
    publish()
    rule("pin", product=keys[30], position=1, segment={"who": "guest"})
    rule("pin", product=keys[31], position=1, segment={"who": "member"})
    west = {"feature": "region", "op": "eq", "value": "West"}
    rule("pin", product=keys[32], position=1, segment=west, priority=1)
    user = User.objects.create(username="anna")

    def first() -> str:
        request = visit(keys[:2])
        request.user = user
        first = recommend(request, placement="home").entries[0].key
        assert is_personal(request)
        return first

    assert recommend(visit(keys[:2]), placement="home").entries[0].key == keys[30]
    assert first() == keys[31]
    Customer.objects.create(user=user, region="West")
    assert first() == keys[32]
    assert recommend(f"user:{user.pk}", placement="home").entries[0].key == keys[32]
    assert recommend("visitor:1", placement="home").entries[0].key == keys[30]


def test_a_list_by_what_a_member_declares_is_theirs_alone_and_read_once(publish, visit, keys, monkeypatch):
    publish()
    rule("hide", product=keys[32], segment={"feature": "region", "op": "ne", "value": "West"})
    request = visit(consent="none")
    request.user = User.objects.create(username="anna")
    asked = []
    monkeypatch.setattr(get_storefront(), "user_values", lambda *given: asked.append(given) or {})
    for _ in range(3):
        recommend(request, placement="home")
    assert is_personal(request)
    assert len(asked) == 1


def test_where_a_segment_cannot_be_read_the_rules_for_everybody_still_count(
    publish, visit, keys, monkeypatch, settings
):
    settings.METAREC = {**settings.METAREC, "STRICT": False}
    publish()
    rule("hide", condition={"feature": "price", "op": "gt", "value": 0}, segment={"who": "member"})
    rule("hide", product=keys[31], segment={"feature": "region", "op": "eq", "value": "West"})

    def fail(*given):
        raise DatabaseError("gone")

    monkeypatch.setattr(get_storefront(), "user_values", fail)
    request = visit()
    request.user = User.objects.create(username="anna")
    slate = recommend(request, placement="home")
    assert (len(slate), "gone" in slate.problem) == (0, True)


# Rows that cannot be followed


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "pin", "condition": brand("x"), "position": 1},
        {"action": "pin", "product": "{key}", "position": 0},
        {"action": "pin", "product": "no key", "position": 1},
        {"action": "pin", "product": "{key}"},
        {"action": "boost", "product": "{key}", "weight": 0.5},
        {"action": "boost", "product": "{key}", "weight": float("nan")},
        {"action": "bury", "product": "{key}", "weight": 2.0},
        {"action": "bury", "product": "{key}", "weight": 0.0},
        {"action": "share", "product": "{key}", "share": 0.5},
        {"action": "share", "condition": brand("x"), "share": 1.5},
        {"action": "filter", "product": "{key}"},
        {"action": "hide"},
        {"action": "hide", "product": "{key}", "condition": brand("x")},
        {"action": "hide", "condition": ["brand"]},
        {"action": "hide", "condition": {"feature": "price", "op": "lt", "value": 1e300}},
        {"action": "hide", "condition": {"feature": "price; DROP", "op": "lt", "value": 1}},
        {"action": "hide", "condition": {"feature": "title", "op": "eq", "value": "x"}},
        {"action": "hide", "product": "{key}", "segment": {"who": "everybody"}},
        {"action": "hide", "product": "{key}", "segment": {"feature": "shoe", "op": "eq", "value": 1}},
        {"action": "hide", "product": "{key}", "segment": "guest"},
        {"action": "sell", "product": "{key}"},
    ],
)
def test_a_row_that_cannot_be_followed_is_refused_and_one_that_is_there_is_left_out_and_logged_once(
    ask, keys, caplog, fields
):
    policy._log_once.cache_clear()
    before = ask()
    fields = {name: keys[30] if value == "{key}" else value for name, value in fields.items()}
    with pytest.raises(InvalidRule):
        save_rule(Rule(name="odd", **fields))
    assert not Rule.objects.exists()
    if fields.get("weight") != fields.get("weight"):
        return  # no column keeps it
    Rule.objects.create(name="odd", **fields)
    rule("boost", product=before[1], weight=1000.0)
    with caplog.at_level(logging.WARNING, logger=policy.__name__):
        assert [ask()[0], ask()[0]] == [before[1]] * 2
    assert len(caplog.records) == 1


def test_a_window_that_ends_before_it_starts_is_refused(keys):
    now = timezone.now()
    with pytest.raises(InvalidRule, match="ends after it starts"):
        rule("hide", product=keys[0], starts_at=now, ends_at=now - timedelta(days=1))


def test_who_saved_a_rule_and_when_is_kept(keys):
    row = rule("hide", product=keys[0])
    assert (row.updated_by, row.updated_at <= timezone.now()) == ("tests", True)
    assert Rule.objects.get().product == keys[0]
