"""Reports of large experiments: measured by a task, kept, and said again in any language without reading a shopper."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from metarec_plugin import tasks
from metarec_plugin.collect import pulses
from metarec_plugin.feedback import claim, kept_reports, reporting
from metarec_plugin.feedback.experiments import stop
from metarec_plugin.feedback.kept_reports import keep_reports, known, known_of
from metarec_plugin.feedback.measuring import from_json, measure
from metarec_plugin.feedback.reporting import judge, report
from metarec_plugin.models import Experiment, Exposure, Pulse
from tests.feedback.logs import did, draft, expose, filled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_shop(monkeypatch):
    monkeypatch.setattr(kept_reports, "LARGE", 50)


def kept(row) -> Pulse | None:
    return Pulse.objects.filter(pk=f"experiment:{row.pk}").first()


def aged(row, **units: float) -> None:
    Pulse.objects.filter(pk=f"experiment:{row.pk}").update(at=timezone.now() - timedelta(**units))


@pytest.mark.parametrize("design", ["fixed", "sequential"])
@pytest.mark.parametrize(
    ("sizes", "horizon"), [((50, 50), 100), ((50, 50), 400), ((140, 60), 100), ((0, 0), 10), ((3, 3), 6)]
)
def test_what_was_measured_says_the_same_after_it_was_kept(design, sizes, horizon):
    bought = (sizes[0] // 10, sizes[1] // 2)
    row = filled(*sizes, bought=bought, horizon=horizon, design=design)
    again = from_json(json.loads(json.dumps(measure(row).as_json())))
    assert judge(row, again) == report(row)


def test_a_draft_is_read_as_one():
    assert judge(draft(), measure(draft("other"))).status == "draft"


def test_a_small_one_is_worked_out_at_once_and_a_large_one_waits_for_the_task():
    small, large = filled(20, 20, horizon=20), filled(30, 30, name="large", placement="cart", horizon=60)
    assert known(small).report == report(small)
    assert known(large) is None
    assert keep_reports() == {"kept": 1, "left": 0, "busy": False}
    assert kept(small) is None
    assert known(large).report == report(large)
    assert known(large).kept


def test_a_kept_report_is_read_in_one_query_and_of_its_moment(django_assert_num_queries):
    row = filled(30, 30, bought=(3, 20), horizon=60)
    keep_reports()
    at = kept(row).at
    for n in range(20):
        did("purchase", "oat", by=f"user:lift-control-{n}", at=timezone.now(), price=10)
    with django_assert_num_queries(1):
        found = known(row)
    assert found.at == at
    assert found.report.verdict == "bold is above control in conversion."
    tasks.report_experiments()
    assert kept(row).at > at
    assert known(row).report == report(row)
    assert known(row).report.verdict != found.report.verdict


def test_it_is_said_in_the_language_of_whoever_reads_it(monkeypatch):
    row = filled(30, 30, bought=(3, 20), horizon=60)
    keep_reports()
    monkeypatch.setitem(reporting.WORDS, "conversion", "Kauf")
    assert known(row).report.verdict == "bold is above control in Kauf."


def test_it_goes_with_its_experiment_and_is_never_said_of_another():
    row = filled(30, 30, horizon=60)
    keep_reports()
    Experiment.objects.update(started_at=timezone.now())  # as another one under the same key would be
    assert known_of([Experiment.objects.get()]) == {}
    Experiment.objects.all().delete()
    assert kept(row) is None
    pulses.beat("experiment:987654", started="", measured={})  # of one that went while it was measured
    keep_reports()
    assert not Pulse.objects.filter(pk="experiment:987654").exists()


def test_a_stopped_one_is_measured_again_until_late_orders_have_come():
    row = filled(30, 30, horizon=60)
    keep_reports()
    stop(row)
    assert known(row).report.state == "running"  # of that moment, which is said beside it
    assert keep_reports()["kept"] == 1
    assert known(row).report.state == "stopped"
    assert keep_reports()["kept"] == 0
    now = timezone.now()
    assert keep_reports(now + timedelta(days=2))["kept"] == 1
    assert keep_reports(now + timedelta(days=8))["kept"] == 0


def test_what_a_small_one_ended_with_stays_after_its_rows_are_deleted():
    row = filled(20, 20, bought=(1, 15), horizon=40)
    stop(row)
    assert keep_reports()["kept"] == 1
    said = known(row).report
    Experiment.objects.update(stopped_at=timezone.now() - timedelta(days=91))
    aged(row, days=200)  # of before its end: it would be measured again
    row.refresh_from_db()
    Exposure.objects.all().delete()
    assert keep_reports()["kept"] == 0
    assert known(row).report.verdict == said.verdict


def test_only_one_worker_is_at_it_and_one_that_died_is_taken_over(monkeypatch):
    row = filled(30, 30, horizon=60)
    held = claim.take(pulses.EXPERIMENTS)
    assert keep_reports() == {"kept": 0, "left": 0, "busy": True}
    assert kept(row) is None
    monkeypatch.setattr(claim, "LEASE", timedelta(0))
    assert keep_reports()["kept"] == 1
    with pytest.raises(claim.Lost):
        held.hold()


def test_a_failure_of_one_is_logged_and_keeps_none_of_the_others(monkeypatch, caplog):
    broken, whole = (filled(30, 30, name=name, placement=name, horizon=60) for name in ("broken", "whole"))
    measure = kept_reports.measure
    with monkeypatch.context() as failing:
        failing.setattr(kept_reports, "measure", lambda row: 1 / 0 if row == broken else measure(row))
        assert keep_reports()["kept"] == 1
    assert f"report not measured experiment={broken.pk}" in caplog.text
    assert kept(broken) is None
    assert kept(whole) is not None
    assert keep_reports()["kept"] == 2
    assert kept(broken) is not None


def test_one_that_was_large_stays_measured_when_it_is_small(monkeypatch):
    row = filled(30, 30, horizon=60)
    keep_reports()
    aged(row, hours=1)
    before = kept(row).at
    monkeypatch.setattr(kept_reports, "is_large", lambda row: False)
    assert keep_reports()["kept"] == 1
    assert kept(row).at > before


def test_without_time_the_one_that_waited_longest_goes_first(monkeypatch):
    rows = [filled(30, 30, name=name, placement=name, horizon=60) for name in ("one", "two", "three")]
    keep_reports()
    aged(rows[0], hours=1)
    aged(rows[1], hours=3)
    order = []
    monkeypatch.setattr(kept_reports, "_keep", lambda row: order.append(row.name))
    keep_reports()
    assert order == ["two", "one", "three"]
    monkeypatch.setattr(kept_reports, "SECONDS", 0.0)
    assert keep_reports() == {"kept": 0, "left": 3, "busy": False}


def test_the_roll_up_s_command_does_it_too(capsys):
    row = filled(30, 30, horizon=60)
    expose(row, "control", "user:late")
    call_command("metarec_rollup", verbosity=0)
    assert "Large experiments: 1 reports worked out, 0 left" in capsys.readouterr().out
    assert kept(row).says["measured"]["counts"] == {"control": 31, "bold": 30}
