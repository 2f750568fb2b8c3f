"""Experiments are checked before they start, run one a placement, and say no more than their design allows."""

from __future__ import annotations

import json
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.experiments import report, start, stop, validate
from metarec_plugin.feedback.statistics import Moments, compare_at_horizon
from metarec_plugin.models import Experiment, ModelVersion
from metarec_plugin.serve.placements import check_options
from tests.feedback.logs import ago, click, did, experiment, expose, show

pytestmark = pytest.mark.django_db
HALVES = [{"name": "control", "share": 0.5}, {"name": "bold", "share": 0.5, "options": {"diversity": 0}}]


def bold(**values) -> list:
    return [HALVES[0], {**HALVES[1], **values}]


def test_variants_that_can_be_are_accepted():
    version = ModelVersion.objects.create(learner="mixture")
    validate(HALVES, "home", check_options)
    validate(bold(version=str(version.pk)), "home", check_options)
    validate([{"name": str(n), "share": 0.1} for n in range(10)], "home", check_options)


@pytest.mark.parametrize(
    ("variants", "says"),
    [
        ([], "at least two"),
        (HALVES[:1], "at least two"),
        ({"control": 1}, "at least two"),
        (["control", "bold"], "is a dict"),
        ([{"name": "control"}, HALVES[1]], "is a dict"),
        (bold(sharing=1), "is a dict"),
        (bold(name="control"), "name of its own"),
        (bold(name="b old"), "letters"),
        (bold(name=""), "letters"),
        (bold(name="x" * 41), "letters"),
        (bold(name=["bold"]), "letters"),
        (bold(share=0.6), "at most 1"),
        (bold(share=0), "above 0"),
        (bold(share=-0.1), "above 0"),
        (bold(share=float("nan")), "above 0"),
        (bold(share=True), "above 0"),
        (bold(share="0.5"), "above 0"),
        (bold(options={"diversity": 7}), "'bold'"),
        (bold(options={"__class__": 1}), "'bold'"),
        (bold(options={"filters": [{"feature": "pk__in", "op": "is", "value": 1}]}), "'bold'"),
        (bold(options=[1]), "are a dict"),
        (bold(version="newest"), "id of a model version"),
        (bold(version=str(uuid.uuid4())), "not there"),
    ],
)
def test_variants_that_cannot_be_are_refused_with_a_reason(variants, says):
    with pytest.raises(InvalidRule, match=says):
        validate(variants, "home", check_options)


def test_a_version_whose_bundle_was_deleted_is_refused():
    version = ModelVersion.objects.create(learner="mixture", pruned_at=timezone.now())
    with pytest.raises(InvalidRule, match="deleted"):
        validate(bold(version=str(version.pk)), "home", check_options)


def draft(name: str = "lift", **values) -> Experiment:
    return experiment(name, **{"state": "draft", "started_at": None, "variants": HALVES, **values})


def test_a_draft_starts_with_a_salt_of_its_own():
    first, second = draft("a"), draft("b", placement="product")
    for each in (first, second):
        start(each, check_options=check_options, by="ada")
    assert (first.state, first.updated_by) == ("running", "ada")
    assert first.started_at is not None
    assert len({first.salt, second.salt, ""}) == 3


def test_one_experiment_a_placement_runs_at_a_time():
    start(draft("a"), check_options=check_options)
    second = draft("b")
    with pytest.raises(InvalidRule, match="'a' runs on placement 'home' already"):
        start(second, check_options=check_options)
    second.refresh_from_db()
    assert second.state == "draft"
    stop(Experiment.objects.get(name="a"))
    start(second, check_options=check_options)


def test_what_was_started_or_stopped_does_not_start_again():
    found = draft()
    start(found, check_options=check_options)
    with pytest.raises(InvalidRule, match="is running"):
        start(found, check_options=check_options)
    stop(found)
    assert found.stopped_at is not None
    with pytest.raises(InvalidRule, match="is stopped"):
        start(found, check_options=check_options)
    with pytest.raises(InvalidRule, match="does not run"):
        stop(found)


@pytest.mark.parametrize(
    "values",
    [
        {"variants": bold(options={"size": -1})},
        {"horizon": 0},
        {"goal": "fame"},
        {"design": "x"},
        {"mode": "x"},
    ],
)
def test_a_draft_that_cannot_be_stays_one(values):
    found = draft(**values)
    with pytest.raises(InvalidRule):
        start(found, check_options=check_options)
    found.refresh_from_db()
    assert (found.state, found.salt) == ("draft", "")


def test_a_sequential_design_needs_no_horizon():
    assert start(draft(horizon=0, design="sequential"), check_options=check_options).state == "running"


def people(variant: str, n: int, of: str = "lift") -> list[str]:
    return [f"user:{of}-{variant}-{number}" for number in range(n)]


def filled(control: int, bold: int, *, bought: tuple[int, int] = (0, 0), **values) -> Experiment:
    """An experiment with subjects, of whom so many bought for 10."""
    found = experiment(**values)
    for variant, n, buyers in (("control", control, bought[0]), ("bold", bold, bought[1])):
        subjects = people(variant, n, found.name)
        expose(found, variant, *subjects)
        for subject in subjects[:buyers]:
            did("purchase", "oat", by=subject, at=ago(days=1), price=10)
    return found


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
    assert "no lift" in read.rows[1].figure("click").comparison.note


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


def ran(*arguments: str) -> str:
    out = StringIO()
    call_command("metarec_experiment", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_starts_reports_and_stops():
    assert "no experiment" in ran("list")
    draft()
    assert ran("list").split()[:4] == ["lift", "draft", "home", "fixed"]
    assert ran("start", "lift") == "lift is running.\n"
    assert json.loads(ran("list", "--json"))[0]["state"] == "running"
    assert "Nobody was answered" in ran("report", "lift")
    assert json.loads(ran("stop", "lift", "--json"))["state"] == "stopped"


def test_the_command_prints_the_split_first_and_then_the_figures():
    filled(50, 50, bought=(5, 30), horizon=100)
    lines = ran("report", "lift").splitlines()
    assert lines[1] == "split: p = 1"
    assert lines[2] == "bold is above control in conversion."
    [line] = [line for line in lines if line.strip().startswith("conversion") and "[" in line]
    assert line.split()[:4] == ["conversion", "60.00%", "+50.00", "points"]
    assert json.loads(ran("report", "lift", "--json"))["status"] == "different"


def test_the_command_says_what_is_wrong():
    with pytest.raises(CommandError, match="no experiment 'x'"):
        ran("report", "x")
    draft(horizon=0)
    with pytest.raises(CommandError, match="needs its horizon"):
        ran("start", "lift")
    with pytest.raises(CommandError, match="does not run"):
        ran("stop", "lift")
