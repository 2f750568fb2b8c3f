"""Runs in the panel: who may do what, what a page says in each state, and that an old page changes nothing."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.admin.runs import live as run_live
from metarec_plugin.admin.runs import workers
from metarec_plugin.collect import pulses
from metarec_plugin.exceptions import BrokerUnreachable
from metarec_plugin.models import ModelVersion, RunStep, TrainingRun
from metarec_plugin.pipeline import runs

pytestmark = pytest.mark.django_db

FORM = {
    "learners": ["closed_form"],
    "days": "90",
    "minutes": "2",
    "device": "cpu",
    "seed": "7",
    "newest": "0",
}


def url(page: str, *args: object) -> str:
    return reverse(f"admin:metarec_trainingrun_{page}", args=args)


def made(state: str = "queued", **values: object) -> TrainingRun:
    given = {"learners": ["maml"], "budget_seconds": 60, "attempts": int(state != "queued"), **values}
    return TrainingRun.objects.create(state=state, **given)


def working(lease_seconds: float = 60, **values: object) -> TrainingRun:
    now = timezone.now()
    lease = now + timedelta(seconds=lease_seconds)
    return made("running", started=now, lease_until=lease, worker="vm:1", progress=0.4, **values)


def stamp_on(client, run: TrainingRun) -> str:
    """The stamp that a form of the run's page carries."""
    page = client.get(url("change", run.pk)).content.decode()
    return page.split('name="stamp" value="')[1].split('"')[0]


@pytest.fixture
def rung(monkeypatch) -> list[int]:
    """Runs that a message was sent for."""
    sent: list[int] = []
    monkeypatch.setattr("metarec_plugin.tasks.enqueue", sent.append)
    return sent


@pytest.fixture
def silence(monkeypatch) -> None:
    """A broker that does not answer."""

    def refuse(run_id: int) -> None:
        raise BrokerUnreachable("nobody there")

    monkeypatch.setattr("metarec_plugin.tasks.enqueue", refuse)


# Who may do what


@pytest.mark.parametrize("role", ["viewer", "operator", "promoter", "nobody"])
def test_who_may_not_train_changes_nothing(role, request, rung):
    client, run, failed = request.getfixturevalue(role), working(), made("failed", error="x")
    asked = [url("add"), url("cancel", run.pk), url("resume", failed.pk), url("plan"), url("switch", 1)]
    assert [client.post(each, FORM).status_code for each in asked] == [403] * len(asked)
    run.refresh_from_db(), failed.refresh_from_db()
    assert (run.state, failed.state, TrainingRun.objects.count(), rung) == ("running", "failed", 2, [])
    assert not LogEntry.objects.exists()


def test_a_viewer_watches_without_buttons(viewer):
    run = working()
    page = viewer.get(url("change", run.pk)).content.decode()
    assert "40 %" in page
    assert 'name="stamp"' not in page
    assert viewer.get(url("add")).status_code == 403
    assert viewer.get(url("progress", run.pk)).json()["state"] == "running"


def test_staff_without_a_permission_see_no_run(nobody):
    run = working()
    pages = [url("changelist"), url("change", run.pk), url("progress", run.pk), url("schedules")]
    assert {nobody.get(each).status_code for each in pages} == {403}


def test_looking_changes_nothing(trainer):
    run = working()
    before = list(TrainingRun.objects.values())
    for page in (url("changelist"), url("add"), url("change", run.pk), url("progress", run.pk)):
        assert trainer.get(page).status_code == 200
    assert {trainer.get(url(each, run.pk)).status_code for each in ("cancel", "resume")} == {405}
    assert trainer.get(url("plan")).status_code == 405
    assert trainer.post(url("change", run.pk), {"state": "done"}).status_code == 405
    assert list(TrainingRun.objects.values()) == before


