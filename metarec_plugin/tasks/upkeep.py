"""Short periodic work on the `metarec.cpu` queue."""

from __future__ import annotations

from celery import shared_task

from metarec_plugin.collect.sync import sync


@shared_task(name="metarec.sync_orders", ignore_result=True)
def sync_orders() -> None:
    """Re-read the shop's recent orders: what no signal announced counts from here on."""
    sync()
