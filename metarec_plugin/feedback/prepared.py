"""Queries that are written into SQL once: writing takes the ORM longer than a database needs to answer them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections, router
from django.db.models import Model, QuerySet


class _Made(threading.local):
    """By thread, as a connection is of one."""

    def __init__(self) -> None:
        self.compilers: dict[Callable[[], QuerySet[Any, Any]], tuple[Any, str, Any]] = {}


_made = _Made()


def rows_of(model: type[Model], query: Callable[[], QuerySet[Any, Any]]) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a query by `values_list`, in the order of its SQL: columns first, annotations after them.

    What is asked is kept, never what is found; so a query must be the same each time, without a moment or a person.
    """
    connection = connections[router.db_for_read(model)]
    compiler, sql, params = _made.compilers.get(query) or (None, "", ())
    if compiler is None or compiler.connection is not connection:
        compiler = query().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        _made.compilers[query] = compiler, sql, params
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return compiler.results_iter([cursor.fetchall()], tuple_expected=True)
