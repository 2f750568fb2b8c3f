"""Short periodic work on the `metarec.cpu` queue."""

from __future__ import annotations

from pathlib import Path

from celery import current_app, shared_task

from metarec_plugin.collect import retention
from metarec_plugin.collect.sync import sync
from metarec_plugin.feedback import kept_reports, rollup


@shared_task(name="metarec.sync_orders", ignore_result=True)
def sync_orders() -> None:
    """Re-read the shop's recent orders: what no signal announced counts from here on."""
    sync()


@shared_task(name="metarec.roll_up", ignore_result=True)
def roll_up() -> None:
    """Bring the counts by day that the panel reads up to date."""
    rollup.roll_up()


@shared_task(name="metarec.report_experiments", ignore_result=True)
def report_experiments() -> None:
    """Measure large experiments for the pages that show their reports."""
    kept_reports.keep_reports()


@shared_task(name="metarec.expire", ignore_result=True)
def expire() -> None:
    """Delete rows that are older than METAREC keeps them."""
    retention.expire()


@shared_task(name="metarec.prune", ignore_result=True)
def prune() -> None:
    """Delete old bundles, checkpoints that nobody goes on from, and messages that were read."""
    from metarec_plugin.pipeline import pruning

    pruning.prune(messages=_processed_messages())


@shared_task(name="metarec.compare_shadow", ignore_result=True)
def compare_shadow() -> None:
    """Compare the version in shadow with the served one on what shoppers bought."""
    from metarec_plugin.feedback import shadow

    shadow.compare_shadow()


def _processed_messages() -> Path | None:
    """Where a filesystem broker keeps what was read; every other broker clears up by itself."""
    folder = (current_app.conf.broker_transport_options or {}).get("processed_folder")
    return Path(folder) if folder else None
