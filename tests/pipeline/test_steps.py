"""The log of a run: a line for each phase, scores as they were measured, and never more than a person can read."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.exceptions import RunRefused
from metarec_plugin.models import RunStep, TrainingRun
from metarec_plugin.pipeline import runs, steps
from tests.train.walker import walk

pytestmark = pytest.mark.django_db(transaction=True)


def quiet(fraction: float, message: str) -> None:
    """A progress callback that shows nothing."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def logged(clock: Clock) -> steps.StepLog:
    run = TrainingRun.objects.create(budget_seconds=1, attempts=1)
    return steps.StepLog(run, clock)


def said() -> list[str]:
    return list(RunStep.objects.values_list("message", flat=True))


def test_a_run_says_each_phase_with_the_learner_and_its_score():
    def work(run, progress):
        progress(0.1, "tuning the baselines")
        progress(0.4, "mixture: maml: step 10, validation NDCG@20 0.1250")
        progress(0.9, "mixture: weighing the experts")
        return {}

    runs.execute(runs.create_run().pk, work, quiet)
    rows = list(RunStep.objects.values_list("learner", "step", "score", "progress"))
    assert rows[1:] == [
        ("", None, None, 0.1),
        ("mixture: maml", 10, 0.125, 0.4),
        ("mixture", None, None, 0.9),
        ("", None, None, 1.0),
    ]
    assert said()[0].startswith("attempt 1 begins, worker ")


def test_what_the_trainer_tells_is_read_as_a_step_and_a_score():
    heard = []
    walk(progress=lambda fraction, message: heard.append(message), max_steps=5)
    assert steps.read_step(f"mixture: maml: {heard[-1]}") == ("mixture: maml", 5, 5.0)


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("reading and cleaning the event log", ("", None, None)),
        ("closed_form: ridge 10", ("closed_form", None, None)),
        ("step 5, validation NDCG@20 0.0000", ("", 5, 0.0)),
        ("maml: step 5, validation NDCG@20 nan", ("maml", None, None)),
        ("", ("", None, None)),
    ],
)
def test_what_a_message_does_not_say_is_empty(message, read):
    assert steps.read_step(message) == read


def test_figures_of_one_phase_are_written_a_second_apart_and_a_new_phase_at_once():
    clock = Clock()
    log = logged(clock)
    for now, message in (
        (0, "step 1"),
        (0.4, "step 2"),
        (1, "step 3"),
        (1, "weighing"),
        (1.1, "step 4"),
        (9, "step 4"),
    ):
        clock.now = now
        if log.is_due(message):
            log.tell(0.5, message)
    assert said() == ["step 1", "step 3", "weighing", "step 4"]


def test_a_long_log_is_thinned_evenly_and_says_so(monkeypatch):
    monkeypatch.setattr(steps, "MOST", 40)
    clock = Clock()
    log = logged(clock)
    log.tell(0.0, "reading")
    for second in range(1, 400):
        clock.now = second
        message = f"maml: step {second}, validation NDCG@20 0.1000"
        if log.is_due(message):
            log.tell(0.5, message)
    written = list(RunStep.objects.exclude(step=None).values_list("step", flat=True))
    assert RunStep.objects.count() <= 40
    assert said()[0] == "reading"
    assert any("every second measurement is left out" in each for each in said())
    gaps = np.diff(written)
    assert len(gaps) > 10
    assert gaps.max() <= 2 * np.median(gaps)  # from the first to the last


def test_a_cancelled_run_stops_keeps_what_it_saved_and_goes_on_when_resumed(settings, tmp_path):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path}
    run = runs.create_run()
    saved = runs.checkpoints_of(run.pk) / "maml" / "checkpoint.pt"

    def work(run, progress):
        progress(0.2, "first")
        saved.parent.mkdir(parents=True)
        saved.write_bytes(b"weights")
        assert runs.cancel(run.pk)
        progress(0.97, "promoting what passed")
        raise AssertionError("a cancelled run went on")

    with pytest.raises(RunRefused, match="cancelled or taken over"):
        runs.execute(run.pk, work, quiet)
    run.refresh_from_db()
    assert (run.state, run.finished is not None, run.lease_until) == ("cancelled", True, None)
    assert "promoting what passed" not in said()
    assert saved.exists()
    assert runs.reopen(run.pk)
    assert runs.execute(run.pk, lambda run, progress: {}, quiet).state == TrainingRun.State.DONE


def test_only_what_waits_or_works_is_cancelled():
    waiting = runs.create_run()
    done = runs.execute(runs.create_run().pk, lambda run, progress: {}, quiet)
    assert [runs.cancel(waiting.pk), runs.cancel(waiting.pk), runs.cancel(done.pk), runs.cancel(10**6)] == [
        True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(RunRefused, match="is cancelled"):
        runs.claim(waiting.pk, "worker")
    assert runs.sweep() == []
