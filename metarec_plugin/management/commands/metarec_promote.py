"""`manage.py metarec_promote VERSION`: serve a version from now on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry


class Command(BaseCommand):
    help = "Serve a version from now on; web processes take it up within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version", nargs="?", help="the id of the version, as --list shows it")
        parser.add_argument("--list", action="store_true", help="list the versions, the newest first")
        parser.add_argument("--force", action="store_true", help="promote even what the gate held back")

    def handle(self, *, version: str | None, force: bool, **options: Any) -> None:
        if options["list"]:
            self._list()
        elif not version:
            raise CommandError("Name a version; manage.py metarec_promote --list shows them.")
        else:
            try:
                promoted = registry.promote(version, force=force, by="manage.py metarec_promote")
            except MetaRecError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"Serving {promoted.pk} ({promoted.learner}).")

    def _list(self) -> None:
        for each in ModelVersion.objects.filter(pruned_at=None):
            mark = "*" if each.is_current else " "
            self.stdout.write(
                f"{mark} {each.pk}  {each.created:%Y-%m-%d %H:%M}  {each.learner:<16} "
                f"{each.get_state_display():<20} validation NDCG@20 {each.validation_score:.4f}"
            )
