"""Cursors: all that the next part of a list must know, signed and packed, so that the server keeps nothing of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.core import signing

from metarec_plugin.api.v1.problems import Problem, invalid, not_found

SALT = "metarec.api.cursor"
VERSION = 1
CURSOR_AGE = timedelta(hours=1)
MOST_SHOWN = 500


@dataclass(frozen=True)
class Cursor:
    """A list that goes on. shown: the keys given so far, which are not given again."""

    placement: str
    size: int | None
    context: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    filters: tuple[dict[str, Any], ...] = ()
    shown: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def room(self) -> int:
        return MOST_SHOWN - len(self.shown)


def write_cursor(cursor: Cursor, subject: str) -> str:
    whose = _mark(subject)
    return signing.dumps([VERSION, whose, asdict(cursor)], salt=SALT, compress=True)


def read_cursor(token: str, subject: str) -> Cursor:
    """Read a cursor. Another shopper's is not found; one that was made for nobody in particular is anybody's."""
    try:
        version, whose, packed = signing.loads(token, salt=SALT, max_age=CURSOR_AGE)
    except signing.SignatureExpired as error:
        raise Problem(410, "expired", "The cursor is too old; start the list anew.") from error
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise invalid("/cursor", "The cursor was not made by this site.") from error
    if version != VERSION:
        raise Problem(410, "expired", "The cursor is of an older version; start the list anew.")
    if whose not in ("", _mark(subject)):
        raise not_found("There is no such list.")
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in packed.items()
    }
    return Cursor(**fields)


def _mark(subject: str) -> str:
    return sha256(f"{SALT}:{subject}".encode()).hexdigest()[:24] if subject else ""
