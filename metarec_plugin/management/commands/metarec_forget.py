"""`metarec_forget`: erase what is known of a subject and print the receipt."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metarec_plugin.collect.erasing import forget_subjects
from metarec_plugin.collect.events import SUBJECT
from metarec_plugin.models import ErasureReceipt


class Command(BaseCommand):
    help = (
        "Erases every event, impression and prepared list of a subject, and prints a receipt as JSON: its id, how many "
        "rows of each table went, and which model versions may have learned of them. The shop's own rows stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("subject", nargs="?", help='"user:<key>" or "visitor:<id>"')
        who.add_argument("--user", metavar="KEY", help="the key of a user of the shop")
        who.add_argument("--visitor", metavar="ID", help="the id of a visitor without an account")

    def handle(
        self, *args: Any, subject: str | None, user: str | None, visitor: str | None, **options: Any
    ) -> None:
        named = subject or (f"user:{user}" if user else f"visitor:{visitor}")
        if not SUBJECT.fullmatch(named):
            raise CommandError(f'A subject is "user:<key>" or "visitor:<id>"; found {named!r}.')
        receipt = forget_subjects([named], ErasureReceipt.By.COMMAND)
        told = {
            "receipt": str(receipt.pk),
            "at": receipt.at.isoformat(),
            "subjects": receipt.subjects,
            "deleted": receipt.deleted,
            "versions": receipt.versions,
            "runs": receipt.runs,
        }
        self.stdout.write(json.dumps(told, indent=2))
