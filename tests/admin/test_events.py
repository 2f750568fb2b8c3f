"""The event log and its neighbours: fast at any size, read-only, escaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.admin.base import BoundedPaginator
from metarec_plugin.models import ErasureReceipt, Event, FileImport, ModelVersion
from tests.feedback.logs import ago, did
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
LIST = reverse("admin:metarec_event_changelist")


def counted_without_bound(sql: str) -> bool:
    return bool(re.search(r"COUNT\(", sql, re.IGNORECASE)) and "LIMIT" not in sql.upper()


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return str(cursor.fetchall())


@pytest.mark.parametrize(
    "query", ["", "?q=user:1", "?day={today}", "?q=user:1&day={today}", "?p=2", "?o=2.-3", "?o=-6", "?all="]
)
def test_no_list_counts_or_sorts_the_whole_log(viewer, query, monkeypatch):
    monkeypatch.setattr(BoundedPaginator, "MOST", 60)
    product = str(make_product().pk)
    for number in range(120):
        did("view", product, by=f"user:{number % 2}", at=ago(minutes=number))
    address = LIST + query.format(today=timezone.now().date().isoformat())
    with CaptureQueriesContext(connection) as queries:
        answer = viewer.get(address)
    assert answer.status_code == 200
    asked = [each["sql"] for each in queries if '"metarec_event"' in each["sql"]]
    assert asked
    assert not [sql for sql in asked if counted_without_bound(sql)]
    for sql in asked:
        found = plan(sql)
        assert "metarec_event_at" in found or "metarec_event_subject_at" in found, (sql, found)
        assert "USE TEMP B-TREE" not in found, (sql, found)
    assert len(queries) <= 12
    moments = [row.at for row in answer.context["cl"].result_list]
    assert moments == sorted(moments, reverse=True)


def test_the_page_says_where_it_stops(viewer, monkeypatch):
    monkeypatch.setattr(BoundedPaginator, "MOST", 60)
    for number in range(70):
        did("view", "p", at=ago(minutes=number))
    assert "The first 60 rows are paged through" in viewer.get(LIST).content.decode()
    assert "are paged through" not in viewer.get(LIST, {"q": "user:none"}).content.decode()


@pytest.mark.parametrize(
    "lookup", ["kind", "product__contains", "query__icontains", "value__gt", "subject__startswith"]
)
def test_a_filter_that_no_index_answers_is_refused(viewer, lookup):
    did("view", "p", at=ago(hours=1))
    assert viewer.get(LIST, {lookup: "1"}).status_code == 400


@pytest.mark.parametrize("day", ["x", "0001-01-01", "9999-12-31", "2026-02-30", "2026-01-05"])
def test_any_day_may_be_asked_for(viewer, day):
    did("view", "p", at=ago(hours=1))
    assert viewer.get(LIST, {"day": day}).status_code == 200


def test_a_day_is_that_of_the_shop_s_time_zone(viewer, settings):
    settings.METAREC = {**settings.METAREC, "TIME_ZONE": "Asia/Tokyo"}
    did("view", "late", at=datetime(2026, 1, 5, 14, 59, tzinfo=UTC))  # 23:59 of the 5th
    did("view", "next", at=datetime(2026, 1, 5, 15, 0, tzinfo=UTC))  # 0:00 of the 6th
    rows = viewer.get(LIST, {"day": "2026-01-05"}).context["cl"].result_list
    assert [row.product for row in rows] == ["late"]


def test_the_search_finds_one_shopper_and_no_part_of_a_key(viewer):
    did("view", "p", by="user:1", at=ago(hours=1))
    did("view", "p", by="user:12", at=ago(hours=1))
    found = viewer.get(LIST, {"q": "user:1"}).context["cl"].result_list
    assert [row.subject for row in found] == ["user:1"]


def test_an_event_is_shown_whole_and_cannot_be_changed(operator):
    product = make_product(name="Rye <script>")
    did("view", str(product.pk), at=ago(hours=1), context={"x": "<script>1</script>"})
    event = Event.objects.get()
    address = reverse("admin:metarec_event_change", args=[event.pk])
    text = operator.get(address).content.decode()
    assert "Rye &lt;script&gt;" in text
    assert "<script>1" not in text
    assert operator.post(address, {"kind": "purchase"}).status_code == 403
    assert (
        operator.post(reverse("admin:metarec_event_delete", args=[event.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert operator.get(reverse("admin:metarec_event_add")).status_code == 403
    assert Event.objects.get().kind == "view"


def test_an_import_says_what_became_of_its_rows(viewer):
    FileImport.objects.create(
        digest="d" * 64, file="orders.csv", rows=7, counts={"stored": 5, "refused": {"unknown_product": 2}}
    )
    listed = viewer.get(reverse("admin:metarec_fileimport_changelist")).content.decode()
    assert "orders.csv" in listed
    told = viewer.get(reverse("admin:metarec_fileimport_change", args=["d" * 64])).content.decode()
    assert "stored: 5" in told
    assert "refused, unknown_product: 2" in told


def test_a_receipt_names_versions_and_nobody(viewer):
    version = ModelVersion.objects.create(learner="closed_form")
    receipt = ErasureReceipt.objects.create(
        by="staff", subjects=["a" * 64], deleted={"event": 3}, versions=[str(version.pk)], runs=[4]
    )
    told = viewer.get(reverse("admin:metarec_erasurereceipt_change", args=[receipt.pk])).content.decode()
    assert "event: 3" in told
    assert reverse("admin:metarec_modelversion_change", args=[version.pk]) in told
    for term in ("user:1", "not a key", "a" * 64):
        found = viewer.get(reverse("admin:metarec_erasurereceipt_changelist"), {"q": term})
        assert list(found.context["cl"].result_list) == []
