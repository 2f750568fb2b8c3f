"""Create the rows by which beat runs the plugin's periodic tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from metarec_plugin.exceptions import ConfigurationError


class Command(BaseCommand):
    help = (
        "Schedule recovery of runs, refresh of subject states, sync of orders, counts by day, signs of life and "
        "pruning of old files (django-celery-beat rows)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from metarec_plugin.tasks import schedule

            made = schedule.install()
        except ImportError as error:
            raise CommandError(
                f"{error}. The schedule needs the packages of django-metarec[worker]."
            ) from error
        except OperationalError as error:
            raise CommandError(
                f"{error}. Run `manage.py migrate` first: beat's tables are missing."
            ) from error
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        for name in made:
            self.stdout.write(f"scheduled  {name}")
        if not made:
            self.stdout.write("The schedule is in place already; nothing was changed.")
