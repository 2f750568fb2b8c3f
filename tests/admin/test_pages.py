"""Every page of the panel is there for those who may see it, and for nobody else."""

from __future__ import annotations

import pytest
from django.contrib.admin import AdminSite
from django.test import Client
from django.urls import reverse

from metarec_plugin.admin import register
from metarec_plugin.admin.pages import PAGES


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
