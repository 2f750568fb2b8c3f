"""`metarec_sync`: record what the shop's own tables say happened."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from metarec_plugin.collect.sync import sync
from metarec_plugin.exceptions import MetaRecError


class Command(BaseCommand):
    help = (
        "Reads the shop's interactions of the last METAREC['SYNC_DAYS'] days through the mapping, adds those that are "
        "not in the event log yet, corrects those that changed and takes back those that no longer count. Running it "
        "again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="read all rows, however old")

    def handle(self, *args: Any, full: bool, verbosity: int, **options: Any) -> None:
        with tqdm(unit=" rows", unit_scale=True, desc="sync", disable=verbosity < 1, file=self.stderr) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                counts = sync(full=full, progress=progress)
            except MetaRecError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(
            f"{counts.read:,} rows read: {counts.new:,} new, {counts.known:,} known, "
            f"{sum(counts.refused.values()):,} refused."
        )
        if counts.changed or counts.taken_back:
            self.stdout.write(
                f"  in the log before: {counts.changed:,} corrected, {counts.taken_back:,} taken back"
            )
        for reason, rows in sorted(counts.refused.items()):
            self.stdout.write(f"  refused, {reason}: {rows:,}")