def test_a_forged_request_is_refused(trainer):
    run = working()
    trainer.handler.enforce_csrf_checks = True
    assert trainer.post(url("cancel", run.pk), {"stamp": "0-"}).status_code == 403
    run.refresh_from_db()
    assert run.state == "running"


# Starting


def test_a_run_is_started_as_the_form_says_and_rung_for(trainer, rung):
    answer = trainer.post(url("add"), FORM)
    run = TrainingRun.objects.get()
    assert answer["Location"] == url("change", run.pk)
    assert (run.learners, run.days, run.budget_seconds, run.device, run.seed, run.asked_by) == (
        ["closed_form"], 90, 120, "cpu", 7, "trainer",
    )  # fmt: skip
    assert rung == [run.pk]
    assert LogEntry.objects.get().object_id == str(run.pk)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learners": []},
        {"learners": ["theirs"]},
        {"days": "0"},
        {"minutes": "nan"},
        {"minutes": "0"},
        {"device": "tpu"},
    ],
)
def test_what_cannot_be_trained_is_refused_with_words(trainer, rung, wrong):
    answer = trainer.post(url("add"), {**FORM, **wrong})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_second_click_starts_no_second_run_unless_it_is_wanted(trainer, rung):
    for _ in range(2):
        answer = trainer.post(url("add"), FORM)
    assert TrainingRun.objects.count() == 1
    first = TrainingRun.objects.get()
    assert f"Run {first.pk} was started meanwhile by trainer" in answer.content.decode()
    trainer.post(url("add"), {**FORM, "newest": first.pk})
    assert TrainingRun.objects.count() == 2


def test_of_two_clicks_at_once_the_one_that_waits_for_its_turn_starts_nothing(trainer, rung, monkeypatch):
    """The check comes after the turn: what the first click started while this one waited is seen."""
    monkeypatch.setattr(pulses, "wait_for_turn", lambda _what: made(asked_by="trainer"))
    answer = trainer.post(url("add"), FORM)
    assert answer.status_code == 422
    assert "was started meanwhile by trainer" in answer.content.decode()
    assert (TrainingRun.objects.count(), rung) == (1, [])


def test_with_no_broker_the_run_waits_and_the_page_says_how_to_go_on(trainer, silence):
    page = trainer.post(url("add"), FORM, follow=True).content.decode()
    run = TrainingRun.objects.get()
    assert run.state == "queued"
    assert "does not answer" in page
    assert "No worker reads the queue metarec.gpu." in page
    assert "celery -A shop worker -Q metarec.gpu --pool=solo --concurrency=1" in page
    assert f"python manage.py metarec_train --resume {run.pk}" in page


def test_without_celery_the_run_waits_and_the_page_says_so(trainer, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "metarec_plugin.tasks", None)
    page = trainer.post(url("add"), FORM, follow=True).content.decode()
    assert "Celery is not installed here" in page
    assert TrainingRun.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("pulse_minutes", "lease_seconds", "alive"),
    [(None, None, False), (1, None, True), (4, None, False), (None, 60, True), (None, -1, False)],
)
def test_a_worker_is_known_by_its_sign_of_life_or_by_the_lease_of_its_run(
    pulse_minutes, lease_seconds, alive
):
    if pulse_minutes is not None:
        at = timezone.now() - timedelta(minutes=pulse_minutes)
        pulses.beat(pulses.worker("metarec.gpu"), at=at)
    if lease_seconds is not None:
        working(lease_seconds)
    assert workers.reader_of_training().alive is alive


# Cancelling and resuming


def test_a_run_is_cancelled_and_resumed_by_who_may_train(trainer, rung):
    run = working()
    trainer.post(url("cancel", run.pk), {"stamp": stamp_on(trainer, run)})
    run.refresh_from_db()
    assert run.state == "cancelled"
    trainer.post(url("resume", run.pk), {"stamp": stamp_on(trainer, run)})
    run.refresh_from_db()
    assert (run.state, rung) == ("queued", [run.pk])
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["Cancelled.", "Resumed."]


