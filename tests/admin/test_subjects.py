"""The page of a shopper: found by an exact name, shown in bounded queries, handed out, erased for good."""

from __future__ import annotations

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metarec_plugin.admin.subjects import finding
from metarec_plugin.collect.erasing import subject_hash
from metarec_plugin.models import (
    ErasedEvent,
    ErasureReceipt,
    Event,
    Exposure,
    Impression,
    ModelVersion,
    QuarantinedEvent,
    SubjectState,
)
from tests.feedback.logs import ago, click, did, experiment, expose, show
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
FIND = reverse("admin:metarec_subject_find")
LIST = reverse("admin:metarec_subject_changelist")


def page(subject: str, name: str = "change") -> str:
    return reverse(f"admin:metarec_subject_{name}", args=[subject.replace(":", "_3A")])


@pytest.fixture
def shopper():
    """A user with a past: what they looked at, were shown and clicked, and a variant that they are in."""
    user = User.objects.create_user("lovelace", email="ada@example.org", password="x")
    subject = f"user:{user.pk}"
    product = make_product(name="Rye <b>loaf</b>")
    version = ModelVersion.objects.create(learner="closed_form", is_current=True)
    for hours in (1, 2, 30):
        did("view", str(product.pk), by=subject, at=ago(hours=hours))
    did("search", "", by=subject, at=ago(hours=4), query="rye <i>")
    show("s1", str(product.pk), "gone", to=subject, at=ago(hours=3), variant="bold")
    click("s1", str(product.pk), by=subject, at=ago(hours=2))
    expose(experiment(), "bold", subject)
    SubjectState.objects.create(
        subject=subject, version=version.pk, last_event=1, ranking=[[str(product.pk), 1.0]]
    )
    QuarantinedEvent.objects.create(
        digest="d", subject=subject, source="beacon", reason="unknown_product", payload={"product": "x"}
    )
    return subject


# Finding


@pytest.mark.parametrize("term", ["{subject}", "{pk}", "lovelace", "ada@example.org", " lovelace "])
def test_a_shopper_is_found_by_an_exact_name(viewer, shopper, term):
    typed = term.format(subject=shopper, pk=shopper.removeprefix("user:"))
    answer = viewer.post(FIND, {"who": typed})
    assert (answer.status_code, answer["Location"]) == (302, page(shopper))


def test_a_visitor_is_found_with_and_without_the_word(viewer):
    did("view", "p", by="visitor:0a1b", at=ago(hours=1))
    assert viewer.post(FIND, {"who": "0a1b"})["Location"] == page("visitor:0a1b")
    assert viewer.post(FIND, {"who": "visitor:0a1b"})["Location"] == page("visitor:0a1b")


@pytest.mark.parametrize(
    "term", ["love", "Lovelace", "example.org", "visitor:nobody", "a\0b", "user:", "9" * 300, "%"]
)
def test_a_part_of_a_name_finds_nobody(viewer, shopper, term):
    answer = viewer.post(FIND, {"who": term})
    assert answer.status_code == 200
    assert "There is nobody whom that names" in answer.content.decode()


def test_a_login_that_is_no_text_is_found_by_its_value(viewer, shopper, monkeypatch):
    monkeypatch.setattr(User, "USERNAME_FIELD", "id")  # as where people log in by a number
    for nobody in ("ada", "9" * 40, "-1", "1.5"):
        assert "There is nobody" in viewer.post(FIND, {"who": nobody}).content.decode()
    assert viewer.post(FIND, {"who": shopper.removeprefix("user:")})["Location"] == page(shopper)
    assert viewer.post(FIND, {"who": "ada@example.org"})["Location"] == page(shopper)


def test_two_users_of_one_address_are_both_offered(viewer, shopper):
    twin = User.objects.create_user("bea", email="ada@example.org", password="x")
    answer = viewer.post(FIND, {"who": "ada@example.org"}).content.decode()
    assert page(shopper) in answer
    assert page(f"user:{twin.pk}") in answer


def test_what_is_searched_for_stands_in_no_address(viewer, shopper):
    """An e-mail in an address would lie in the logs of the web server."""
    assert viewer.get(FIND, {"who": "ada@example.org"}).status_code == 405
    form = viewer.get(LIST).content.decode()
    assert f'method="post" action="{FIND}"' in form


