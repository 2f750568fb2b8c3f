"""Writes many rows fast and skips those already there: INSERT OR IGNORE on SQLite, COPY on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.models import Model

CHUNK = 20_000  # rows in one transaction: long enough to be fast, short enough to let others write


def insert(
    model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[Any]], advance: Callable[[int], object]
) -> None:
    """Insert rows of database-ready values (see `moment` and `key`), a transaction for each 20,000."""
    write = {"sqlite": _ignore, "postgresql": _copy}.get(connection.vendor)
    if write is None:
        raise CommandError(f"load_demo writes SQLite and PostgreSQL; the database is {connection.vendor}.")
    quote = connection.ops.quote_name
    columns = ", ".join(quote(model._meta.get_field(name).column) for name in fields)  # type: ignore[union-attr, arg-type]
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        with transaction.atomic(), connection.cursor() as cursor:
            write(cursor, quote(model._meta.db_table), columns, chunk)
        advance(len(chunk))


def moment(at: datetime) -> Any:
    """A naive UTC moment as the database's driver takes it."""
    return connection.ops.adapt_datetimefield_value(at.replace(tzinfo=UTC))


def key(value: Any) -> str:
    """A UUID as the database stores it."""
    return str(value) if connection.features.has_native_uuid_field else value.hex


def start_numbers_after(model: type[Model], last: int) -> None:
    """Let the automatic key of a table go on behind `last`, so that new rows never meet loaded ones."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = %s", [last, table])
        else:
            cursor.execute(
                "SELECT setval(s, greatest(nextval(s), %s)) FROM pg_get_serial_sequence(%s, 'id') AS s",
                [last, table],
            )


def _ignore(cursor: Any, table: str, columns: str, chunk: list[Sequence[Any]]) -> None:
    places = ", ".join(["%s"] * len(chunk[0]))
    cursor.executemany(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", chunk)  # noqa: S608


def _copy(cursor: Any, table: str, columns: str, chunk: list[Sequence[Any]]) -> None:
    cursor.execute(f"CREATE TEMP TABLE loading ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0")  # noqa: S608
    with cursor.copy(f"COPY loading ({columns}) FROM STDIN") as copy:
        for row in chunk:
            copy.write_row(row)
    cursor.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM loading ON CONFLICT DO NOTHING"  # noqa: S608
    )
