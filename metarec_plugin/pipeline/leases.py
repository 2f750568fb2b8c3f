"""A lease: what tells a worker at work from one that died, and a worker that its run was taken away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import TrainingRun

log = logging.getLogger(__name__)


def held(run: TrainingRun) -> Any:
    """The run's row, while this worker still holds it; else no row."""
    return TrainingRun.objects.filter(pk=run.pk, worker=run.worker, state=TrainingRun.State.RUNNING)


@contextmanager
def lease(run: TrainingRun) -> Iterator[threading.Event]:
    """Renew the run's lease while the block runs. Yields an event that is set once the lease is lost."""
    stop, lost = threading.Event(), threading.Event()
    seconds = get_config().lease_seconds

    def beat() -> None:
        while not stop.wait(seconds / 3):
            try:
                kept = held(run).update(lease_until=timezone.now() + timedelta(seconds=seconds))
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
