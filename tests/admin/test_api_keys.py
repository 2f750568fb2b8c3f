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
    answer = operator.post(ADD, GOOD, follow=True)
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
    made = operator.post(ADD, GOOD)
    assert made.status_code == 302
    assert operator.post(made["Location"]).status_code == 405
    key = operator.get(made["Location"]).context["key"]
    assert key not in str(dict(operator.session))
    again = operator.get(made["Location"], follow=True).content.decode()
    assert "was shown already" in again
    assert key not in again
    assert ApiKey.objects.count() == 1


def test_a_key_is_shown_soon_to_whoever_made_it_and_to_nobody_else(operator, person, monkeypatch):
    made = operator.post(ADD, GOOD)
    for client, status in ((person("other", "operate"), 302), (person("looks", "view_dashboard"), 403)):
        assert client.get(made["Location"]).status_code == status
    now = api_keys.time.time()
    monkeypatch.setattr(api_keys.time, "time", lambda: now + 600)
    late = operator.get(made["Location"], follow=True)
    assert "not looked at in time" in late.content.decode()
    assert api_keys.NEW not in operator.session


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
    answer = operator.post(ADD, {**GOOD, **wrong})
    assert not ApiKey.objects.exists()
    assert answer.context["form"].errors


def test_a_replaced_key_works_for_the_overlap(operator):
    row, old = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    answer = operator.post(page(row, "rotate"), {"hours": "24", "stamp": stamp}, follow=True)
    assert "The old key, " in answer.content.decode()
    new = answer.context["key"]
    assert ApiKey.find(old) is not None
    assert ApiKey.find(new) is not None
    row.refresh_from_db()
    assert row.replaced_by is not None
    assert LogEntry.objects.count() == 2
    again = operator.post(page(row, "rotate"), {"hours": "24", "stamp": stamp})
    assert again.status_code == 409
    assert ApiKey.objects.count() == 2


def test_a_key_replaced_without_an_overlap_is_dead_at_once(operator):
    row, old = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    assert operator.post(page(row, "rotate"), {"hours": "0", "stamp": stamp}).status_code == 302
    assert ApiKey.find(old) is None


@pytest.mark.parametrize("hours", ["", "x", "-1", "99999", "9" * 5000])
def test_an_overlap_is_one_of_those_offered(operator, hours):
    row, _key = ApiKey.issue("app")
    stamp = operator.get(page(row, "rotate")).context["stamp"]
    assert operator.post(page(row, "rotate"), {"hours": hours, "stamp": stamp}).status_code == 400
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
        assert (
            client.post(address, {**GOOD, "hours": "0", "stamp": "True--", "post": "yes"}).status_code == 403
        )
    assert ApiKey.find(key) is not None
    assert ApiKey.objects.count() == 1
