"""Impressions: what was shown, stored in one insert, under slate ids that cannot be made up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.core import signing
from django.db import DatabaseError, connections, router, transaction
from django.db.models import Field
from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.subjects import known_subject
from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.models import Impression

SALT = "metarec.slate"
VERSION = "1"
SLATE_AGE = timedelta(days=30)  # a page may lie open in a tab for long; a click on it is still a click
MAX_TOKEN = 120
MOST_ROWS = 90  # of one statement: SQLite may be built to take no more than 999 values
WAITING = "_metarec_impressions"  # on the request: rows that are stored when the answer leaves

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    """One product of a slate: its key, its rank from 0, where it came from, and how likely it was to be there."""

    key: str
    rank: int
    source: str
    propensity: float = 1.0


def log_impressions(
    request_or_subject: HttpRequest | str,
    slate: str,
    placement: str,
    shown: Iterable[Shown],
    *,
    version: Any = None,
    variant: str = "",
) -> int:
    """Store what was shown and return how many rows. A request without "full" consent stores nothing.

    While SubjectMiddleware holds the request they wait for the other lists of the page, to be stored with them.
    """
    if isinstance(request_or_subject, str):
        subject = request_or_subject
    elif consent_of(request_or_subject) == "full":
        subject = known_subject(request_or_subject)
    else:
        return 0
    now = timezone.now()
    rows: Sequence[Impression] = [
        Impression(
            at=now,
            slate=slate,
            subject=subject,
            placement=placement,
            product=entry.key,
            rank=entry.rank,
            source=entry.source,
            propensity=entry.propensity,
            version=version,
            variant=variant,
        )
        for entry in shown
    ]
    waiting = None if isinstance(request_or_subject, str) else getattr(request_or_subject, WAITING, None)
    if waiting is None:
        _insert(rows)
    else:
        waiting.extend(rows)
    return len(rows)


def hold_impressions(request: HttpRequest) -> None:
    """Keep what is shown from here on with the request, until it is let go."""
    setattr(request, WAITING, [])


def forget_impressions(request: HttpRequest) -> None:
    """Drop what waits: whom it is about was erased in this very request, or nothing of it was shown."""
    if getattr(request, WAITING, None):
        hold_impressions(request)


def let_impressions_go(request: HttpRequest) -> None:
    """Store what waits, in one insert; from here on whatever is shown is stored at once.

    An error of the database is logged: the page is good without them.
    """
    rows = getattr(request, WAITING, None)
    setattr(request, WAITING, None)
    if not rows:
        return
    try:
        _insert(rows)
    except DatabaseError:
        log.exception("impressions not stored rows=%d", len(rows))


def _insert(rows: Sequence[Impression]) -> None:
    """What `bulk_create` does, at a fraction of its cost: of a few rows most is the ORM's and the driver's own work.

    All rows or none. One statement needs no transaction of its own; in one of the project's a failure undoes that.
    """
    alias = router.db_for_write(Impression)
    if len(rows) <= MOST_ROWS:
        with transaction.mark_for_rollback_on_error(using=alias):
            _insert_part(rows, connections[alias])
        return
    with transaction.atomic(using=alias, savepoint=False):
        for first in range(0, len(rows), MOST_ROWS):
            _insert_part(rows[first : first + MOST_ROWS], connections[alias])


def _insert_part(rows: Sequence[Impression], connection: Any) -> None:
    """One statement; what all its rows share goes into it once."""
    if not rows:
        return
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in _stored())
    values: dict[str, Any] = {}
    marks: list[list[str]] = []  # a column each
    for field in _stored():
        own, names = [getattr(row, field.attname) for row in rows], [field.attname]
        if own.count(own[0]) < len(own):
            names = [f"{field.attname}_{row}" for row in range(len(rows))]
        values |= {name: field.get_db_prep_save(value, connection) for name, value in zip(names, own)}
        column = [f"%({name})s" for name in names]
        marks.append(column if len(column) == len(rows) else column * len(rows))
    listed = ", ".join(f"({', '.join(row)})" for row in zip(*marks))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(Impression._meta.db_table)} ({columns}) VALUES {listed}",  # noqa: S608
            values,
        )


@cache
def _stored() -> list[Field[Any, Any]]:
    return [field for field in Impression._meta.concrete_fields if not field.primary_key]


def sign_slate(slate: str) -> str:
    """The token of a slate id: the id, a time and a signature."""
    return signing.TimestampSigner(salt=SALT).sign(f"{VERSION}.{slate}")


def read_slate(token: object) -> str:
    """The slate id of a token. Raises InvalidSignature if this site did not make it, or too long ago."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise InvalidSignature("A slate id must be the token that the page came with.")
    try:
        version, _, slate = signing.TimestampSigner(salt=SALT).unsign(token, max_age=SLATE_AGE).partition(".")
    except (signing.BadSignature, ValueError) as error:  # ValueError: text that cannot be encoded
        raise InvalidSignature("The slate id was not signed by this site, or too long ago.") from error
    if version != VERSION or not slate:
        raise InvalidSignature(f"The slate id has version {version!r}; this site reads {VERSION!r}.")
    return slate
