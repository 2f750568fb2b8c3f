"""Write each consenting user's recommendations to a file, or send them, once each, however often it is stopped."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.collect.consent import email_consent
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.serve.email import PLACEMENT, Email, consenting_users, email_for, note_sent, site_url
from metarec_plugin.storefront import get_storefront

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Command(BaseCommand):
    help = "Recommendations by e-mail, for the users that METAREC['EMAIL_CONSENT'] says True of."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--placement", default=PLACEMENT)
        parser.add_argument("-k", type=int, help="products in each; by default the placement's size")
        parser.add_argument(
            "--campaign", help="its name, for --send: a second run of one goes on where it stopped"
        )
        parser.add_argument("--language", default="", help="of the words around the products")
        parser.add_argument("--limit", type=int, help="at most so many e-mails now")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(
            "--to-file", metavar="DIR", type=Path, help="write .html and .txt, and send nothing"
        )
        where.add_argument("--send", action="store_true", help="send by Django's EMAIL_BACKEND")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["send"] and not _NAME.fullmatch(options["campaign"] or ""):
            raise CommandError(
                "--send needs --campaign NAME (letters, digits, - and _): who had it gets it once."
            )
        try:
            site_url()
            if email_consent() is None:
                self.stdout.write("METAREC['EMAIL_CONSENT'] is not set: nobody allowed to be written to.")
                return
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        progress = Progress(options["campaign"]) if options["send"] else None
        done = empty = 0
        connection = get_connection() if progress else None
        for user in consenting_users(progress.after() if progress else None):
            if options["limit"] is not None and done >= options["limit"]:
                break
            folder = options["to_file"]
            if folder is not None and _paths(folder, user.pk)[1].exists():
                continue  # written by a run before this one
            email = email_for(user, options["placement"], options["k"], options["language"])
            if progress:
                # Before it is sent: a run that dies here leaves one out rather than send one twice.
                progress.note(user.pk)
            if email is None:
                empty += 1
                continue
            if folder is not None:
                _write(folder, user.pk, email)
            else:
                _send(email, connection)
            note_sent(email)
            done += 1
        self.stdout.write(
            f"{done:,} e-mails {'sent' if progress else 'written'}; {empty:,} users had no list."
        )


class Progress:
    """How far a campaign came: the key of the last user, in a small file beside the bundles."""

    def __init__(self, campaign: str) -> None:
        self._path = Path(get_config().artifacts) / "email" / f"{campaign}.after"

    def after(self) -> Any:
        if not self._path.exists():
            return None
        return get_storefront().user_model._meta.pk.to_python(self._path.read_text("utf-8").strip())

    def note(self, pk: Any) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{pk}\n", "utf-8")
        fresh.replace(self._path)


def _paths(folder: Path, pk: Any) -> tuple[Path, Path]:
    name = quote(str(pk), safe="")  # a key may be any text
    return folder / f"{name}.html", folder / f"{name}.txt"


def _write(folder: Path, pk: Any, email: Email) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    html, text = _paths(folder, pk)
    html.write_text(email.html, "utf-8")
    text.write_text(f"{email.subject}\n\n{email.text}", "utf-8")  # last: it says that all is there


def _send(email: Email, connection: Any) -> None:
    message = EmailMultiAlternatives(email.subject, email.text, to=[email.to], connection=connection)
    message.attach_alternative(email.html, "text/html")
    message.send()
