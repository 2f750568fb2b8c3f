"""Read the shop's own event log into a table, past the ORM: a million rows take seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from django.db import connections, router

from metarec_plugin.models import Event
from metarec_plugin.preprocess.returns import RETURNED

CHUNK = 50_000
_TYPES = {
    "id": pl.Int64,
    "subject": pl.String,
    "kind": pl.String,
    "product": pl.String,
    "value": pl.Float64,
    "quantity": pl.Int64,
    "price": pl.Float64,
    "order": pl.String,
    "event_id": pl.String,
}
COLUMNS = ("id", "subject", "kind", "product", "quantity", "price", "at")


def read_log(
    kinds: Collection[str] | None = None,
    columns: Collection[str] = COLUMNS,
    returns: bool = False,
    since: datetime | None = None,
) -> pl.DataFrame:
    """Return the events of these kinds, all where None, in the order they were stored.

    `at` is naive UTC; `taken` is how much of the quantity later events took back that name the event. returns: with
    the events of that kind that name none; since: only what happened from that moment on.
    """
    connection = connections[router.db_for_read(Event)]
    where, arguments = _of_kinds(connection, kinds)
    if where and returns:
        where += (
            f" OR ({connection.ops.quote_name('kind')} = %s AND {connection.ops.quote_name('reverses')} = '')"
        )
        arguments = [*arguments, *RETURNED]
    if since is not None:
        later = f"{connection.ops.quote_name('at')} >= %s"
        where = f"WHERE ({where.removeprefix('WHERE ')}) AND {later}" if where else f"WHERE {later}"
        arguments = [*arguments, connection.ops.adapt_datetimefield_value(since)]
    names = ", ".join(_select(connection, name) for name in columns)
    table = connection.ops.quote_name(Event._meta.db_table)
    # Only names of our own columns are formatted into the statement.
    statement = f"SELECT {names} FROM {table} {where} ORDER BY id"  # noqa: S608
    parts = [_frame(rows, columns) for rows in _chunks(connection, statement, arguments)]
    events = pl.concat(parts) if parts else _frame([], columns)
    if "id" in columns:
        events = events.with_columns(taken=_taken(connection, events["id"].to_numpy()))
    return events


def _chunks(connection: Any, statement: str, arguments: list[Any]) -> Iterator[list[tuple[Any, ...]]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, arguments)
        while rows := cursor.fetchmany(CHUNK):
            yield rows


def _of_kinds(connection: Any, kinds: Collection[str] | None) -> tuple[str, list[Any]]:
    if kinds is None:
        return "", []
    marks = ", ".join(["%s"] * len(kinds)) or "NULL"
    return f"WHERE {connection.ops.quote_name('kind')} IN ({marks})", list(kinds)


def _select(connection: Any, name: str) -> str:
    column = connection.ops.quote_name(Event._meta.get_field(name).column)  # type: ignore[union-attr]
    if name == "at" and connection.vendor == "sqlite":
        return f"{column} || ''"  # as text: the driver would parse each moment in Python
    if name == "at" and connection.vendor == "postgresql":
        return f"(EXTRACT(EPOCH FROM {column}) * 1000000)::bigint"
    return f"{column}"


def _frame(rows: list[tuple[Any, ...]], columns: Collection[str]) -> pl.DataFrame:
    values = list(zip(*rows)) if rows else [() for _ in columns]
    return pl.DataFrame(
        [
            _moments(column) if name == "at" else pl.Series(name, column, dtype=_TYPES[name], strict=False)
            for name, column in zip(columns, values)
        ]
    )


def _moments(values: tuple[Any, ...]) -> pl.Series:
    """Text of SQLite, microseconds of PostgreSQL or datetimes of any other database, to naive UTC."""
    if values and isinstance(values[0], str):
        text = pl.Series("at", values, dtype=pl.String)
        return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    if values and isinstance(values[0], datetime):
        values = tuple(v.astimezone(UTC).replace(tzinfo=None) if v.tzinfo else v for v in values)
        return pl.Series("at", values, dtype=pl.Datetime("us"))
    return pl.Series("at", values, dtype=pl.Int64).cast(pl.Datetime("us"))


def _taken(connection: Any, ids: np.ndarray) -> pl.Series:
    """Return (n,) how much of the events with these ids, ascending, later ones took back that name them."""
    table = connection.ops.quote_name(Event._meta.db_table)
    statement = (
        f"SELECT e.id, r.quantity FROM {table} e JOIN (SELECT reverses, SUM(ABS(quantity)) AS quantity FROM {table} "  # noqa: S608
        "WHERE reverses <> '' GROUP BY reverses) r ON r.reverses = e.event_id"
    )
    taken = np.zeros(len(ids))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    if rows and len(ids):
        named, quantities = (np.array(column, dtype=np.float64) for column in zip(*rows))
        places = np.minimum(np.searchsorted(ids, named), len(ids) - 1)
        here = ids[places] == named
        taken[places[here]] = quantities[here]
    return pl.Series(taken)
