"""`manage.py metarec_api_key`: make, list, rotate and revoke publishable keys of the REST API."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.models import ApiKey
from metarec_plugin.models.api_key import DEFAULT_SCOPES, SCOPES, is_origin
from metarec_plugin.rates import is_rate


class Command(BaseCommand):
    help = "Make, list, rotate and revoke publishable keys of the REST API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|rotate|revoke")
        create = actions.add_parser("create", help="make a key and print it, this once")
        create.add_argument("name", help="what it is for")
        create.add_argument(
            "--scope", action="append", help=f"one of {', '.join(SCOPES)}; may be given often"
        )
        create.add_argument("--origin", action="append", default=[], help="a site whose pages may use it")
        create.add_argument("--rate", default="", help='of all who use it together, such as "600/min"')
        actions.add_parser("list", help="list the keys by the part that is no secret")
        rotate = actions.add_parser("rotate", help="make the key that takes another's place")
        rotate.add_argument("prefix", help="the first part of the old key, pk_ and eight digits")
        rotate.add_argument("--hours", type=float, default=24 * 7, help="that the old one still works; 168")
        revoke = actions.add_parser("revoke", help="let a key work no more, at once")
        revoke.add_argument("prefix", help="its first part")

    def handle(self, *, action: str, **options: Any) -> None:
        {"create": self._create, "list": self._list, "rotate": self._rotate, "revoke": self._revoke}[action](
            options
        )

    def _create(self, options: dict[str, Any]) -> None:
        scopes = options["scope"] or list(DEFAULT_SCOPES)
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown:
            raise CommandError(f"There is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}.")
        for origin in options["origin"]:
            if not is_origin(origin):
                raise CommandError(f'An origin is like "https://pages.example"; found {origin!r}.')
        if options["rate"] and not is_rate(options["rate"]):
            raise CommandError(f'A rate is like "600/min"; found {options["rate"]!r}.')
        row, key = ApiKey.issue(
            options["name"], scopes=scopes, origins=options["origin"], rate=options["rate"]
        )
        self._show(row, key)

    def _rotate(self, options: dict[str, Any]) -> None:
        old = self._find(options["prefix"])
        row, key = old.rotate(timedelta(hours=options["hours"]))
        self._show(row, key)
        self.stdout.write(f"{old.prefix} works until {old.expires_at:%Y-%m-%d %H:%M} UTC.")

    def _revoke(self, options: dict[str, Any]) -> None:
        row = self._find(options["prefix"])
        row.revoke()
        self.stdout.write(f"{row.prefix} works no more.")

    def _list(self, options: dict[str, Any]) -> None:
        for row in ApiKey.objects.select_related("replaced_by"):
            state = "works" if row.works else "revoked" if not row.active else "expired"
            after = f", replaced by {row.replaced_by.prefix}" if row.replaced_by else ""
            self.stdout.write(
                f"{row.prefix}  {row.name}  {state}{after}  scopes {','.join(row.scopes)}  "
                f"origins {','.join(row.origins) or 'none'}  rate {row.rate or 'none'}  "
                f"last used {row.last_used or 'never'}"
            )

    def _find(self, prefix: str) -> ApiKey:
        row = ApiKey.objects.filter(prefix=prefix).first()
        if row is None:
            raise CommandError(f"There is no key {prefix!r}; `metarec_api_key list` lists them.")
        return row

    def _show(self, row: ApiKey, key: str) -> None:
        self.stdout.write(f"{row.name}: {key}\nIt is not stored and cannot be shown again.")
