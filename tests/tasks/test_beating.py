"""Workers give signs of life by queue, and a queue that nobody reads does not fill with questions."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from metarec_plugin import tasks
from metarec_plugin.collect.pulses import ROLLUP, worker
from metarec_plugin.models import Pulse
from metarec_plugin.tasks import schedule
from metarec_plugin.tasks.beating import CPU, GPU

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    """Messages that would go to the broker: the task, its arguments as JSON, queue and seconds until it expires."""
    messages = []

    def apply_async(self, args=None, kwargs=None, **options):
        messages.append((self.name, json.loads(json.dumps(args)), options["queue"], options["expires"]))

    monkeypatch.setattr("celery.app.task.Task.apply_async", apply_async)
    return messages


def pass_time(**units: float) -> None:
    for pulse in Pulse.objects.all():
        Pulse.objects.filter(pk=pulse.pk).update(at=pulse.at - timedelta(**units))


def test_a_worker_says_that_it_is_there_and_asks_the_other_queue(sent):
    tasks.beat()
    [pulse] = Pulse.objects.filter(name__startswith="worker:")
    assert (pulse.name, pulse.says["pid"]) == (worker(CPU), os.getpid())
    assert timezone.now() - pulse.at < timedelta(minutes=1)
    assert sent == [("metarec.beat", [GPU], GPU, 600)]
    tasks.beat(*sent[0][1])  # as the other worker takes it
    assert Pulse.objects.filter(name=worker(GPU)).exists()
    assert len(sent) == 1


def test_who_answers_is_asked_each_minute(sent):
    for _ in range(3):
        tasks.beat()
        tasks.beat(GPU)
        pass_time(minutes=1)
    assert len(sent) == 3


def test_who_does_not_answer_is_asked_seldom(sent):
    for _ in range(30):
        tasks.beat()
        pass_time(minutes=1)
    assert len(sent) == 3


def test_a_broker_that_is_down_is_no_reason_to_be_silent(monkeypatch, caplog):
    def refuse(self, *args, **options):
        raise OperationalError("connection refused")

    monkeypatch.setattr("celery.app.task.Task.apply_async", refuse)
    tasks.beat()
    assert Pulse.objects.filter(name=worker(CPU)).exists()
    assert "no sign asked for queue=metarec.gpu" in caplog.text


def test_messages_that_nobody_took_expire():
    schedule.install()
    expiring = PeriodicTask.objects.exclude(expire_seconds=None).values_list("task", "expire_seconds")
    assert dict(expiring) == {"metarec.beat": 60, "metarec.roll_up": 300, "metarec.report_experiments": 900}


def test_the_task_brings_the_counts_up_to_date():
    tasks.roll_up()
    assert Pulse.objects.get(pk=ROLLUP).says["until"]
