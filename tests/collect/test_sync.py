"""Sync records what no signal announced: the same events as the receivers, however often it runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings
from django.utils import timezone

from metarec_plugin import record_event
from metarec_plugin.collect import sync as sync_module
from metarec_plugin.collect.sync import SyncCounts, sync
from metarec_plugin.models import Event
from shop.models import OrderLine
from tests.storefronts.factories import (
    make_book,
    make_customer,
    make_loan,
    make_order,
    make_product,
    make_reader,
)

pytestmark = pytest.mark.django_db
FIELDS = (
    "event_id", "subject", "kind", "product", "query", "value", "quantity", "price", "at",
    "order", "slate", "position", "context", "reverses",
)  # fmt: skip


def recorded() -> list[tuple[Any, ...]]:
    return list(Event.objects.order_by("event_id").values_list(*FIELDS))


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_sync_and_receivers_write_the_same_events(
    zone: str, on_commit: Callable[[], Any], settings: Any
) -> None:
    settings.TIME_ZONE = zone
    with on_commit():
        customer = make_customer()
        make_order(
            make_product(), make_product(), owner=customer, at=datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
        )
        make_order(make_product(), visitor="visitor:" + "e" * 32)
        make_order(make_product(), owner=customer, status="pending")
        line = make_order(make_product(), owner=customer).lines.get()
        OrderLine.objects.filter(pk=line.pk).update(price="2.675", quantity=3)
        line.refresh_from_db()
        line.save()
    live = recorded()
    assert len(live) == 4
    Event.objects.all().delete()
    assert sync(full=True) == SyncCounts(read=4, new=4, known=0, refused={})
    assert recorded() == live
    assert set(Event.objects.values_list("source", flat=True)) == {"sync"}


def test_sync_and_receivers_agree_on_text_keys_and_dates(
    bookshop: None, on_commit: Callable[[], Any]
) -> None:
    with on_commit():
        make_loan(make_book(), reader=make_reader("card-7"), stars=3.5, day=date(2026, 3, 9))
        make_loan(make_book(), guest="f" * 32, copies=4)
    live = recorded()
    assert len(live) == 2
    Event.objects.all().delete()
    sync(full=True)
    assert recorded() == live


def test_syncing_again_changes_nothing() -> None:
    make_order(make_product(), make_product(), owner=make_customer())
    sync(full=True)
    before = list(Event.objects.values())
    assert sync(full=True) == SyncCounts(read=2, new=0, known=2, refused={})
    assert sync() == SyncCounts(read=2, new=0, known=2, refused={})
    assert list(Event.objects.values()) == before


def test_what_the_shop_recorded_itself_stays() -> None:
    order = make_order(make_product(), owner=make_customer())
    record_event("user:elsewhere", "purchase", "p", event_id=f"purchase:{order.pk}:{order.lines.get().pk}")
    record_event("user:elsewhere", "purchase", "p", event_id="purchase:till-7")  # no row's
    counts = sync(full=True)
    assert (counts.new, counts.known, counts.changed, counts.taken_back) == (0, 1, 0, 0)
    assert set(Event.objects.values_list("subject", flat=True)) == {"user:elsewhere"}


def test_the_window_trails_by_the_days_configured(settings: Any) -> None:
    customer, product = make_customer(), make_product()
    for days in (1, 20, 40):
        make_order(product, owner=customer, at=timezone.now() - timedelta(days=days))
    assert sync().read == 2
    settings.METAREC = {**settings.METAREC, "SYNC_DAYS": 7}
    assert sync().read == 1
    assert sync(full=True).new == 1


def test_rows_that_cannot_be_events_are_counted_by_reason(bookshop: None) -> None:
    book, reader = make_book(), make_reader("card-1")
    make_loan(book, reader=reader)
    make_loan(book)
    make_loan(book)
    make_loan(book, guest="g" * 119)
    make_loan(book, reader=reader, copies=2_000_000)
    counts = sync(full=True)
    assert (counts.read, counts.new, counts.known) == (5, 1, 0)
    assert counts.refused == {
        "neither user nor visitor": 2,
        "visitor longer than 120 characters": 1,
        "quantity beyond 1,000,000": 1,
    }


def test_long_reads_are_written_in_chunks_with_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "CHUNK", 2)
    monkeypatch.setattr("metarec_plugin.storefront.raw.CHUNK", 3)
    make_order(*(make_product() for _ in range(7)), owner=make_customer())
    seen: list[tuple[int, int]] = []
    assert sync(full=True, progress=lambda done, total: seen.append((done, total))).new == 7
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]


def test_an_empty_shop_syncs_to_nothing() -> None:
    assert sync(full=True) == SyncCounts(read=0, new=0, known=0, refused={})


def test_the_command_prints_what_it_did(bookshop: None) -> None:
    make_loan(make_book(), reader=make_reader("card-1"))
    make_loan(make_book())
    out, bar = StringIO(), StringIO()
    call_command("metarec_sync", "--full", stdout=out, stderr=bar)
    assert "2 rows read: 1 new, 0 known, 1 refused." in out.getvalue()
    assert "refused, neither user nor visitor: 1" in out.getvalue()
    assert "2.00/2.00" in bar.getvalue()


def test_the_command_says_what_is_missing() -> None:
    with override_settings(METAREC={}), pytest.raises(CommandError, match="STOREFRONT"):
        call_command("metarec_sync", stdout=StringIO(), stderr=StringIO())
