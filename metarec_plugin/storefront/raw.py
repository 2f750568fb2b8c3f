"""Streams a `values_list` past Django's slow conversions: on SQLite most of a long read is spent in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import DecimalField, QuerySet

from metarec_plugin.storefront.rows import CHUNK, InteractionRow

Convert = Callable[[Any], Any]


def raw_stream(queryset: QuerySet[Any, Any], *, text_moments: bool) -> Iterator[InteractionRow]:
    """Yield the rows of `interaction_queryset()`, with UUIDs as text.

    text_moments: leave datetimes as the text that SQLite holds, which the same database takes back as it is.
    """
    connection: Any = connections[queryset.db]
    if connection.vendor != "sqlite":  # elsewhere the driver converts, in C
        yield from map(InteractionRow._make, queryset.iterator(chunk_size=CHUNK))
        return
    compiler = queryset.query.get_compiler(queryset.db)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return
    django_converters = compiler.get_converters(expression for expression, *_ in compiler.select)
    converters = {
        column: _converter(connection, functions, expression, text_moments)
        for column, (functions, expression) in django_converters.items()
    }
    active = [(column, convert) for column, convert in converters.items() if convert is not None]
    with _spooled(connection, sql, params) as read:
        while rows := read():
            for row in rows:
                values = list(row)
                for column, convert in active:
                    if values[column] is not None:
                        values[column] = convert(values[column])
                yield InteractionRow._make(values)


@contextmanager
def _spooled(connection: Any, sql: str, params: Any) -> Iterator[Callable[[], list[Any]]]:
    """Copy a query's answer into a temporary table, and yield a function that reads the next CHUNK rows of it.

    A statement that stays open would keep SQLite from moving written pages out of its log while the reader
    writes what it reads: measured, 2 GB of log for 1.5 million rows. It would also be given moments parsed,
    since the driver goes by the column's declared type, which a copy has not.
    """
    name = connection.ops.quote_name(f"metarec_spool_{uuid4().hex}")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} AS {sql}", params)
        done = 0

        def read() -> list[Any]:
            nonlocal done
            cursor.execute(
                f"SELECT * FROM {name} WHERE rowid > %s AND rowid <= %s",  # noqa: S608 (the name is ours)
                [done, done + CHUNK],
            )
            done += CHUNK
            return cursor.fetchall()

        try:
            yield read
        finally:
            cursor.execute(f"DROP TABLE {name}")


def _converter(connection: Any, functions: list[Any], expression: Any, text_moments: bool) -> Convert | None:
    if functions == [connection.ops.convert_uuidfield_value]:
        return _dashed
    if functions == [connection.ops.convert_datetimefield_value] and text_moments:
        return None
    if len(functions) == 1 and type(expression.output_field) is DecimalField:
        return None  # a float, or an int, whose digits are those of the decimal

    def convert(value: Any) -> Any:
        for function in functions:
            value = function(value, expression, connection)
        return value

    return convert


def _dashed(text: str) -> str:
    """`str()` of the UUID that SQLite keeps as 32 hex digits."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
