"""Trending: one bounded query a minute, planted risers first, the same order every time."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from metarec_plugin.models import Event
from metarec_plugin.serve import trends
from metarec_plugin.serve.trends import trending

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(trends, "_kept", trends.Kept())


def bought(product: str, times: int, days: float, kind: str = "purchase", subject: str = "") -> list[Event]:
    """Events of as many shoppers, spread over a day."""
    now = timezone.now()
    return [
        Event(
            event_id=f"{product}:{days}:{i}:{kind}:{subject}",
            subject=subject or f"user:{i}",
            kind=kind,
            product=product,
            at=now - timedelta(days=days, minutes=i % 1000),
        )
        for i in range(times)
    ]


def store(events: list[Event]) -> None:
    random.Random(len(events)).shuffle(events)
    Event.objects.bulk_create(events)


def planted() -> list[Event]:
    steady = [event for day in range(14) for event in bought("steady", 20, day + 0.1)]
    return [
        *steady,
        *bought("risen", 5, 9), *bought("risen", 40, 1),
        *bought("fallen", 40, 8), *bought("fallen", 5, 2),
        *bought("once", 1, 0.1),
        *bought("looked at", 80, 1, kind="view"),
    ]  # fmt: skip


def test_what_rose_leads_and_what_fell_or_only_is_popular_is_not_listed():
    store(planted())
    found = trending()
    assert found[0][0] == "risen"
    names = [key for key, _ in found]
    assert names[:2] == ["risen", "once"] or names == ["risen"]
    assert "fallen" not in names
    assert "looked at" not in names
    assert dict(found).get("once", 0) < found[0][1] / 3


def test_what_was_given_back_whole_does_not_rise_and_what_was_in_part_does():
    store(planted())
    whole, part = bought("whole", 40, 1), bought("part", 40, 1)
    for event in part:
        event.quantity = 3
    returned = [
        Event(
            event_id=f"return:{event.event_id}", subject=event.subject, kind="return", product=event.product,
            at=event.at + timedelta(minutes=1), quantity=1, reverses=event.event_id,
        )
        for event in [*whole, *part]
    ]  # fmt: skip
    store([*whole, *part, *returned])
    names = [key for key, _ in trending()]
    assert "whole" not in names
    assert "part" in names


def test_one_query_a_minute(django_assert_num_queries, monkeypatch):
    store(planted())
    with django_assert_num_queries(1):
        first = trending()
    with django_assert_num_queries(0):
        assert trending(limit=1) == first[:1]
    with django_assert_num_queries(1):
        trending(window_days=3)
    monkeypatch.setattr(trends, "KEPT_SECONDS", 0.0)
    with django_assert_num_queries(1):
        assert [key for key, _ in trending()] == [key for key, _ in first]


def test_one_shopper_counts_once_however_often_they_buy():
    store([*bought("hoarded", 300, 1, subject="user:7"), *bought("liked", 12, 1)])
    assert [key for key, _ in trending()] == ["liked", "hoarded"]


def test_equals_rank_by_key():
    events = [event for name in "dbca" for event in bought(name, 8, 1)]
    moment = timezone.now() - timedelta(days=1)
    for event in events:
        event.at = moment
    store(events)
    assert [key for key, _ in trending()] == list("abcd")


def test_a_shop_with_more_events_than_are_read_has_shorter_windows(monkeypatch):
    monkeypatch.setattr(trends, "NEWEST", 200)
    store([*bought("old", 300, 2), *bought("before", 100, 1.5), *bought("now", 99, 0.2)])
    assert [key for key, _ in trending()] == ["now"]


def test_an_empty_shop_and_a_limit_of_nothing():
    assert trending() == []
    store(bought("one", 9, 1))
    trends._kept.forget()
    assert trending(limit=0) == []
    with pytest.raises(ValueError, match="above 0"):
        trending(window_days=0)
