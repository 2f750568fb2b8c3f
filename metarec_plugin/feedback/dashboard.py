"""Reads the board in five queries: none of them touches a big table but for its newest row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import add
from typing import Any

from django.utils import timezone

from metarec_plugin.collect.days import day_of
from metarec_plugin.collect.pulses import ROLLUP
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.asked import (
    PLACEMENT,
    asked_runs,
    asked_signs,
    asked_versions,
    newest_event,
)
from metarec_plugin.feedback.board import (
    OUTCOMES,
    Answers,
    Before,
    Board,
    EventRow,
    ListRow,
    Run,
    Sign,
    Version,
)
from metarec_plugin.feedback.day_sums import BEFORE, BY_PLACEMENT, event_and_answer_sums, list_sums
from metarec_plugin.feedback.prepared import rows_of
from metarec_plugin.feedback.ratios import Sums
from metarec_plugin.feedback.span import Span, span_of
from metarec_plugin.models import ModelVersion, Pulse, TrainingRun

USUAL_DAYS = 28  # whole days by which it is told how many events are usual


def read(days: int = 28, now: datetime | None = None) -> Board:
    """Return the board of the last so many days, today included, by the calendar of METAREC's time zone."""
    now = now or timezone.now()
    today = day_of(now)
    span = span_of(days, today)
    signs, placements, newest = _signs()
    rolled = ROLLUP in signs  # without a roll-up its tables have nothing to say
    first = min(span.since, today - timedelta(days=USUAL_DAYS))  # back to where what is usual begins
    events, answers = event_and_answer_sums(first, span)
    counted = _events(events) if rolled else {}
    lists = _lists(span) if rolled else {}
    served, previous, waiting = _versions()
    made = day_of(served.created) if served else today
    return Board(
        now=now, span=span, newest=newest, signs=signs, placements=placements,
        events=_by_block(span, counted), daily=_daily(counted, today),
        answers=_answers(span, answers),
        served=served, previous=previous, waiting=waiting, runs=_runs(),
        events_since=sum(n for (day, _, refused), (n, _u) in counted.items() if not refused and day >= made),
        events_since_whole=made >= first, **lists,
    )  # fmt: skip


def _signs() -> tuple[dict[str, Sign], dict[str, tuple[str, ...]], datetime | None]:
    """Signs of life, strategies of every placement, and when the last event happened, in one query."""
    signs: dict[str, Sign] = {}
    placements = {name: each.strategies for name, each in get_config().placements.items()}
    last: datetime | None = None
    for name, at, says, when in rows_of(Pulse, asked_signs):
        if not name.startswith(PLACEMENT):
            signs[name], last = Sign(at, says or {}), when
            continue
        own = name.removeprefix(PLACEMENT)
        placements[own] = tuple(says.get("strategies") or placements.get(own) or placements["default"])
    if not signs:  # nobody gave a sign yet: the only case in which it takes a query of its own
        last = newest_event().values_list("at", flat=True).first()
    return signs, placements, last


Counted = Mapping[tuple[date, str, str], tuple[int, int]]


def _events(sums: Sequence[tuple[Any, ...]]) -> Counted:
    """(day, kind, refused) -> events and unseen purchases."""
    return {(day, kind, refused): (int(n), int(u)) for day, kind, refused, _ms, n, u in sums}


def _by_block(span: Span, counted: Counted) -> list[EventRow]:
    found: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (day, kind, refused), (n, u) in counted.items():
        if day >= span.since:
            cell = found[span.block_of[day], kind, refused]
            cell[0] += n
            cell[1] += u
    return [EventRow(start, kind, refused, n, u) for (start, kind, refused), (n, u) in sorted(found.items())]


def _daily(counted: Counted, today: date) -> dict[date, int]:
    """Events of each whole day: from the first that has any, so that a young shop's days before it do not count."""
    since = today - timedelta(days=USUAL_DAYS)
    sums: Counter[date] = Counter()
    for (day, _kind, refused), (n, _unseen) in counted.items():
        if not refused and since <= day < today:
            sums[day] += n
    if not sums:
        return {}
    first = min(sums)
    return {day: sums[day] for i in range((today - first).days) for day in [first + timedelta(days=i)]}


Listed = tuple[int, Sequence[float]]  # the most distinct products of a day, and sums in the order of OF_LISTS


def _lists(span: Span) -> dict[str, Any]:
    """The fields of the board on lists: by block, by placement and variant, and of the days that are compared."""
    blocks: dict[date, Listed] = {}
    whole: dict[date, Listed] = {}
    placements, before, first = [], [], None
    start, middle, today = span.since, span.whole, span.until
    for day, part, placement, variant, most, *sums in list_sums(span):
        if part == BY_PLACEMENT:
            placements.append(_row(start, (most, sums), placement, variant))
        elif part == BEFORE:
            first = day
            before += [_row(span.before, (most, sums))] if sums[0] else []
        else:
            if day >= start:
                _add(blocks, span.block_of[day], (most, sums))
            if middle <= day < today:
                _add(whole, middle, (most, sums))
    return {
        "lists_by_block": [_row(block, found) for block, found in blocks.items()],
        "lists": sorted(placements, key=_named),
        "lists_whole": [_row(middle, found) for found in whole.values()],
        "lists_before": before,
        "lists_since": first,
    }


def _add(found: dict[date, Listed], key: date, more: Listed) -> None:
    known = found.get(key)
    found[key] = more if known is None else (max(known[0], more[0]), list(map(add, known[1], more[1])))


def _row(start: date, found: Listed, placement: str = "", variant: str = "") -> ListRow:
    most, sums = found
    n, x, xx, *rest = map(float, sums)
    outcomes = {outcome: Sums(n, x, xx, *rest[3 * i : 3 * i + 3]) for i, outcome in enumerate(OUTCOMES)}
    return ListRow(start, placement, variant, most, outcomes)


def _named(row: ListRow) -> tuple[str, str]:
    return row.placement, row.variant


def _answers(span: Span, sums: Sequence[tuple[Any, ...]]) -> Answers:
    ms: dict[date, Counter[int]] = defaultdict(Counter)
    stages: dict[date, Counter[str]] = defaultdict(Counter)
    places: dict[str, Counter[str]] = defaultdict(Counter)
    failed = 0
    for day, placement, stage, took, lists, bad in sums:
        n = int(lists)
        if day is None:
            places[placement][stage] += n
            failed += int(bad)
        else:
            start = span.block_of[day]
            stages[start][stage] += n
            ms[start][took] += n
    return Answers(ms, stages, places, failed)


def _versions() -> tuple[Version | None, Before | None, list[Version]]:
    """The version that is served, the one before it, and those that were never served; their long metrics stay."""
    served = previous = None
    waiting = []
    for pk, own, state, own_hash, created, promoted_at, verdict, *more in rows_of(
        ModelVersion, asked_versions
    ):
        is_current, before, learner, data_hash, test, together, again, before_test = more
        version = Version(
            str(pk), own, state, own_hash, created, promoted_at, verdict or {}, _by_k(test),
            together=bool(together), again=bool(again),
        )  # fmt: skip
        if not is_current:
            waiting.append(version)
            continue
        served = version
        if before:
            previous = Before(learner, data_hash, _by_k(before_test))
    return served, previous, waiting


def _by_k(test: Mapping[str, Any] | None) -> dict[int, tuple[float, float]]:
    return {int(k): (each["ndcg20"], each["se"]) for k, each in (test or {}).items()}


def _runs() -> list[Run]:
    return [Run(*row) for row in rows_of(TrainingRun, asked_runs)]
