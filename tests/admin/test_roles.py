"""Who may do what, held against every address of every page: looking changes nothing, and a viewer only looks."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metarec_plugin.admin.base import BoundedPaginator
from metarec_plugin.management.commands.metarec_roles import GROUPS
from metarec_plugin.models import (
    ApiKey,
    Rule,
)
from tests.admin.addresses import addresses

pytestmark = pytest.mark.django_db

# Pages that only show, and answer a POST as they answer a GET; the search for a shopper is asked by POST, so that an
# e-mail stands in no address. Lists take the admin's own search and filters.
READ_BY_POST = {
    "metarec_experiment_report",
    "metarec_placement_change",
    "metarec_subject_find",
    "metarec_trainingrun_progress",
    "metarec_trainingrun_schedules",
    "metarec_whatif_find",
}
MAY_ANSWER_A_POST = ("_changelist", "_history", "_add")
WRITES = re.compile(
    r'(INSERT|UPDATE|DELETE|REPLACE)\b.*"(metarec_|django_admin_log)', re.IGNORECASE | re.DOTALL
)


def everything() -> dict[str, list[tuple]]:
    """All rows of all tables of ours, and the log of changes."""
    models = [model for model in apps.get_app_config("metarec").get_models() if not model._meta.proxy]
    return {model.__name__: sorted(map(repr, model.objects.values_list())) for model in (*models, LogEntry)}


def answer(client: Client, method: str, address: str) -> tuple[int, list[str]]:
    """The status, and the statements that wrote to a table of ours or to the log of changes."""
    given = {
        "post": "yes",
        "confirm": "yes",
        "confirmed": "1",
        "action": "delete_selected",
        "_selected_action": ["1"],
    }
    with CaptureQueriesContext(connection) as queries:
        found = client.post(address, given) if method == "post" else client.get(address)
        if found.streaming:
            next(iter(found), None)
        found.close()
    return found.status_code, [each["sql"] for each in queries if WRITES.match(each["sql"])]


def status_of(client: Client, method: str, address: str) -> int:
    return answer(client, method, address)[0]


def test_a_viewer_changes_nothing_by_any_address(viewer, rows):
    before, wrong = everything(), []
    for name, address in addresses(rows):
        status, written = answer(viewer, "post", address)
        may_read = name in READ_BY_POST or name.endswith(MAY_ANSWER_A_POST)
        if written or (status not in (403, 405) and not (may_read and status in (200, 302))):
            wrong.append((name, status, written))
    assert wrong == []
    assert everything() == before


def test_looking_changes_nothing_even_for_a_superuser(person, rows):
    client = person("root", superuser=True)
    before = everything()
    answers = {name: answer(client, "get", address) for name, address in addresses(rows)}
    assert {name: found for name, found in answers.items() if found[0] >= 500 or found[1]} == {}
    assert everything() == before


def test_staff_with_none_of_the_permissions_see_nothing(nobody, rows):
    statuses = {
        (name, method): status_of(nobody, method, address)
        for name, address in addresses(rows)
        for method in ("get", "post")
    }
    assert {each: status for each, status in statuses.items() if status not in (403, 405)} == {}
    index = nobody.get(reverse("admin:index")).content.decode()
    assert "MetaRec" not in index


def test_django_s_own_permissions_open_no_page(db, rows):
    """Somebody may have been given all of `metarec.*_event` in the admin; ours are the four."""
    user = User.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="metarec").exclude(
            codename__in=("view_dashboard", "operate", "train_model", "promote_model")
        )
    )
    client = Client()
    client.force_login(user)
    shown = [address for name, address in addresses(rows) if name.endswith(("_changelist", "_change"))]
    assert {status_of(client, "get", address) for address in shown} == {403}


def test_forged_requests_are_refused_everywhere(person, rows):
    person("root", superuser=True)
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.get(username="root"))
    before = everything()
    statuses = {name: status_of(forged, "post", address) for name, address in addresses(rows)}
    assert {name: status for name, status in statuses.items() if status not in (403, 405)} == {}
    assert everything() == before


# The groups


def run() -> str:
    out = StringIO()
    call_command("metarec_roles", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_gives_what_its_name_says(name):
    run()
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    assert user.get_all_permissions() == {f"metarec.{codename}" for codename in GROUPS[name]}
    assert "metarec.view_dashboard" in user.get_all_permissions()
    client = Client()
    client.force_login(user)
    assert client.get(reverse("admin:metarec_subject_changelist")).status_code == 200


def test_the_command_may_run_again_and_takes_nothing_away():
    first = run()
    group = Group.objects.get(name="MetaRec viewer")
    own = Permission.objects.get(codename="view_user")
    group.permissions.add(own)
    Group.objects.get(name="MetaRec operator").permissions.clear()
    second = run()
    assert "made" in first
    assert "made" not in second
    assert Group.objects.count() == 4
    assert own in group.permissions.all()
    assert Group.objects.get(name="MetaRec operator").permissions.count() == 2


def test_the_command_says_when_there_are_no_tables_yet():
    Permission.objects.filter(codename="operate").delete()
    with pytest.raises(CommandError, match="migrate"):
        run()
    assert not Group.objects.exists()


# The log of changes


def test_the_log_of_changes_says_who_when_what_and_links_it(viewer, operator, django_assert_max_num_queries):
    row, _key = ApiKey.issue("app")
    address = reverse("admin:metarec_apikey_revoke", args=[row.pk])
    stamp = operator.get(address).context["stamp"]
    operator.post(address, {"stamp": stamp})
    with django_assert_max_num_queries(10):
        found = viewer.get(reverse("admin:metarec_subject_audit"))
    (line,) = found.context["rows"]
    assert (line["who"], line["says"]) == ("operator", "Revoked.")
    assert line["url"] == reverse("admin:metarec_apikey_change", args=[row.pk])
    assert f'href="{line["url"]}"' in found.content.decode()


def test_lines_that_go_with_a_deleted_user_stand_in_the_log_of_the_server(viewer, operator, caplog):
    row, _key = ApiKey.issue("app")
    address = reverse("admin:metarec_apikey_revoke", args=[row.pk])
    operator.post(address, {"stamp": operator.get(address).context["stamp"]})
    user = User.objects.get(username="operator")
    theirs = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=user, content_type=theirs, action_flag=2, change_message="of the shop")
    user.delete()
    assert not LogEntry.objects.exists()
    (line,) = [each.getMessage() for each in caplog.records if "deleted with its user" in each.message]
    assert "who='operator'" in line
    assert f"of=apikey id={row.pk}" in line
    assert "says='Revoked.'" in line
    page = viewer.get(reverse("admin:metarec_subject_audit")).content.decode()
    assert "deletes the lines of a user who is deleted" in page


def test_the_log_of_changes_is_bounded_and_holds_ours_alone(viewer, monkeypatch):
    monkeypatch.setattr(BoundedPaginator, "MOST", 120)
    user = User.objects.get(username="viewer")
    ours, other = (ContentType.objects.get_for_model(model) for model in (Rule, User))
    LogEntry.objects.bulk_create(
        LogEntry(
            user=user,
            content_type=kind,
            object_id="9",
            object_repr="x",
            action_flag=2,
            change_message=f"n{i}",
        )
        for i in range(150)
        for kind in (ours, other)
    )
    page = viewer.get(reverse("admin:metarec_subject_audit"), {"p": "2"})
    assert [row["says"] for row in page.context["rows"]] == [f"n{i}" for i in range(99, 49, -1)]
    assert "120 lines" in page.content.decode()
    assert viewer.get(reverse("admin:metarec_subject_audit"), {"p": "x"}).status_code == 200
