"""Sums of the tables by day in plain SQL: building them by the ORM takes longer than the database needs to answer.

They are by day, whatever the span shows: no database has to count in weeks, and none is slow at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connections, router
from django.db.models import Model

from metarec_plugin.feedback.board import OUTCOMES
from metarec_plugin.feedback.span import Span
from metarec_plugin.models import AnswerDay, EventDay, PlacementDay

OF_OUTCOMES = tuple(f"{outcome}{part}" for outcome in OUTCOMES for part in ("", "_sq", "_slates"))
BY_DAY, BEFORE, BY_PLACEMENT = range(3)
OF_LISTS = ("subjects", "slates", "slates_sq", *OF_OUTCOMES)


def event_sums(first: date, last: date) -> Sequence[tuple[Any, ...]]:
    """(day, kind, refused, events, unseen) of the days."""
    sql = "SELECT day, kind, refused, SUM(events), SUM(unseen) FROM {t} WHERE day >= %s AND day <= %s GROUP BY 1, 2, 3"
    return _rows(EventDay, sql, [first, last])


def list_sums(span: Span) -> Sequence[tuple[Any, ...]]:
    """(day, part, placement, variant, most distinct products of a day, sums of OF_LISTS).

    BY_DAY: of the days of the span and of those that are compared, without a placement. BEFORE: one row of the days
    before these; its day is the first of which lists were counted. BY_PLACEMENT: and variant, of the span.
    """
    sums = ", ".join(f"SUM({name})" for name in OF_LISTS)
    sql = (
        f"SELECT day, {BY_DAY}, NULL, NULL, MAX(products), {sums} FROM {{t}} "  # noqa: S608  (names of columns)
        "WHERE day >= %s AND day <= %s GROUP BY day UNION ALL "
        f"SELECT (SELECT MIN(day) FROM {{t}} WHERE slates > 0), {BEFORE}, NULL, NULL, MAX(products), {sums} FROM {{t}} "
        "WHERE day >= %s AND day < %s UNION ALL "
        f"SELECT NULL, {BY_PLACEMENT}, placement, variant, MAX(products), {sums} FROM {{t}} "
        "WHERE day >= %s AND day <= %s GROUP BY 3, 4"
    )
    days = [min(span.since, span.whole), span.until, span.before, span.whole, span.since, span.until]
    found = _rows(PlacementDay, sql, days)
    return [(_day(day), *rest) for day, *rest in found]


def answer_sums(span: Span) -> Sequence[tuple[Any, ...]]:
    """(day, placement, stage, ms, lists, failed) twice: by day, stage and ms; by placement and stage, without a day.

    What a row is not told apart by is None; failed is summed by placement alone.
    """
    where = "FROM {t} WHERE day >= %s AND day <= %s"
    sql = (
        f"SELECT day, NULL, stage, ms, SUM(answers), 0 {where} GROUP BY day, stage, ms UNION ALL "
        f"SELECT NULL, placement, stage, NULL, SUM(answers), SUM(failed) {where} GROUP BY placement, stage"
    )
    return [(_day(day), *rest) for day, *rest in _rows(AnswerDay, sql, 2 * [span.since, span.until])]


def _day(found: Any) -> date | None:
    """A day as the database gives it: some do not know that a column of a union is one."""
    return date.fromisoformat(found) if isinstance(found, str) else found


def _rows(model: type[Model], sql: str, days: Sequence[date]) -> Sequence[tuple[Any, ...]]:
    connection = connections[router.db_for_read(model)]
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(sql.format(t=table), [connection.ops.adapt_datefield_value(day) for day in days])
        return cursor.fetchall()
