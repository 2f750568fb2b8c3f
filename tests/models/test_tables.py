"""The plugin's tables: migrations match the models and can be taken back; the database keeps the promises."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from metarec_plugin.models import Event, ModelVersion, TrainingRun


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", "metarec", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_the_migrations_go_to_zero_and_back() -> None:
    def tables() -> set[str]:
        return {name for name in connection.introspection.table_names() if name.startswith("metarec_")}

    before = tables()
    assert "metarec_event" in before
    call_command("migrate", "metarec", "zero", verbosity=0)
    try:
        assert tables() == set()
    finally:
        call_command("migrate", "metarec", verbosity=0)
    assert tables() == before


@pytest.mark.django_db
def test_an_event_id_is_stored_once() -> None:
    Event.objects.create(event_id="x", subject="user:1", kind="view", at=timezone.now())
    with pytest.raises(IntegrityError):
        Event.objects.create(event_id="x", subject="user:2", kind="view", at=timezone.now())


@pytest.mark.django_db
def test_one_version_at_most_is_current_and_any_number_is_not() -> None:
    for _ in range(2):
        ModelVersion.objects.create(learner="maml")
    ModelVersion.objects.create(learner="maml", is_current=True)
    with pytest.raises(IntegrityError):
        ModelVersion.objects.create(learner="ease", is_current=True)


@pytest.mark.django_db
def test_a_version_outlives_its_run() -> None:
    run = TrainingRun.objects.create(budget_seconds=1)
    version = ModelVersion.objects.create(learner="maml", run=run)
    run.delete()
    version.refresh_from_db()
    assert version.run is None


@pytest.mark.django_db
def test_permissions_are_there_to_be_granted() -> None:
    found = set(
        Permission.objects.filter(content_type__app_label="metarec").values_list("codename", flat=True)
    )
    assert {"view_dashboard", "operate", "train_model", "promote_model"} <= found


@pytest.mark.django_db
def test_the_log_is_read_by_subject_and_time_off_an_index() -> None:
    plan = Event.objects.filter(subject="user:1").order_by("-at").values_list("product")[:10].explain()
    assert "metarec_event_subject_at" in plan
