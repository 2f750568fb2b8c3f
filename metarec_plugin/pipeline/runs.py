"""Training runs as rows: who may work on one, that it is alive, and how it ended.

The broker may deliver a message twice, or never; the row decides. A worker claims a run by a conditional
update, keeps its lease fresh from a thread of its own, and gives it back by finishing. `sweep()` finds
runs whose worker died.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from metarec_plugin.conf import get_config, joined_options
from metarec_plugin.exceptions import MetaRecError, RunRefused
from metarec_plugin.models import RunStep, TrainingRun
from metarec_plugin.pipeline.leases import held, lease
from metarec_plugin.pipeline.steps import StepLog
from metarec_plugin.signals import training_finished

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]

RING_AGAIN = timedelta(minutes=10)  # a run that waits so long has perhaps lost its message


def create_run(
    *,
    learners: tuple[str, ...] | None = None,
    seed: int | None = None,
    device: str | None = None,
    budget_seconds: float | None = None,
    learner_options: Mapping[str, Mapping[str, Any]] | None = None,
    days: int | None = None,
    asked_by: str = "",
) -> TrainingRun:
    """Queue a run with the configured choices, each of which may be replaced; options one by one.

    days: learn from the events of so many days before now, of all where None; asked_by: a person or a schedule.
    Whether they can be trained with is for the worker to say: the web process knows neither learners nor GPUs.
    """
    config = get_config()
    names = (name.strip() for name in learners or config.learners)
    return TrainingRun.objects.create(
        learners=list(dict.fromkeys(name for name in names if name)),
        seed=config.seed if seed is None else seed,
        device=device or config.device,
        budget_seconds=config.train_seconds if budget_seconds is None else budget_seconds,
        learner_options=joined_options(config.learner_options, learner_options or {}),
        days=days,
        asked_by=asked_by[:150],
    )


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident():x}"[:120]


def checkpoints_of(run_id: int) -> Path:
    """The folder from which a later attempt goes on."""
    return get_config().artifacts / "runs" / str(run_id)


def claim(run_id: int, worker: str, *, resume: bool = False) -> TrainingRun:
    """Take the run for this worker. Raises RunRefused if another holds it, it ended, or its attempts are spent.

    resume: a person asks, so a failed run is taken too and its attempts count anew.
    """
    if resume:
        reopen(run_id)
    config, now = get_config(), timezone.now()
    taken = TrainingRun.objects.filter(_waiting(), pk=run_id, attempts__lt=config.max_attempts).update(
        state=TrainingRun.State.RUNNING,
        worker=worker,
        attempts=F("attempts") + 1,
        started=now,
        lease_until=now + timedelta(seconds=config.lease_seconds),
    )
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None:
        raise RunRefused(f"Training run {run_id} does not exist.")
    if not taken:
        raise RunRefused(
            f"Training run {run_id} is {run.state} (worker {run.worker or 'none'}, attempt {run.attempts} of "
            f"{config.max_attempts}); only a queued run or one whose lease ran out can be claimed."
        )
    return run


def reopen(run_id: int) -> bool:
    """Queue a run that failed, stopped or was cancelled again, with all its attempts.

    Returns whether it can be claimed now.
    """
    stopped = _waiting() | Q(state__in=(TrainingRun.State.FAILED, TrainingRun.State.CANCELLED))
    return bool(
        TrainingRun.objects.filter(stopped, pk=run_id).update(
            state=TrainingRun.State.QUEUED,
            attempts=0,
            worker="",
            lease_until=None,
            finished=None,
            error="",
            rung_at=timezone.now(),  # who reopens it takes it, or rings for it
        )
    )


def cancel(run_id: int) -> bool:
    """End a run that is queued or at work. Returns whether there was something to end.

    Its worker finds out at its next report, or when it renews the lease, and stops; what it saved stays, so that
    the run can be resumed.
    """
    ended = TrainingRun.objects.filter(
        pk=run_id, state__in=(TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)
    ).update(state=TrainingRun.State.CANCELLED, finished=timezone.now(), lease_until=None)
    if ended:
        training_finished.send_robust(TrainingRun, run=run_id, state=str(TrainingRun.State.CANCELLED))
    return bool(ended)


def open_run() -> TrainingRun | None:
    """The newest run that is queued or at work."""
    open_states = (TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)
    return TrainingRun.objects.filter(state__in=open_states).defer("report").order_by("-pk").first()


def is_lost(run: TrainingRun) -> bool:
    """Whether the run's worker gave no sign of life for a whole lease."""
    running = run.state == TrainingRun.State.RUNNING
    return running and run.lease_until is not None and run.lease_until < timezone.now()


