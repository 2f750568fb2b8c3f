"""Every page of the panel: for those who may see it and nobody else, on any site, also in a shop not yet set up."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.test import Client
from django.urls import include, path, reverse

from metarec_plugin.admin import register
from metarec_plugin.admin.pages import PAGES
from tests.admin.addresses import addresses

ALL = ("view_dashboard", "operate", "train_model", "promote_model")
# What the shop's own products, features and users are read for.
OF_THE_SHOP = {
    "metarec_whatif_changelist",
    "metarec_placement_form",
    "metarec_rule_changelist",
    "metarec_rule_add",
    "metarec_experiment_add",
    "metarec_subject_changelist",
    "metarec_subject_change",
    "metarec_event_changelist",
    "metarec_event_change",
}


def lists() -> list[str]:
    return [reverse(f"admin:metarec_{model._meta.model_name}_changelist") for model in PAGES]


@pytest.mark.parametrize("role", ["viewer", "operator", "trainer", "promoter"])
def test_each_role_sees_each_page(role, request):
    client = request.getfixturevalue(role)
    assert [(url, client.get(url).status_code) for url in lists()] == [(url, 200) for url in lists()]


def test_staff_without_a_permission_see_none(nobody):
    assert {nobody.get(url).status_code for url in lists()} == {403}


@pytest.mark.django_db
def test_a_guest_is_sent_to_the_login():
    answers = [Client().get(url) for url in lists()]
    assert all(answer.status_code == 302 and "/login/" in answer["Location"] for answer in answers)


def test_a_site_of_the_shop_s_own_gets_every_page():
    site = AdminSite("backoffice")
    register(site)
    register(site)  # a second time changes nothing
    assert all(site.is_registered(model) for model in PAGES)


def test_on_a_site_of_the_shop_s_own_nothing_leads_to_another(person, settings, rows):
    site = AdminSite("backoffice")
    register(site)
    # The shop's own addresses have the other one, so that a wrong way is found.
    settings.ROOT_URLCONF = (path("office/", site.urls), path("", include("shop.urls")))
    boss = person("boss", superuser=True)
    opened, astray = set(), []
    for name, address in addresses(rows, site):
        assert address.startswith("/office/metarec/")
        answer = boss.get(address)
        if answer.status_code in (301, 302):
            astray += [(name, answer["Location"])] if answer["Location"].startswith("/admin/") else []
        elif answer.status_code == 200 and "text/html" in answer["Content-Type"]:
            opened.add(name)
            text = answer.content.decode()
            astray += [(name, each) for each in re.findall(r"""=["'](/admin/[^"']*)""", text)]
    assert not astray
    assert {f"metarec_{model._meta.model_name}_changelist" for model in PAGES} <= opened
    assert len(opened) > 40


def test_in_chinese_no_page_speaks_english(person, rows):
    boss = person("boss", superuser=True)
    # What is wrong with a file, or with the row of the fixture that no product has, is told as it came.
    as_it_came = {"metarec_modelversion_check", "metarec_rule_changelist", "metarec_rule_change"}
    opened, english = set(), {}
    for name, address in addresses(rows):
        answer = boss.get(address, headers={"accept-language": "zh-hans"})
        if answer.status_code == 200 and "text/html" in answer["Content-Type"] and name not in as_it_came:
            opened.add(name)
            if found := re.findall(r"[A-Za-z][a-z']+(?: [A-Za-z][a-z']+){3,}", _words(answer)):
                english[name] = found
    assert not english
    assert len(opened) > 40


def _words(answer) -> str:
    """What the page says: without code, and without the choices that the shop named."""
    main = re.search(r"<main.*?</main>", answer.content.decode(), re.DOTALL)
    assert main is not None
    said = re.sub(r"<(script|code|pre|option|textarea)\b.*?</\1>", " ", main[0], flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " | ", said)


# A shop that is not set up


def test_where_the_shop_cannot_be_read_each_page_says_so_and_what_to_do(person, settings, rows):
    client = person("everything", *ALL)
    client.raise_request_exception = False
    pages = [(name, each) for name, each in addresses(rows) if client.get(each).status_code == 200]
    assert len(pages) > 40
    settings.METAREC = {**settings.METAREC, "STOREFRONT": "", "STRICT": False}
    answers = {name: client.get(each) for name, each in pages}
    statuses = {name: each.status_code for name, each in answers.items()}
    assert {name: status for name, status in statuses.items() if status not in (200, 302, 503)} == {}
    told = {name for name, status in statuses.items() if status == 503}
    assert told >= OF_THE_SHOP
    assert all(_says_what_to_do(answers[name]) for name in told)
    for name in ("subject", "whatif"):
        asked = client.post(reverse(f"admin:metarec_{name}_find"), {"who": "ada", "term": "ada"})
        assert asked.status_code == 503


def test_a_mapping_that_cannot_be_imported_is_said_likewise(viewer, settings):
    settings.METAREC = {**settings.METAREC, "STOREFRONT": "shop.gone.Storefront", "STRICT": False}
    answer = viewer.get(reverse("admin:metarec_whatif_changelist"))
    assert answer.status_code == 503
    assert "shop.gone" in answer.content.decode()
    assert _says_what_to_do(answer)


def _says_what_to_do(answer) -> bool:
    text = answer.content.decode()
    return "STOREFRONT" in text and "manage.py metarec_doctor" in text


def test_what_is_wrong_with_the_settings_is_said_to_nobody_else(nobody, settings):
    settings.METAREC = {**settings.METAREC, "STOREFRONT": "shop.gone.Storefront"}
    assert {nobody.get(url).status_code for url in lists()} == {403}


# Actions of the site


def test_an_action_of_the_site_is_offered_on_no_page(rf, viewer, operator):
    admin.site.add_action(lambda page, request, chosen: None, "hand_out")
    try:
        offered = {}
        for name in ("viewer", "operator"):
            request = rf.get("/")
            request.user = User.objects.get(username=name)
            for model in PAGES:
                found = admin.site._registry[model].get_actions(request)
                if found:
                    offered[name, model.__name__] = list(found)
    finally:
        admin.site.disable_action("hand_out")
    assert offered == {("operator", "QuarantinedEvent"): ["replay_chosen"]}
