"""`metarec_import_context`: record what days were like, such as their weather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metarec_plugin.collect.context_days import import_days
from metarec_plugin.exceptions import MetaRecError


class Command(BaseCommand):
    help = (
        "Reads a CSV with the heading day,name,value (2026-03-01,weather,rain) into the context table. A value of the "
        "same day and name is replaced; reading the file again changes nothing, and a wrong line stores nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = import_days(options["file"])
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{counts.new:,} values new, {counts.changed:,} changed, {counts.known:,} known.")
