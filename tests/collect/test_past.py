"""What a log says beside the support: how often a product was bought, and whether it is disliked now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from metarec_plugin import record_event
from metarec_plugin.collect import bought_by, disliked_by, disliked_keys, support_keys
from metarec_plugin.collect.events import store
from metarec_plugin.collect.revisions import returns_of
from metarec_plugin.collect.visitor import MOST_KEYS, visitor_of
from metarec_plugin.models import Event
from tests.collect.conftest import MakeRequest, cookie_after

pytestmark = pytest.mark.django_db
START = timezone.now() - timedelta(days=10)


def bought(
    product: str, day: float, subject: str = "user:1", event_id: str | None = None, **more: Any
) -> None:
    at = START + timedelta(days=day)
    record_event(subject, more.pop("kind", "purchase"), product, at=at, event_id=event_id, **more)


def test_times_are_counted_by_moment_and_the_last_one_is_told(django_assert_num_queries):
    for day in (1, 3, 3):  # two lines of one order are one time
        bought("rye", day)
    bought("oats", 2, quantity=12)
    bought("rye", 4, kind="view")
    bought("rye", 5, subject="user:2")
    with django_assert_num_queries(1):
        found = {each.product: each for each in bought_by("user:1")}
    assert {product: each.times for product, each in found.items()} == {"rye": 2, "oats": 1}
    assert found["rye"].last == START + timedelta(days=3)
    assert found["rye"].first == START + timedelta(days=1)


def test_what_was_taken_back_was_not_bought():
    bought("rye", 1, event_id="order:1")
    bought("oats", 1, event_id="order:2")
    store(returns_of(Event.objects.filter(event_id="order:1"), "live", START))
    assert [each.product for each in bought_by("user:1")] == ["oats"]


def test_what_was_taken_back_in_part_was_bought():
    bought("rye", 1, event_id="order:1", quantity=3)
    for number, (quantity, left) in enumerate(((1, ["rye"]), (1, ["rye"]), (1, []))):
        record_event(
            "user:1", "return", "rye", quantity=quantity, event_id=f"back:{number}", reverses="order:1"
        )
        assert [each.product for each in bought_by("user:1")] == left


def test_the_target_kinds_are_what_counts_as_bought(settings):
    settings.METAREC = {**settings.METAREC, "TARGET_KINDS": ["view"]}
    bought("rye", 1)
    bought("oats", 1, kind="view")
    assert [each.product for each in bought_by("user:1")] == ["oats"]


def test_a_dislike_holds_until_it_is_taken_back(django_assert_num_queries):
    record_event("user:1", "dislike", "rye", event_id="no:1")
    record_event("user:1", "dislike", "oats")
    record_event("user:2", "view", "rye")
    with django_assert_num_queries(1):
        assert disliked_by(["user:1", "user:2"]) == {"user:1": {"rye", "oats"}, "user:2": frozenset()}
    record_event("user:1", "return", "rye", reverses="no:1")
    assert disliked_keys("user:1") == {"oats"}
    record_event("user:1", "dislike", "rye", event_id="no:2")
    assert disliked_keys("user:1") == {"oats", "rye"}


def test_nobody_takes_back_what_somebody_else_dislikes():
    record_event("user:1", "dislike", "rye", event_id="no:1")
    record_event("user:2", "return", "rye", reverses="no:1")
    assert disliked_keys("user:1") == {"rye"}


def test_a_low_rating_is_a_dislike_and_the_newest_opinion_counts(settings):
    settings.METAREC = {**settings.METAREC, "DISLIKES": {"rating": 2, "thumbs_down": None}}
    for day, (product, value) in enumerate([("a", 1), ("b", 2), ("c", 3), ("a", 5), ("c", 2), ("d", None)]):
        bought(product, day, kind="rating", value=value)
    bought("e", 8, kind="thumbs_down")
    bought("f", 8, kind="dislike")  # not a kind that says dislike in this shop
    assert disliked_keys("user:1") == {"b", "c", "e"}
    assert "e" not in support_keys("user:1", 50)


def test_a_shop_without_dislikes_asks_for_none(settings, django_assert_num_queries):
    settings.METAREC = {**settings.METAREC, "DISLIKES": {}}
    record_event("user:1", "dislike", "rye")
    with django_assert_num_queries(0):
        assert disliked_keys("user:1") == frozenset()


def test_under_session_consent_the_cookie_remembers_a_dislike_and_nothing_is_stored(
    consent, make_request: MakeRequest
):
    consent("session")
    request = make_request("get")
    for product in ("rye", "oats"):
        record_event(request, "view", product)
    assert record_event(request, "dislike", "rye")
    again = make_request("get", cookie=cookie_after(request))
    assert (disliked_keys(again), support_keys(again, 50)) == ({"rye"}, ["oats"])
    record_event(again, "return", "rye", reverses="whatever it was")
    later = make_request("get", cookie=cookie_after(again))
    assert disliked_keys(later) == frozenset()
    assert not Event.objects.exists()


def test_the_cookie_has_room_for_the_last_dislikes_only(consent, make_request: MakeRequest, settings):
    consent("session")
    for products, room in ((20, 20), (40, 0)):
        settings.METAREC = {**settings.METAREC, "SESSION_PRODUCTS": products}
        request = make_request("get")
        for number in range(25):
            record_event(request, "dislike", f"p{number}")
        assert disliked_keys(request) == {f"p{number}" for number in range(25 - room, 25)}
        assert products + room == MOST_KEYS


def test_logging_out_takes_the_dislikes_along(consent, make_request: MakeRequest):
    consent("session")
    request = make_request("get")
    record_event(request, "dislike", "rye")
    visitor_of(request).renew(forget_products=True)
    assert disliked_keys(request) == frozenset()


def test_without_consent_no_dislike_is_known(consent, make_request: MakeRequest):
    consent("none")
    request = make_request("post")
    assert not record_event(request, "dislike", "rye")
    assert disliked_keys(request) == frozenset()
