"""Whether somebody reads the queue of training, how to start somebody who does, and ringing for a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from metarec_plugin.collect import pulses
from metarec_plugin.exceptions import BrokerUnreachable
from metarec_plugin.models import Pulse, TrainingRun

TRAINING, SHORT = "metarec.gpu", "metarec.cpu"
SILENT = timedelta(minutes=3)


@dataclass(frozen=True)
class Reader:
    """Who reads a queue. seen: the last sign of life; None where there never was one."""

    queue: str
    alive: bool
    seen: datetime | None
    command: str


def reader_of_training() -> Reader:
    """A worker that trains gives no other sign than the lease of its run."""
    now = timezone.now()
    at_work = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING, lease_until__gte=now).exists()
    seen = Pulse.objects.filter(name=pulses.worker(TRAINING)).values_list("at", flat=True).first()
    alive = at_work or (seen is not None and seen >= now - SILENT)
    return Reader(TRAINING, alive, seen, worker_command(TRAINING))


def worker_command(queue: str) -> str:
    """The command that starts a worker of a queue; beat goes with that of short work."""
    more = (
        "--pool=solo --concurrency=1"
        if queue == TRAINING
        else "--beat --scheduler django_celery_beat.schedulers:DatabaseScheduler"
    )
    return f"celery -A {_project()} worker -Q {queue} {more}"


def _project() -> str:
    try:
        from celery import current_app
    except ImportError:
        return "yourproject"
    name = str(current_app.main or "")
    return name if name.isidentifier() and not name.startswith("__") else "yourproject"


def ring(run_id: int) -> str:
    """Send a message for a queued run to the workers. Returns why that was not possible; empty where it was."""
    try:
        from metarec_plugin.tasks import enqueue
    except ImportError:
        return _("Celery is not installed here, so no worker hears of the run.")
    try:
        enqueue(run_id)
    except BrokerUnreachable:
        return _("The broker that hands messages to workers does not answer.")
    return ""


def foreground(run_id: int) -> str:
    """The command that works on a run without any worker."""
    return f"python manage.py metarec_train --resume {run_id}"
