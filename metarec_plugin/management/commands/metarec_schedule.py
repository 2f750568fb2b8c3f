"""Create the rows by which beat runs the plugin's periodic tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.tasks import schedule


class Command(BaseCommand):
    help = (
        "Schedule recovery of runs, refresh of subject states, sync of orders and pruning of old files "
        "(django-celery-beat rows)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = schedule.install()
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        for name in made:
            self.stdout.write(f"scheduled  {name}")
        if not made:
            self.stdout.write("The schedule is in place already; nothing was changed.")
