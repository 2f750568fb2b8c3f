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


def event_and_answer_sums(first: date, span: Span) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Events from the first day on: (day, kind, refused, None, events, unseen). And lists of the span: (day, placement,
    stage, ms, lists, failed) by day or block, stage and ms, and by placement and stage without a day.

    What a row is not told apart by is None; failed is summed by placement alone. It is one query of two tables, as
    asking takes longer than adding up.
    """
    where = "WHERE day >= %s AND day <= %s"
    # Where a database reckons in days at once, it hands back weeks: their first days.
    by_week = span.by_week and connections[router.db_for_read(AnswerDay)].vendor == "postgresql"
    start = "CAST(%s AS date) + (day - CAST(%s AS date)) / 7 * 7" if by_week else "day"
    sql = (
        f"SELECT 0, day, kind, refused, NULL, SUM(events), SUM(unseen) FROM {{e}} {where} GROUP BY day, kind, refused "  # noqa: S608
        f"UNION ALL SELECT 1, {start}, NULL, stage, ms, SUM(answers), 0 FROM {{t}} {where} GROUP BY 2, 4, 5 "
        "UNION ALL SELECT 1, NULL, placement, stage, NULL, SUM(answers), SUM(failed) "
        f"FROM {{t}} {where} GROUP BY placement, stage"
    )
    bounds = [span.since, span.until]
    days = [first, span.until, *([span.since] * 2 if by_week else []), *bounds, *bounds]
    found: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]] = ([], [])
    for table, day, *rest in _rows(AnswerDay, sql, days, e=EventDay):
        found[table].append((_day(day), *rest))
    return found


def _day(found: Any) -> date | None:
    """A day as the database gives it: some do not know that a column of a union is one."""
    return date.fromisoformat(found) if isinstance(found, str) else found


def _rows(
    model: type[Model], sql: str, days: Sequence[date], **others: type[Model]
) -> Sequence[tuple[Any, ...]]:
    connection = connections[router.db_for_read(model)]
    tables = {
        name: connection.ops.quote_name(each._meta.db_table) for name, each in {"t": model, **others}.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.format(**tables), [connection.ops.adapt_datefield_value(day) for day in days])
        return cursor.fetchall()
