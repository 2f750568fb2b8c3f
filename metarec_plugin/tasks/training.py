"""Training on the `metarec.gpu` queue, and the sweep that rings again for runs whose message was lost."""

from __future__ import annotations

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from metarec_plugin.exceptions import BrokerUnreachable, RunRefused
from metarec_plugin.pipeline import runs

log = logging.getLogger(__name__)

QUEUE = "metarec.gpu"


@shared_task(name="metarec.train", acks_late=True, ignore_result=True)
def train(run_id: int) -> None:
    """Work on one training run. Running it twice changes nothing: the row is claimed by one worker only."""
    from metarec_plugin.pipeline.train import train_run  # brings torch, which only this worker needs

    try:
        runs.execute(run_id, train_run, lambda fraction, message: None)
    except RunRefused as refusal:
        log.info("run not taken run=%s reason=%s", run_id, refusal)


@shared_task(name="metarec.start_run", ignore_result=True)
def start_run() -> None:
    """Train with the configured choices, unless a run is queued or at work already. For a schedule."""
    other = runs.open_run()
    if other is not None:
        log.info("scheduled run skipped: run=%s is %s", other.pk, other.state)
        return
    run = runs.create_run(asked_by="schedule")
    try:
        enqueue(run.pk)
    except BrokerUnreachable as error:
        log.warning("scheduled run waits run=%s reason=%s", run.pk, error)


@shared_task(name="metarec.recover_runs", ignore_result=True)
def recover_runs() -> None:
    """Ring for every run that waits unheard: its message was lost, or its worker died."""
    unheard = []
    for run_id in runs.sweep():
        try:
            enqueue(run_id)
        except BrokerUnreachable as error:  # the others get their turn; the next sweep rings again
            unheard.append(error)
    if unheard:
        raise unheard[0]


def enqueue(run_id: int) -> None:
    """Ring for a run. The queue is named here, so that a shop need not route our tasks in its settings.

    Raises BrokerUnreachable; the run stays queued, and the periodic sweep rings again.
    """
    try:
        train.apply_async((run_id,), queue=QUEUE)
    except Exception as error:  # each transport fails in its own way, such as for want of its package
        if not isinstance(error, OperationalError):
            log.exception("message not sent run=%s", run_id)
        raise BrokerUnreachable(
            f"Run {run_id} is queued as a row, but the broker did not take its message ({error}). Start the broker; "
            "the periodic sweep rings for the run, or go on by `manage.py metarec_train --resume` with its number."
        ) from error
    runs.note_rung(run_id)
