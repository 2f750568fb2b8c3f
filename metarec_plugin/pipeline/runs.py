"""Training runs as rows: who may work on one, that it is alive, and how it ended.

The broker may deliver a message twice, or never; the row decides. A worker claims a run by a conditional
update, keeps its lease fresh from a thread of its own, and gives it back by finishing. `sweep()` finds
runs whose worker died.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import RunRefused
from metarec_plugin.models import TrainingRun
from metarec_plugin.signals import training_finished

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]


def create_run(
    *,
    learners: tuple[str, ...] | None = None,
    seed: int | None = None,
    device: str | None = None,
    budget_seconds: float | None = None,
) -> TrainingRun:
    """Queue a run with the configured choices, each of which may be replaced."""
    config = get_config()
    return TrainingRun.objects.create(
        learners=list(learners or config.learners),
        seed=config.seed if seed is None else seed,
        device=device or config.device,
        budget_seconds=config.train_seconds if budget_seconds is None else budget_seconds,
    )


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident():x}"[:120]


def claim(run_id: int, worker: str) -> TrainingRun:
    """Take the run for this worker. Raises RunRefused if another holds it, it ended, or its attempts are spent."""
    config, now = get_config(), timezone.now()
    claimable = Q(state=TrainingRun.State.QUEUED) | Q(state=TrainingRun.State.RUNNING, lease_until__lt=now)
    taken = TrainingRun.objects.filter(claimable, pk=run_id, attempts__lt=config.max_attempts).update(
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


@contextmanager
def lease(run: TrainingRun) -> Iterator[threading.Event]:
    """Renew the run's lease while the block runs. Yields an event that is set once the lease is lost."""
    stop, lost = threading.Event(), threading.Event()
    seconds = get_config().lease_seconds

    def beat() -> None:
        while not stop.wait(seconds / 3):
            try:
                kept = _held(run).update(lease_until=timezone.now() + timedelta(seconds=seconds))
            except DatabaseError as error:  # a busy database is no reason to stop: the next beat tries again
                log.warning("lease not renewed run=%s error=%s", run.pk, error)
                continue
            finally:
                connection.close()
            if not kept:
                lost.set()
                return

    thread = threading.Thread(target=beat, name=f"metarec-lease-{run.pk}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        stop.set()
        thread.join()


def execute(
    run_id: int, work: Callable[[TrainingRun, Progress], dict[str, Any]], progress: Progress
) -> TrainingRun:
    """Claim the run, do `work(run, progress)` under its lease, and store how it ended.

    Raises RunRefused if it cannot be claimed or is taken away; an error of `work` is stored, then raised.
    """
    run = claim(run_id, worker_name())
    written = 0.0

    with lease(run) as lost:

        def report(fraction: float, message: str) -> None:
            nonlocal written
            if lost.is_set():
                raise RunRefused(f"Training run {run_id} was cancelled or taken over by another worker.")
            progress(fraction, message)
            if time.monotonic() - written >= 1:  # a row a second is enough to watch
                written = time.monotonic()
                if not _held(run).update(progress=fraction, message=message[:200]):
                    lost.set()

        try:
            result = work(run, report)
        except RunRefused:
            raise
        except BaseException as error:
            _finish(
                run, TrainingRun.State.FAILED, error="".join(traceback.format_exception_only(error)).strip()
            )
            log.exception("training failed run=%s", run_id)
            raise
        _finish(run, TrainingRun.State.DONE, report=result, progress=1.0)
    run.refresh_from_db()
    return run


def sweep() -> list[int]:
    """Put runs whose worker died back in the queue; give up those with no attempt left. Returns the queued ids."""
    config, now = get_config(), timezone.now()
    dead = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING, lease_until__lt=now)
    dead.filter(attempts__gte=config.max_attempts).update(
        state=TrainingRun.State.FAILED,
        finished=now,
        error=f"The worker stopped without a word on each of {config.max_attempts} attempts.",
    )
    dead.update(state=TrainingRun.State.QUEUED, worker="", lease_until=None)
    return list(TrainingRun.objects.filter(state=TrainingRun.State.QUEUED).values_list("pk", flat=True))


def _held(run: TrainingRun) -> Any:
    return TrainingRun.objects.filter(pk=run.pk, worker=run.worker, state=TrainingRun.State.RUNNING)


def _finish(run: TrainingRun, state: str, **values: Any) -> None:
    if _held(run).update(state=state, finished=timezone.now(), lease_until=None, **values):
        training_finished.send_robust(TrainingRun, run=run.pk, state=str(state))
