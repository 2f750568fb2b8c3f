"""Sums of the tables by day in plain SQL: building them by the ORM takes longer than the database needs to answer.

Each block of the span is a number in the rows that come back, so no database has to count in weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connections, router
from django.db.models import Model

from metarec_plugin.feedback.board import OUTCOMES, Span
from metarec_plugin.models import AnswerDay, EventDay, PlacementDay

BEFORE = -1  # the number of all days before the span
OF_OUTCOMES = tuple(f"{outcome}{part}" for outcome in OUTCOMES for part in ("", "_sq", "_slates"))
OF_LISTS = ("impressions", "fallbacks", "subjects", "slates", "slates_sq", *OF_OUTCOMES)


def event_sums(first: date, last: date) -> Sequence[tuple[Any, ...]]:
    """(day, kind, refused, events, unseen) of the days."""
    sql = "SELECT day, kind, refused, SUM(events), SUM(unseen) FROM {t} WHERE day >= %s AND day <= %s GROUP BY 1, 2, 3"
    return _rows(EventDay, sql, [first, last])


def list_sums(span: Span) -> Sequence[tuple[Any, ...]]:
    """(block, placement, variant, most distinct products of a day, sums of OF_LISTS) twice.

    By block of the span, without a placement; and by placement and variant, where the block is 0, or BEFORE the span.
    """
    block, starts = _block(span)
    sums = ", ".join(f"SUM({name})" for name in OF_LISTS)
    sql = (
        f"SELECT {block}, NULL, NULL, MAX(products), {sums} FROM {{t}} "  # noqa: S608  (names of columns)
        "WHERE day >= %s AND day <= %s GROUP BY 1 UNION ALL "
        f"SELECT CASE WHEN day >= %s THEN 0 ELSE {BEFORE} END, placement, variant, MAX(products), {sums} FROM {{t}} "
        "WHERE day >= %s AND day <= %s GROUP BY 1, 2, 3"
    )
    return _rows(PlacementDay, sql, [*starts, span.since, span.until, span.since, span.before, span.until])


def answer_sums(span: Span) -> Sequence[tuple[Any, ...]]:
    """(block, placement, stage, ms, lists, failed) thrice: by block and ms, block and stage, placement and stage.

    What a row is not told apart by is None.
    """
    block, starts = _block(span)
    sums, where = "SUM(answers), SUM(failed)", "FROM {t} WHERE day >= %s AND day <= %s"
    sql = (
        f"SELECT {block}, NULL, NULL, ms, {sums} {where} GROUP BY 1, 4 UNION ALL "
        f"SELECT {block}, NULL, stage, NULL, {sums} {where} GROUP BY 1, 3 UNION ALL "
        f"SELECT NULL, placement, stage, NULL, {sums} {where} GROUP BY 2, 3"
    )
    days = [span.since, span.until]
    return _rows(AnswerDay, sql, [*starts, *days, *starts, *days, *days])


def _block(span: Span) -> tuple[str, list[date]]:
    """The number of the block that a day is in, as SQL, with the days that it asks for; the latest is asked first."""
    last = len(span.blocks) - 1
    whens = " ".join(f"WHEN day >= %s THEN {last - i}" for i in range(last + 1))
    return f"CASE {whens} ELSE {BEFORE} END", list(reversed(span.blocks))


def _rows(model: type[Model], sql: str, days: Sequence[date]) -> Sequence[tuple[Any, ...]]:
    connection = connections[router.db_for_read(model)]
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(sql.format(t=table), [connection.ops.adapt_datefield_value(day) for day in days])
        return cursor.fetchall()
