"""Experiments are checked before they start, run one a placement, and stop for good."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.experiments import start, stop, validate
from metarec_plugin.models import Experiment, ModelVersion
from metarec_plugin.serve.placements import check_options
from tests.feedback.logs import HALVES, draft

pytestmark = pytest.mark.django_db


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
