"""`manage.py metarec_expire`: delete what METAREC keeps no longer; for cron, where no Celery beat runs the tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from metarec_plugin.collect import retention
from metarec_plugin.pipeline import pruning


class Command(BaseCommand):
    help = (
        "Deletes rows that are older than METAREC keeps them, refused events, the bundles of older versions and the "
        "checkpoints of runs that ended: what the tasks metarec.expire and metarec.prune do."
    )

    def handle(self, **options: Any) -> None:
        removed = retention.expire() | pruning.prune()
        told = ", ".join(f"{name} {count:,}" for name, count in removed.items() if count)
        self.stdout.write(f"Deleted: {told}." if told else "Nothing was old enough to be deleted.")
