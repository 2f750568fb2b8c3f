"""`metarec_replay`: judge quarantined events again and store what is fit by now."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from metarec_plugin.collect.quarantine_replay import replay, waiting
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Event


class Command(BaseCommand):
    help = (
        "Judges the events in quarantine again. What is fit by now is stored under its own id and with the moment at "
        "which it came, once however often this runs; the rest waits on. See docs/import.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", help="such as unknown_product; default all")
        parser.add_argument("--source", default="", choices=[*Event.Source.values, ""], metavar="SOURCE",
                            help="beacon, api or import; default all")  # fmt: skip
        parser.add_argument(
            "--newer-than", type=float, metavar="DAYS", help="received less than so many days ago"
        )
        parser.add_argument(
            "--older-than", type=float, metavar="DAYS", help="received more than so many days ago"
        )
        parser.add_argument("--limit", type=int, help="so many events at most, the oldest first")
        parser.add_argument("--dry-run", action="store_true", help="judge each event and write nothing")
        parser.add_argument("--report", type=Path, metavar="OUT.json")

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        now = timezone.now()
        newer, older = (
            None if days is None else now - timedelta(days=days)
            for days in (options["newer_than"], options["older_than"])
        )
        rows = waiting(options["reason"], options["source"], newer, older)
        with tqdm(unit=" events", desc="replay", disable=verbosity < 1, file=self.stderr) as bar:
            try:
                counts = replay(
                    rows, limit=options["limit"], dry_run=options["dry_run"],
                    progress=lambda read: bar.update(read - bar.n),
                )  # fmt: skip
            except MetaRecError as error:
                raise CommandError(str(error)) from error
        if options["report"]:
            text = json.dumps(asdict(counts) | {"dry_run": options["dry_run"]}, indent=1)
            options["report"].write_text(text, encoding="utf-8")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{counts.read:,} events judged again: {counts.stored:,} {would}stored, {counts.known:,} known, "
            f"{sum(counts.refused.values()):,} wait on."
        )
        for reason, events in sorted(counts.refused.items()):
            self.stdout.write(f"  {reason}: {events:,}")
