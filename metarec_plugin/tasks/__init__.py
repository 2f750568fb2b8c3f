"""Celery tasks, each one line of work: look up by id, call the pipeline, store the outcome.

Two queues: `metarec.gpu` for training (run its worker with --pool=solo --concurrency=1, because CUDA does not
survive a fork) and `metarec.cpu` for everything short.
"""

from metarec_plugin.tasks.adaptation import refresh_states
from metarec_plugin.tasks.training import enqueue, recover_runs, train
from metarec_plugin.tasks.upkeep import compare_shadow, expire, prune, sync_orders

__all__ = [
    "compare_shadow",
    "enqueue",
    "expire",
    "prune",
    "recover_runs",
    "refresh_states",
    "sync_orders",
    "train",
]
