"""Signs of life of the workers, by queue, for the panel: each minute a worker of each queue says that it is there."""

from __future__ import annotations

import logging
import os
import socket
from datetime import timedelta

from celery import shared_task
from django.db import router
from django.utils import timezone
from kombu.exceptions import OperationalError

from metarec_plugin.collect import pulses
from metarec_plugin.models import Pulse

log = logging.getLogger(__name__)
CPU, GPU = "metarec.cpu", "metarec.gpu"
ANSWER = timedelta(minutes=10)  # that a worker has: one that trains answers when it is done


@shared_task(name="metarec.beat", ignore_result=True)
def beat(queue: str = CPU) -> None:
    """Note that a worker of this queue is there; one of metarec.cpu asks those of metarec.gpu, too."""
    pulses.beat(pulses.worker(queue), host=socket.gethostname(), pid=os.getpid())
    if queue == CPU:
        _ask(GPU)


def _ask(queue: str) -> None:
    """Ring for a sign, unless one is awaited: where no worker reads the queue, messages must not pile up in it."""
    now, names = timezone.now(), (pulses.asked(queue), pulses.worker(queue))
    rows = Pulse.objects.using(router.db_for_write(Pulse)).filter(pk__in=names)
    asked, answered = map(dict(rows.values_list("pk", "at")).get, names)
    if asked is not None and now - asked < ANSWER and (answered is None or answered < asked):
        return
    pulses.beat(pulses.asked(queue), at=now)
    try:
        beat.apply_async((queue,), queue=queue, expires=ANSWER.total_seconds())
    except OperationalError as error:
        log.warning("no sign asked for queue=%s reason=%s", queue, error)
