"""Keys of the API in the panel: shown once, replaced with an overlap, revoked; never twice by an old form."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from metarec_plugin.admin.api_keys import page as api_keys
from metarec_plugin.models import ApiKey

pytestmark = pytest.mark.django_db
LIST = reverse("admin:metarec_apikey_changelist")
ADD = reverse("admin:metarec_apikey_add")
GOOD = {
    "name": "app",
    "scopes": ["recommendations", "events"],
    "origins": "https://a.example\nhttps://b.example",
    "rate": "600/min",
}


def page(row: ApiKey, name: str) -> str:
    return reverse(f"admin:metarec_apikey_{name}", args=[row.pk])


def test_a_key_is_shown_once_and_works(operator):
    answer = operator.post(ADD, {**GOOD, "once": "1"})
    key = answer.context["key"]
    assert key in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    row = ApiKey.find(key)
    assert row is not None
    assert (row.scopes, row.origins, row.rate) == (
        ["recommendations", "events"],
        ["https://a.example", "https://b.example"],
        "600/min",
    )
    for address in (LIST, page(row, "change"), page(row, "rotate"), page(row, "revoke")):
        text = operator.get(address).content.decode()
        assert row.prefix in text
        assert key not in text
        assert row.digest not in text
    assert key not in str(LogEntry.objects.values())
    assert [line.object_id for line in LogEntry.objects.all()] == [str(row.pk)]


def test_a_reload_makes_no_second_key_and_shows_none_again(operator):
    form = {**GOOD, "once": operator.get(ADD).context["once"]}
    key = operator.post(ADD, form).context["key"]
    again = operator.post(ADD, form)
    assert again.status_code == 409
    assert "This key was made already; it is shown once." in again.content.decode()
    assert key not in again.content.decode()
    assert ApiKey.objects.count() == 1
    assert operator.post(ADD, {**GOOD, "once": again.context["once"]}).status_code == 200
    assert ApiKey.objects.count() == 2


def test_a_key_does_not_lie_in_the_session(operator):
    answer = operator.post(ADD, {**GOOD, "once": operator.get(ADD).context["once"]})
    key = answer.context["key"]
    assert operator.session[api_keys.USED]
    assert key not in str(dict(operator.session))
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("once", ["", "x" * 65])
def test_a_form_without_its_token_makes_no_key(operator, once):
    assert operator.post(ADD, {**GOOD, "once": once}).status_code == 409
    row, _key = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    assert operator.post(page(row, "rotate"), {"hours": "0", "stamp": stamp, "once": once}).status_code == 409
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"scopes": []},
        {"scopes": ["all"]},
        {"origins": "a.example"},
        {"origins": "https://a.example/x"},
        {"origins": "javascript://x"},
        {"rate": "fast"},
    ],
)
def test_a_form_that_is_wrong_makes_no_key_and_says_so(operator, wrong):
    answer = operator.post(ADD, {**GOOD, "once": "1", **wrong})
    assert not ApiKey.objects.exists()
    assert answer.context["form"].errors


def test_a_replaced_key_works_for_the_overlap(operator):
    row, old = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    answer = operator.post(page(row, "rotate"), {"hours": "24", "stamp": stamp, "once": "1"})
    assert "The old key, " in answer.content.decode()
    new = answer.context["key"]
    assert ApiKey.find(old) is not None
    assert ApiKey.find(new) is not None
    row.refresh_from_db()
    assert row.replaced_by is not None
    assert LogEntry.objects.count() == 2
    again = operator.post(page(row, "rotate"), {"hours": "24", "stamp": stamp, "once": "1"})
    assert again.status_code == 409
    assert "This key was made already" in again.content.decode()
    stale = operator.post(page(row, "rotate"), {"hours": "24", "stamp": stamp, "once": "2"})
    assert stale.status_code == 409
    assert "Somebody has replaced or revoked" in stale.content.decode()
    assert ApiKey.objects.count() == 2


def test_a_key_replaced_without_an_overlap_is_dead_at_once(operator):
    row, old = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    assert operator.post(page(row, "rotate"), {"hours": "0", "stamp": stamp, "once": "1"}).status_code == 200
    assert ApiKey.find(old) is None


@pytest.mark.parametrize("hours", ["", "x", "-1", "99999", "9" * 5000])
def test_an_overlap_is_one_of_those_offered(operator, hours):
    row, _key = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    assert (
        operator.post(page(row, "rotate"), {"hours": hours, "stamp": stamp, "once": "1"}).status_code == 400
    )
    assert ApiKey.objects.count() == 1


def test_a_revoked_key_works_no_more_and_only_by_a_form_that_is_up_to_date(operator):
    row, key = ApiKey.issue("app")
    stamp = operator.get(page(row, "revoke")).context["stamp"]
    assert ApiKey.find(key) is not None  # looking changes nothing
    operator.post(page(row, "revoke"), {"stamp": stamp})
    assert ApiKey.find(key) is None
    assert operator.post(page(row, "revoke"), {"stamp": stamp}).status_code == 409
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "trainer", "promoter"])
def test_others_see_the_keys_and_change_none(role, request):
    row, key = ApiKey.issue("app")
    client = request.getfixturevalue(role)
    text = client.get(LIST).content.decode()
    assert row.prefix in text
    assert page(row, "revoke") not in text
    for address in (ADD, page(row, "rotate"), page(row, "revoke"), page(row, "change"), page(row, "delete")):
        form = {**GOOD, "hours": "0", "stamp": "True--", "post": "yes", "once": "1"}
        assert client.post(address, form).status_code == 403
    assert ApiKey.find(key) is not None
    assert ApiKey.objects.count() == 1
