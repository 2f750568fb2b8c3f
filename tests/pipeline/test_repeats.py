"""A run on a shop where people buy again: every version carries the term, and what it says is measured."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin import recommend
from metarec_plugin.adapt.repeats import BuyAgain
from metarec_plugin.collect.sync import sync
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, ModelVersion
from metarec_plugin.pipeline import runs
from metarec_plugin.pipeline.repeats import read_run
from metarec_plugin.pipeline.train import train_run
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.serve import current
from shop.models import Order, OrderLine
from tests.pipeline.conftest import PlantedShop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(current, "_served", current.Served())
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "TRAIN_SECONDS": 2, "DEVICE": "cpu"}


@pytest.fixture
def loyal(planted: PlantedShop) -> PlantedShop:
    """The planted shop, in which every member orders their first three products four times more."""
    for i, member in enumerate(planted.members):
        first = list(OrderLine.objects.filter(order__owner=member).order_by("pk")[:3])
        for week in range(4):
            placed_at = timezone.now() - timedelta(days=60 - 10 * week, hours=-i)
            order = Order.objects.create(owner=member, status=Order.Status.PAID, placed_at=placed_at, total=3)
            OrderLine.objects.bulk_create(
                OrderLine(order=order, product=line.product, quantity=1, price=2) for line in first
            )
    sync(full=True)
    return planted


def test_a_run_reads_the_log_as_it_is_read_without_repeats(loyal):
    alone = dataset_from_log(0)
    dataset, again = read_run(0)
    assert dataset.hash == alone.hash
    assert dataset.source == alone.source
    for side in ("train", "validation", "test"):
        ours, theirs = getattr(dataset, side), getattr(alone, side)
        assert np.array_equal(ours.at, theirs.at)
        assert (ours.min_query, ours.occurrences) == (theirs.min_query, None)
    assert again is not None
    assert again.test.occurrences is not None


def test_every_version_carries_a_term_that_pays(loyal):
    run = runs.execute(runs.create_run(learners=("closed_form",)).pk, train_run, lambda *_: None)
    for version in ModelVersion.objects.filter(run=run):
        bundle = read_bundle(get_config().artifacts, version.pk, version.sha256)
        assert BuyAgain(bundle.arrays).known, version.learner
        said = version.metrics["training"]["buy_again"]["10"]
        assert said["ndcg20"] > said["ndcg20_alone"] + 0.02
    member = loyal.members[0]
    subject = f"user:{member.user_id}"
    kept = set(Event.objects.filter(subject=subject).order_by("-at").values_list("product", flat=True)[:3])
    assert {entry.key for entry in recommend(subject, placement="again", k=3)} == kept


def test_where_nobody_buys_twice_no_version_has_the_term(planted):
    dataset, again = read_run(0)
    assert again is None
    assert dataset.hash == dataset_from_log(0).hash
    run = runs.execute(runs.create_run(learners=("closed_form",)).pk, train_run, lambda *_: None)
    for version in ModelVersion.objects.filter(run=run):
        bundle = read_bundle(get_config().artifacts, version.pk, version.sha256)
        assert not any(name.startswith("repeat.") for name in bundle.arrays)