@pytest.mark.parametrize("what, state", [("cancel", "running"), ("resume", "cancelled")])
def test_what_cannot_be_noted_is_not_done(trainer, rung, monkeypatch, what, state):
    run = working()
    TrainingRun.objects.filter(pk=run.pk).update(state=state)
    run.refresh_from_db()
    stamp = stamp_on(trainer, run)
    monkeypatch.setattr(LogEntry.objects, "create", Mock(side_effect=RuntimeError("no log")))
    with pytest.raises(RuntimeError, match="no log"):
        trainer.post(url(what, run.pk), {"stamp": stamp})
    run.refresh_from_db()
    assert (run.state, rung) == (state, [])


def test_a_run_that_ended_meanwhile_is_not_cancelled_and_the_page_says_what_it_is(trainer):
    run = working()
    stamp = stamp_on(trainer, run)
    TrainingRun.objects.filter(pk=run.pk).update(state="done", finished=timezone.now())
    answer = trainer.post(url("cancel", run.pk), {"stamp": stamp}, follow=True)
    assert "has moved on since the page was made, it is now: done." in answer.content.decode()
    assert TrainingRun.objects.get().state == "done"
    assert not LogEntry.objects.exists()


def test_two_people_who_resume_at_once_resume_once(trainer, person, rung):
    run = made("failed", error="disk full", finished=timezone.now())
    stamp = stamp_on(trainer, run)
    trainer.post(url("resume", run.pk), {"stamp": stamp})
    answer = person("second", "train_model").post(url("resume", run.pk), {"stamp": stamp}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert rung == [run.pk]


# What a page says


def test_a_run_killed_midway_shows_as_failed_and_can_be_resumed(trainer, rung):
    run = working(lease_seconds=-1)
    page = trainer.get(url("change", run.pk)).content.decode()
    assert "Its worker stopped without a word, attempt 1 of 3." in page
    assert "failed" in trainer.get(url("changelist")).content.decode().split("result_list")[1]
    trainer.post(url("resume", run.pk), {"stamp": stamp_on(trainer, run)})
    run.refresh_from_db()
    assert (run.state, rung) == ("queued", [run.pk])


@pytest.mark.parametrize(
    ("error", "says", "not_says"),
    [
        ("metarec_plugin.exceptions.InvalidData: No purchase yet.", "No purchase yet.", "InvalidData"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB", "start a run on the CPU", "not foreseen"),
        ("OSError: [Errno 28] No space left on device", "The disk is full", "not foreseen"),
        ("ZeroDivisionError: division by zero", "in the log of the worker vm:1", "disk"),
        ("The worker stopped without a word on each of 3 attempts.", "ran out of memory", "not foreseen"),
    ],
)  # fmt: skip
def test_a_failure_has_a_readable_cause_and_what_to_do(viewer, error, says, not_says):
    run = made("failed", error=error, worker="vm:1", finished=timezone.now())
    page = viewer.get(url("change", run.pk)).content.decode()
    assert says in page
    assert not_says not in page


def test_what_a_run_learned_and_what_came_of_it_is_shown(viewer):
    run = made("done", started=timezone.now(), finished=timezone.now())
    version = ModelVersion.objects.create(
        run=run, learner="maml", state="failed", verdict={"reasons": ["Worse at k = 1."]}
    )
    rules = [{"rule": "bot", "why": "by a <robot>", "rows": 1234, "changed": 0}]
    data = {"hash": "abc123", "products": 10, "rows": 5000, "rows_kept": 3766, "cleaning": rules}
    run.report = {"data": data, "promoted": str(version.pk), "not_run": {"ease": "too many products"}}
    run.save()
    page = viewer.get(url("change", run.pk)).content.decode()
    for said in ("abc123", "1,234", "by a &lt;robot&gt;", "Worse at k = 1.", "EASE", "was promoted"):
        assert said in page
    assert "was promoted" in viewer.get(url("changelist")).content.decode()


def test_only_what_changed_is_sent_and_the_page_stops_asking_at_the_end(viewer):
    run = working()
    step = RunStep.objects.create(run=run, message="maml: step 5", learner="maml", step=5, score=0.125)
    first = viewer.get(url("progress", run.pk)).json()
    assert set(first["parts"]) == {"status", "log", "curve", "actions", "outcome"}
    assert (first["wait"], first["last"], first["says"]) == (2, step.pk, "running, 40 %")
    assert 'data-value="0.125"' in first["parts"]["curve"]
    again = viewer.get(url("progress", run.pk), {"after": step.pk, "state": "running"}).json()
    assert set(again["parts"]) == {"status"}
    TrainingRun.objects.filter(pk=run.pk).update(state="done", finished=timezone.now())
    assert viewer.get(url("progress", run.pk), {"after": "x"}).json()["wait"] is None


def test_a_long_curve_is_drawn_with_fewer_points_and_says_so_and_a_long_log_in_part(viewer):
    run = working()
    RunStep.objects.bulk_create(
        RunStep(run=run, message=f"step {n}", learner="maml", step=n, score=n / 1000) for n in range(1, 202)
    )
    curve = run_live.curves(run)[0]
    assert (len(curve.labels), curve.labels[-1]) == (51, 201)
    assert "One in 4 measurements is shown." in curve.says
    page = viewer.get(url("change", run.pk)).content.decode()
    assert "The newest 100 lines." in page
    assert page.count("<time ") == 100
    assert viewer.get(url("change", run.pk), {"whole": 1}).content.decode().count("<time ") == 201


def test_pages_ask_the_same_few_questions_however_many_runs_there_are(viewer, django_assert_max_num_queries):
    for _ in range(60):
        run = made("done", started=timezone.now(), finished=timezone.now(), asked_by="ada")
        ModelVersion.objects.create(run=run, learner="maml")
    viewer.get(url("changelist"))
    with django_assert_max_num_queries(9):
        assert viewer.get(url("changelist")).status_code == 200
    with django_assert_max_num_queries(13):
        assert viewer.get(url("change", run.pk)).status_code == 200
    with django_assert_max_num_queries(6):
        viewer.get(url("progress", run.pk), {"state": "done"})


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_number_of_very_many_digits_is_no_key(viewer, digits):
    run = made()
    answer = viewer.get(url("progress", run.pk), {"after": "9" * digits})
    assert answer.status_code == 200
    assert viewer.get(url("change", "9" * digits)).status_code == 404


def test_what_is_not_there_is_not_found(trainer):
    missing = [url("change", 10**6), url("progress", 10**6), url("change", "x")]
    assert [trainer.get(each).status_code for each in missing] == [404] * 3
    assert trainer.post(url("cancel", 10**6)).status_code == 404


def test_an_estimate_adds_what_former_runs_took_beside_their_learners(trainer):
    now = timezone.now()
    report = {"versions": [{"training": {"seconds": 100}}, {}]}
    made("done", started=now - timedelta(seconds=400), finished=now, report=report)
    page = trainer.get(url("add")).content.decode()
    assert 'data-rest="300"' in page
    assert "At most about 6 minutes." in page


def test_the_sweep_and_the_page_agree_on_a_lost_run(trainer, settings):
    run = working(lease_seconds=-1)
    TrainingRun.objects.filter(pk=run.pk).update(attempts=3)
    assert "That was its last attempt." in trainer.get(url("change", run.pk)).content.decode()
    runs.sweep()
    run.refresh_from_db()
    assert run.state == "failed"


def test_a_run_that_was_put_back_says_that_its_worker_died(trainer):
    run = working(lease_seconds=-1)
    runs.sweep()
    page = trainer.get(url("change", run.pk)).content.decode()
    assert "Its worker stopped without a word, attempt 1 of 3." in page
    assert "the run waits for the next one" in page  # in its log
