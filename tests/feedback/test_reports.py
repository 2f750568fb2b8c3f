"""A report says no more than the split and the design allow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from metarec_plugin.feedback.reporting import report
from metarec_plugin.feedback.statistics import Moments, compare_at_horizon
from tests.feedback.logs import ago, click, did, draft, experiment, expose, filled, people, show

pytestmark = pytest.mark.django_db


def test_a_wrong_split_is_told_before_and_instead_of_figures():
    found = report(filled(140, 60, bought=(5, 50), horizon=100))
    assert found.status == "ratio"
    assert "no figures" in found.verdict
    assert [(row.subjects, row.figures) for row in found.rows] == [(140, ()), (60, ())]


def test_a_subject_of_no_variant_is_a_wrong_split():
    found = filled(50, 50, horizon=100)
    expose(found, "gone", "user:x")
    assert report(found).status == "ratio"


def test_before_its_horizon_a_fixed_test_compares_nothing():
    found = report(filled(30, 30, bought=(2, 25), horizon=100))
    assert (found.status, found.verdict) == ("early", "Too early: 60 of 100 subjects.")
    assert all(figure.comparison is None for row in found.rows for figure in row.figures)
    assert found.rows[1].figure("conversion").value == pytest.approx(25 / 30)


def test_at_its_horizon_a_fixed_test_says_what_differs():
    found = report(filled(50, 50, bought=(5, 30), horizon=100))
    assert found.status == "different"
    assert found.verdict == "bold is above control in conversion."
    compared = found.rows[1].figure("conversion").comparison
    assert (compared.difference, compared.lift) == (pytest.approx(0.5), pytest.approx(5.0))
    assert 0.3 < compared.low < 0.5 < compared.high < 0.7
    assert found.rows[1].figure("revenue").value == pytest.approx(6.0)
    assert found.rows[0].figure("conversion").comparison is None


def test_a_fixed_test_reads_its_first_subjects_only():
    found = filled(50, 50, bought=(10, 10), horizon=100)
    late = [f"user:late-{number}" for number in range(40)]
    expose(found, "control", *late[:20])
    expose(found, "bold", *late[20:])
    for subject in late[20:]:
        did("purchase", "oat", by=subject, at=ago(days=1), price=10)
    read = report(found)
    assert read.subjects == 140
    assert read.rows[1].figure("conversion").value == pytest.approx(10 / 50)
    assert read.status == "none"
    assert any("first 100 subjects" in note for note in read.notes)
    assert any("chance of 80%" in note for note in read.notes)


def test_a_sequential_test_speaks_at_any_time_once_there_are_enough():
    few = report(filled(60, 60, bought=(5, 50), design="sequential", horizon=0))
    assert few.status == "open"
    assert "fewer than 100" in few.rows[1].figure("conversion").comparison.note
    found = report(
        filled(150, 150, bought=(15, 90), design="sequential", horizon=0, name="b", placement="product")
    )
    assert found.status == "different"


def test_a_difference_of_an_aa_test_is_called_a_false_alarm():
    found = report(filled(50, 50, bought=(5, 30), horizon=100, mode="aa"))
    assert "A/A" in found.verdict
    assert "false alarm" in found.verdict
    assert "about 5%" in found.verdict
    calm = report(filled(50, 50, bought=(9, 10), horizon=100, mode="aa", name="b", placement="product"))
    assert calm.verdict.startswith("This is an A/A test")
    assert "false alarm" not in calm.verdict


def test_several_variants_share_the_chance_of_an_alarm():
    found = experiment(shares=(0.4, 0.3, 0.3), horizon=100)
    for variant, n in (("control", 40), ("bold", 30), ("calm", 30)):
        expose(found, variant, *people(variant, n))
        for subject in people(variant, n)[:10]:
            did("purchase", "oat", by=subject, at=ago(days=1))
    read = report(found)
    control, bold = Moments(40, 10, 10, binary=True), Moments(30, 10, 10, binary=True)
    assert read.rows[1].figure("conversion").comparison == compare_at_horizon(control, bold, alpha=0.025)
    unadjusted = compare_at_horizon(Moments(40, binary=True), Moments(30, binary=True))
    assert read.rows[1].figure("attributed_conversion").comparison == unadjusted
    assert any("2 comparisons together" in note for note in read.notes)
    assert any("30 purchases have no price" in note for note in read.notes)


def test_clicks_count_on_the_placement_and_figures_say_which():
    found = filled(20, 20, horizon=40, goal="click")
    for number in range(10):
        show(f"s{number}", "oat", to=f"user:lift-bold-{number}", at=ago(days=3), variant="bold")
        click(f"s{number}", "oat", by=f"user:lift-bold-{number}", at=ago(days=2))
    read = report(found)
    assert [row.figure("click").value for row in read.rows] == [0, 0.5]
    assert read.verdict == "bold is above control in click."
    assert "no relative lift" in read.rows[1].figure("click").comparison.note


def test_a_draft_and_an_empty_experiment_have_a_report():
    assert report(draft(variants={"odd": 1})).status == "draft"
    assert report(experiment("b")).status == "empty"


def test_a_report_is_asked_in_so_many_queries(django_assert_num_queries):
    found = filled(50, 50, bought=(5, 30), horizon=100)
    with django_assert_num_queries(5):  # counts; exposures, events, touches; who crossed
        report(found)


def test_a_report_is_json_with_unknown_bounds_as_null():
    found = report(filled(60, 60, design="sequential", horizon=0)).as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["rows"][1]["figures"][0]["comparison"]["low"] is None
    keys = list(found)
    assert keys.index("sample_ratio") < keys.index("rows")
    assert found["sample_ratio"]["alarm"] is False


def test_before_its_horizon_a_stopped_test_stays_without_a_verdict():
    found = report(filled(30, 30, bought=(2, 25), horizon=100, state="stopped", stopped_at=ago(hours=1)))
    assert found.verdict == "Too early: 60 of 100 subjects. It was stopped before its horizon."


def test_a_web_process_reports_without_the_libraries_of_workers():
    code = (
        "import sys, django; django.setup(); "
        "import metarec_plugin.feedback.experiments, metarec_plugin.feedback.power; "
        "print(*[name for name in ('scipy', 'torch', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
