"""Recording events: bounds, consent, once per id, announced after commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from metarec_plugin import record_event
from metarec_plugin.collect import sign_slate, support_keys
from metarec_plugin.exceptions import InvalidEvent, InvalidSignature
from metarec_plugin.models import Event
from tests.collect.conftest import MakeRequest, cookie_after
from tests.storefronts.factories import make_customer, make_product

pytestmark = pytest.mark.django_db
VISITOR = "visitor:" + "a" * 32


def test_every_field_of_an_event_is_stored() -> None:
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    assert record_event(
        "user:7",
        "click",
        "p1",
        value=1.5,
        quantity=2,
        at=at,
        slate=sign_slate("s" * 32),
        position=3,
        event_id="mine",
    )
    event = Event.objects.get()
    assert (event.event_id, event.subject, event.kind, event.product) == ("mine", "user:7", "click", "p1")
    assert (event.value, event.quantity, event.at, event.slate, event.position) == (1.5, 2, at, "s" * 32, 3)
    assert (event.source, event.order, event.reverses, event.context, event.price) == (
        "live",
        "",
        "",
        {},
        None,
    )


def test_an_instance_stands_for_its_key() -> None:
    product = make_product()
    record_event("user:7", "view", product)
    assert Event.objects.get().product == str(product.pk)


def test_a_second_event_of_one_id_changes_nothing() -> None:
    assert record_event("user:7", "view", "first", event_id="x") is True
    assert record_event("user:8", "basket", "second", event_id="x") is False
    assert Event.objects.values_list("subject", "kind", "product").get() == ("user:7", "view", "first")


def test_events_without_an_id_are_each_their_own() -> None:
    assert record_event("user:7", "view", "p")
    assert record_event("user:7", "view", "p")
    assert Event.objects.count() == 2


def test_a_race_on_one_id_is_settled_by_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    record_event("user:7", "view", "first", event_id="x")
    # As another process sees it that looked before the first one committed.
    monkeypatch.setattr("metarec_plugin.collect.events.known_ids", lambda ids, using: set())
    record_event("user:8", "view", "second", event_id="x")
    assert Event.objects.get().product == "first"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "View it"}, "kind"),
        ({"kind": "v" * 33}, "kind"),
        ({"product": None}, "product"),
        ({"product": "p" * 65}, "product"),
        ({"product": "p\x00"}, "product"),
        ({"value": float("nan")}, "value"),
        ({"value": float("inf")}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": "5"}, "value"),
        ({"value": True}, "value"),
        ({"quantity": 10**9}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"position": -1}, "position"),
        ({"position": 10**6}, "position"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "i" * 201}, "event_id"),
        ({"at": datetime(9999, 1, 1, tzinfo=UTC)}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"query": 5}, "query"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name_and_nothing_is_stored(
    changes: dict[str, Any], named: str
) -> None:
    values = {"kind": "view", "product": "p", **changes}
    with pytest.raises(InvalidEvent, match=rf"^(event .*)?{named}"):
        record_event("user:7", values.pop("kind"), values.pop("product"), **values)
    assert not Event.objects.exists()


@pytest.mark.parametrize("subject", ["", "7", "user:", "shop:7", "user:a b", "visitor:" + "x" * 120])
def test_a_subject_is_a_user_or_a_visitor(subject: str) -> None:
    with pytest.raises(InvalidEvent, match="subject"):
        record_event(subject, "view", "p")


@pytest.mark.parametrize(
    "slate",
    ["made up", sign_slate("s")[:-1] + "!", "x" * 5_000, "\ud800"],
    ids=["made up", "forged", "long", "surrogate"],
)
def test_a_forged_slate_is_refused(slate: str) -> None:
    with pytest.raises(InvalidSignature):
        record_event("user:7", "click", "p", slate=slate)
    assert not Event.objects.exists()


def test_what_a_shopper_types_is_tidied_and_cut_not_refused() -> None:
    record_event("user:7", "search", query="  rye\x00bread\n" + "x" * 5_000)
    query = Event.objects.get().query
    assert query.startswith("rye bread x")
    assert len(query) == 200


def test_decimals_and_naive_moments_are_read() -> None:
    record_event("user:7", "rating", "p", value=Decimal("4.5"), at=datetime(2026, 1, 1))
    event = Event.objects.get()
    assert event.value == 4.5
    assert timezone.is_aware(event.at)


def test_a_clock_a_little_fast_is_set_right() -> None:
    record_event("user:7", "view", "p", at=timezone.now() + timedelta(minutes=2))
    assert Event.objects.get().at <= timezone.now()


def test_a_new_event_is_announced_after_commit_and_a_known_one_is_not(
    announced: list[dict[str, Any]], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            record_event("user:7", "view", "p", event_id="x")
        assert announced == []
    assert announced == [{"subject": "user:7", "kind": "view", "product": "p", "event_id": "x"}]
    with django_capture_on_commit_callbacks(execute=True):
        record_event("user:7", "view", "p", event_id="x")
    assert len(announced) == 1


def test_a_listener_that_fails_harms_nobody(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    from metarec_plugin.signals import event_recorded

    def fail(**values: Any) -> None:
        raise RuntimeError("listener")

    event_recorded.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert record_event("user:7", "view", "p")
    finally:
        event_recorded.disconnect(fail)


# Consent


def test_full_consent_stores_the_event_of_a_visitor(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("full")
    request = make_request("get")
    assert record_event(request, "view", "p1")
    event = Event.objects.get()
    assert event.subject.startswith("visitor:")
    again = make_request("get", cookie=cookie_after(request))
    assert support_keys(again, 50) == ["p1"]
    record_event(again, "view", "p2")
    assert Event.objects.filter(subject=event.subject).count() == 2


def test_session_consent_keeps_products_in_the_cookie_and_nothing_on_the_server(
    consent: Callable[[str], None], make_request: MakeRequest, django_assert_num_queries: Any
) -> None:
    consent("session")
    cookie = None
    with django_assert_num_queries(0):
        for number in range(25):
            request = make_request("get", cookie=cookie)
            assert record_event(request, "view", f"p{number}")
            cookie = cookie_after(request)
        request = make_request("get", cookie=cookie)
        assert support_keys(request, 50) == [f"p{number}" for number in range(5, 25)]
        assert support_keys(request, 2) == ["p23", "p24"]


def test_under_session_consent_a_dislike_and_a_search_are_no_support(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("session")
    request = make_request("get")
    assert record_event(request, "dislike", "p1")
    assert not record_event(request, "search", query="rye")
    assert support_keys(request, 50) == []


def test_no_consent_keeps_nothing_at_all(consent: Callable[[str], None], make_request: MakeRequest) -> None:
    consent("none")
    request = make_request("post")
    assert not record_event(request, "view", "p1")
    assert support_keys(request, 50) == []
    assert cookie_after(request) is None
    assert not Event.objects.exists()


def test_no_consent_still_refuses_what_is_malformed(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("none")
    with pytest.raises(InvalidEvent):
        record_event(make_request(), "view", "p" * 65)


def test_a_member_is_stored_under_their_key(
    consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("full")
    user = make_customer().user
    request = make_request(user=user)
    record_event(request, "view", "p1")
    assert Event.objects.get().subject == f"user:{user.pk}"
    assert cookie_after(request) is None


# Support


def test_support_is_the_last_distinct_products_oldest_first(django_assert_num_queries: Any) -> None:
    start = timezone.now() - timedelta(days=1)
    seen = ["a", "b", "c", "a", "d", "b"]
    for minute, product in enumerate(seen):
        record_event(VISITOR, "view", product, at=start + timedelta(minutes=minute))
    record_event(VISITOR, "dislike", "e")
    record_event(VISITOR, "return", "f")
    record_event(VISITOR, "search", query="rye")
    record_event("user:9", "view", "g")
    with django_assert_num_queries(1):
        assert support_keys(VISITOR, 50) == ["c", "a", "d", "b"]
    assert support_keys(VISITOR, 2) == ["d", "b"]


def test_support_reaches_past_many_looks_at_one_product() -> None:
    start = timezone.now() - timedelta(days=1)
    for minute, product in enumerate(["a", "b", *["c"] * 30]):
        record_event(VISITOR, "view", product, at=start + timedelta(minutes=minute))
    assert support_keys(VISITOR, 3) == ["a", "b", "c"]
