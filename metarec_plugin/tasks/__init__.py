"""Celery tasks, each one line of work: look up by id, call the pipeline, store the outcome.

Two queues: `metarec.gpu` for training (run its worker with --pool=solo --concurrency=1, because CUDA does not
survive a fork) and `metarec.cpu` for everything short.
"""

from metarec_plugin.tasks.adaptation import refresh_states
from metarec_plugin.tasks.beating import beat
from metarec_plugin.tasks.training import enqueue, recover_runs, start_run, train
from metarec_plugin.tasks.upkeep import (
    compare_shadow,
    expire,
    prune,
    report_experiments,
    roll_up,
    sync_orders,
)

__all__ = [
    "beat",
    "compare_shadow",
    "enqueue",
    "expire",
    "prune",
    "recover_runs",
    "refresh_states",
    "report_experiments",
    "roll_up",
    "start_run",
    "sync_orders",
    "train",
]
