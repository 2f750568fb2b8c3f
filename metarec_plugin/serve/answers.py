"""Counts what `recommend()` answers, in the process's memory; once a minute the counts go into AnswerDay.

What a process counted since it last wrote goes with it. Nothing is written as it ends: which database is meant cannot
be known by then, and after a test run it is the shop's own.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections import Counter
from datetime import date
from typing import Any

from django.db import Error, router, transaction
from django.db.models import Case, F, IntegerField, Value, When
from django.utils import timezone

from metarec_plugin.collect.days import day_of, whole_day
from metarec_plugin.models import AnswerDay
from metarec_plugin.serve.slate import Slate

log = logging.getLogger(__name__)
BUCKETS = (
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    10_000,
)  # ms, at most; the last holds what took longer, too
EVERY = 60.0  # seconds from a count to the next writing
MAX_NAME = 40
Key = tuple[date, str, str, int]  # day, placement, stage, bucket


class Answers:
    """The counts of one process. Threads add to them; one of them writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[Key] = Counter()
        self._failed: Counter[Key] = Counter()
        self._due: float | None = None  # time.monotonic() of the next writing; None: nothing was counted yet
        self._day, self._day_ends = date.min, 0.0

    def add(self, slate: Slate, seconds: float) -> None:
        """Count one list. When it is time, write: after the commit, where the page is in a transaction."""
        bucket = BUCKETS[min(bisect_left(BUCKETS, 1e3 * seconds), len(BUCKETS) - 1)]
        now = time.monotonic()
        with self._lock:
            key = (self._today(), _name(slate.placement), slate.stage, bucket)
            self._answers[key] += 1
            if slate.problem:
                self._failed[key] += 1
            if self._due is None:
                self._due = now + EVERY
            is_due = now >= self._due
            if is_due:
                self._due = now + EVERY
        if not is_due:
            return
        try:
            transaction.on_commit(self.flush, using=router.db_for_write(AnswerDay), robust=True)
        except Error:
            log.exception("counts of lists not written, kept for later")

    def flush(self) -> None:
        """Add the counts to the rows of their days. An error of the database is logged: they are kept."""
        with self._lock:
            answers, failed = self._answers, self._failed
            self._answers, self._failed = Counter(), Counter()
        if not answers:
            return
        try:
            _write(answers, failed)
        except Error:
            log.exception("counts of lists not written, kept for later lists=%d", answers.total())
            with self._lock:
                self._answers.update(answers)
                self._failed.update(failed)

    def _today(self) -> date:
        """Asked for at each list, and looked up once a day."""
        if time.time() >= self._day_ends:
            self._day = day_of(timezone.now())
            self._day_ends = whole_day(self._day, self._day).end.timestamp()
        return self._day


def _write(answers: Counter[Key], failed: Counter[Key]) -> None:
    """A handful of statements, however many counts; rows are locked in one order in all processes."""
    using = router.db_for_write(AnswerDay)
    rows = AnswerDay.objects.using(using)
    with transaction.atomic(using=using):
        known = rows.filter(day__in={key[0] for key in answers}).values_list(
            "day", "placement", "stage", "ms"
        )
        missing = sorted(answers.keys() - set(known))
        rows.bulk_create([AnswerDay(**_named(key)) for key in missing], ignore_conflicts=True)
        locked = rows.select_for_update().filter(day__in={key[0] for key in answers}).order_by("pk")
        pks = {(row.day, row.placement, row.stage, row.ms): row.pk for row in locked}
        rows.filter(pk__in=[pks[key] for key in answers]).update(
            answers=F("answers") + _by_row(answers, pks), failed=F("failed") + _by_row(failed, pks)
        )


def _name(placement: object) -> str:
    """A page may ask for whatever it likes, also for what no database stores."""
    return str(placement).replace("\0", "")[:MAX_NAME]


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(("day", "placement", "stage", "ms"), key))


def _by_row(counts: Counter[Key], pks: dict[Key, int]) -> Case:
    whens = [When(pk=pks[key], then=Value(n)) for key, n in counts.items()]
    return Case(*whens, default=Value(0), output_field=IntegerField())


_answers = Answers()


def count_answer(slate: Slate, began: float) -> None:
    """Count a list that was begun at this time.perf_counter()."""
    _answers.add(slate, time.perf_counter() - began)