def test_the_shoppers_active_last_are_few_and_asked_by_the_index(viewer, monkeypatch):
    monkeypatch.setattr(finding, "ACTIVE", 2)
    for number in range(4):
        did("view", "p", by=f"visitor:{number}", at=ago(hours=9 - number))
    with CaptureQueriesContext(connection) as queries:
        text = viewer.get(LIST).content.decode()
    assert text.index("visitor:3") < text.index("visitor:2")
    assert "visitor:1" not in text
    asked = [query["sql"] for query in queries if "metarec_event" in query["sql"]]
    assert len(asked) == 1
    assert "LIMIT 1000" in asked[0]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + asked[0])
        assert "metarec_event_at" in str(cursor.fetchall())


# The page


def test_the_page_shows_what_is_known_and_escapes_it(viewer, shopper):
    text = viewer.get(page(shopper)).content.decode()
    assert "Rye &lt;b&gt;loaf&lt;/b&gt;" in text
    assert "<b>loaf" not in text
    assert "rye &lt;i&gt;" in text
    for shown in ("variant bold", "gone", "clicked", "lift", "Bread", "out of date"):
        assert shown in text
    assert "lovelace" not in text  # a viewer may not see users
    assert "viewer" in text  # the admin's own line still says who is logged in


def test_who_may_see_users_gets_their_name_and_page(person, shopper):
    client = person("clerk", "view_dashboard")
    User.objects.get(username="clerk").user_permissions.add(Permission.objects.get(codename="view_user"))
    text = client.get(page(shopper)).content.decode()
    assert (
        f'<a href="{reverse("admin:auth_user_change", args=[shopper.removeprefix("user:")])}">lovelace</a>'
        in text
    )


@pytest.mark.parametrize("name", ["events", "lists"])
@pytest.mark.parametrize(
    "place",
    [
        "0001-01-01T00:00:00+14:00~1",
        "9999-12-31T23:59:59-14:00~1",
        "2026-01-01T00:00:00~1",
        "9~9",
        "2026-01-01T00:00:00+00:00~" + "9" * 20,
    ],
)
def test_a_place_at_an_end_of_the_calendar_or_none_is_the_beginning(viewer, shopper, name, place):
    found = viewer.get(page(shopper), {name: place})
    assert found.status_code == 200
    assert len(found.context["events"]) == len(viewer.get(page(shopper)).context["events"]) > 0


def test_the_page_asks_a_bounded_number_of_queries(viewer, shopper, django_assert_max_num_queries):
    for number in range(60):
        product = str(make_product().pk)
        did("view", product, by=shopper, at=ago(hours=5 + number))
        show(f"more{number}", product, to=shopper, at=ago(hours=5 + number))
    with django_assert_max_num_queries(30):
        assert viewer.get(page(shopper)).status_code == 200


