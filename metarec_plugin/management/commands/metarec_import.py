"""`metarec_import`: take in a file of events, products or users, and account for each of its rows."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from metarec_plugin.collect.importing import Account, run
from metarec_plugin.collect.importing_events import Reading
from metarec_plugin.collect.importing_files import DataFile, format_of
from metarec_plugin.collect.importing_tables import RowsTarget, mapped_path
from metarec_plugin.collect.importing_targets import EventsTarget, Target
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.storefront import get_storefront


class Command(BaseCommand):
    help = (
        "Imports a CSV, JSON Lines or Parquet file of events into the log, or of products or users into the mapped "
        "models. Running it again changes nothing; one that was interrupted goes on where it was. See docs/import.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, metavar="FILE", help=".csv, .tsv, .jsonl, .ndjson (also .gz), .parquet"
        )
        parser.add_argument("--of", choices=("events", "products", "users"), required=True)
        parser.add_argument(
            "--column", action="append", default=[], type=_pair, metavar="FIELD=COLUMN",
            help="the column that holds a field, where its name is another; repeat it for more",
        )  # fmt: skip
        parser.add_argument("--kind", default="", help="of events whose row names none, such as purchase")
        parser.add_argument("--format", choices=("csv", "jsonl", "parquet"), help="where the name tells none")
        parser.add_argument(
            "--encoding", default="utf-8-sig", help="such as gb18030 or cp1252; default UTF-8"
        )
        parser.add_argument("--separator", help="of a CSV; default a comma, a tab for .tsv")
        parser.add_argument("--decimal", choices=(".", ","), default=".", help="the sign before decimals")
        parser.add_argument(
            "--date-format",
            default="",
            help="unix, unix_ms or a pattern such as %%d/%%m/%%Y; default ISO 8601",
        )
        parser.add_argument("--time-zone", help="of moments that name none; default METAREC['TIME_ZONE']")
        parser.add_argument("--user-field", default="", help="that users are named by, such as email")
        parser.add_argument("--product-field", default="", help="that products are named by, such as sku")
        parser.add_argument(
            "--unknown-products", choices=("refuse", "keep"), default="refuse",
            help="what happens to events with products that the shop does not have",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="judge each row and write nothing")
        parser.add_argument("--restart", action="store_true", help="do not go on with an interrupted import")
        parser.add_argument(
            "--report", type=Path, metavar="OUT.json", help="the account, and each row refused"
        )

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        report: Path | None = options["report"]
        refused = report.with_suffix(".refused.jsonl") if report else None
        try:
            file, target, columns, described = _plan(options)
            with tqdm(
                total=100, bar_format="{desc}{percentage:3.0f}%|{bar:30}| {elapsed} {postfix}",
                disable=verbosity < 1, file=self.stderr,
            ) as bar:  # fmt: skip

                def progress(fraction: float, account: Account) -> None:
                    bar.n = round(100 * fraction)
                    bar.set_postfix_str(f"{account.read:,} rows")

                account = run(
                    file, target, columns, described=described, dry_run=options["dry_run"],
                    restart=options["restart"], refused_to=refused, progress=progress,
                )  # fmt: skip
        except (MetaRecError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(
                "Stopped. The same command goes on where it was.", returncode=130
            ) from interrupt
        if report:
            head = {"file": str(file.path), "of": options["of"], "dry_run": options["dry_run"]}
            head |= asdict(account) | {"refused_rows": str(refused)}
            report.write_text(json.dumps(head, indent=1), encoding="utf-8")
        self._say(account, options["dry_run"])

    def _say(self, account: Account, dry_run: bool) -> None:
        changed = f"{account.changed:,} changed, " if account.changed else ""
        self.stdout.write(
            f"{account.read:,} rows read: {account.stored:,} {'would be ' if dry_run else ''}stored, {changed}"
            f"{account.known:,} known, {sum(account.refused.values()):,} refused."
        )
        for reason, rows in sorted(account.refused.items()):
            self.stdout.write(f"  refused, {reason}: {rows:,}")
        if account.left_out:
            self.stdout.write(f"  {account.left_out:,} of them found no room in the quarantine.")
        if account.unlisted:
            self.stdout.write(
                f"  {account.unlisted:,} of them, refused before the import was interrupted, are not in this report."
            )


def _plan(options: dict[str, Any]) -> tuple[DataFile, Target, dict[str, str], dict[str, Any]]:
    path: Path = options["file"]
    file = DataFile(
        path,
        options["format"] or format_of(path),
        options["encoding"],
        options["separator"] or ("\t" if ".tsv" in path.suffixes else ","),
    )
    columns = dict(options["column"])
    reading = Reading(
        kind=options["kind"],
        date_format=options["date_format"],
        time_zone=options["time_zone"] or get_config().time_zone,
        decimal=options["decimal"],
        user_field=options["user_field"],
        product_field=options["product_field"],
        unknown_products=options["unknown_products"],
    )
    described = {"of": options["of"], "columns": columns, **asdict(reading)}
    if options["of"] == "events":
        return file, EventsTarget(reading), columns, described
    storefront = get_storefront()
    products = options["of"] == "products"
    declared = storefront.products if products else storefront.users
    model = storefront.product_model if products else storefront.user_model
    key = (reading.product_field if products else reading.user_field) or "pk"
    paths = {key: columns.pop("key", "key")}
    paths |= {mapped_path(declared, model, name): column for name, column in columns.items()}
    return file, RowsTarget(model, list(paths), reading.decimal), paths, described


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise ArgumentTypeError(f"{text!r} is not FIELD=COLUMN.")
    return name, column
