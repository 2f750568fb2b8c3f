"""People of each role, and a client for each."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from metarec_plugin.models import (
    ApiKey,
    ErasureReceipt,
    Event,
    Experiment,
    FileImport,
    ModelVersion,
    Placement,
    PlacementDay,
    QuarantinedEvent,
    Rule,
    TrainingRun,
)


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


@pytest.fixture
def rows(db) -> dict[str, str]:
    """One row of each model that a page lists, by model: the key that addresses name it by."""
    options = {"variants": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]}
    run = TrainingRun.objects.create(budget_seconds=60, learners=["closed_form"])
    made = {
        "dashboard": PlacementDay.objects.create(day=timezone.now().date(), placement="home"),
        "modelversion": ModelVersion.objects.create(learner="closed_form", run=run, is_current=True),
        "trainingrun": run,
        "placement": Placement.objects.create(name="home", options={}),
        "rule": Rule.objects.create(name="hide", action="hide", product="p"),
        "experiment": Experiment.objects.create(name="test", placement="home", horizon=10, **options),
        "event": Event.objects.create(event_id="e", subject="user:1", kind="view", product="p", at=timezone.now()),
        "quarantinedevent": QuarantinedEvent.objects.create(
            digest="d", source="beacon", reason="unknown_product", payload={"product": "p"}
        ),
        "fileimport": FileImport.objects.create(digest="f", file="orders.csv"),
        "erasurereceipt": ErasureReceipt.objects.create(by="staff", subjects=["h"]),
        "apikey": ApiKey.issue("app")[0],
    }  # fmt: skip
    keys = {name: quote(str(row.pk)) for name, row in made.items()}
    return {**keys, "subject": quote("user:1"), "whatif": keys["modelversion"]}