def test_older_events_and_lists_go_on_where_the_page_ends(viewer):
    for number in range(60):
        did("search", "", by="visitor:a", at=ago(hours=number // 3), query=f"word-{number:02d}.")
        show(f"s{number}", f"product-{number:02d}.", to="visitor:a", at=ago(hours=number))
    found, lists, address = [], [], page("visitor:a")
    for _page in range(3):
        answer = viewer.get(address)
        found += [row["event"].query for row in answer.context["events"]]
        place = answer.context["older_events"]
        address = page("visitor:a") + "?events=" + place.replace("+", "%2B")
    assert sorted(found) == [f"word-{number:02d}." for number in range(60)]
    assert place == ""
    answer = viewer.get(page("visitor:a"), {"lists": answer.context["older_lists"]})
    lists = [row["list"].slate for row in answer.context["lists"]]
    assert lists == [f"s{number}" for number in range(10, 20)]


MOMENT = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("place", ["", "x", "2026-01-01~1", f"{MOMENT}~x", "~", "\0", f"{MOMENT}~{10**30}"])
def test_a_place_that_is_none_is_the_beginning(viewer, shopper, place):
    answer = viewer.get(page(shopper), {"events": place, "lists": place})
    assert len(answer.context["events"]) == 5


@pytest.mark.parametrize("subject", ["nobody", "user:", "robot:1", "user:" + "x" * 200])
def test_what_is_no_shopper_is_not_found(viewer, subject):
    assert viewer.get(page(subject)).status_code == 404


def test_a_shopper_of_whom_nothing_is_stored_has_a_page_that_says_so(viewer):
    text = viewer.get(page("visitor:none")).content.decode()
    assert "No event of this shopper is stored" in text
    assert "No list is stored" in text


# Export


def test_an_export_holds_every_row_and_leaves_a_line_that_names_nobody(operator, shopper):
    answer = operator.post(page(shopper, "export"))
    told = json.loads(b"".join(answer.streaming_content))
    assert "attachment" in answer["Content-Disposition"]
    assert told["subject"] == shopper
    assert [len(told[name]) for name in ("events", "impressions", "exposures", "states", "refused")] == [
        5,
        2,
        1,
        1,
        1,
    ]
    (line,) = LogEntry.objects.all()
    assert line.user.username == "operator"
    assert subject_hash(shopper) in line.change_message
    assert shopper not in str(LogEntry.objects.values())


def test_only_operators_export_and_only_by_post(viewer, operator, shopper):
    assert viewer.post(page(shopper, "export")).status_code == 403
    assert operator.get(page(shopper, "export")).status_code == 405
    assert not LogEntry.objects.exists()


# Erasing


def rows_left(subject: str) -> int:
    return sum(
        model.objects.filter(subject=subject).count()
        for model in (Event, Impression, Exposure, SubjectState, QuarantinedEvent)
    )


def test_erasing_deletes_every_row_writes_a_receipt_and_keeps_nobody_s_name(operator, shopper):
    did("view", "p", by="user:other", at=ago(hours=1))
    asked = operator.get(page(shopper, "erase")).content.decode()
    assert "cannot be undone" in asked
    assert rows_left(shopper) == 10
    answer = operator.post(page(shopper, "erase"), {"typed": shopper[-4:]})
    receipt = ErasureReceipt.objects.get()
    assert answer["Location"] == reverse("admin:metarec_erasurereceipt_change", args=[receipt.pk])
    assert rows_left(shopper) == 0
    assert Event.objects.filter(subject="user:other").count() == 1
    assert receipt.by == "staff"
    assert receipt.subjects == [subject_hash(shopper)]
    assert receipt.deleted == {
        "event": 5,
        "impression": 2,
        "exposure": 1,
        "subjectstate": 1,
        "quarantinedevent": 1,
    }
    assert ErasedEvent.objects.count() == 5
    (line,) = LogEntry.objects.all()
    assert (line.object_id, line.object_repr, line.user.username) == (
        str(receipt.pk),
        str(receipt.pk),
        "operator",
    )
    assert shopper not in str(LogEntry.objects.values())
    told = operator.get(answer["Location"]).content.decode()
    assert "event: 5" in told
    assert receipt.subjects[0] in told
    found = operator.get(reverse("admin:metarec_erasurereceipt_changelist"), {"q": shopper})
    assert [row.pk for row in found.context["cl"].result_list] == [receipt.pk]


@pytest.mark.parametrize("typed", ["", "yes", "xxxx"])
def test_nothing_is_erased_before_the_end_of_the_key_is_typed(operator, shopper, typed):
    answer = operator.post(page(shopper, "erase"), {"typed": typed})
    assert answer.status_code == 400
    assert "Nothing was erased" in answer.content.decode()
    assert rows_left(shopper) == 10
    assert not LogEntry.objects.exists()


def test_who_comes_second_is_told_that_it_is_done(operator, shopper):
    operator.post(page(shopper, "erase"), {"typed": shopper[-4:]})
    again = operator.post(page(shopper, "erase"), {"typed": shopper[-4:]}, follow=True)
    assert "somebody may have erased it already" in again.content.decode()
    assert ErasureReceipt.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "trainer", "promoter", "nobody"])
def test_only_operators_erase(role, shopper, request):
    client = request.getfixturevalue(role)
    assert client.get(page(shopper, "erase")).status_code == 403
    assert client.post(page(shopper, "erase"), {"typed": shopper[-4:]}).status_code == 403
    assert rows_left(shopper) == 10


def test_a_forged_request_erases_nobody(operator, shopper):
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.get(username="operator"))
    assert forged.post(page(shopper, "erase"), {"typed": shopper[-4:]}).status_code == 403
    assert forged.post(page(shopper, "export")).status_code == 403
    assert rows_left(shopper) == 10
