"""`manage.py metarec_rollback`: serve the version before the current one again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.publish import registry


class Command(BaseCommand):
    help = "Serve the version that was served before the current one."

    def handle(self, **options: Any) -> None:
        try:
            version = registry.rollback(by="manage.py metarec_rollback")
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Serving {version.pk} ({version.learner}) again.")
