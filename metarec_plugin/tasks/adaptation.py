"""Batch adaptation on the `metarec.cpu` queue."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="metarec.refresh_states", ignore_result=True)
def refresh_states() -> None:
    """Adapt every subject with events newer than its state, in batches."""
    from metarec_plugin.pipeline.states import refresh  # brings torch

    refresh()