def seen_state(run: TrainingRun) -> str:
    """The state that a person sees: a run whose worker died has failed, though no sweep has come by yet."""
    return str(TrainingRun.State.FAILED if is_lost(run) else run.state)


def execute(
    run_id: int,
    work: Callable[[TrainingRun, Progress], dict[str, Any]],
    progress: Progress,
    *,
    resume: bool = False,
) -> TrainingRun:
    """Claim the run, do `work(run, progress)` under its lease, and store how it ended.

    Raises RunRefused if it cannot be claimed or is taken away; an error of `work` is stored, then raised.
    Stopped from outside, the run waits again and the attempt is not counted. resume: as in `claim`.
    """
    run = claim(run_id, worker_name(), resume=resume)
    steps = StepLog(run)
    steps.write(0.0, f"attempt {run.attempts} begins, worker {run.worker}")

    with lease(run) as lost:

        def report(fraction: float, message: str) -> None:
            progress(fraction, message)
            if steps.is_due(message):
                if held(run).update(progress=fraction, message=message[:200]):
                    steps.tell(fraction, message)
                else:
                    lost.set()
            if lost.is_set():
                raise RunRefused(f"Training run {run_id} was cancelled or taken over by another worker.")

        try:
            result = work(run, report)
        except RunRefused:
            raise
        except (KeyboardInterrupt, SystemExit):
            _give_back(run)
            raise
        except BaseException as error:
            said = "".join(traceback.format_exception_only(error)).strip()
            if _finish(run, TrainingRun.State.FAILED, error=said):
                steps.write(steps.fraction, f"failed: {error}")
            # A foreseen error says all in its words; of any other the place is needed.
            log.error("training failed run=%s", run_id, exc_info=not isinstance(error, MetaRecError))
            raise
        if _finish(run, TrainingRun.State.DONE, report=result, progress=1.0):
            steps.write(1.0, "done")
            shutil.rmtree(checkpoints_of(run_id), ignore_errors=True)  # nobody goes on from here
    run.refresh_from_db()
    return run


def sweep() -> list[int]:
    """Put runs whose worker died back in the queue; give up those with no attempt left.

    Returns the queued runs to ring for: those that nobody rang for within the last ten minutes.
    """
    config, now = get_config(), timezone.now()
    dead = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING, lease_until__lt=now)
    dead.filter(attempts__gte=config.max_attempts).update(
        state=TrainingRun.State.FAILED,
        finished=now,
        error=f"The worker stopped without a word on each of {config.max_attempts} attempts.",
    )
    for run in list(dead):
        back = dead.filter(pk=run.pk, worker=run.worker, attempts=run.attempts)
        if back.update(state=TrainingRun.State.QUEUED, worker="", lease_until=None, rung_at=None):
            said = (
                f"attempt {run.attempts}: its worker stopped without a word; the run waits for the next one"
            )
            RunStep.objects.create(run=run, attempt=run.attempts, progress=run.progress, message=said)
    unheard = Q(rung_at=None) | Q(rung_at__lt=now - RING_AGAIN)
    return list(
        TrainingRun.objects.filter(unheard, state=TrainingRun.State.QUEUED).values_list("pk", flat=True)
    )


def note_rung(run_id: int) -> None:
    """Remember that a message for the run is on its way."""
    TrainingRun.objects.filter(pk=run_id).update(rung_at=timezone.now())


def _waiting() -> Q:
    return Q(state=TrainingRun.State.QUEUED) | Q(
        state=TrainingRun.State.RUNNING, lease_until__lt=timezone.now()
    )


def _give_back(run: TrainingRun) -> None:
    held(run).update(
        state=TrainingRun.State.QUEUED,
        attempts=F("attempts") - 1,
        worker="",
        lease_until=None,
        rung_at=timezone.now(),  # a person at a terminal has some minutes to resume it before a worker is rung for
    )


def _finish(run: TrainingRun, state: str, **values: Any) -> bool:
    ours = bool(held(run).update(state=state, finished=timezone.now(), lease_until=None, **values))
    if ours:
        training_finished.send_robust(TrainingRun, run=run.pk, state=str(state))
    return ours
