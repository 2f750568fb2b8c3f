"""Streams a `values_list` past Django's slow conversions: on SQLite most of a long read is spent in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(CHUNK):
            for row in rows:
                values = list(row)
                for column, convert in active:
                    if values[column] is not None:
                        values[column] = convert(values[column])
                yield InteractionRow._make(values)


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
