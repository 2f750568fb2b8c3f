"""People of each role, and a client for each."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client


@pytest.fixture
def person(db):
    """Make a member of the staff with these permissions of ours, by codename, and return a client of theirs."""

    def made(name: str, *codenames: str, superuser: bool = False) -> Client:
        user = User.objects.create_user(name, password="x", is_staff=True, is_superuser=superuser)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="metarec", codename__in=codenames)
        )
        client = Client()
        client.force_login(user)
        return client

    return made


@pytest.fixture
def viewer(person):
    return person("viewer", "view_dashboard")


@pytest.fixture
def operator(person):
    return person("operator", "operate")


@pytest.fixture
def trainer(person):
    return person("trainer", "train_model")


@pytest.fixture
def promoter(person):
    return person("promoter", "promote_model")


@pytest.fixture
def nobody(person):
    """On the staff, with no permission of ours."""
    return person("nobody")
