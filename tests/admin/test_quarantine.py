"""Quarantine in the panel: reasons in words, a dry run before each replay, what happened meanwhile."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.admin.quarantine import page
from metarec_plugin.admin.quarantine.reasons import INVALID, REASONS, reason_of
from metarec_plugin.models import Event, QuarantinedEvent, QuarantineOverflow
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
LIST = reverse("admin:metarec_quarantinedevent_changelist")
REPLAY = reverse("admin:metarec_quarantinedevent_replay")


def refused(product: object = "gone", reason: str = "unknown_product", **fields) -> QuarantinedEvent:
    """An event of the beacon as it would be kept; it is fit where the product is one of the shop."""
    name = str(uuid.uuid4())
    payload = {"id": name, "kind": "view", "product": str(product), **fields.pop("payload", {})}
    return QuarantinedEvent.objects.create(
        digest=name, event_id=f"beacon:{name}", subject="visitor:a", source="beacon", reason=reason,
        message="product is not in the catalogue.", payload=payload, **fields,
    )  # fmt: skip


def table() -> list[tuple]:
    return [
        *QuarantinedEvent.objects.order_by("pk").values_list(),
        *Event.objects.order_by("pk").values_list(),
    ]


def test_the_summary_counts_what_waits_by_reason_in_words(viewer):
    for _ in range(3):
        refused()
    refused(reason="id_conflict")
    refused(reason="id_conflict", state="replayed")
    QuarantineOverflow.objects.create(day=timezone.now().date(), source="beacon", events=1_234)
    answer = viewer.get(LIST)
    assert [(row["reason"], row["events"]) for row in answer.context["summary"]] == [
        ("unknown_product", 3),
        ("id_conflict", 1),
    ]
    text = answer.content.decode()
    assert "The product is not in your catalogue" in text
    assert "Another event has the same id" in text
    assert "1234 events" in text.replace(",", "")


def test_an_empty_quarantine_says_that_this_is_good(viewer):
    assert "Nothing waits" in viewer.get(LIST).content.decode()


@pytest.mark.parametrize(
    "query", ["", "?q=visitor:a", "?day={today}", "?source__exact=beacon", "?reason=unknown_product"]
)
def test_the_list_is_one_grouped_query_and_bounded_ones(viewer, query):
    for _ in range(70):
        refused()
    address = LIST + query.format(today=timezone.now().date().isoformat())
    with CaptureQueriesContext(connection) as queries:
        answer = viewer.get(address)
    assert len(answer.context["cl"].result_list) == 50
    asked = [each["sql"] for each in queries if '"metarec_quarantinedevent"' in each["sql"]]
    assert len([sql for sql in asked if "GROUP BY" in sql]) == 1
    assert all("LIMIT" in sql or "GROUP BY" in sql for sql in asked)
    assert len(queries) <= 12


def test_a_row_says_why_what_to_do_and_what_came(viewer):
    row = refused(payload={"note": "<script>alert(1)</script>"})
    text = viewer.get(reverse("admin:metarec_quarantinedevent_change", args=[row.pk])).content.decode()
    assert "Look at a key below" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text


def test_every_reason_that_is_given_has_words():
    """Those of `collect` that an event can be refused for; an unknown code is said as it is."""
    assert {"unknown_product", "unknown_kind", "unknown_field", "id_conflict", "oversize"} <= set(REASONS)
    assert {"invalid_id", "invalid_query", "invalid_slate", "invalid_quantity", "invalid_at"} <= set(INVALID)
    assert reason_of("brand_new").words == "brand_new"


# Replay


def test_a_replay_is_judged_first_and_writes_nothing(operator):
    product = make_product()
    for _ in range(2):
        refused(product.pk)
    refused("gone")
    before = table()
    answer = operator.post(REPLAY, {"reason": "unknown_product"})
    counts = answer.context["counts"]
    assert (counts.read, counts.stored, counts.known, counts.refused) == (3, 2, 0, {"unknown_product": 1})
    assert table() == before
    assert not LogEntry.objects.exists()


def test_a_confirmed_replay_stores_what_is_fit_once_and_is_logged(operator):
    product = make_product()
    rows = [refused(product.pk), refused(product.pk), refused("gone"), refused("x", reason="unknown_kind")]
    form = operator.post(REPLAY, {"reason": "unknown_product"}).context
    given = {"reason": "unknown_product", "judged": form["judged"]}
    assert operator.post(REPLAY, given)["Location"] == LIST
    assert set(Event.objects.values_list("product", flat=True)) == {str(product.pk)}
    assert list(QuarantinedEvent.objects.order_by("pk").values_list("state", flat=True)) == [
        "replayed",
        "replayed",
        "waiting",
        "waiting",
    ]
    (line,) = LogEntry.objects.all()
    assert "3 events judged again: 2 stored, 0 known already, 1 wait on." in line.change_message
    again = operator.post(REPLAY, given)  # the same form once more
    assert again.status_code == 409
    assert "nothing was done" in again.content.decode()
    assert (Event.objects.count(), LogEntry.objects.count(), len(rows)) == (2, 1, 4)


def test_the_chosen_ones_alone_are_replayed(operator):
    product = make_product()
    first, second = refused(product.pk), refused(product.pk)
    chosen = {"action": "replay_chosen", "_selected_action": [second.pk]}
    form = operator.post(LIST, chosen)
    assert form.context["counts"].read == 1
    assert not Event.objects.exists()
    operator.post(REPLAY, {"keys": form.context["keys"], "judged": form.context["judged"]})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state, Event.objects.count()) == ("waiting", "replayed", 1)


def test_more_than_a_page_can_do_is_said_with_the_command(operator, monkeypatch):
    monkeypatch.setattr(page, "MOST", 2)
    product = make_product()
    for _ in range(3):
        refused(product.pk)
    answer = operator.post(REPLAY, {"reason": "unknown_product"})
    assert "metarec_replay --reason unknown_product" in answer.content.decode()
    operator.post(REPLAY, {"reason": "unknown_product", "judged": answer.context["judged"]})
    assert Event.objects.count() == 2


def test_what_is_not_mended_cannot_be_replayed_by_accident(operator):
    refused("gone")
    text = operator.post(REPLAY, {"reason": "unknown_product"}).content.decode()
    assert "A replay would store nothing" in text
    assert 'name="judged"' not in text


@pytest.mark.parametrize("keys", ["x", "-1", "1,,2", "9" * 40, "1 OR 1=1"])
def test_keys_that_are_none_do_no_harm(operator, keys):
    assert operator.post(REPLAY, {"keys": keys}).status_code == 200


@pytest.mark.parametrize("role", ["viewer", "trainer", "promoter", "nobody"])
def test_only_operators_replay(role, request):
    refused(make_product().pk)
    client = request.getfixturevalue(role)
    before = table()
    judged = f"1-{QuarantinedEvent.objects.get().pk}"
    assert client.post(REPLAY, {"reason": "unknown_product", "judged": judged}).status_code == 403
    client.post(LIST, {"action": "replay_chosen", "_selected_action": [QuarantinedEvent.objects.get().pk]})
    assert table() == before
    assert 'name="action"' not in client.get(LIST).content.decode()


def test_replay_is_not_asked_for_by_get(operator):
    assert operator.get(REPLAY).status_code == 405
