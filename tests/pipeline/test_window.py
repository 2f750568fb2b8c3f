"""A run may learn from the last days only: its dataset, and what is bought together, begin there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from metarec_plugin.exceptions import ConfigurationError, InvalidData
from metarec_plugin.models import Event
from metarec_plugin.pipeline import runs
from metarec_plugin.pipeline.repeats import read_run
from metarec_plugin.pipeline.train import check_choices, window_of
from metarec_plugin.preprocess.baskets import baskets_from_log
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.preprocess.log import read_log


def subjects_of(dataset) -> set[str]:
    return {str(each) for side in (dataset.train, dataset.validation, dataset.test) for each in side.subjects}


def test_the_window_reaches_the_dataset_and_its_source_says_it(planted):
    moments = sorted(Event.objects.values_list("at", flat=True).distinct())
    since = moments[50]  # a hundred members bought from there on
    dataset, _ = read_run(0, since)
    inside = set(Event.objects.filter(at__gte=since).values_list("subject", flat=True))
    assert subjects_of(dataset) == inside
    assert dataset.source["since"] == since.isoformat()
    assert dataset.source["rows"] == Event.objects.filter(at__gte=since).count()
    assert {str(each) for each in baskets_from_log(dataset).subjects} <= inside
    whole = dataset_from_log(0)
    assert whole.source["since"] is None
    assert whole.hash != dataset.hash
    assert len(subjects_of(whole)) == 150


def test_a_window_without_events_is_said_with_its_first_day(planted):
    since = timezone.now() - timedelta(days=1)
    assert len(read_log(["purchase"], returns=True, since=since)) == len(read_log(None, since=since)) == 0
    with pytest.raises(InvalidData, match=f"holds no purchase since {since:%Y-%m-%d}"):
        read_run(0, since)


@pytest.mark.django_db
def test_each_attempt_of_a_run_begins_at_the_same_moment():
    run = runs.create_run(days=30, asked_by="ada")
    assert window_of(run) == run.created - timedelta(days=30)
    assert run.asked_by == "ada"
    assert window_of(runs.create_run()) is None


@pytest.mark.django_db
def test_a_window_of_no_day_is_refused_before_any_work():
    with pytest.raises(ConfigurationError, match="1 day or more; found 0"):
        check_choices(runs.create_run(days=0))
