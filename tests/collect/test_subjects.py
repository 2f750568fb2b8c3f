"""Consent in all its forms, merging at login, parting at logout, forgetting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpRequest
from django.test import Client

from metarec_plugin import record_event
from metarec_plugin.collect import consent_of, erase, support_keys
from metarec_plugin.collect.subjects import merge_at_login
from metarec_plugin.collect.sync import sync
from metarec_plugin.collect.visitor import Visitor, loads
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.models import ErasedEvent, Event, Impression, SubjectState
from tests.collect.conftest import MakeRequest, cookie_after
from tests.storefronts.factories import make_customer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def by_header(request: HttpRequest) -> str:
    return request.headers.get("X-Consent", "none")


def unsure(request: HttpRequest) -> str:
    return "perhaps"


def test_consent_is_a_level_a_function_or_its_path(settings: Any, make_request: MakeRequest) -> None:
    request = make_request()
    request.META["HTTP_X_CONSENT"] = "full"
    forms: list[tuple[Any, str]] = [
        ("session", "session"),
        (by_header, "full"),
        ("tests.collect.test_subjects.by_header", "full"),
        (lambda request: "none", "none"),
        (unsure, "none"),  # in doubt, no
    ]
    for form, level in forms:
        settings.METAREC = {"CONSENT": form}
        assert consent_of(request) == level


def test_a_consent_function_that_is_not_there_is_named(settings: Any, make_request: MakeRequest) -> None:
    settings.METAREC = {"CONSENT": "shop.nowhere.level"}
    with pytest.raises(ConfigurationError, match=r"shop\.nowhere\.level"):
        consent_of(make_request())


# Through views, as a browser comes and goes


@pytest.fixture
def client(consent: Callable[[str], None]) -> Client:
    consent("full")
    return Client()


def log_in(client: Client, user: User) -> None:
    response = client.post("/in/", {"username": user.username, "password": "open sesame"})
    assert response.status_code == 302


def visitor(client: Client) -> Visitor:
    return loads(client.cookies["metarec"].value)


def test_a_visitors_events_follow_them_into_their_account(client: Client) -> None:
    user = make_customer().user
    client.get("/like/p1/")
    client.get("/like/p2/")
    before = visitor(client)
    record_event(f"visitor:{'b' * 32}", "view", "of somebody else")
    Impression.objects.create(
        subject=before.subject, slate="s", placement="home", product="p", rank=0, source="new"
    )
    log_in(client, user)
    assert visitor(client).id != before.id
    assert not Event.objects.filter(subject=before.subject).exists()
    assert list(Event.objects.filter(subject=f"user:{user.pk}").values_list("product", flat=True)) == [
        "p1",
        "p2",
    ]
    assert Impression.objects.get().subject == f"user:{user.pk}"
    assert client.get("/look/").content == b"p1,p2"


def test_merging_twice_moves_nothing_more(client: Client) -> None:
    user = make_customer().user
    client.get("/like/p1/")
    old_cookie = client.cookies["metarec"].value
    log_in(client, user)
    client.cookies["metarec"] = old_cookie  # a second tab sends what it still has
    log_in(client, user)
    assert Event.objects.filter(subject=f"user:{user.pk}").count() == 1


def test_the_next_visitor_at_the_device_is_somebody_else(client: Client) -> None:
    user = make_customer().user
    client.get("/like/p1/")
    log_in(client, user)
    inside = visitor(client).id
    client.post("/out/")
    assert visitor(client).id != inside
    assert client.get("/look/").content == b""
    client.get("/like/p9/")
    assert Event.objects.get(product="p9").subject == visitor(client).subject
    log_in(client, make_customer().user)
    assert client.get("/look/").content == b"p9"


def test_session_products_last_through_login_and_go_at_logout(
    consent: Callable[[str], None], client: Client
) -> None:
    consent("session")
    user = make_customer().user
    client.get("/like/p1/")
    before = visitor(client).id
    log_in(client, user)
    assert visitor(client).id != before
    assert client.get("/look/").content == b"p1"
    client.post("/out/")
    assert visitor(client).products == []
    assert not Event.objects.exists()


def test_logging_in_and_out_without_a_cookie_sets_none(client: Client) -> None:
    log_in(client, make_customer().user)
    client.post("/out/")
    assert "metarec" not in client.cookies


def test_a_merge_that_fails_locks_nobody_out_and_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent("full")
    first = make_request("get")
    record_event(first, "view", "p1")
    cookie = cookie_after(first)
    user = make_customer().user

    def busy(old: str, new: str) -> int:
        raise DatabaseError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr("metarec_plugin.collect.subjects._rename", busy)
        request = make_request("post", cookie=cookie)
        assert merge_at_login(request, user) == 0
        assert cookie_after(request) is None
    assert merge_at_login(make_request("post", cookie=cookie), user) == 1


@pytest.mark.parametrize("level, moved", [("none", 0), ("session", 1), ("full", 1)])
def test_a_login_merges_what_consent_covers(level: str, moved: int, consent: Callable[[str], None]) -> None:
    consent("full")
    client, user = Client(), make_customer().user
    client.get("/like/p1/")
    before = visitor(client)
    consent(level)
    log_in(client, user)
    assert Event.objects.filter(subject=f"user:{user.pk}").count() == moved
    assert Event.objects.filter(subject=before.subject).count() == 1 - moved
    if level == "none":
        assert not client.cookies["metarec"].value
        assert client.cookies["metarec"]["max-age"] == 0
    else:
        assert visitor(client).id != before.id


def test_a_misconfigured_consent_locks_nobody_out(
    settings: Any, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "shop.nowhere.level"}
    assert merge_at_login(make_request("post"), make_customer().user) == 0
    assert "shop.nowhere.level" in caplog.text


# Forgetting


def test_erasing_a_subject_leaves_no_row_of_theirs_and_all_of_others() -> None:
    for subject in ("user:1", "user:2"):
        record_event(subject, "view", "p")
        Impression.objects.create(
            subject=subject, slate="s", placement="home", product="p", rank=0, source="new"
        )
        SubjectState.objects.create(subject=subject, version="0" * 32, last_event=1)
    assert erase("user:1") == {
        "event": 1,
        "impression": 1,
        "exposure": 0,
        "subjectstate": 1,
        "quarantinedevent": 0,
    }
    for model in (Event, Impression, SubjectState):
        assert list(model._default_manager.values_list("subject", flat=True)) == ["user:2"]
    assert erase("user:1") == {
        "event": 0,
        "impression": 0,
        "exposure": 0,
        "subjectstate": 0,
        "quarantinedevent": 0,
    }


def test_deleting_a_user_erases_them(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    from tests.storefronts.factories import make_order, make_product

    with django_capture_on_commit_callbacks(execute=True):
        customer = make_customer()
        make_order(make_product(), owner=customer)
    user = customer.user
    subject = f"user:{user.pk}"
    assert support_keys(subject, 50)
    with django_capture_on_commit_callbacks(execute=True):
        user.delete()
    assert not Event.objects.exists()


@pytest.mark.parametrize("stored", ["their subject", "an id of before their login"])
def test_a_deleted_users_orders_that_the_shop_keeps_bring_nothing_back(
    stored: str, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    from tests.storefronts.factories import make_customer, make_order, make_product

    customer, other = make_customer(), make_customer()
    user = customer.user
    with django_capture_on_commit_callbacks(execute=True):
        make_order(make_product(), owner=other)
        if stored == "their subject":
            order = make_order(make_product(), owner=customer, visitor=f"user:{user.pk}")
        else:
            order = make_order(make_product(), visitor="visitor:" + "e" * 32)
    Event.objects.filter(subject="visitor:" + "e" * 32).update(subject=f"user:{user.pk}")  # as a login does
    assert Event.objects.filter(subject=f"user:{user.pk}").count() == 1
    with django_capture_on_commit_callbacks(execute=True):
        user.delete()
    with django_capture_on_commit_callbacks(execute=True):
        for row in (order, order.lines.get()):
            row.refresh_from_db()
            row.save()
    assert sync(full=True).new == 0
    assert set(Event.objects.values_list("subject", flat=True)) == {f"user:{other.user_id}"}


def test_what_is_left_of_an_erased_subject_names_nobody() -> None:
    record_event("user:1", "view", "p", event_id="view:17")
    erase("user:1")
    assert [re.fullmatch("[0-9a-f]{64}", mark.digest) is not None for mark in ErasedEvent.objects.all()] == [
        True
    ]


def test_a_user_in_the_visitors_column_is_nobody() -> None:
    from tests.storefronts.factories import make_order, make_product

    make_order(make_product(), visitor="user:5")
    make_order(make_product(), visitor="visitor:" + "a" * 32)
    make_order(make_product(), visitor="b" * 32)
    counts = sync(full=True)
    assert (counts.new, dict(counts.refused)) == (2, {"visitor of another form than visitor:<id>": 1})
    assert not Event.objects.filter(subject__startswith="user:").exists()
