"""What one subject's newest events say, in one plain query: nearly always all that a list must know of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from django.db import connections, router

from metarec_plugin.collect.opinions import Told, disliked_of, not_support
from metarec_plugin.models import Event

RECENT_PER_PRODUCT = 4  # newest events read for each product that is wanted


class Newest(NamedTuple):
    """None where older events must be asked too.

    products: keys of the support, the oldest first. disliked: keys.
    """

    products: tuple[str, ...] | None
    disliked: frozenset[str] | None


def newest_of(subject: str, window: int) -> Newest:
    """Read the last `window` distinct products of a subject's support and the dislikes.

    The query is compiled once: building it by the ORM costs more than PostgreSQL takes to answer it.
    """
    most = RECENT_PER_PRODUCT * window
    alias = router.db_for_read(Event)
    with connections[alias].cursor() as cursor:
        cursor.execute(_sql(alias, most), [subject])
        rows = [Told(*row) for row in cursor.fetchall()]
    whole, unfit = len(rows) < most, not_support()
    newest_first = list(dict.fromkeys(row.product for row in rows if row.product and row.kind not in unfit))
    enough = whole or len(newest_first) >= window
    return Newest(
        tuple(newest_first[:window][::-1]) if enough else None,
        disliked_of(reversed(rows)) if whole else None,
    )


@lru_cache(maxsize=16)
def _sql(alias: str, most: int) -> str:
    rows = Event.objects.using(alias).filter(subject="").order_by("-at", "-id").values_list(*Told._fields)
    sql, _ = rows[:most].query.get_compiler(alias).as_sql()  # the subject is its only parameter
    return str(sql)
