"""A training run is worked on by one live worker at a time, at most three times, and its end is stored."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from metarec_plugin.exceptions import InvalidData, RunRefused
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline import runs
from metarec_plugin.signals import training_finished

pytestmark = pytest.mark.django_db(transaction=True)


def quiet(fraction: float, message: str) -> None:
    """A progress callback that shows nothing."""


def expire(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_run_takes_the_configured_choices(settings):
    settings.METAREC = {**settings.METAREC, "LEARNERS": ["closed_form"], "SEED": 7, "TRAIN_SECONDS": 5}
    run = runs.create_run(device="cpu")
    assert (run.learners, run.seed, run.device, run.budget_seconds) == (["closed_form"], 7, "cpu", 5)


def test_a_second_worker_is_refused_while_the_lease_holds():
    run = runs.create_run()
    runs.claim(run.pk, "first")
    with pytest.raises(RunRefused, match=r"running \(worker first"):
        runs.claim(run.pk, "second")


def test_a_run_whose_lease_ran_out_is_claimed_by_another_worker():
    run = runs.create_run()
    runs.claim(run.pk, "first")
    expire(run)
    assert runs.claim(run.pk, "second").attempts == 2


def test_a_finished_run_is_not_started_again():
    run = runs.execute(runs.create_run().pk, lambda run, progress: {"versions": 0}, quiet)
    assert (run.state, run.report, run.progress) == (TrainingRun.State.DONE, {"versions": 0}, 1.0)
    with pytest.raises(RunRefused, match="is done"):
        runs.execute(run.pk, lambda run, progress: {}, quiet)


def test_an_error_is_stored_with_the_run_and_raised():
    run = runs.create_run()

    def broken(run, progress):
        raise InvalidData("no purchase in the log")

    with pytest.raises(InvalidData):
        runs.execute(run.pk, broken, quiet)
    run.refresh_from_db()
    assert run.state == TrainingRun.State.FAILED
    assert "no purchase in the log" in run.error


def test_the_lease_is_renewed_while_work_takes_longer_than_it(settings):
    settings.METAREC = {**settings.METAREC, "LEASE_SECONDS": 0.6}
    run = runs.create_run()
    claimed = runs.claim(run.pk, "first")
    before = claimed.lease_until
    with runs.lease(claimed) as lost:
        threading.Event().wait(0.8)
    run.refresh_from_db()
    assert not lost.is_set()
    assert run.lease_until > before


def test_a_run_cancelled_in_the_panel_stops_at_its_next_report():
    run = runs.create_run()

    def work(run, progress):
        TrainingRun.objects.filter(pk=run.pk).update(state=TrainingRun.State.CANCELLED)
        progress(0.1, "first")  # finds the row gone from under it
        progress(0.2, "second")
        raise AssertionError("a cancelled run went on")

    with pytest.raises(RunRefused, match="cancelled or taken over"):
        runs.execute(run.pk, work, quiet)
    run.refresh_from_db()
    assert run.state == TrainingRun.State.CANCELLED


def test_the_sweep_queues_runs_of_dead_workers_and_gives_up_after_the_last_attempt(settings):
    settings.METAREC = {**settings.METAREC, "MAX_ATTEMPTS": 2}
    waiting, dead, spent, alive = (runs.create_run() for _ in range(4))
    for run in (dead, spent, alive):
        runs.claim(run.pk, "worker")
    expire(dead)
    TrainingRun.objects.filter(pk=spent.pk).update(attempts=2)
    expire(spent)

    assert sorted(runs.sweep()) == sorted([waiting.pk, dead.pk])
    states = dict(TrainingRun.objects.values_list("pk", "state"))
    assert states[spent.pk] == TrainingRun.State.FAILED
    assert states[alive.pk] == TrainingRun.State.RUNNING


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_run_stopped_from_outside_waits_again_and_keeps_its_attempts(stop):
    run = runs.create_run()

    def stopped(run, progress):
        raise stop

    for _ in range(5):
        with pytest.raises(stop):
            runs.execute(run.pk, stopped, quiet)
    run.refresh_from_db()
    assert (run.state, run.worker, run.lease_until, run.attempts) == (TrainingRun.State.QUEUED, "", None, 0)
    assert runs.sweep() == [], "who stopped it has some minutes to resume it"
    assert runs.execute(run.pk, lambda run, progress: {}, quiet, resume=True).state == TrainingRun.State.DONE


def test_a_failed_run_is_taken_by_who_resumes_it_and_by_nobody_else():
    run = runs.create_run()
    TrainingRun.objects.filter(pk=run.pk).update(state="failed", attempts=3, error="disk full")
    with pytest.raises(RunRefused, match="is failed"):
        runs.execute(run.pk, lambda run, progress: {}, quiet)
    done = runs.execute(run.pk, lambda run, progress: {}, quiet, resume=True)
    assert (done.state, done.attempts, done.error) == (TrainingRun.State.DONE, 1, "")


def test_a_run_that_is_done_or_worked_on_is_not_resumed():
    held, done = runs.create_run(), runs.create_run()
    runs.claim(held.pk, "first")
    runs.execute(done.pk, lambda run, progress: {}, quiet)
    for run in (held, done):
        with pytest.raises(RunRefused):
            runs.claim(run.pk, "second", resume=True)


def test_a_run_rung_for_is_rung_for_again_after_ten_minutes_only():
    run = runs.create_run()
    assert runs.sweep() == [run.pk]
    runs.note_rung(run.pk)
    assert runs.sweep() == []
    TrainingRun.objects.filter(pk=run.pk).update(rung_at=timezone.now() - timedelta(minutes=11))
    assert runs.sweep() == [run.pk]


def test_the_checkpoints_of_a_run_go_when_it_is_done_and_stay_when_it_fails(settings, tmp_path):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path}
    run = runs.create_run()
    checkpoint = runs.checkpoints_of(run.pk) / "maml" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")

    def broken(run, progress):
        raise InvalidData("too little")

    with pytest.raises(InvalidData):
        runs.execute(run.pk, broken, quiet)
    assert checkpoint.exists()
    runs.execute(run.pk, lambda run, progress: {}, quiet, resume=True)
    assert not runs.checkpoints_of(run.pk).exists()


def test_where_nothing_is_said_of_learners_a_run_fits_the_mixture():
    assert runs.create_run().learners == ["mixture"]


def test_names_of_learners_are_stripped_and_named_once():
    assert runs.create_run(learners=("closed_form", " maml", "maml ", "")).learners == ["closed_form", "maml"]


def test_the_end_of_a_run_is_announced():
    heard = []

    def listener(sender, run, state, **kwargs):
        heard.append((run, state))

    training_finished.connect(listener)
    try:
        run = runs.execute(runs.create_run().pk, lambda run, progress: {}, quiet)
    finally:
        training_finished.disconnect(listener)
    assert heard == [(run.pk, "done")]


def test_a_run_killed_midway_is_seen_as_failed_before_any_sweep_and_can_be_resumed():
    run = runs.create_run()
    runs.claim(run.pk, "killed")
    run.refresh_from_db()
    assert runs.seen_state(run) == "running"
    expire(run)
    run.refresh_from_db()
    assert runs.seen_state(run) == "failed"
    assert runs.reopen(run.pk)
    assert runs.execute(run.pk, lambda run, progress: {}, quiet).state == TrainingRun.State.DONE


def test_a_run_that_the_sweep_puts_back_keeps_a_word_of_the_attempt_that_died():
    run = runs.create_run()
    runs.claim(run.pk, "dead")
    expire(run)
    runs.sweep()
    runs.sweep()
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 1)
    assert [(step.attempt, "stopped without a word" in step.message) for step in run.steps.all()] == [
        (1, True)
    ]
