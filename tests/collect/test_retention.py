"""What is stored is deleted when METAREC says so, and nothing that comes again later brings it back."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from metarec_plugin import record_event
from metarec_plugin.collect import retention
from metarec_plugin.collect.sync import sync
from metarec_plugin.models import (
    ErasedEvent,
    ErasureReceipt,
    Event,
    Experiment,
    Impression,
    QuarantinedEvent,
    SubjectState,
)
from metarec_plugin.tasks import expire
from tests.storefronts.factories import make_customer, make_order, make_product
from tests.web.conftest import BROWSER, send

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def days(number: float) -> datetime:
    return timezone.now() - timedelta(days=number)


def record(kind: str, age: float, name: str, **values: Any) -> None:
    record_event("user:1", kind, "p", at=days(age), event_id=name, **values)


def show(age: float) -> None:
    Impression.objects.create(
        subject="user:1", slate="s", placement="home", product="p", rank=0, source="new", at=days(age)
    )


def left() -> list[str]:
    return sorted(Event.objects.values_list("event_id", flat=True))


def test_what_browsers_told_goes_and_what_is_learned_from_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for age in (89, 91, 92, 93, 400):
        record("view", age, f"view {age}")
        record("purchase", age, f"purchase {age}")
        show(age)
    record("dislike", 400, "dislike")
    record("return", 399, "return", reverses="purchase 400")
    for name, updated in (("user:1", days(91)), ("user:2", days(1))):
        SubjectState.objects.create(subject=name, version=uuid.uuid4(), last_event=1)
        SubjectState.objects.filter(subject=name).update(updated=updated)
    for age in (1, 1_094, 1_096):
        ErasureReceipt.objects.create(by="command", at=days(age))
    assert retention.expire() == {"events": 4, "history": 0, "impressions": 4, "states": 1, "receipts": 1}
    assert left() == sorted(
        ["view 89", "dislike", "return", *(f"purchase {age}" for age in (89, 91, 92, 93, 400))]
    )
    assert (Impression.objects.count(), SubjectState.objects.get().subject) == (1, "user:2")


def test_history_goes_where_it_is_told_to_and_no_sync_brings_it_back(settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "HISTORY_DAYS": 365}
    old = make_order(make_product(), owner=make_customer(), at=days(364))
    sync(full=True)
    Event.objects.update(at=days(366))
    type(old).objects.update(placed_at=days(366))
    # A return that is older than what it took back goes with it, not before.
    record("purchase", 10, "kept")
    record("return", 366, "of kept", reverses="kept")
    record("return", 366, "of nothing", reverses="purchase 1")
    expire()
    assert left() == ["kept", "of kept"]
    assert (sync(full=True).new, left()) == (0, ["kept", "of kept"])


def test_none_keeps_for_good(settings: Any) -> None:
    keys = ("EVENT_DAYS", "HISTORY_DAYS", "IMPRESSION_DAYS", "RECEIPT_DAYS")
    settings.METAREC = {**settings.METAREC, **dict.fromkeys(keys)}
    record("view", 9_000, "view")
    show(9_000)
    assert set(retention.expire().values()) == {0}


def test_what_an_experiment_is_measured_by_stays_until_it_is_read() -> None:
    running = Experiment.objects.create(name="long", placement="home", state="running", started_at=days(100))
    for age in (99, 101):
        record("click", age, f"click {age}")
        show(age)
    expire()
    assert (left(), Impression.objects.count()) == (["click 99"], 1)
    Experiment.objects.filter(pk=running.pk).update(state="stopped", stopped_at=days(91))
    expire()
    assert (left(), Impression.objects.count()) == ([], 0)


# Replays


@pytest.fixture
def replay(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full", "COOKIE_AGE": 10**9}
    client = Client(headers={"user-agent": BROWSER})
    key = str(make_product().pk)
    start = timezone.now()
    event = {"id": str(uuid.uuid4()), "kind": "view", "product": key, "at": int(start.timestamp() * 1000)}
    body = json.dumps({"events": [event]})

    def after(number: int) -> Any:
        moment = start + timedelta(days=number)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
        monkeypatch.setattr("django.core.signing.time.time", lambda: moment.timestamp())
        return send(client, body)

    return after


def test_an_event_sent_again_is_known_for_as_long_as_it_is_kept_and_refused_from_then_on(replay: Any) -> None:
    assert replay(0).json()["stored"] == 1
    for number in (0, 8, 89):
        assert replay(number).json() == {"stored": 0, "known": 1, "refused": []}
        expire()
        assert Event.objects.count() == 1
    for number in (91, 400, 4_000):
        refused = replay(number)
        assert refused.status_code == 400
        assert refused.json()["refused"][0]["reason"] == "at lies before what the shop still keeps."
        expire()
        assert not Event.objects.exists()


@pytest.mark.parametrize(
    "at", [None, "soon", -1, 4e12], ids=["none", "no number", "negative", "in the future"]
)
def test_one_without_a_usable_time_is_known_even_after_it_was_dropped(
    at: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full", "COOKIE_AGE": 10**9}
    client, start = Client(headers={"user-agent": BROWSER}), timezone.now()
    event = {"id": str(uuid.uuid4()), "kind": "view", "product": str(make_product().pk), "at": at}
    told = []
    for number in (0, 89, 91, 4_000):
        moment = start + timedelta(days=number)
        monkeypatch.setattr("django.utils.timezone.now", lambda moment=moment: moment)
        monkeypatch.setattr("django.core.signing.time.time", lambda moment=moment: moment.timestamp())
        expire()
        told.append(send(client, json.dumps({"events": [event]})).json())
    assert [each["stored"] for each in told] == [1, 0, 0, 0]
    assert [each["known"] for each in told] == [0, 1, 1, 1]
    assert not Event.objects.exists()


def test_a_shop_without_celery_deletes_by_a_command() -> None:
    record("view", 91, "old")
    record("view", 89, "young")
    QuarantinedEvent.objects.create(
        digest="d", source="api", reason="r", payload={}, received_at=timezone.now() - timedelta(days=31)
    )
    said = StringIO()
    call_command("metarec_expire", stdout=said)
    assert said.getvalue().strip() == "Deleted: events 1, quarantine 1."
    assert Event.objects.count() == 1
    assert not QuarantinedEvent.objects.exists()


def test_one_of_a_clock_slightly_ahead_leaves_nothing_behind(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full"}
    client, start = Client(headers={"user-agent": BROWSER}), timezone.now()
    at = int((start + timedelta(seconds=30)).timestamp() * 1000)
    event = {"id": str(uuid.uuid4()), "kind": "view", "product": str(make_product().pk), "at": at}
    assert send(client, json.dumps({"events": [event]})).json()["stored"] == 1
    monkeypatch.setattr("django.utils.timezone.now", lambda: start + timedelta(days=100))
    expire()
    assert not Event.objects.exists()
    assert not ErasedEvent.objects.exists(), "it would be refused as too old"


def test_an_event_that_the_shop_recorded_leaves_nothing_behind() -> None:
    record("view", 91, "by the shop")
    Event.objects.update(received_at=F("at"))
    expire()
    assert not Event.objects.exists()
    assert not ErasedEvent.objects.exists()


def test_where_events_are_kept_for_good_one_is_known_years_later(replay: Any, settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": None}
    assert replay(0).json()["stored"] == 1
    assert replay(4_000).json()["known"] == 1
    expire()
    assert Event.objects.count() == 1
