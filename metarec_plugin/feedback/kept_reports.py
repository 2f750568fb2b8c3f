"""Reports that a task measures and keeps: of large experiments, which no page could read, and of all that ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from metarec_plugin.collect import pulses
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.claim import Lost, take
from metarec_plugin.feedback.measuring import from_json, measure
from metarec_plugin.feedback.reporting import judge, report
from metarec_plugin.feedback.result import Report
from metarec_plugin.models import Experiment, Exposure, Pulse

log = logging.getLogger(__name__)
LARGE = 2_000  # subjects from which a report is no work for a page
SECONDS = (
    240.0  # after which no further experiment is begun: the next call goes on with those that waited longest
)
# After its end an experiment is measured once a day, since orders and returns come late; then what is kept stays. It is
# measured by impressions, which are deleted no sooner than eight days after the end.
AGAIN, SETTLED = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class Known:
    """A report and the moment that it is of. kept: by the task, not worked out now."""

    report: Report
    at: datetime
    kept: bool = False


def keep_reports(now: datetime | None = None) -> dict[str, Any]:
    """Measure large experiments that run, and all that ended lately, and keep what their reports are made of.

    Returns kept, left for the next call, and busy where another worker is at it.
    """
    claim = take(pulses.EXPERIMENTS)
    if claim is None:
        return {"kept": 0, "left": 0, "busy": True}
    began, kept, left = time.perf_counter(), 0, 0
    try:
        # One that was large stays measured when erasures make it small: its report is the one that is read.
        known_before = set(known_of(Experiment.objects.exclude(started_at=None)))
        for row in _due(now or timezone.now()):
            if time.perf_counter() - began > SECONDS:
                left += 1
            elif row.stopped_at is not None or row.pk in known_before or is_large(row):
                kept += _kept(row)
                claim.hold()
        claim.release()
    except Lost:
        log.warning("reports taken over by another worker kept=%d", kept)
        return {"kept": kept, "left": left, "busy": True}
    except BaseException:
        claim.give_up()
        raise
    return {"kept": kept, "left": left, "busy": False}


def _kept(row: Experiment) -> bool:
    """Measure one and keep it. A failure is logged: the others wait for their turn, and it comes again."""
    try:
        _keep(row)
    except Exception:
        log.exception("report not measured experiment=%s", row.pk)
        return False
    return True


def known_of(rows: Iterable[Experiment]) -> dict[int, Known]:
    """The kept reports of some experiments, by key, said in the language of whoever asks. One query."""
    by_name = {pulses.experiment(row.pk): row for row in rows if row.started_at is not None}
    found = {}
    for pulse in Pulse.objects.filter(pk__in=by_name) if by_name else ():
        row = by_name[pulse.pk]
        if pulse.says.get("started") == _start_of(row):
            found[row.pk] = Known(judge(row, from_json(pulse.says["measured"])), pulse.at, kept=True)
    return found


def known(row: Experiment) -> Known | None:
    """The report of an experiment: the kept one, or of a small one made now; None where a task has to measure it first.

    The work of this is bounded, so a page may wait for it.
    """
    found = known_of([row]).get(row.pk)
    if found is None and not is_large(row):
        return Known(report(row), timezone.now())
    return found


def is_large(row: Experiment) -> bool:
    """Whether it has LARGE subjects at least; counts no more of them."""
    return Exposure.objects.filter(experiment=row)[:LARGE].count() >= LARGE


def is_gone(row: Experiment, now: datetime) -> bool:
    """Whether what an ended experiment is measured by may be deleted (retention.expire): a look finds too little."""
    days = get_config().impression_days
    return days is not None and row.stopped_at is not None and now - row.stopped_at >= timedelta(days=days)


def _due(now: datetime) -> list[Experiment]:
    """Those to be measured: the ones that never were before those that waited longest."""
    kept = Pulse.objects.filter(pk__startswith=pulses.EXPERIMENT)
    at = dict(kept.values_list("pk", "at"))
    rows = {pulses.experiment(row.pk): row for row in Experiment.objects.exclude(started_at=None)}
    if gone := set(at) - set(rows):  # such as of one that was deleted while it was measured
        kept.filter(pk__in=gone).delete()
    due = [name for name, row in rows.items() if _is_due(row, at.get(name), now)]
    due.sort(key=lambda name: (name in at, at.get(name, now)))
    return [rows[name] for name in due]


def _is_due(row: Experiment, at: datetime | None, now: datetime) -> bool:
    if is_gone(row, now):
        return False
    if row.stopped_at is None or at is None or at <= row.stopped_at:
        return True
    return now - row.stopped_at < SETTLED and now - at >= AGAIN


def _keep(row: Experiment) -> None:
    began, at = time.perf_counter(), timezone.now()
    measured = measure(row).as_json()
    seconds = round(time.perf_counter() - began, 3)
    pulses.beat(pulses.experiment(row.pk), at=at, started=_start_of(row), measured=measured, seconds=seconds)
    log.info("measured experiment=%s seconds=%.1f", row.name, seconds)


def _start_of(row: Experiment) -> str:
    return row.started_at.isoformat() if row.started_at else ""
