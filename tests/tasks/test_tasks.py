"""Tasks take JSON, run on the queue they belong to, and change nothing the second time."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from metarec_plugin import tasks
from metarec_plugin.exceptions import BrokerUnreachable
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline import runs
from metarec_plugin.tasks import schedule, training, upkeep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch):
    """Messages that would go to the broker, as the JSON that travels."""
    messages = []

    def apply_async(self, args=None, kwargs=None, **options):
        messages.append((self.name, options["queue"], json.loads(json.dumps([args, kwargs]))))

    monkeypatch.setattr("celery.app.task.Task.apply_async", apply_async)
    return messages


def test_the_sweep_rings_for_each_waiting_run(sent):
    first, second = runs.create_run(), runs.create_run()
    tasks.recover_runs()
    assert sorted(sent) == [("metarec.train", "metarec.gpu", [[run.pk], None]) for run in (first, second)]


def test_the_next_sweep_does_not_ring_a_second_time(sent):
    runs.create_run()
    tasks.recover_runs()
    tasks.recover_runs()
    assert len(sent) == 1


def test_a_message_that_comes_twice_trains_once(monkeypatch):
    worked = []

    def work(run, progress):
        worked.append(run.pk)
        return {}

    monkeypatch.setattr("metarec_plugin.pipeline.train.train_run", work)
    run = runs.create_run()
    tasks.train(run.pk)
    tasks.train(run.pk)
    assert worked == [run.pk]
    run.refresh_from_db()
    assert run.state == TrainingRun.State.DONE


def test_a_message_for_a_run_that_is_gone_is_dropped_with_a_word(caplog):
    with caplog.at_level("INFO", logger=training.__name__):
        tasks.train(10**9)
    assert "does not exist" in caplog.text


def test_the_schedule_is_made_once_and_a_persons_change_stays():
    assert len(schedule.install()) == len(schedule.SCHEDULE)
    PeriodicTask.objects.filter(task="metarec.sync_orders").update(enabled=False)
    assert schedule.install() == []
    assert not PeriodicTask.objects.get(task="metarec.sync_orders").enabled


def test_pruning_reaches_what_the_broker_keeps_of_messages_that_were_read(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(
        "metarec_plugin.pipeline.pruning.prune_messages", lambda folder: kept.append(folder) or 0
    )
    tasks.prune()
    conf = SimpleNamespace(broker_transport_options={"processed_folder": str(tmp_path)})
    monkeypatch.setattr(upkeep, "current_app", SimpleNamespace(conf=conf))
    tasks.prune()
    assert kept == [tmp_path]


def test_every_scheduled_task_exists_and_runs_on_the_cpu_queue():
    schedule.install()
    short = (
        tasks.beat,
        tasks.compare_shadow,
        tasks.expire,
        tasks.prune,
        tasks.recover_runs,
        tasks.refresh_states,
        tasks.report_experiments,
        tasks.roll_up,
        tasks.sync_orders,
    )
    known = {task.name for task in short}
    rows = PeriodicTask.objects.filter(task__startswith="metarec.")
    assert {row.task for row in rows} == known
    assert {row.queue for row in rows} == {"metarec.cpu"}


@pytest.mark.parametrize(
    "error", [OperationalError("refused"), KeyError("no such transport"), AttributeError("Redis")]
)
def test_a_broker_that_is_down_or_set_up_wrongly_is_said_in_words_and_the_run_waits(monkeypatch, error):
    def refuse(self, *args, **options):
        raise error

    monkeypatch.setattr("celery.app.task.Task.apply_async", refuse)
    with pytest.raises(CommandError, match="queued as a row, but the broker did not take its message"):
        call_command("metarec_train", "--enqueue")
    assert TrainingRun.objects.get().state == TrainingRun.State.QUEUED


def test_a_sweep_rings_for_every_run_whatever_the_broker_says_of_one(monkeypatch):
    rung = []

    def refuse(run_id):
        rung.append(run_id)
        raise BrokerUnreachable("no")

    monkeypatch.setattr("metarec_plugin.tasks.training.enqueue", refuse)
    waiting = [runs.create_run().pk, runs.create_run().pk]
    with pytest.raises(BrokerUnreachable):
        tasks.recover_runs()
    assert sorted(rung) == sorted(waiting)
