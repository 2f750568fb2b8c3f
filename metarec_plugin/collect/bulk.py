"""Inserts events in bulk, past the ORM, leaving those whose id is known as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from django.db import connections, router, transaction
from django.utils import timezone

from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.events import store
from metarec_plugin.collect.interactions import COLUMNS
from metarec_plugin.models import Event

# Every other column of the table but its own key: the database has no defaults for them.
DEFAULTS: Final = {
    "query": "", "received_at": None, "slate": "", "position": None, "source": "", "context": "{}", "reverses": "",
}  # fmt: skip
ID: Final = 0
SUBJECT, AT = COLUMNS.index("subject"), COLUMNS.index("at")


class EventWriter:
    """Writes chunks of tuples, each in a transaction of its own, to the database of the event log.

    columns: what the tuples are of, COLUMNS first; the others are as an event has them that says nothing of them.
    """

    def __init__(self, source: str, columns: Sequence[str] = COLUMNS) -> None:
        self._connection: Any = connections[router.db_for_write(Event)]
        self._source = source
        quote: Callable[[Any], str] = self._connection.ops.quote_name
        self._table = quote(Event._meta.db_table)
        self._given = columns
        self._defaults = {name: value for name, value in DEFAULTS.items() if name not in columns}
        every = (*columns, *self._defaults)
        names = [Event._meta.get_field(name).column for name in every]  # type: ignore[union-attr]
        self._columns = ", ".join(quote(name) for name in names)

    def takes_text_from(self, alias: str) -> bool:
        """Whether a moment may be written as the text that this database keeps it as."""
        return self._connection.vendor == "sqlite" and self._connection.alias == alias

    def write(self, chunk: Sequence[tuple[Any, ...]]) -> int:
        """Insert the events that are neither known nor erased; returns how many those were."""
        with transaction.atomic(using=self._connection.alias), self._connection.cursor() as cursor:
            if erased := erased_among([values[ID] for values in chunk], self._connection.alias):
                chunk = [values for values in chunk if values[ID] not in erased]
            if self._connection.vendor == "sqlite":
                return self._insert(cursor, chunk)
            if self._connection.vendor == "postgresql" and hasattr(cursor.cursor, "copy"):
                return self._copy(cursor, chunk)
        made = [Event(**dict(zip(self._given, values)), source=self._source) for values in chunk]
        return len(store(made, announce=False))  # as the others do not, on whatever database

    def _extra(self, received_at: Any) -> tuple[Any, ...]:
        return tuple((self._defaults | {"received_at": received_at, "source": self._source}).values())

    def _insert(self, cursor: Any, chunk: Sequence[tuple[Any, ...]]) -> int:
        adapt = self._connection.ops.adapt_datetimefield_value
        in_utc = self._connection.timezone is UTC
        extra = self._extra(adapt(timezone.now()))
        marks = ", ".join("?" * (len(self._given) + len(self._defaults)))

        def moment(at: Any) -> Any:
            if not isinstance(at, datetime):
                return at
            # What adapting comes to where nothing has to be converted: the text without its "+00:00".
            return str(at)[:-6] if in_utc and at.tzinfo is UTC else adapt(at)

        raw = self._connection.connection
        before = raw.total_changes
        first = {values[ID]: values for values in reversed(chunk)}  # of an id the first counts
        # Straight to the driver: Django's cursor would look for its own placeholders in each row. By subject, so that
        # what lies together in an index is written together.
        raw.executemany(
            f"INSERT OR IGNORE INTO {self._table} ({self._columns}) VALUES ({marks})",  # noqa: S608
            (
                (*values[:AT], moment(values[AT]), *values[AT + 1 :], *extra)
                for values in sorted(first.values(), key=itemgetter(SUBJECT))
            ),
        )
        return raw.total_changes - before

    def _copy(self, cursor: Any, chunk: Sequence[tuple[Any, ...]]) -> int:
        extra = self._extra(timezone.now())
        cursor.execute(
            f"CREATE TEMPORARY TABLE metarec_incoming AS SELECT {self._columns} FROM {self._table} WITH NO DATA"  # noqa: S608
        )
        with cursor.copy(f"COPY metarec_incoming ({self._columns}) FROM STDIN") as copy:
            for values in chunk:
                copy.write_row(values + extra)
        cursor.execute(
            f"INSERT INTO {self._table} ({self._columns}) SELECT {self._columns} FROM metarec_incoming "  # noqa: S608
            "ON CONFLICT (event_id) DO NOTHING"
        )
        inserted = cursor.rowcount
        cursor.execute("DROP TABLE metarec_incoming")
        return inserted
