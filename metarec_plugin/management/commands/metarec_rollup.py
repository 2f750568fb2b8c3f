"""`metarec_rollup`: bring the panel's counts by day up to date; for cron, where no Celery beat runs the task."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.feedback.kept_reports import keep_reports
from metarec_plugin.feedback.rollup import roll_up


class Command(BaseCommand):
    help = (
        "Counts the events and lists of each day for the panel, as the task metarec.roll_up does: today and yesterday, "
        "days that rows came to, and those that were last counted a day ago. Then works out the reports of large "
        "experiments, as the task metarec.report_experiments does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="count every day anew, however long it takes")

    def handle(self, *args: Any, full: bool, verbosity: int, **options: Any) -> None:
        with tqdm(unit=" days", desc="roll-up", disable=verbosity < 1, file=self.stderr) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                said = roll_up(full=full, progress=progress)
                reports = keep_reports()
            except MetaRecError as error:
                raise CommandError(str(error)) from error
        if reports["kept"] or reports["left"]:
            self.stdout.write(
                f"Large experiments: {reports['kept']:,} reports worked out, {reports['left']:,} left."
            )
        if said["busy"]:
            self.stdout.write("Another worker is at it; nothing to do.")
            return
        left = f" {said['left']:,} are left: run the command again." if said["left"] else ""
        self.stdout.write(f"{said['days']:,} days counted in {said['seconds']:.1f} s.{left}")
