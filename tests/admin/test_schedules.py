"""Schedules in the panel: in plain words, switched by who may train, and what to do without django-celery-beat."""

from __future__ import annotations

import logging
from datetime import time, timedelta
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from metarec_plugin import tasks
from metarec_plugin.admin.runs import schedules
from metarec_plugin.collect import pulses
from metarec_plugin.exceptions import BrokerUnreachable
from metarec_plugin.models import TrainingRun
from metarec_plugin.tasks import schedule, training

pytestmark = pytest.mark.django_db


def url(page: str, *args: object) -> str:
    return reverse(f"admin:metarec_trainingrun_{page}", args=args)


def stamp_on(client, near: str) -> str:
    page = client.get(url("schedules")).content.decode()
    return page.split(f'action="{near}"')[1].split('name="stamp"')[1].split('value="')[1].split('"')[0]


@pytest.fixture
def orders() -> PeriodicTask:
    schedule.install()
    return PeriodicTask.objects.get(task="metarec.sync_orders")


def test_rows_are_said_in_plain_words(viewer, orders):
    schedule.plan_training(time(3, 0))
    PeriodicTask.objects.create(name="their own", task="shop.mail", interval=orders.interval)
    page = viewer.get(url("schedules")).content.decode()
    assert "<strong>every 5 minutes</strong>: read new orders of the shop" in page
    assert "<strong>each day at 03:00</strong>: train, unless a run is waiting or at work" in page
    assert "their own" not in page
    assert "<form" not in page.split('id="content"')[1]


def test_what_is_no_plain_time_is_shown_as_it_is(viewer):
    row = schedule.plan_training(time(3, 0))
    row.crontab = CrontabSchedule.objects.create(minute="*/7", hour="1,2")
    row.save()
    assert "*/7 1,2" in viewer.get(url("schedules")).content.decode()


def test_a_row_is_switched_and_beat_hears_of_it(trainer, orders):
    heard = PeriodicTasks.last_change()
    stamp = stamp_on(trainer, url("switch", orders.pk))
    trainer.post(url("switch", orders.pk), {"stamp": stamp})
    orders.refresh_from_db()
    assert not orders.enabled
    assert PeriodicTasks.last_change() > heard
    assert "Switched off" in LogEntry.objects.get().change_message
    answer = trainer.post(url("switch", orders.pk), {"stamp": stamp}, follow=True)
    assert "somebody changed this row" in answer.content.decode()
    orders.refresh_from_db()
    assert not orders.enabled


def test_rows_of_other_apps_are_not_switched(trainer, orders):
    row = PeriodicTask.objects.create(name="their own", task="shop.mail", interval=orders.interval)
    assert trainer.post(url("switch", row.pk), {"stamp": ""}).status_code == 404


@pytest.mark.parametrize(
    ("day", "words"), [("*", "each day at 04:30"), ("1", "each Monday at 04:30"), ("0", "each Sunday")]
)
def test_training_is_planned_in_one_row_that_a_second_plan_changes(trainer, day, words):
    trainer.post(url("plan"), {"day": "*", "at": "03:00", "stamp": ""})
    stamp = stamp_on(trainer, url("plan"))
    page = trainer.post(
        url("plan"), {"day": day, "at": "04:30", "stamp": stamp}, follow=True
    ).content.decode()
    row = PeriodicTask.objects.get(task="metarec.start_run")
    assert (row.queue, row.crontab.hour, row.crontab.minute, row.crontab.day_of_week) == (
        "metarec.cpu",
        "4",
        "30",
        day,
    )
    assert f"A run starts by itself {words}" in page


def test_an_old_form_does_not_undo_a_newer_plan(trainer):
    schedule.plan_training(time(5, 0))
    answer = trainer.post(url("plan"), {"day": "*", "at": "03:00", "stamp": ""}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert PeriodicTask.objects.get(task="metarec.start_run").crontab.hour == "5"


def test_a_name_that_another_task_has_is_answered_with_words(trainer, orders):
    PeriodicTask.objects.create(name="MetaRec: train", task="shop.mail", interval=orders.interval)
    answer = trainer.post(url("plan"), {"day": "*", "at": "03:00", "stamp": ""}, follow=True)
    assert "a row “MetaRec: train” for another task" in answer.content.decode()
    assert not PeriodicTask.objects.filter(task="metarec.start_run").exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("error", [ValidationError("taken"), IntegrityError("unique")])
def test_a_row_that_is_made_at_the_same_moment_is_answered_with_words(trainer, monkeypatch, error):
    monkeypatch.setattr(PeriodicTask, "save", Mock(side_effect=error))
    answer = trainer.post(url("plan"), {"day": "*", "at": "03:00", "stamp": ""}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_of_two_plans_at_once_the_one_that_waits_is_told(trainer, monkeypatch):
    def wait(what: str) -> None:
        schedule.plan_training(time(5, 0))

    monkeypatch.setattr(pulses, "wait_for_turn", wait)
    answer = trainer.post(url("plan"), {"day": "*", "at": "03:00", "stamp": ""}, follow=True)
    assert "somebody changed this row" in answer.content.decode()
    assert PeriodicTask.objects.get().crontab.hour == "5"


def test_a_time_that_is_none_is_refused_with_words(trainer):
    answer = trainer.post(url("plan"), {"day": "8", "at": "25:00"})
    assert answer.status_code == 422
    assert answer.content.decode().count("errorlist") == 2
    assert not PeriodicTask.objects.exists()


def test_a_schedule_that_nobody_keeps_is_noticed(viewer, orders):
    assert "Nothing of the schedule was done lately." not in viewer.get(url("schedules")).content.decode()
    old = timezone.now() - timedelta(days=10)
    PeriodicTask.objects.update(last_run_at=old)
    page = viewer.get(url("schedules")).content.decode()
    assert "Nothing of the schedule was done lately." in page
    assert "celery -A shop worker -Q metarec.cpu --beat" in page


def test_without_beat_the_page_says_how_to_do_the_same(trainer, monkeypatch):
    monkeypatch.setattr(schedules.apps, "is_installed", lambda name: name != "django_celery_beat")
    page = trainer.get(url("schedules")).content.decode()
    assert "pip install django-celery-beat" in page
    assert "metarec_sync" in page
    assert trainer.post(url("plan"), {"day": "*", "at": "03:00"}).status_code == 404
    assert trainer.post(url("switch", 1), {}).status_code == 404


def test_the_task_starts_a_run_unless_one_is_open_and_says_so(monkeypatch, caplog):
    rung = []
    monkeypatch.setattr(training, "enqueue", rung.append)
    tasks.start_run()
    run = TrainingRun.objects.get()
    assert (run.asked_by, rung) == ("schedule", [run.pk])
    with caplog.at_level(logging.INFO, logger=training.__name__):
        tasks.start_run()
    assert TrainingRun.objects.count() == 1
    assert f"scheduled run skipped: run={run.pk} is queued" in caplog.text


def test_a_scheduled_run_waits_where_the_broker_is_down(monkeypatch):
    def refuse(run_id: int) -> None:
        raise BrokerUnreachable("nobody there")

    monkeypatch.setattr(training, "enqueue", refuse)
    tasks.start_run()
    assert TrainingRun.objects.get().state == "queued"
