"""There is one calendar, that of METAREC["TIME_ZONE"]: what is counted by it is read by it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from metarec_plugin.collect import quarantine
from metarec_plugin.feedback import rollup
from metarec_plugin.feedback.dashboard import read
from metarec_plugin.models import AnswerDay, EventDay, QuarantineOverflow
from metarec_plugin.serve import answers
from metarec_plugin.serve.slate import Slate
from tests.feedback.logs import did

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [("Asia/Shanghai", 18, date(2026, 11, 27)), ("America/New_York", 1, date(2026, 11, 25))],
)
def test_all_that_counts_days_counts_those_of_the_shop(settings, monkeypatch, zone, hour, day):
    settings.METAREC = {**settings.METAREC, "TIME_ZONE": zone}
    now = datetime(2026, 11, 26, hour, tzinfo=UTC)
    did("view", "oat", at=now - timedelta(minutes=5))
    rollup.roll_up(now=now)
    assert list(EventDay.objects.values_list("day", flat=True)) == [day]

    board = read(7, now=now)
    assert board.span.until == day
    assert sum(row.events for row in board.events) == 1

    counts = answers.Answers()
    monkeypatch.setattr(answers.timezone, "now", lambda: now)
    counts.add(Slate("s", (), "adapted", None, "home", ""), 0.003)
    counts.flush()
    assert AnswerDay.objects.get().day == day

    quarantine._count_missed("api", 3, now)
    assert QuarantineOverflow.objects.get().day == day


def test_days_are_counted_anew_where_the_shop_moves_to_another_zone(settings):
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    did("view", "oat", at=datetime(2026, 11, 20, 20, tzinfo=UTC))
    rollup.roll_up(now=now)
    assert EventDay.objects.get().day == date(2026, 11, 20)
    settings.METAREC = {**settings.METAREC, "TIME_ZONE": "Asia/Shanghai"}
    rollup.roll_up(now=now)
    assert EventDay.objects.get().day == date(2026, 11, 21)
