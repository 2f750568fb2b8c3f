"""Forgetting somebody: one function behind the command, the API, the page and a deleted user, with a receipt."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from metarec_plugin import record_event
from metarec_plugin.collect.erasing import subject_hash
from metarec_plugin.collect.exporting import rows_of
from metarec_plugin.models import (
    ErasureReceipt,
    Event,
    Exposure,
    Impression,
    ModelVersion,
    QuarantinedEvent,
    SubjectState,
    TrainingRun,
)
from metarec_plugin.pipeline import states
from metarec_plugin.tasks import expire
from tests.storefronts.factories import make_customer, make_order, make_product
from tests.web.conftest import BROWSER, send

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]
HOUR = timedelta(hours=1)


def forget(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("metarec_forget", *arguments, stdout=out)
    return json.loads(out.getvalue())


def version(age: timedelta, **values: Any) -> str:
    made = ModelVersion.objects.create(learner="mixture", created=timezone.now() - age, **values)
    return str(made.pk)


def test_the_receipt_says_what_went_and_who_may_have_learned_and_names_nobody() -> None:
    before = version(3 * HOUR)
    record_event("user:1", "purchase", "p1", event_id="purchase:7:1")
    Event.objects.update(received_at=timezone.now() - 2 * HOUR)
    gone = version(HOUR, pruned_at=timezone.now())
    after = version(HOUR)
    TrainingRun.objects.create(state=TrainingRun.State.DONE, budget_seconds=1)
    running = TrainingRun.objects.create(state=TrainingRun.State.RUNNING, budget_seconds=1)
    record_event("user:2", "purchase", "p1")
    Impression.objects.create(
        subject="user:1", slate="s", placement="home", product="p", rank=0, source="new"
    )
    SubjectState.objects.create(subject="user:1", version=uuid.uuid4(), last_event=1)
    QuarantinedEvent.objects.create(subject="user:1", digest="d", source="api", reason="r", payload={})
    printed = forget("--user", "1")
    receipt = ErasureReceipt.objects.get()
    assert printed == {
        "receipt": str(receipt.pk),
        "at": receipt.at.isoformat(),
        "subjects": [subject_hash("user:1")],
        "deleted": {"event": 1, "quarantinedevent": 1, "impression": 1, "exposure": 0, "subjectstate": 1},
        "versions": [after],
        "runs": [running.pk],
    }
    assert not {before, gone} & set(printed["versions"])
    assert "user:1" not in json.dumps(printed)
    assert set(Event.objects.values_list("subject", flat=True)) == {"user:2"}
    for table, rows in rows_of("user:1"):
        assert list(rows) == [], table
    assert Exposure.objects.count() == 0


def test_where_history_is_deleted_by_age_every_version_on_disk_may_have_learned(settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "HISTORY_DAYS": 365}
    learned_of_it, gone = version(400 * 24 * HOUR), version(500 * 24 * HOUR, pruned_at=timezone.now())
    record_event("user:1", "purchase", "p1", at=timezone.now() - 700 * 24 * HOUR)
    Event.objects.update(received_at=timezone.now() - 700 * 24 * HOUR)
    record_event("user:1", "purchase", "p2")
    since = version(timedelta(0))
    expire()
    assert Event.objects.get().product == "p2"
    assert forget("--user", "1")["versions"] == [learned_of_it, since]
    assert gone


def test_who_was_never_trained_from_is_in_no_version() -> None:
    record_event("visitor:" + "a" * 32, "view", "p1")
    version(timedelta(0))
    assert forget("--visitor", "a" * 32)["versions"] == []


def test_the_hash_needs_the_secret_of_the_site(settings: Any) -> None:
    first = subject_hash("user:1")
    settings.SECRET_KEY = "another"
    assert first != subject_hash("user:1")


@pytest.mark.parametrize("arguments", [(), ("somebody",), ("user:1", "--user", "2"), ("--user", "a b")])
def test_the_command_wants_one_subject(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        forget(*arguments)
    assert not ErasureReceipt.objects.exists()


def test_a_deleted_user_leaves_a_receipt(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        customer = make_customer()
        make_order(make_product(), owner=customer)
    subject = f"user:{customer.user_id}"
    customer.user.delete()
    receipt = ErasureReceipt.objects.get()
    assert (receipt.by, receipt.subjects, receipt.deleted["event"]) == ("deleted", [subject_hash(subject)], 1)


def test_what_a_browser_sends_again_after_its_shopper_was_forgotten_is_not_stored_anew(settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "CONSENT": "full"}
    client = Client(headers={"user-agent": BROWSER})
    body = json.dumps(
        {"events": [{"id": str(uuid.uuid4()), "kind": "view", "product": str(make_product().pk)}]}
    )
    assert send(client, body).json()["stored"] == 1
    forget(Event.objects.get().subject)
    assert send(client, body).json() == {"stored": 0, "known": 1, "refused": []}
    assert not Event.objects.exists()


def test_a_worker_that_read_the_events_before_brings_no_state_back() -> None:
    record_event("user:1", "view", "p1")
    record_event("user:2", "view", "p1")
    first, other = Event.objects.order_by("pk")
    made = [
        SubjectState(subject=event.subject, version=uuid.uuid4(), last_event=event.pk)
        for event in (first, other)
    ]
    forget("user:1")
    assert states._write(made) == 1
    assert list(SubjectState.objects.values_list("subject", flat=True)) == ["user:2"]
